import type { Coding } from './content.ts';

/*
 * The memory that a decoder takes, read from the first bytes of a body before the decoder is made.
 *
 *   gzip, deflate   32 KiB, always (RFC 1951)
 *   br              16 bytes to 16 MiB, in the first bits (RFC 7932, 9.1):
 *
 *     body  = WBITS 1, 4 or 7 bits | block*
 *     block = ISLAST 1 bit | ISLASTEMPTY 1, only if last | MNIBBLES 2 | MLEN-1 16, 20 or 24 | ISUNCOMPRESSED 1, only if not last | …
 *
 *   zstd            1 KiB and more, in the header of each frame (RFC 8878, 3.1.1):
 *
 *     body  = frame* ; frame = skippable: 0x184D2A5? u32 | size u32 | size bytes
 *                            | magic u32 | descriptor u8 | window 0..1 | dictionary id 0..4 | content size 0..8
 *                              | block* | checksum 0 or 4 bytes
 *     block = last 1 bit, type 2 bits, size 21 bits | size bytes, or 1 byte for a repeated one
 */

export type Packing = Exclude<Coding, 'identity'>;

/** What the first bytes of a body say about its decoder. */
export interface Need {
  /** Bytes of the largest window that the decoder will need. Infinity: more than the format allows. */
  readonly window: number;
  /** Bytes of the decoded body, where it says so and a decoder cannot make more; undefined: it is not known. */
  readonly exact: number | undefined;
}

const DEFLATE_WINDOW = 32 * 1024;
/** RFC 9659: content coded with zstd must not need a larger window. */
export const MAX_ZSTD_WINDOW = 8 * 1024 * 1024;
/** Frames and blocks of a zstd body that are looked at. A body with more counts as one with the largest window. */
const MAX_WALKED = 16_384;

const DEFLATE: Need = { window: DEFLATE_WINDOW, exact: undefined };

export function readNeed(body: Buffer, coding: Packing): Need {
  if (coding === 'br') return readBrotli(body);
  if (coding === 'zstd') return { window: readZstdWindow(body), exact: undefined };
  return DEFLATE;
}

function readBrotli(body: Buffer): Need {
  const { log, length } = readWindowBits(body);
  if (log === undefined) return { window: Number.POSITIVE_INFINITY, exact: undefined };
  const window = 2 ** log;
  const exact = readBrotliLength(body, length);
  if (exact === undefined) return { window, exact };
  // A decoder takes no more than it has to write.
  return { window: Math.min(window, 2 ** Math.ceil(Math.log2(Math.max(1024, exact)))), exact };
}

/** The length of a body of stored blocks, or of one last block after them. Other blocks must be decoded to find their end. */
function readBrotliLength(body: Buffer, begin: number): number | undefined {
  let sum = 0;
  let at = begin;
  for (let steps = 0; steps < MAX_WALKED; steps++) {
    const isLast = readBits(body, at, 1) === 1;
    if (isLast && readBits(body, at + 1, 1) === 1) return sum;
    at += isLast ? 2 : 1;
    const nibbles = readBits(body, at, 2) + 4;
    if (nibbles === 7) return undefined;
    const length = readBits(body, at + 2, nibbles * 4) + 1;
    at += 2 + nibbles * 4;
    sum += length;
    if (isLast) return sum;
    const isStored = readBits(body, at, 1) === 1;
    if (!isStored || at > body.length * 8) return undefined;
    at = (Math.ceil((at + 1) / 8) + length) * 8;
  }
  return undefined;
}

/** `log` is undefined for the large windows that RFC 7932 does not have. */
function readWindowBits(body: Buffer): { log: number | undefined; length: number } {
  if (readBits(body, 0, 1) === 0) return { log: 16, length: 1 };
  const four = readBits(body, 1, 3);
  if (four !== 0) return { log: 17 + four, length: 4 };
  const seven = readBits(body, 4, 3);
  if (seven === 0) return { log: 17, length: 7 };
  return { log: seven === 1 ? undefined : 8 + seven, length: 7 };
}

/** At most 24 bits, from the lowest of each byte. After the end there are zeros. */
function readBits(body: Buffer, at: number, count: number): number {
  const first = at >> 3;
  const bytes = Math.min(4, body.length - first);
  if (bytes <= 0) return 0;
  return (body.readUIntLE(first, bytes) >>> (at & 7)) & ((1 << count) - 1);
}

/** Stops at the first byte that is not zstd's: there the decoder fails, too. */
function readZstdWindow(body: Buffer): number {
  let window = 0;
  let steps = 0;
  for (let at = 0; at + 5 <= body.length; ) {
    if (++steps > MAX_WALKED) return Math.max(window, MAX_ZSTD_WINDOW);
    const magic = body.readUInt32LE(at);
    if (magic >>> 4 === SKIPPABLE) {
      if (at + 8 > body.length) return window;
      at += 8 + body.readUInt32LE(at + 4);
      continue;
    }
    const frame = magic === FRAME ? readFrameHeader(body, at + 4) : undefined;
    if (frame === undefined) return window;
    window = Math.max(window, frame.window);
    at = frame.end;
    for (let block = 0; (block & 1) === 0; ) {
      if (at + 3 > body.length) return window;
      if (++steps > MAX_WALKED) return Math.max(window, MAX_ZSTD_WINDOW);
      block = body.readUIntLE(at, 3);
      at += 3 + (((block >> 1) & 3) === REPEATED ? 1 : block >> 3);
    }
    at += frame.checksum;
  }
  return window;
}

const SKIPPABLE = 0x0184d2a5;
const FRAME = 0xfd2fb528;
/** The type of a block that repeats one byte. */
const REPEATED = 1;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

interface Frame {
  readonly window: number;
  readonly end: number;
  readonly checksum: 0 | 4;
}

function readFrameHeader(body: Buffer, at: number): Frame | undefined {
  const descriptor = body[at] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingle) : 2 ** sizeFlag;
  const sizeAt = at + 1 + Number(!isSingle) + (DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3] ?? 0);
  const end = sizeAt + sizeBytes;
  if (end > body.length) return undefined;
  const checksum = (descriptor & 4) === 0 ? 0 : 4;
  if (isSingle) return { window: readContentSize(body, sizeAt, sizeBytes), end, checksum };
  const described = body[at + 1] ?? 0;
  const base = 2 ** (10 + (described >> 3));
  return { window: base + (base / 8) * (described & 7), end, checksum };
}

/** The window of a frame in one segment is its whole content. */
function readContentSize(body: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(body.readBigUInt64LE(at));
  return body.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}
