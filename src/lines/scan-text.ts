// FAST PATH. The parts of every scanner: they read text four bytes at a time. All words are little-endian.

import { BYTES } from '../model/bytes.ts';

const { BACKSLASH, COMMA, QUOTE } = BYTES;

/**
 * The first quote, backslash or control character at or after `at`; `limit`, or the end of the bytes, where there is none
 * before that.
 * Source of the word tests: "Bit Twiddling Hacks", Sean Eron Anderson, hasless and haszero; the lowest bit set is exact.
 */
export function findStop(bytes: Uint8Array, view: DataView, at: number, limit: number): number {
  const end = Math.min(limit, bytes.length);
  const lastWord = end - 4;
  let i = at;
  for (; i <= lastWord; i += 4) {
    const word = view.getInt32(i, true);
    // The flip puts the quote (0x22) below 0x21, where the control characters are and stay.
    const flipped = word ^ 0x02020202;
    const backslash = word ^ 0x5c5c5c5c;
    const stop = (((flipped - 0x21212121) & ~flipped) | ((backslash - 0x01010101) & ~backslash)) & -0x7f7f7f80;
    if (stop !== 0) return i + ((31 - Math.clz32(stop & -stop)) >>> 3);
  }
  for (; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE || byte === BACKSLASH || byte < 0x20) break;
  }
  return i;
}

/** As findStop, and stops at a comma as well: what may end a CSV value, or must be escaped in a JSON one. */
export function findValueStop(bytes: Uint8Array, view: DataView, at: number, limit: number): number {
  const end = Math.min(limit, bytes.length);
  const lastWord = end - 4;
  let i = at;
  for (; i <= lastWord; i += 4) {
    const word = view.getInt32(i, true);
    const flipped = word ^ 0x02020202;
    const backslash = word ^ 0x5c5c5c5c;
    const comma = word ^ 0x2c2c2c2c;
    const stop =
      (((flipped - 0x21212121) & ~flipped) |
        ((backslash - 0x01010101) & ~backslash) |
        ((comma - 0x01010101) & ~comma)) &
      -0x7f7f7f80;
    if (stop !== 0) return i + ((31 - Math.clz32(stop & -stop)) >>> 3);
  }
  for (; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE || byte === BACKSLASH || byte === COMMA || byte < 0x20) break;
  }
  return i;
}

/** Whether String.prototype.trim would leave [start, end), which is UTF-8 and not empty, as it is. */
export function isTrimmed(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] as number;
  const last = bytes[end - 1] as number;
  if (first > 0x20 && first < 0x80 && last > 0x20 && last < 0x80) return true;
  let lastStart = end - 1;
  while (((bytes[lastStart] as number) & 0xc0) === 0x80) lastStart--;
  return !isTrimmable(bytes, start) && !isTrimmable(bytes, lastStart);
}

/** Whether the character at `at` is white space or a line end to ECMAScript: what trim takes away. */
function isTrimmable(bytes: Uint8Array, at: number): boolean {
  const lead = bytes[at] as number;
  if (lead < 0x80) return lead === 0x20 || (lead >= 0x09 && lead <= 0x0d);
  const second = bytes[at + 1] as number;
  const third = bytes[at + 2] as number;
  if (lead === 0xc2) return second === 0xa0; // U+00A0
  if (lead === 0xe1) return second === 0x9a && third === 0x80; // U+1680
  if (lead === 0xe3) return second === 0x80 && third === 0x80; // U+3000
  if (lead === 0xef) return second === 0xbb && third === 0xbf; // U+FEFF
  if (lead !== 0xe2) return false;
  if (second === 0x81) return third === 0x9f; // U+205F
  // U+2000 to U+200A, U+2028, U+2029, U+202F
  return second === 0x80 && (third <= 0x8a || third === 0xa8 || third === 0xa9 || third === 0xaf);
}

/** A text of four bytes or more as words; the last overlaps the one before where the length is no multiple of four. */
export function toWords(text: string): Int32Array {
  const bytes = Buffer.from(text);
  const words = new Int32Array(Math.ceil(bytes.length / 4));
  for (let i = 0; i < words.length; i++) words[i] = bytes.readInt32LE(Math.min(i * 4, bytes.length - 4));
  return words;
}
