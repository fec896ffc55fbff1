// FAST PATH. Scans and copies the parts of a line. All words are little-endian.

import { BYTES } from '../../../model/bytes.ts';

const { BACKSLASH, QUOTE } = BYTES;

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * The first quote, backslash, control character or byte beyond ASCII at or after `at`, or the end of the bytes.
 * Source of the word tests: "Bit Twiddling Hacks", Sean Eron Anderson, hasless and haszero; the lowest bit set is exact.
 */
export function findEnd(view: DataView, at: number): number {
  const end = view.byteLength;
  const lastWord = end - 4;
  let i = at;
  for (; i <= lastWord; i += 4) {
    const word = view.getInt32(i, true);
    // The flip puts the quote (0x22) below 0x21, where the control characters are and stay.
    const flipped = word ^ 0x02020202;
    const backslash = word ^ 0x5c5c5c5c;
    const stop = (((flipped - 0x21212121) & ~flipped) | ((backslash - 0x01010101) & ~backslash) | word) & -0x7f7f7f80;
    if (stop !== 0) return i + ((31 - Math.clz32(stop & -stop)) >>> 3);
  }
  for (; i < end; i++) {
    const byte = view.getUint8(i);
    if (byte === QUOTE || byte === BACKSLASH || byte < 0x20 || byte > 0x7f) break;
  }
  return i;
}

/** Copies [start, end) of `from` to `used`, eight bytes at a time, and gives where they end. */
export function copyBytes(to: DataView, used: number, from: DataView, start: number, end: number): number {
  const shift = used - start;
  if (end - start < 8) {
    for (let i = start; i < end; i++) to.setUint8(i + shift, from.getUint8(i));
    return end + shift;
  }
  const last = end - 8;
  for (let i = start; i < last; i += 8) to.setBigInt64(i + shift, from.getBigInt64(i, true), true);
  to.setBigInt64(last + shift, from.getBigInt64(last, true), true);
  return end + shift;
}

/** As copyBytes, of text that is plain but for its quotes, each of which gets a backslash. */
export function copyQuoted(to: DataView, used: number, from: DataView, start: number, end: number): number {
  let at = used;
  for (let i = start; i < end; i++) {
    const byte = from.getUint8(i);
    if (byte === QUOTE) to.setUint8(at++, BACKSLASH);
    to.setUint8(at++, byte);
  }
  return at;
}
