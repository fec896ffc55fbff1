import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { BYTES } from '../model/bytes.ts';
import { CompressedHour } from './compressed-hour.ts';
import { ForeignHourError, type FramesLength, findLastFrameSync } from './frames-file.ts';
import { DamagedHourError, decodeTrailer, TRAILER_BYTES } from './hour-frames.ts';

/** What the commit journal says of a compressed hour. */
export interface CommittedFrames {
  /** Its newest length, which a crash may have kept from the disk. */
  readonly newest: FramesLength;
  /** The length that was synced. A start makes what follows again from the journal. */
  readonly base: FramesLength;
  /** Committed bytes of lines. */
  readonly logical: number;
}

/** What a check found in a compressed hour. */
export interface FramesFound {
  readonly isSound: boolean;
  readonly detail: string;
  /** Bytes of lines that are committed. */
  readonly lines: number;
}

const READ_BYTES = 1024 * 1024;
/** Damaged places that are named. */
const MAX_NAMED = 5;

/**
 * Reads every frame of a compressed hour: its checksum, its lines, and whether its lines follow those of the frame before. `committed` is
 * not known of an hour that got no record for a while. Bytes after the committed length are no fault: a commit that did not finish left
 * them, and the next start cuts them off.
 */
export function verifyFrames(
  path: string,
  {
    committed,
    isLine,
  }: { readonly committed: CommittedFrames | undefined; readonly isLine: (line: string) => boolean },
): FramesFound {
  const { size } = statSync(path);
  const fd = openSync(path, 'r');
  try {
    const frames = committed === undefined ? findLastFrameSync(fd, { path, size }) : committedEnd(fd, committed);
    if (frames === undefined) {
      const detail = `${size} bytes, and no frame ends where the commit journal says; somebody shortened or replaced it`;
      return { isSound: false, detail, lines: 0 };
    }
    return describe(new CompressedHour({ path, fd, frames, waiting: undefined }), { size, frames, committed, isLine });
  } catch (error) {
    if (!(error instanceof ForeignHourError)) throw error;
    return { isSound: false, detail: 'it is not a compressed hour of logforge, or its end is damaged', lines: 0 };
  } finally {
    closeSync(fd);
  }
}

/** The newest length that the file has. */
function committedEnd(fd: number, { newest, base }: CommittedFrames): FramesLength | undefined {
  return [newest, base].find((frames) => {
    if (frames.lines === 0) return true;
    const bytes = Buffer.alloc(TRAILER_BYTES);
    const read = readSync(fd, bytes, 0, bytes.length, Math.max(0, frames.length - TRAILER_BYTES));
    const frame = decodeTrailer(bytes.subarray(0, read));
    return frame !== undefined && frame.offset + frame.lines === frames.lines;
  });
}

function describe(
  hour: CompressedHour,
  options: {
    readonly size: number;
    readonly frames: FramesLength;
    readonly committed: CommittedFrames | undefined;
    readonly isLine: (line: string) => boolean;
  },
): FramesFound {
  const { size, frames, committed, isLine } = options;
  const { lines, invalid, damage } = readAll(hour, isLine);
  const logical = committed?.logical ?? frames.lines;
  const parts = [`${lines} lines in ${frames.length} bytes`];
  if (logical > frames.lines) parts.push(`${logical - frames.lines} bytes of lines wait in the commit journal`);
  if (invalid > 0) parts.push(`${invalid} are not JSON objects`);
  const lost = damage.reduce((sum, { bytes }) => sum + bytes, 0);
  if (lost > 0)
    parts.push(`${lost} bytes of lines cannot be read: ${damage.slice(0, MAX_NAMED).map(nameOf).join('; ')}`);
  if (damage.length > MAX_NAMED) parts.push(`and ${damage.length - MAX_NAMED} places more`);
  const before = frames.lines === 0 ? 0 : hour.firstFrameAt - TRAILER_BYTES;
  if (before > 0) parts.push(`${before} bytes before its first line are of another hour`);
  // The journal of a service that was killed may know frames that are not on the disk: a start makes them again.
  const beyond = Math.max(0, size - Math.max(frames.length, frames.lines === 0 ? TRAILER_BYTES : 0));
  if (beyond > 0)
    parts.push(`${beyond} bytes beyond ${committed === undefined ? 'its last frame' : 'the committed length'}`);
  return { isSound: invalid === 0 && lost === 0 && before <= 0, detail: parts.join(', '), lines: logical };
}

function nameOf({ offset, bytes, position, message }: DamagedHourError): string {
  return `${bytes} at logical offset ${offset}, byte ${position} of the file${/: [^:]*$/.exec(message)?.[0] ?? ''}`;
}

function readAll(hour: CompressedHour, isLine: (line: string) => boolean) {
  const block = Buffer.alloc(READ_BYTES);
  const damage: DamagedHourError[] = [];
  let [lines, invalid, position] = [0, 0, 0];
  let pieces: Buffer[] = [];
  while (position < hour.size) {
    let count: number;
    try {
      count = hour.read(block, 0, block.length, position);
    } catch (error) {
      if (!(error instanceof DamagedHourError)) throw error;
      damage.push(error);
      position = error.offset + error.bytes;
      pieces = [];
      continue;
    }
    position += count;
    let start = 0;
    for (let end = block.indexOf(BYTES.NEWLINE); end !== -1 && end < count; end = block.indexOf(BYTES.NEWLINE, start)) {
      const line = Buffer.concat([...pieces, block.subarray(start, end)]);
      pieces = [];
      lines++;
      if (!isLine(line.toString())) invalid++;
      start = end + 1;
    }
    if (start < count) pieces.push(Buffer.from(block.subarray(start, count)));
  }
  return { lines, invalid, damage };
}
