import { type FileSystem, readInto, removeIfThere, writeFully } from '../disk/file-system.ts';
import { BYTES } from '../model/bytes.ts';
import type { FramesLength } from './frames-file.ts';
import { countLines, encodeFrames, FILE_START, FRAME_BYTES, MAX_FRAME_BYTES } from './hour-frames.ts';

/** Syncs of a few megabytes: commits wait while the disk works on a large one. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
/** Of the time that a step took: the service has the rest of the machine. */
export const PAUSE_FACTOR = 2;

/** A zstd frame of bytes that cannot be compressed is a little longer than they are. */
const MAX_LINE_BYTES = MAX_FRAME_BYTES - FRAME_BYTES;

/** The packing was stopped, or is not wanted any more. */
export class PackingStoppedError extends Error {
  override readonly name = 'PackingStoppedError';
}

/**
 * Writes the first `bytes` of a plain hour as frames to `target`, a new file in the place of the one that is there, and syncs it when
 * `durable`. Reads a megabyte at a time and pauses after each, so it takes a third of one core. Gives the length of what it wrote.
 * PackingStoppedError when `signal` says so; Error when the plain file has fewer bytes, a line of it is longer than any that logforge
 * writes or has no end, or something else than a file is at `target`. Whatever was written by then is left.
 */
export async function packHour(options: {
  readonly files: FileSystem;
  readonly source: string;
  readonly target: string;
  readonly bytes: number;
  readonly durable: boolean;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}): Promise<FramesLength> {
  const { files, source, target, bytes, durable, pause, signal } = options;
  const from = await files.openToRead(source);
  const readLines = createLineReader({ files, fd: from, source, end: bytes });
  try {
    const to = await openNew(files, target);
    try {
      await writeFully(files, to, [FILE_START], 0);
      let end: FramesLength = { length: FILE_START.length, lines: 0 };
      let synced = 0;
      while (end.lines < bytes) {
        if (signal.aborted) throw new PackingStoppedError(`packing was stopped file=${source}`);
        const began = performance.now();
        const lines = await readLines(end.lines);
        const encoded = await encodeFrames([{ lines, records: countLines(lines) }], end.lines);
        await writeFully(files, to, encoded.buffers, end.length);
        end = { length: end.length + encoded.bytes, lines: end.lines + encoded.lines };
        if (durable && end.length - synced >= SYNC_EVERY_BYTES) {
          await files.sync(to);
          synced = end.length;
        }
        await pause((performance.now() - began) * PAUSE_FACTOR);
      }
      if (durable) await files.sync(to);
      return end;
    } finally {
      await files.close(to);
    }
  } finally {
    await files.close(from);
  }
}

/** Another file at `path` loses this name only: it may have others. */
async function openNew(files: FileSystem, path: string): Promise<number> {
  const found = files.statusAt(path);
  if (found !== undefined && !found.isFile)
    throw new Error(`cannot compress to file=${path}: it is not a regular file; move it away`);
  if (found !== undefined) await removeIfThere(files, path);
  return files.open(path);
}

/**
 * Gives whole lines from `at` on: a frame of them, or one longer line. They hold until the next call, which uses their memory again: V8 marks
 * its heap for each 64 MB of new buffers, and commits would wait for it.
 */
function createLineReader(options: {
  readonly files: FileSystem;
  readonly fd: number;
  readonly source: string;
  readonly end: number;
}): (at: number) => Promise<Buffer> {
  const { files, fd, source, end } = options;
  let buffer = Buffer.allocUnsafe(FRAME_BYTES);

  return async function readLines(at) {
    for (let wanted = FRAME_BYTES; ; wanted = Math.min(wanted * 2, MAX_LINE_BYTES + 1)) {
      const length = Math.min(wanted, end - at);
      if (buffer.length < length) buffer = Buffer.allocUnsafe(length);
      const bytes = await readInto(files, fd, buffer.subarray(0, length), at);
      if (bytes.length < length) throw new Error(`cannot compress file=${source}: it ends before byte ${at + length}`);
      const lines = bytes.subarray(0, bytes.lastIndexOf(BYTES.NEWLINE) + 1);
      if (lines.length > 0) return lines;
      if (length === end - at) throw new Error(`cannot compress file=${source}: its last line has no end`);
      if (length > MAX_LINE_BYTES)
        throw new Error(
          `cannot compress file=${source}: its line at byte ${at} is longer than ${MAX_LINE_BYTES} bytes`,
        );
    }
  };
}
