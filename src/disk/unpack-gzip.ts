import * as zlib from 'node:zlib';
import { type PackedEnd, type PackedSource, UnpackError } from './packed.ts';
import { pump, UNPACKED_PIECE_BYTES } from './zlib-pump.ts';

/*
 * gzip (RFC 1952): members, one after the other, and zeros that pad the last block of a tape.
 *
 *   1f 8b 08 | flags | time 4 | level, system | [extra: length 2, bytes] [name 0] [comment 0] [checksum of the header 2]
 *   deflated data
 *   CRC-32 of the content 4 | its length modulo 2^32 4
 *
 * node:zlib reads all of this by itself, but a wrong checksum, or an end in the middle, then costs content that was unpacked. So it only
 * inflates here.
 */
const MAGIC = Buffer.of(0x1f, 0x8b, 0x08);
const FIXED_BYTES = 10;
const TRAILER_BYTES = 8;
const FLAGS = { headerChecksum: 2, extra: 4, name: 8, comment: 16 };
/** A longer name, or comment, is taken for damage. */
const MAX_TEXT_BYTES = 64 * 1024;

export async function* unpackGzip(source: PackedSource): AsyncGenerator<Buffer, PackedEnd> {
  for (;;) {
    const end = yield* unpackMember(source);
    if (end === 'cut') return end;
    const isPadded = await skipZeros(source);
    const next = await source.peek(MAGIC.length);
    if (next.length === 0) return 'whole';
    if (!MAGIC.subarray(0, next.length).equals(next)) return 'trailing';
    if (next.length < MAGIC.length) return isPadded ? 'trailing' : 'cut';
  }
}

async function* unpackMember(source: PackedSource): AsyncGenerator<Buffer, 'whole' | 'cut'> {
  const start = source.offset;
  if (!(await skipHeader(source))) return 'cut';
  let checksum = 0;
  let length = 0;
  const inflated = pump(zlib.createInflateRaw({ chunkSize: UNPACKED_PIECE_BYTES }), source, { isWhole: 'never' });
  for (let piece = await inflated.next(); ; piece = await inflated.next()) {
    if (piece.done === true) {
      if (piece.value === 'open') return 'cut';
      if (piece.value !== 'done') throw damaged(start, piece.value.failure.message, piece.value.failure);
      break;
    }
    checksum = zlib.crc32(piece.value, checksum);
    length += piece.value.length;
    yield piece.value;
  }
  const trailer = await take(source, TRAILER_BYTES);
  if (trailer === undefined) return 'cut';
  if (trailer.readUInt32LE(0) !== checksum) throw damaged(start, 'its checksum is wrong');
  if (trailer.readUInt32LE(4) !== length % 2 ** 32) throw damaged(start, 'its length is wrong');
  return 'whole';
}

function damaged(start: number, reason: string, cause?: Error): UnpackError {
  return new UnpackError(`the gzip data that begins at byte ${start} is damaged: ${reason}`, { cause });
}

/** False when the source ends in the header. */
async function skipHeader(source: PackedSource): Promise<boolean> {
  const start = source.offset;
  const fixed = await take(source, FIXED_BYTES);
  if (fixed === undefined) return false;
  if (!fixed.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(start, 'its header is none of gzip');
  const flags = fixed.readUInt8(3);
  if ((flags & FLAGS.extra) !== 0) {
    const length = (await take(source, 2))?.readUInt16LE(0);
    if (length === undefined || (await take(source, length)) === undefined) return false;
  }
  for (const text of [FLAGS.name, FLAGS.comment]) {
    if ((flags & text) === 0) continue;
    const bytes = await source.peek(MAX_TEXT_BYTES);
    const end = bytes.indexOf(0);
    if (end < 0 && bytes.length === MAX_TEXT_BYTES) throw damaged(start, 'its header is too long');
    if (end < 0) return false;
    await take(source, end + 1);
  }
  return (flags & FLAGS.headerChecksum) === 0 || (await take(source, 2)) !== undefined;
}

/** The next `length` bytes, at most 64 KiB; undefined when there are fewer. */
async function take(source: PackedSource, length: number): Promise<Buffer | undefined> {
  const bytes = await source.peek(length);
  if (bytes.length < length) return undefined;
  for (let left = length; left > 0; ) {
    const piece = await source.next();
    if (piece === undefined) return undefined;
    if (piece.length > left) source.unread(piece.subarray(left));
    left -= Math.min(left, piece.length);
  }
  return bytes;
}

/** Whether there were any. */
async function skipZeros(source: PackedSource): Promise<boolean> {
  for (let isPadded = false; ; isPadded = true) {
    const piece = await source.next();
    const end = piece?.findIndex((byte) => byte !== 0) ?? 0;
    if (piece === undefined) return isPadded;
    if (end < 0) continue;
    source.unread(piece.subarray(end));
    return isPadded || end > 0;
  }
}
