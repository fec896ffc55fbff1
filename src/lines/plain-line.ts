// FAST PATH. Finds path and user agent of a stored line in its bytes, four at a time, without JSON.parse. A line is
// plain when it is exactly as the service stores it,
//
//   {"timestamp":"…","path":"…","userAgent":"…"}\n          or with extras:   …","userAgent":"…","status":200}\n
//
// with no escape in the three and no object or array among the extras. Whatever is not certainly so is not plain, which
// says nothing about the line: JSON.parse judges it. A plain line is one that JSON.parse takes, and whose path and user
// agent are the bytes between the quotes.

import { BYTES, isDigit, isHexDigit } from '../model/bytes.ts';
import { lastWord } from './token-table.ts';

const { BACKSLASH, CLOSE_BRACE, COLON, COMMA, LOWER_CASE_BIT, LOWER_E, MINUS, NEWLINE, PLUS, POINT, QUOTE, ZERO } =
  BYTES;

const HEAD = words('{"timestamp":"');
const PATH = words('","path":"');
const USER_AGENT = words('","userAgent":"');
const HEAD_LENGTH = 14;
const PATH_LENGTH = 10;
const USER_AGENT_LENGTH = 15;

/** Bytes of the buffer that must follow the last line, whatever they hold: the words read reach beyond it. */
export const PADDING = 32;

/** Where the tokens of the last plain line lie in the view, and their hashes. One object, so that none is made a line. */
export interface PlainLine {
  pathStart: number;
  pathEnd: number;
  pathHash: number;
  userAgentStart: number;
  userAgentEnd: number;
  userAgentHash: number;
}

export function createPlainLine(): PlainLine {
  return { pathStart: 0, pathEnd: 0, pathHash: 0, userAgentStart: 0, userAgentEnd: 0, userAgentHash: 0 };
}

/** Reads the line at `start` into `line` and gives the place behind its newline, or -1 when it is not plain. */
export function readPlainLine(view: DataView, start: number, line: PlainLine): number {
  const limit = view.byteLength - PADDING;
  if (start + HEAD_LENGTH > limit) return -1;
  if (
    view.getInt32(start, true) !== HEAD[0] ||
    view.getInt32(start + 4, true) !== HEAD[1] ||
    view.getInt32(start + 8, true) !== HEAD[2] ||
    view.getInt32(start + 10, true) !== HEAD[3]
  )
    return -1;
  const timestampEnd = skipPlain(view, start + HEAD_LENGTH, limit);
  if (timestampEnd < 0) return -1;
  if (
    view.getInt32(timestampEnd, true) !== PATH[0] ||
    view.getInt32(timestampEnd + 4, true) !== PATH[1] ||
    view.getInt32(timestampEnd + 6, true) !== PATH[2]
  )
    return -1;
  const pathStart = timestampEnd + PATH_LENGTH;
  const pathEnd = scanString(view, pathStart, limit);
  if (pathEnd < 0) return -1;
  line.pathStart = pathStart;
  line.pathEnd = pathEnd;
  line.pathHash = scannedHash;
  if (
    view.getInt32(pathEnd, true) !== USER_AGENT[0] ||
    view.getInt32(pathEnd + 4, true) !== USER_AGENT[1] ||
    view.getInt32(pathEnd + 8, true) !== USER_AGENT[2] ||
    view.getInt32(pathEnd + 11, true) !== USER_AGENT[3]
  )
    return -1;
  const userAgentStart = pathEnd + USER_AGENT_LENGTH;
  const userAgentEnd = scanString(view, userAgentStart, limit);
  if (userAgentEnd < 0) return -1;
  line.userAgentStart = userAgentStart;
  line.userAgentEnd = userAgentEnd;
  line.userAgentHash = scannedHash;
  let at = userAgentEnd + 1;
  if (view.getUint8(at) === COMMA) {
    at = skipExtras(view, at, limit);
    if (at < 0) return -1;
  }
  return view.getUint8(at) === CLOSE_BRACE && view.getUint8(at + 1) === NEWLINE ? at + 2 : -1;
}

/** Of the string that scanString went over last. */
let scannedHash = 0;

/** Differ in every process: a client cannot know which tokens share a place. Odd, so that no bit is lost. */
const MULTIPLIER_1 = randomInt32() | 0x10001;
const MULTIPLIER_2 = randomInt32() | 0x10001;

/**
 * The place of the first quote from `start` on; -1 where a control character or the limit comes first. A backslash is
 * taken as any other byte: TokenTable refuses a token that holds one, so a quote behind it never counts as an end.
 *
 * Two words a step, each with its own hash so that neither waits for the other.
 */
function scanString(view: DataView, start: number, limit: number): number {
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
function skipPlain(view: DataView, start: number, limit: number): number {
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

/** From the comma behind the user agent to the closing brace; -1 for what must be judged by JSON.parse. */
function skipExtras(view: DataView, start: number, limit: number): number {
  let at = start;
  while (view.getUint8(at) === COMMA) {
    if (view.getUint8(at + 1) !== QUOTE) return -1;
    const keyEnd = skipPlain(view, at + 2, limit);
    if (keyEnd < 0 || view.getUint8(keyEnd + 1) !== COLON) return -1;
    if (mayBeOurs(view, at + 2, keyEnd)) return -1;
    at = skipScalar(view, keyEnd + 2, limit);
    if (at < 0 || at >= limit) return -1;
  }
  return at;
}

/** Whether a key is as long as one of the three and begins like it: a repeated key overrules the first. */
function mayBeOurs(view: DataView, start: number, end: number): boolean {
  const length = end - start;
  return (length === 4 || length === 9) && 'ptu'.includes(String.fromCharCode(view.getUint8(start)));
}

const LITERALS = ['true', 'false', 'null'].map((text) => Buffer.from(text));

/** The place behind a string, number or literal; -1 for anything else. */
function skipScalar(view: DataView, start: number, limit: number): number {
  const first = view.getUint8(start);
  if (first === QUOTE) return skipText(view, start + 1, limit);
  if (first === MINUS || isDigit(first)) return skipNumber(view, start);
  const literal = LITERALS.find((bytes) => bytes[0] === first);
  if (literal === undefined) return -1;
  return literal.every((byte, i) => view.getUint8(start + i) === byte) ? start + literal.length : -1;
}

/** The place behind the closing quote. Unlike in the three, escapes may be in it. */
function skipText(view: DataView, start: number, limit: number): number {
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

/** The place behind at least one digit, or -1. Ends at the newline at the latest. */
function skipDigits(view: DataView, start: number): number {
  let at = start;
  while (isDigit(view.getUint8(at))) at += 1;
  return at === start ? -1 : at;
}

/** The text as little-endian words; the last one overlaps the one before where the length is no multiple of four. */
function words(text: string): Int32Array {
  const bytes = Buffer.from(text);
  const result = new Int32Array(Math.ceil(bytes.length / 4));
  for (let i = 0; i < result.length; i++) result[i] = bytes.readInt32LE(Math.min(i * 4, bytes.length - 4));
  return result;
}
