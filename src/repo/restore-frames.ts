import { dirname } from 'node:path';
import type { DamageReport } from '../disk/damage-report.ts';
import { type FileSystem, readFully, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import type { CompressedHourFile } from './data-files.ts';
import { type FramesLength, keepWholeFrames, NO_FRAMES } from './frames-file.ts';
import { countLines, decodeTrailer, encodeFrames, FILE_START, resemblesTrailer, TRAILER_BYTES } from './hour-frames.ts';
import type { Entry } from './journal-reader.ts';
import type { InlineWrite } from './restore.ts';

/*
 * A small commit to a compressed hour is durable in its journal entry, and becomes a part of a frame later, which is synced later still.
 * So after a crash the end of the file may be anything. The journal names a length up to which the file was synced, its base; from there
 * on the frames are made again from the lines in the journal.
 */

/** Up to where each compressed hour was synced, by the entries of the journal. */
export function syncedFrames(entries: readonly Entry[]): Map<CompressedHourFile, FramesLength> {
  const synced = new Map<CompressedHourFile, FramesLength>();
  for (const { meta } of entries) {
    const isSnapshot = meta.store !== undefined;
    for (const [file, length, inline, lines] of meta.files ?? []) {
      if (file.kind !== 'compressed hour' || lines === undefined) continue;
      // A file that was adopted counts as it was found, from the note that follows.
      if (length === 0 && lines.logical === 0) {
        synced.delete(file);
        continue;
      }
      // The first entry of those that are left: before the older segments went, all that it names was synced. Later ones without
      // inline data name what was synced in the file itself.
      const isSynced = !isSnapshot && inline === 0 && lines.framed === lines.logical;
      if (isSynced || !synced.has(file)) synced.set(file, { length, lines: lines.framed });
    }
  }
  return synced;
}

export interface RestoredFrames {
  readonly frames: FramesLength;
  /** By how many bytes of lines less than in the journal the hour is. More than 0 only when lines are lost. */
  readonly missing: number;
  /** Frames were found that the journal does not know. */
  readonly hasUnknown: boolean;
}

/**
 * Makes a compressed hour as the journal says: cuts it to its base and writes the frames of the lines after it. Undefined when the file
 * is not as its base says: somebody shortened, deleted or replaced it. `closesGaps`: the journal lost entries, so sound frames after the
 * base stay, and lines after a gap are written nevertheless.
 */
export async function restoreFrames(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly base: FramesLength;
  readonly logical: number;
  readonly writes: readonly InlineWrite[];
  readonly durable: boolean;
  readonly closesGaps?: DamageReport | undefined;
}): Promise<RestoredFrames | undefined> {
  const { files, path, writes, durable, closesGaps } = options;
  // The beginning of a file that has no lines was not synced.
  const base = options.base.lines === 0 ? NO_FRAMES : options.base;
  const found = await files.size(path);
  if (found === undefined && base.length > 0) return undefined;
  await makeFolder(files, dirname(path), durable);
  const fd = await files.open(path);
  try {
    if (!(await endsAt(files, fd, base))) return undefined;
    const start = closesGaps ? await keepWholeFrames({ files, fd, path, from: base, report: closesGaps }) : base;
    if (files.statusOf(fd).size > start.length) await files.truncateOpen(fd, start.length);
    const { lines, end, gap } = linesAfter(start.lines, writes, closesGaps !== undefined);
    const encoded = await encodeFrames(
      lines.map((piece) => ({ lines: piece, records: countLines(piece) })),
      start.lines,
    );
    const buffers = start.length === 0 ? [FILE_START, ...encoded.buffers] : encoded.buffers;
    await writeFully(files, fd, buffers, start.length);
    if (durable) await files.sync(fd);
    const length = Math.max(start.length, FILE_START.length) + encoded.bytes;
    const frames = { length, lines: start.lines + encoded.lines };
    const missing = Math.max(0, options.logical - Math.max(end, start.lines)) + gap;
    return { frames, missing, hasUnknown: start.lines > base.lines || frames.lines > options.logical };
  } finally {
    await files.close(fd);
    if (durable && found === undefined) await files.syncFolder(dirname(path));
  }
}

/** Whether a frame ends where the base says, with the lines that it says; or stood there, and its trailer is damaged. */
async function endsAt(files: FileSystem, fd: number, base: FramesLength): Promise<boolean> {
  if (base.length === 0) return true;
  const bytes = await readFully(files, fd, TRAILER_BYTES, base.length - TRAILER_BYTES);
  const frame = decodeTrailer(bytes);
  return frame === undefined ? resemblesTrailer(bytes) : frame.offset + frame.lines === base.lines;
}

/** The lines of the journal from `start` on, where they end by its counting, and how many bytes are lost between them. */
function linesAfter(start: number, writes: readonly InlineWrite[], closesGaps: boolean) {
  const lines: Buffer[] = [];
  let end = start;
  let gap = 0;
  for (const write of writes) {
    if (write.end <= end) continue;
    if (write.start > end) {
      if (!closesGaps) break;
      gap += write.start - end;
      end = write.start;
    }
    lines.push(write.bytes.subarray(end - write.start));
    end = write.end;
  }
  return { lines, end, gap };
}
