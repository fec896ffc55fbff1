// FAST PATH, made by hand for the layout ACCESS: a loop over the fields of any layout took a fifth longer (bench/micro.ts). The words
// come from the layout, and summarise.test.ts holds it to JSON.parse.
//
// Finds the two required fields of a stored line in its bytes, four at a time, without JSON.parse. A line is plain when it is exactly as the
// service stores it (layout.ts),
//
//   {"timestamp":"…","path":"…","userAgent":"…"}\n          or with extra fields:   …","userAgent":"…","status":200}\n
//
// with no escape in the timestamp and the required fields, and no object or array among the extra fields. Of a line that is not plain nothing
// is known: JSON.parse judges it. A plain line is one that JSON.parse accepts, and the bytes between the quotes are the texts of its fields.

import { BYTES, isDigit, isHexDigit } from '../model/bytes.ts';
import { ACCESS } from './layout.ts';
import { lastWord } from './token-table.ts';

const { BACKSLASH, CLOSE_BRACE, COLON, COMMA, LOWER_CASE_BIT, LOWER_E, MINUS, NEWLINE, PLUS, POINT, QUOTE, ZERO } =
  BYTES;

/** What stands before the timestamp, the first and the second required field. Constants of the module: V8 compiles them into the code. */
const [TIMESTAMP_LEAD, FIRST_LEAD, SECOND_LEAD] = ACCESS.leads;
if (
  TIMESTAMP_LEAD === undefined ||
  FIRST_LEAD === undefined ||
  SECOND_LEAD === undefined ||
  ACCESS.required.length !== 2
)
  throw new Error('the reader of plain lines is made for a layout with two required fields');
const TIMESTAMP_WORDS = TIMESTAMP_LEAD.words;
const TIMESTAMP_LENGTH = TIMESTAMP_LEAD.length;
const FIRST_WORDS = FIRST_LEAD.words;
const FIRST_LENGTH = FIRST_LEAD.length;
const SECOND_WORDS = SECOND_LEAD.words;
const SECOND_LENGTH = SECOND_LEAD.length;

const NAMES = ACCESS.fields.map((name) => Buffer.from(name));

/** Bytes of the buffer that must follow the last line, whatever they hold: the words that are read reach beyond it. */
export const PADDING = 32;

/** Where the texts of the required fields of the last plain line lie in the view, and their hashes. Used again for each line. */
export interface PlainLine {
  firstStart: number;
  firstEnd: number;
  firstHash: number;
  secondStart: number;
  secondEnd: number;
  secondHash: number;
}

export function createPlainLine(): PlainLine {
  return { firstStart: 0, firstEnd: 0, firstHash: 0, secondStart: 0, secondEnd: 0, secondHash: 0 };
}

/** Reads the line at `start` into `line` and gives the offset after its newline, or -1 when it is not plain. */
export function readPlainLine(view: DataView, start: number, line: PlainLine): number {
  const limit = view.byteLength - PADDING;
  if (start + TIMESTAMP_LENGTH > limit) return -1;
  // Each lead has three or four words, of which the last overlaps the one before.
  if (
    view.getInt32(start, true) !== TIMESTAMP_WORDS[0] ||
    view.getInt32(start + 4, true) !== TIMESTAMP_WORDS[1] ||
    view.getInt32(start + 8, true) !== TIMESTAMP_WORDS[2] ||
    view.getInt32(start + TIMESTAMP_LENGTH - 4, true) !== TIMESTAMP_WORDS[3]
  )
    return -1;
  const timestampEnd = skipPlain(view, start + TIMESTAMP_LENGTH, limit);
  if (timestampEnd < 0) return -1;
  if (
    view.getInt32(timestampEnd, true) !== FIRST_WORDS[0] ||
    view.getInt32(timestampEnd + 4, true) !== FIRST_WORDS[1] ||
    view.getInt32(timestampEnd + FIRST_LENGTH - 4, true) !== FIRST_WORDS[2]
  )
    return -1;
  const firstStart = timestampEnd + FIRST_LENGTH;
  const firstEnd = scanString(view, firstStart, limit);
  if (firstEnd < 0) return -1;
  line.firstStart = firstStart;
  line.firstEnd = firstEnd;
  line.firstHash = scannedHash;
  if (
    view.getInt32(firstEnd, true) !== SECOND_WORDS[0] ||
    view.getInt32(firstEnd + 4, true) !== SECOND_WORDS[1] ||
    view.getInt32(firstEnd + 8, true) !== SECOND_WORDS[2] ||
    view.getInt32(firstEnd + SECOND_LENGTH - 4, true) !== SECOND_WORDS[3]
  )
    return -1;
  const secondStart = firstEnd + SECOND_LENGTH;
  const secondEnd = scanString(view, secondStart, limit);
  if (secondEnd < 0) return -1;
  line.secondStart = secondStart;
  line.secondEnd = secondEnd;
  line.secondHash = scannedHash;
  let at = secondEnd + 1;
  if (view.getUint8(at) === COMMA) {
    at = skipExtras(view, at, limit);
    if (at < 0) return -1;
  }
  return view.getUint8(at) === CLOSE_BRACE && view.getUint8(at + 1) === NEWLINE ? at + 2 : -1;
}

/** Of the string that scanString read last. */
let scannedHash = 0;

/** The hash of the string that scanString read last. */
export function hashOfScanned(): number {
  return scannedHash;
}

/** They differ in every process: a client cannot know which tokens share a slot. Odd, so that no bit is lost. */
const MULTIPLIER_1 = randomInt32() | 0x10001;
const MULTIPLIER_2 = randomInt32() | 0x10001;

/**
 * The offset of the first quote from `start` on; -1 where a control character or the limit comes first. A backslash is
 * read as any other byte: TokenTable refuses a token that holds one, so a quote after it never counts as an end.
 *
 * Two words a step, each with its own hash so that neither waits for the other.
 */
export function scanString(view: DataView, start: number, limit: number): number {
  let hash1 = 0;
  let hash2 = 0;
  let p = start;
  let stop = 0;
  for (; p < limit; p += 8) {
    const word1 = view.getInt32(p, true);
    stop = stops(word1);
    if (stop !== 0) break;
    hash1 = (Math.imul(hash1, MULTIPLIER_1) + word1) | 0;
    const word2 = view.getInt32(p + 4, true);
    stop = stops(word2);
    if (stop !== 0) {
      p += 4;
      break;
    }
    hash2 = (Math.imul(hash2, MULTIPLIER_2) + word2) | 0;
  }
  if (stop === 0) return -1;
  const inWord = (31 - Math.clz32(stop & -stop)) >>> 3;
  const end = p + inWord;
  if (view.getUint8(end) !== QUOTE) return -1;
  let hash = (Math.imul(hash1, MULTIPLIER_2) + Math.imul(hash2, MULTIPLIER_1) + end - start) | 0;
  if (inWord > 0) hash = Math.imul(hash ^ (hash >>> 15), MULTIPLIER_1) + lastWord(view, p, inWord);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  scannedHash = hash ^ (hash >>> 15);
  return end;
}

/**
 * Non-zero where a byte of the word is a quote or below 0x20, which the flip of one bit makes all that is below 0x21. The lowest
 * set bit is the high bit of the first such byte; those above it mean nothing, for the subtraction borrows.
 * Source: "Bit Twiddling Hacks", Sean Eron Anderson, hasless(x, n).
 */
function stops(word: number): number {
  const flipped = word ^ 0x02020202;
  return (flipped - 0x21212121) & ~flipped & -0x7f7f7f80;
}

/** The quote that ends the string whose first byte is at `start`; -1 where a backslash, a control character or the limit is. */
export function skipPlain(view: DataView, start: number, limit: number): number {
  for (let p = start; p < limit; p += 4) {
    const word = view.getInt32(p, true);
    const backslash = word ^ 0x5c5c5c5c;
    const stop = stops(word) | ((backslash - 0x01010101) & ~backslash & -0x7f7f7f80);
    if (stop === 0) continue;
    const end = p + ((31 - Math.clz32(stop & -stop)) >>> 3);
    return view.getUint8(end) === QUOTE ? end : -1;
  }
  return -1;
}

function randomInt32(): number {
  return Math.floor(Math.random() * 2 ** 32) | 0;
}

/** From the comma after the required fields to the closing brace; -1 where JSON.parse must judge. */
function skipExtras(view: DataView, start: number, limit: number): number {
  let at = start;
  while (view.getUint8(at) === COMMA) {
    if (view.getUint8(at + 1) !== QUOTE) return -1;
    const nameEnd = skipPlain(view, at + 2, limit);
    if (nameEnd < 0 || view.getUint8(nameEnd + 1) !== COLON) return -1;
    if (mayBeField(view, at + 2, nameEnd)) return -1;
    at = skipScalar(view, nameEnd + 2, limit);
    if (at < 0 || at >= limit) return -1;
  }
  return at;
}

/** Whether a name is as long as a field's and begins like it: a name that stands again overrules the first. */
function mayBeField(view: DataView, start: number, end: number): boolean {
  for (const name of NAMES) {
    if (name.length === end - start && name[0] === view.getUint8(start)) return true;
  }
  return false;
}

const LITERALS = ['true', 'false', 'null'].map((text) => Buffer.from(text));

/** The offset after a string, number or literal; -1 for anything else. */
export function skipScalar(view: DataView, start: number, limit: number): number {
  const first = view.getUint8(start);
  if (first === QUOTE) return skipText(view, start + 1, limit);
  if (first === MINUS || isDigit(first)) return skipNumber(view, start);
  const literal = LITERALS.find((bytes) => bytes[0] === first);
  if (literal === undefined) return -1;
  return literal.every((byte, i) => view.getUint8(start + i) === byte) ? start + literal.length : -1;
}

/** The offset after the closing quote. Unlike in the required fields, escapes may be in it. */
export function skipText(view: DataView, start: number, limit: number): number {
  const end = skipPlain(view, start, limit);
  if (end >= 0) return end + 1;
  for (let p = start; p < limit; p++) {
    const byte = view.getUint8(p);
    if (byte === QUOTE) return p + 1;
    if (byte < 0x20) return -1;
    if (byte !== BACKSLASH) continue;
    p += 1;
    const escaped = String.fromCharCode(view.getUint8(p));
    if (!'"\\/bfnrtu'.includes(escaped)) return -1;
    if (escaped !== 'u') continue;
    for (const stop = p + 4; p < stop; p++) if (!isHexDigit(view.getUint8(p + 1))) return -1;
  }
  return -1;
}

/** RFC 8259, section 6: an optional minus, an integer without leading zeros, a fraction, an exponent. */
function skipNumber(view: DataView, start: number): number {
  const whole = view.getUint8(start) === MINUS ? start + 1 : start;
  let at = view.getUint8(whole) === ZERO ? whole + 1 : skipDigits(view, whole);
  if (at >= 0 && view.getUint8(at) === POINT) at = skipDigits(view, at + 1);
  if (at < 0 || (view.getUint8(at) | LOWER_CASE_BIT) !== LOWER_E) return at;
  const sign = view.getUint8(at + 1);
  return skipDigits(view, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

/** The offset after at least one digit, or -1. Ends at the newline at the latest. */
function skipDigits(view: DataView, start: number): number {
  let at = start;
  while (isDigit(view.getUint8(at))) at += 1;
  return at === start ? -1 : at;
}
