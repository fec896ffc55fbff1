import { BYTES, isDigit } from '../model/bytes.ts';
import type { Hour } from '../model/hour.ts';
import { findStop } from './scan-text.ts';
import { daysFromCivil, daysInMonth, MAX_TIMESTAMP_LENGTH, parseTimestamp } from './timestamp.ts';
import type { LineWriter } from './writer.ts';

const { COLON, MINUS, PLUS, POINT, QUOTE, UPPER_T, UPPER_Z, ZERO } = BYTES;

/** Length of `2025-11-22T15:23:00`. */
const SECONDS_LENGTH = 19;
const MAX_FRACTION = 9;

/**
 * FAST PATH. Reads timestamps from bytes as parseTimestamp does from text, by arithmetic and without a string; it
 * computes the hour only where it differs from that of the timestamp before.
 */
export class InstantScan {
  /** The hour of the timestamp read last. */
  hour: Hour = 0;
  /** Where its stored text ends in the bytes, without the `Z`; not used when `text` is set. */
  end = 0;
  /** Its stored text, where the bytes do not have it. */
  text: string | undefined;

  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** The last valid `2025-11-22T15`, as three words and a byte. */
  #word0 = 0;
  #word1 = 0;
  #word2 = 0;
  #byte12 = 0;
  #hour: Hour = 0;

  constructor(bytes: Buffer, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
  }

  /** Where the `Z` of a timestamp in stored form stands that begins at `at`; -1 for any other. Sets `hour`. */
  canonicalEnd(at: number): number {
    const bytes = this.#bytes;
    if (!this.#readSeconds(at)) return -1;
    let i = at + SECONDS_LENGTH;
    if (bytes[i] === UPPER_Z) return i;
    if (bytes[i] !== POINT) return -1;
    i = skipDigits(bytes, i + 1, i + MAX_FRACTION + 2);
    const digits = i - at - SECONDS_LENGTH - 1;
    return digits > 0 && digits <= MAX_FRACTION && bytes[i - 1] !== ZERO && bytes[i] === UPPER_Z ? i : -1;
  }

  /** Reads [start, end), any RFC 3339 timestamp; false when it is not valid. Sets `hour`, and `end` or `text`. */
  read(start: number, end: number): boolean {
    this.text = undefined;
    if (end - start <= MAX_TIMESTAMP_LENGTH && this.#readSeconds(start)) {
      const zone = this.#readFraction(start + SECONDS_LENGTH, end);
      if (zone !== -1 && isUtc(this.#bytes, zone, end)) return true;
    }
    const instant = parseTimestamp(this.#bytes.toString('latin1', start, end));
    if (instant === undefined) return false;
    this.hour = instant.hour;
    this.text = instant.text;
    return true;
  }

  /** The offset after the timestamp in quotes at `at`, or -1. Reads nothing at or beyond `limit`, and sets what `read` sets. */
  quotedEnd(at: number, limit: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== QUOTE) return -1;
    const z = this.canonicalEnd(at + 1);
    if (z !== -1 && bytes[z + 1] === QUOTE) {
      this.end = z;
      this.text = undefined;
      return z + 2;
    }
    const end = findStop(bytes, this.#view, at + 1, limit);
    return bytes[end] === QUOTE && this.read(at + 1, end) ? end + 1 : -1;
  }

  /** Writes the stored text of the timestamp that was read last, which began at `start`. */
  write(writer: LineWriter, start: number): void {
    if (this.text === undefined) {
      writer.slice(this.#view, start, this.end);
      writer.byte(UPPER_Z);
    } else {
      writer.text(this.text);
    }
  }

  /** Sets `end` without the zeros at the end of a fraction and gives the offset of the zone, or -1. */
  #readFraction(at: number, limit: number): number {
    const bytes = this.#bytes;
    this.end = at;
    if (bytes[at] !== POINT) return at;
    const zone = skipDigits(bytes, at + 1, limit);
    if (zone === at + 1) return -1;
    let end = Math.min(zone, at + 1 + MAX_FRACTION);
    while (bytes[end - 1] === ZERO) end--;
    this.end = end === at + 1 ? at : end;
    return zone;
  }

  /** Whether a real `2025-11-22T15:23:00` stands at `at`. Sets `hour`. */
  #readSeconds(at: number): boolean {
    const bytes = this.#bytes;
    if (at + SECONDS_LENGTH >= bytes.length) return false;
    const view = this.#view;
    if (
      view.getInt32(at, true) !== this.#word0 ||
      view.getInt32(at + 4, true) !== this.#word1 ||
      view.getInt32(at + 8, true) !== this.#word2 ||
      bytes[at + 12] !== this.#byte12
    ) {
      if (!this.#readHour(at)) return false;
    }
    this.hour = this.#hour;
    return (
      bytes[at + 13] === COLON &&
      bytes[at + 16] === COLON &&
      isBelowSixty(bytes[at + 14] as number, bytes[at + 15] as number) &&
      isBelowSixty(bytes[at + 17] as number, bytes[at + 18] as number)
    );
  }

  #readHour(at: number): boolean {
    const bytes = this.#bytes;
    const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
    const month = twoDigits(bytes, at + 5);
    const day = twoDigits(bytes, at + 8);
    const hour = twoDigits(bytes, at + 11);
    // Another byte than a digit gives NaN, and every comparison with NaN is false.
    const isReal = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month) && hour <= 23;
    if (!isReal || bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS || bytes[at + 10] !== UPPER_T) return false;
    this.#word0 = this.#view.getInt32(at, true);
    this.#word1 = this.#view.getInt32(at + 4, true);
    this.#word2 = this.#view.getInt32(at + 8, true);
    this.#byte12 = bytes[at + 12] as number;
    this.#hour = daysFromCivil(year, month, day) * 24 + hour;
    return true;
  }
}

/** Whether the zone is `Z` or an offset of zero, and ends at `end`. */
function isUtc(bytes: Uint8Array, zone: number, end: number): boolean {
  if (bytes[zone] === UPPER_Z) return zone + 1 === end;
  if (zone + 6 !== end || (bytes[zone] !== PLUS && bytes[zone] !== MINUS)) return false;
  return twoDigits(bytes, zone + 1) === 0 && bytes[zone + 3] === COLON && twoDigits(bytes, zone + 4) === 0;
}

function isBelowSixty(tens: number, ones: number): boolean {
  return tens >= ZERO && tens < ZERO + 6 && ones >= ZERO && ones < ZERO + 10;
}

/** The number that two digits make; NaN where one of them is another byte. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - ZERO;
  const ones = (bytes[at + 1] as number) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function skipDigits(bytes: Uint8Array, at: number, limit: number): number {
  let i = at;
  while (i < limit && isDigit(bytes[i] as number)) i++;
  return i;
}
