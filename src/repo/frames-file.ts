import * as fs from 'node:fs';
import { crc32 } from 'node:zlib';
import type { DamageReport } from '../disk/damage-report.ts';
import { type FileSystem, readFully } from '../disk/file-system.ts';
import { decodeTrailer, FILE_START, type Frame, lastTrailer, TRAILER_BYTES } from './hour-frames.ts';

/** A compressed hour up to a frame's end: its length on disk, and the bytes of plain lines in it. */
export interface FramesLength {
  readonly length: number;
  readonly lines: number;
}

export const NO_FRAMES: FramesLength = { length: 0, lines: 0 };

const STEP_BYTES = 256 * 1024;
/** No write leaves a longer piece of a frame. A file without a trailer in its last bytes was not written here. */
const SEARCHED_BYTES = 160 * 1024 * 1024;

/** More bytes are not copied to the damaged files. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** A file in the place of a compressed hour that logforge did not write. */
export class ForeignHourError extends Error {
  override readonly name = 'ForeignHourError';
  constructor(path: string) {
    super(`cannot use file=${path}: it is not a compressed hour of logforge, or its end is damaged; move it away`);
  }
}

/**
 * The end of the last frame in the file's first `size` bytes whose trailer is whole. ForeignHourError when the last bytes have no trailer.
 * `isSound`: also the checksum of that frame must hold.
 */
export async function findLastFrame(
  files: FileSystem,
  fd: number,
  { path, size, isSound = false }: { readonly path: string; readonly size: number; readonly isSound?: boolean },
): Promise<FramesLength> {
  if (size === 0) return NO_FRAMES;
  const lowest = Math.max(0, size - SEARCHED_BYTES);
  // At first the last bytes alone: nearly every file ends in a trailer.
  let start = Math.max(0, size - TRAILER_BYTES);
  for (let end = size; ; ) {
    const bytes = await readFully(files, fd, end - start, start);
    for (let at = lastTrailer(bytes); at !== -1; at = lastTrailer(bytes.subarray(0, at + TRAILER_BYTES - 1))) {
      const frame = decodeTrailer(bytes, at) as Frame;
      if (isSound && !(await holds(files, fd, { frame, trailerAt: start + at }))) continue;
      return { length: start + at + TRAILER_BYTES, lines: frame.offset + frame.lines };
    }
    if (size <= TRAILER_BYTES && isUnfinishedStart(bytes)) return NO_FRAMES;
    if (start === lowest) break;
    // A trailer may stand across the border.
    end = Math.min(size, start + TRAILER_BYTES - 1);
    start = Math.max(lowest, start - STEP_BYTES);
  }
  throw new ForeignHourError(path);
}

/** A power cut leaves zeros or a part of the beginning, of a file that no commit has written to. */
function isUnfinishedStart(bytes: Buffer): boolean {
  if (bytes.length > FILE_START.length) return false;
  const isPart = bytes.length < FILE_START.length && FILE_START.subarray(0, bytes.length).equals(bytes);
  return isPart || bytes.every((byte) => byte === 0);
}

async function holds(
  files: FileSystem,
  fd: number,
  { frame, trailerAt }: { readonly frame: Frame; readonly trailerAt: number },
): Promise<boolean> {
  if (trailerAt < frame.zstd) return false;
  return crc32(await readFully(files, fd, frame.zstd, trailerAt - frame.zstd)) === frame.crc;
}

/**
 * Ends a compressed hour after its last sound frame, when the journal cannot say where it ends, or another program wrote to it. What
 * follows is moved to the damaged files. `from`: this much is known to be whole frames. `isOrdered`: frames whose lines were there already
 * follow, as after `cat other.zst >> file`, and are not of this hour; it costs a read for each frame. Rejects when the rest cannot be kept
 * elsewhere, with ForeignHourError when it is too much.
 */
export async function keepWholeFrames(options: {
  readonly files: FileSystem;
  readonly fd: number;
  readonly path: string;
  readonly from?: FramesLength;
  readonly isOrdered?: boolean;
  readonly report: DamageReport;
}): Promise<FramesLength> {
  const { files, fd, path, from = NO_FRAMES, isOrdered = false, report } = options;
  const { size } = files.statusOf(fd);
  if (size <= from.length) return from;
  const found = await findLastFrame(files, fd, { path, size, isSound: true }).catch((error: unknown) => {
    // Nothing after `from` is a frame: a power cut left it, or somebody put it there.
    if (error instanceof ForeignHourError) return from;
    throw error;
  });
  const whole = found.length < from.length ? from : found;
  const end = isOrdered ? await endOfOrder(files, fd, { from, to: whole }) : whole;
  if (end.length === size) return end;
  if (end.length === 0 && isUnfinishedStart(await readFully(files, fd, Math.min(size, TRAILER_BYTES + 1), 0))) {
    await files.truncateOpen(fd, 0);
    return NO_FRAMES;
  }
  if (size - end.length > MAX_KEPT_BYTES) throw new ForeignHourError(path);
  const piece = await readFully(files, fd, size - end.length, end.length);
  const reason = 'bytes after the last whole frame were moved out of a compressed hour';
  const isKept = await report.tell(
    { kind: 'hours', file: path, offset: end.length, bytes: piece.length, reason },
    piece,
  );
  if (!isKept)
    throw new Error(`cannot keep the bytes after the last frame of file=${path} elsewhere; move the file away`);
  return truncated(files, fd, end);
}

async function truncated(files: FileSystem, fd: number, end: FramesLength): Promise<FramesLength> {
  await files.truncateOpen(fd, end.length);
  return end;
}

/** The end of the last frame between `from` and `to` before the first whose lines were there already; `to` when there is none. */
async function endOfOrder(
  files: FileSystem,
  fd: number,
  { from, to }: { readonly from: FramesLength; readonly to: FramesLength },
): Promise<FramesLength> {
  let end = to;
  let next = to.lines;
  for (let length = to.length; length > from.length; ) {
    const bytes = await readFully(files, fd, Math.min(TRAILER_BYTES, length), Math.max(0, length - TRAILER_BYTES));
    const frame = decodeTrailer(bytes);
    const lines = frame && frame.offset + frame.lines;
    if (frame === undefined || lines === undefined) {
      const before = await findLastFrame(files, fd, { path: '', size: length - 1 }).catch(() => NO_FRAMES);
      length = before.length;
      continue;
    }
    if (lines > next) end = { length, lines };
    next = frame.offset;
    length -= TRAILER_BYTES + frame.zstd;
  }
  return from.lines > next ? from : end;
}

/** `findLastFrame`, blocking: for threads that serve no requests. */
export function findLastFrameSync(
  fd: number,
  { path, size }: { readonly path: string; readonly size: number },
): FramesLength {
  if (size === 0) return NO_FRAMES;
  for (let end = size, start = Math.max(0, size - TRAILER_BYTES); ; ) {
    const bytes = Buffer.alloc(end - start);
    fs.readSync(fd, bytes, 0, bytes.length, start);
    const at = lastTrailer(bytes);
    const frame = decodeTrailer(bytes, at);
    if (frame !== undefined) return { length: start + at + TRAILER_BYTES, lines: frame.offset + frame.lines };
    if (size <= TRAILER_BYTES && isUnfinishedStart(bytes)) return NO_FRAMES;
    if (start <= size - SEARCHED_BYTES || start === 0) throw new ForeignHourError(path);
    end = Math.min(size, start + TRAILER_BYTES - 1);
    start = Math.max(0, start - STEP_BYTES);
  }
}
