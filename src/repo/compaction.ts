import { type FileSystem, removeFileIfThere } from '../disk/file-system.ts';
import type { StreamHour } from '../model/hour.ts';
import type { Committer } from './commit.ts';
import type { DataFiles } from './data-files.ts';
import { openHour } from './hour-file.ts';
import { FRAME_BYTES } from './hour-frames.ts';
import { PAUSE_FACTOR, packHour } from './hour-packer.ts';
import { deleteFile } from './hours-on-disk.ts';
import type { CommittedHour, Compaction } from './repo.ts';

/** A file that is being compressed: nobody else reads or counts it. */
export const UNFINISHED = '.new';

/**
 * Makes compressed hours of plain ones while the service runs:
 *
 * 1. between two commits: the journal gets to know the plain hour, if it does not;
 * 2. beside the commits: its lines go to `HH.log.json.zst.new`, synced;
 * 3. between two commits: that gets the name `HH.log.json.zst`, synced, and a journal entry has the hour in its new form;
 * 4. the plain file is deleted in steps.
 *
 * Before the entry the compressed file does not count, after it the plain one does not. So a kill at any step costs work only: what it
 * leaves is deleted when the hour is looked at again.
 */
export function createCompaction(parts: {
  readonly committer: Pick<Committer, 'formChange' | 'hours'>;
  readonly dataFiles: DataFiles;
  readonly files: FileSystem;
  readonly durable: boolean;
  readonly between: <T>(work: () => Promise<T>) => Promise<T>;
  readonly pause: (ms: number) => Promise<void>;
}): Compaction {
  const { formChange, hours } = parts.committer;
  const { dataFiles, files, durable, between, pause } = parts;

  async function compress(at: StreamHour, signal: AbortSignal) {
    const hour = dataFiles.ofHour(at);
    const target = `${hour.compressed.path}${UNFINISHED}`;
    const before = await between(() => formChange.begin(hour));
    if (before === undefined) return undefined;
    try {
      const { bytes } = before;
      const frames = await packHour({ files, source: hour.path, target, bytes, durable, pause, signal });
      const isDone = await between(() => formChange.end(hour, { from: target, before, frames }));
      if (!isDone) return undefined;
      await deleteFile(files, hour.path, { signal });
      return { from: bytes, to: frames.length };
    } finally {
      await removeFileIfThere(files, target);
    }
  }

  async function clean(at: StreamHour, signal?: AbortSignal): Promise<void> {
    const hour = dataFiles.ofHour(at);
    await removeFileIfThere(files, `${hour.compressed.path}${UNFINISHED}`);
    const other = await between(() => formChange.findOther(hour));
    if (other === undefined) return;
    const counting = await hours.find(hour);
    const left = await hours.read(other);
    if (counting === undefined || left === undefined) return;
    if (!(await beginsWith(counting, left, { pause, signal })))
      throw new Error(`file=${left.path} does not count, and has other lines than ${counting.path}; move it away`);
    await deleteFile(files, left.path, { signal });
  }

  return { compress, clean };
}

/** Whether an hour begins with all lines of another. Reads in steps like `packHour`. */
async function beginsWith(
  hour: CommittedHour,
  other: CommittedHour,
  { pause, signal }: { readonly pause: (ms: number) => Promise<void>; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  if (other.bytes > hour.bytes) return false;
  const [whole, part] = [openHour(hour), openHour(other)];
  const [lines, found] = [Buffer.alloc(FRAME_BYTES), Buffer.alloc(FRAME_BYTES)];
  try {
    for (let at = 0; at < other.bytes; ) {
      signal?.throwIfAborted();
      const began = performance.now();
      const read = part?.read(found, 0, Math.min(FRAME_BYTES, other.bytes - at), at) ?? 0;
      const count = whole?.read(lines, 0, Math.max(1, read), at) ?? 0;
      if (count === 0 || !lines.subarray(0, count).equals(found.subarray(0, count))) return false;
      at += count;
      await pause((performance.now() - began) * PAUSE_FACTOR);
    }
    return true;
  } finally {
    whole?.close();
    part?.close();
  }
}
