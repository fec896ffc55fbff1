import { join } from 'node:path';
import type { DamageReport } from '../../disk/damage-report.ts';
import type { FileSystem } from '../../disk/file-system.ts';
import { writeAgain } from '../../disk/write-again.ts';
import type { Log } from '../../log.ts';
import { scanRest } from './spool-damage.ts';
import { decodeBatches, SEGMENT_NAMES, type SpoolEntry } from './spool-format.ts';
import { readWindow } from './spool-window.ts';

/*
 * What a start makes of a spool folder:
 *
 * 1. Each segment but the last is as long as its file. Its entries are checked when they are read.
 * 2. The last segment ends after its last whole entry. What follows is cut off: a write that did not finish, so its
 *    batches were never acknowledged, or damaged bytes, which are kept elsewhere first.
 *    Its last write is written again and synced. A write whose sync failed may be here and not on the disk, and nothing
 *    was written to the segment after it. What came before was synced.
 * 3. The tail is the sequence after the last entry, or the saved head where that is larger: then everything was
 *    delivered and its segments were deleted. They are deleted before the head is saved, so a head after the last entry of
 *    segments that are there is not a number that was saved: a version before wrote half of one on top of another. It
 *    counts as 0.
 * 4. The head is the saved head, but not before the first segment, since what came earlier was deleted after it was
 *    delivered, and not after the tail.
 * 5. Segments that lie before the head are deleted.
 *
 * A damaged entry is corrected when one bit of it is wrong. Otherwise its batch is lost, and reading continues with the
 * next valid entry.
 */

export interface Segment {
  /** Sequence of its first entry. */
  readonly first: number;
  readonly path: string;
  /** Committed length in bytes. */
  bytes: number;
}

export interface RecoveredSpool {
  /** Oldest first. Rule 5 is left to the caller. */
  readonly segments: Segment[];
  readonly head: number;
  readonly tail: number;
}

export async function recoverSpool(options: {
  readonly dir: string;
  readonly savedHead: number;
  readonly files: FileSystem;
  readonly report: DamageReport;
  readonly log: Log;
}): Promise<RecoveredSpool> {
  const { dir, savedHead, files } = options;
  const segments: Segment[] = [];
  for (const first of await SEGMENT_NAMES.list(dir)) {
    const path = join(dir, SEGMENT_NAMES.of(first));
    segments.push({ first, path, bytes: (await files.size(path)) ?? 0 });
  }
  const last = segments.at(-1);
  const end = last === undefined ? savedHead : await endLastSegment(last, options);
  const isWrong = savedHead > end && segments.some(({ bytes }) => bytes > 0);
  const knownHead = isWrong ? 0 : savedHead;
  const tail = Math.max(knownHead, end);
  const head = Math.min(tail, Math.max(knownHead, segments[0]?.first ?? knownHead));
  return { segments, head, tail };
}

/** Rule 2. Gives the sequence after the last whole entry. */
async function endLastSegment(
  segment: Segment,
  { files, report, log }: { readonly files: FileSystem; readonly report: DamageReport; readonly log: Log },
): Promise<number> {
  const { path, bytes: size } = segment;
  const fd = await files.open(path);
  try {
    let position = 0;
    let sequence = segment.first;
    let lastWrite = 0;
    const pass = ({ after, bytes }: SpoolEntry, end: number): void => {
      if (after === 0) lastWrite = end - bytes;
      position = end;
    };
    for (;;) {
      const window = await readWindow(files, fd, position, size);
      const entries = decodeBatches(window, sequence, Number.MAX_SAFE_INTEGER);
      if (entries.length === 0) break;
      sequence += entries.length;
      for (const entry of entries) pass(entry, position + entry.bytes);
    }
    if (position < size) {
      const rest = await scanRest({ files, fd, path, report, position, size, sequence, isLast: true });
      sequence = rest.nextSequence;
      for (const entry of rest.entries) pass(entry, entry.fileEnd);
      if (!rest.isKept) position = size;
      if (rest.tornBytes > 0) {
        log.warn('cut off a write to the spool that did not finish', { file: path, bytes: rest.tornBytes });
      }
    }
    if (position < size) {
      await files.truncate(path, position);
    }
    // A process that died may not have synced it, and from now on it counts.
    if (size > 0) await writeAgain(files, fd, { from: lastWrite, size: position });
    segment.bytes = position;
    return sequence;
  } finally {
    await files.close(fd);
  }
}
