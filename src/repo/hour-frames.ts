import { availableParallelism } from 'node:os';
import { constants, crc32, zstdDecompressSync } from 'node:zlib';
import { BYTES } from '../model/bytes.ts';
import { FrameCompressor } from './frame-compressor.ts';

/*
 * A compressed hour, <logsDir>/…/HH.log.json.zst: zstd frames (RFC 8878), each followed by a trailer. A trailer is a skippable frame, so
 * `zstd -d`, `zstdcat` and `zstdgrep` read the file as it is.
 *
 *   file    = trailer (frame trailer)*           the first trailer has no frame: zstd takes an empty file for a damaged one
 *   frame   = one zstd frame. Its content is whole lines, at most FRAME_BYTES of them, or one longer line
 *   trailer = 40 bytes, little endian:
 *      0  u32  0x184D2A5F, the magic of a skippable frame
 *      4  u32  32, the bytes that follow
 *      8  4 B  "LFH1"
 *     12  u48  logical offset: where the lines of the frame begin in the plain hour
 *     18  u32  bytes of the lines
 *     22  u32  bytes of the zstd frame before this trailer
 *     26  u32  records
 *     30  u32  CRC-32 of the zstd frame
 *     34  u8   0
 *     35  u32  CRC-32 of the trailer's bytes 0 to 34
 *     39  u8   "\n", so that the file ends in a line's end like a plain hour
 *
 * A trailer says how long its frame is and stands after it, so a reader finds any logical offset from the end of the file without
 * reading the frames. A torn end has no trailer.
 */
export const TRAILER_BYTES = 40;
const SKIPPABLE = 0x184d2a5f;
const SIZE_FIELD = TRAILER_BYTES - 8;
const TAG = Buffer.from('LFH1');
const AT = {
  size: 4,
  tag: 8,
  offset: 12,
  lines: 18,
  zstd: 22,
  records: 26,
  crc: 30,
  zero: 34,
  trailerCrc: 35,
  end: 39,
};

/** Lines of a frame, in bytes: what a reader holds in memory to read one record. */
export const FRAME_BYTES = 1024 * 1024;

/** No frame has more lines, in bytes, or a longer zstd frame: the longest line that can be configured, and room. */
export const MAX_FRAME_BYTES = 80 * 1024 * 1024;

/** A frame as its trailer describes it. */
export interface Frame {
  /** Where its lines begin in the plain hour, and their bytes. */
  readonly offset: number;
  readonly lines: number;
  /** Bytes of the zstd frame. */
  readonly zstd: number;
  readonly records: number;
  /** CRC-32 of the zstd frame. */
  readonly crc: number;
}

/** A frame does not have the content that its trailer says. */
export class DamagedFrameError extends Error {
  override readonly name = 'DamagedFrameError';
}

/** A part of an hour cannot be read: these bytes of its lines. What stands before and after can. */
export class DamagedHourError extends Error {
  override readonly name = 'DamagedHourError';
  /** Logical offset. */
  readonly offset: number;
  readonly bytes: number;
  /** In the file. */
  readonly position: number;

  constructor(
    {
      path,
      offset,
      bytes,
      position,
    }: { readonly path: string; readonly offset: number; readonly bytes: number; readonly position: number },
    options?: ErrorOptions,
  ) {
    const reason = options?.cause instanceof Error ? `: ${options.cause.message}` : '';
    super(
      `cannot read ${bytes} bytes of lines at logical offset ${offset} of file=${path}, byte ${position}${reason}`,
      options,
    );
    this.offset = offset;
    this.bytes = bytes;
    this.position = position;
  }
}

/** Lines that belong into one frame. */
interface FrameLines {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
  readonly records: number;
}

/** Whole lines and how many they are. */
export interface CountedLines {
  readonly lines: Buffer;
  readonly records: number;
}

/** Frames to be written one after the other, and what they hold. */
export interface EncodedFrames {
  readonly buffers: readonly Buffer[];
  /** Bytes on disk. */
  readonly bytes: number;
  /** Bytes of the lines. */
  readonly lines: number;
}

/** Frames compressed at once: the other threads of the pool are for the disk. */
const compressor = new FrameCompressor(Math.min(4, availableParallelism()));

/** No frame of ours needs a larger window than 128 MiB. A header that lies asks for gigabytes. */
const DECOMPRESSION = { [constants.ZSTD_d_windowLogMax]: 27 };

/** Compresses lines whose first byte has the logical `offset`, beside the event loop. The caller must not change them until it resolves. */
export async function encodeFrames(pieces: Iterable<CountedLines>, offset: number): Promise<EncodedFrames> {
  const frames = [...cutIntoFrames(pieces)];
  const packed = await Promise.all(frames.map(({ buffers, bytes }) => compressor.compress(buffers, bytes)));
  const buffers: Buffer[] = [];
  let lines = 0;
  let bytes = 0;
  for (const [i, parts] of packed.entries()) {
    const frame = frames[i] as FrameLines;
    let zstd = 0;
    let crc = 0;
    for (const part of parts) {
      zstd += part.length;
      crc = crc32(part, crc);
    }
    const trailer = encodeTrailer({ offset: offset + lines, lines: frame.bytes, zstd, records: frame.records, crc });
    buffers.push(...parts, trailer);
    lines += frame.bytes;
    bytes += zstd + trailer.length;
  }
  return { buffers, bytes, lines };
}

function* cutIntoFrames(pieces: Iterable<CountedLines>): Generator<FrameLines> {
  let buffers: Buffer[] = [];
  let bytes = 0;
  let records = 0;
  for (const piece of pieces) {
    for (const part of cutLong(piece)) {
      if (bytes > 0 && bytes + part.lines.length > FRAME_BYTES) {
        yield { buffers, bytes, records };
        buffers = [];
        bytes = 0;
        records = 0;
      }
      buffers.push(part.lines);
      bytes += part.lines.length;
      records += part.records;
    }
  }
  if (bytes > 0) yield { buffers, bytes, records };
}

/** Cuts at the ends of lines. A line that is longer than a frame stays whole. */
function* cutLong({ lines, records }: CountedLines): Generator<CountedLines> {
  let start = 0;
  let left = records;
  while (lines.length - start > FRAME_BYTES) {
    const before = lines.lastIndexOf(BYTES.NEWLINE, start + FRAME_BYTES - 1);
    const end = (before >= start ? before : lines.indexOf(BYTES.NEWLINE, start + FRAME_BYTES)) + 1;
    if (end === 0 || end === lines.length) break;
    const part = lines.subarray(start, end);
    const count = countLines(part);
    yield { lines: part, records: count };
    left -= count;
    start = end;
  }
  if (start < lines.length) yield { lines: lines.subarray(start), records: left };
}

/** Lines in `lines`, by their ends. */
export function countLines(lines: Buffer): number {
  let count = 0;
  for (let at = lines.indexOf(BYTES.NEWLINE); at !== -1; at = lines.indexOf(BYTES.NEWLINE, at + 1)) count++;
  return count;
}

export function encodeTrailer({ offset, lines, zstd, records, crc }: Frame): Buffer {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(SKIPPABLE, 0);
  trailer.writeUInt32LE(SIZE_FIELD, AT.size);
  TAG.copy(trailer, AT.tag);
  trailer.writeUIntLE(offset, AT.offset, 6);
  trailer.writeUInt32LE(lines, AT.lines);
  trailer.writeUInt32LE(zstd, AT.zstd);
  trailer.writeUInt32LE(records, AT.records);
  trailer.writeUInt32LE(crc, AT.crc);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, AT.trailerCrc)), AT.trailerCrc);
  trailer[AT.end] = BYTES.NEWLINE;
  return trailer;
}

/** The beginning of every file. */
export const FILE_START = encodeTrailer({ offset: 0, lines: 0, zstd: 0, records: 0, crc: 0 });

/** The trailer at `at`; undefined where there is none that is whole. */
export function decodeTrailer(bytes: Buffer, at = 0): Frame | undefined {
  if (at < 0 || bytes.length - at < TRAILER_BYTES || bytes.readUInt32LE(at) !== SKIPPABLE) return undefined;
  if (bytes.readUInt32LE(at + AT.trailerCrc) !== crc32(bytes.subarray(at, at + AT.trailerCrc))) return undefined;
  const isOurs = TAG.equals(bytes.subarray(at + AT.tag, at + AT.offset)) && bytes[at + AT.end] === BYTES.NEWLINE;
  const lines = bytes.readUInt32LE(at + AT.lines);
  const zstd = bytes.readUInt32LE(at + AT.zstd);
  if (!isOurs || lines > MAX_FRAME_BYTES || zstd > MAX_FRAME_BYTES) return undefined;
  return {
    offset: bytes.readUIntLE(at + AT.offset, 6),
    lines,
    zstd,
    records: bytes.readUInt32LE(at + AT.records),
    crc: bytes.readUInt32LE(at + AT.crc),
  };
}

/** Whether a trailer may have stood there before some of its bytes were damaged: most of those that are the same in all are there. */
export function resemblesTrailer(bytes: Buffer): boolean {
  if (bytes.length < TRAILER_BYTES) return false;
  const same = [...Array(AT.offset).keys(), AT.zero, AT.end];
  return same.filter((at) => bytes[at] === FILE_START[at]).length > same.length / 2;
}

/** The position of the last whole trailer in `bytes`; -1 when there is none. */
export function lastTrailer(bytes: Buffer): number {
  let at = bytes.length;
  do {
    at = at === 0 ? -1 : bytes.lastIndexOf(TAG, at - 1);
    if (at !== -1 && decodeTrailer(bytes, at - AT.tag) !== undefined) return at - AT.tag;
  } while (at !== -1);
  return -1;
}

/** The lines of a frame. DamagedFrameError when they are not what the trailer says. */
export function decodeFrame(zstd: Buffer, frame: Frame): Buffer {
  if (zstd.length !== frame.zstd || crc32(zstd) !== frame.crc)
    throw new DamagedFrameError('its checksum does not hold');
  let lines: Buffer;
  try {
    // With room to spare: into a buffer that it fills, Node.js decompresses once more, which takes half as long again.
    const room = frame.lines + 64;
    lines = zstdDecompressSync(zstd, { chunkSize: room, maxOutputLength: room, params: DECOMPRESSION });
  } catch (cause) {
    throw new DamagedFrameError('it cannot be decompressed', { cause });
  }
  if (lines.length !== frame.lines)
    throw new DamagedFrameError(`it has ${lines.length} bytes of lines, not ${frame.lines}`);
  return lines;
}
