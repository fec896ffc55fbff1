import { findStop } from '../lines/scan-text.ts';
import { isWhite } from './json-tokens.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const LOWER_U = 0x75;

const MAX_DEPTH = 32;

/** FAST PATH. Finds the end of a JSON value that will be copied as it stands; whatever is odd it leaves to others. */
export class ValueScan {
  /** Where it gives up: nothing beyond is looked at. */
  limit = 0;
  /** Whether white space between tokens was met; for the caller to reset. */
  sawWhite = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
  }

  /** The offset behind the valid JSON value at `at`; -1 when it is not one for sure, or is nested deeper than 32. */
  valueEnd(at: number, depth = 0): number {
    const byte = this.#bytes[at] as number;
    if (byte === QUOTE) return this.stringEnd(at);
    if (byte === MINUS || isDigit(byte)) return this.#numberEnd(at);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return depth < MAX_DEPTH ? this.#containerEnd(at, depth) : -1;
    return this.#literalEnd(at, byte);
  }

  /** The offset behind the closing quote of the string that opens at `at`, or -1. */
  stringEnd(at: number): number {
    const bytes = this.#bytes;
    for (let i = at + 1; ; ) {
      i = findStop(bytes, this.#view, i, this.limit);
      if (bytes[i] === QUOTE) return i + 1;
      if (bytes[i] !== BACKSLASH || i >= this.limit || !this.#isEscape(i + 1)) return -1;
      i += bytes[i + 1] === LOWER_U ? 6 : 2;
    }
  }

  /** The first byte at or after `at` that is not JSON white space. */
  skipWhite(at: number): number {
    const bytes = this.#bytes;
    if ((bytes[at] as number) > 0x20) return at;
    let i = at;
    while (i < this.limit && isWhite(bytes[i])) i++;
    if (i > at) this.sawWhite = true;
    return i;
  }

  #containerEnd(at: number, depth: number): number {
    const bytes = this.#bytes;
    const isObject = bytes[at] === OPEN_BRACE;
    const closing = isObject ? CLOSE_BRACE : CLOSE_BRACKET;
    let i = this.skipWhite(at + 1);
    if (bytes[i] === closing) return i + 1;
    for (;;) {
      if (isObject) {
        if (bytes[i] !== QUOTE) return -1;
        const colon = this.stringEnd(i);
        if (colon === -1) return -1;
        i = this.skipWhite(colon);
        if (bytes[i] !== COLON) return -1;
        i = this.skipWhite(i + 1);
      }
      i = this.valueEnd(i, depth + 1);
      if (i === -1 || i > this.limit) return -1;
      i = this.skipWhite(i);
      if (bytes[i] === closing) return i + 1;
      if (bytes[i] !== COMMA) return -1;
      i = this.skipWhite(i + 1);
    }
  }

  #isEscape(at: number): boolean {
    const bytes = this.#bytes;
    switch (bytes[at]) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // /
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
        return true;
      case LOWER_U:
        return isHex(bytes[at + 1]) && isHex(bytes[at + 2]) && isHex(bytes[at + 3]) && isHex(bytes[at + 4]);
      default:
        return false;
    }
  }

  #numberEnd(at: number): number {
    const bytes = this.#bytes;
    const whole = bytes[at] === MINUS ? at + 1 : at;
    let i = bytes[whole] === ZERO ? whole + 1 : this.#digitsEnd(whole);
    if (i !== -1 && bytes[i] === POINT) i = this.#digitsEnd(i + 1);
    if (i === -1 || ((bytes[i] as number) | 0x20) !== 0x65) return i;
    const sign = bytes[i + 1];
    return this.#digitsEnd(sign === 0x2b || sign === MINUS ? i + 2 : i + 1);
  }

  /** The offset behind at least one digit, or -1. */
  #digitsEnd(at: number): number {
    const bytes = this.#bytes;
    let i = at;
    while (i < this.limit && isDigit(bytes[i] as number)) i++;
    return i === at ? -1 : i;
  }

  #literalEnd(at: number, first: number): number {
    const b = this.#bytes;
    if (first === 0x74) return b[at + 1] === 0x72 && b[at + 2] === 0x75 && b[at + 3] === 0x65 ? at + 4 : -1;
    if (first === 0x6e) return b[at + 1] === 0x75 && b[at + 2] === 0x6c && b[at + 3] === 0x6c ? at + 4 : -1;
    if (first !== 0x66) return -1;
    return b[at + 1] === 0x61 && b[at + 2] === 0x6c && b[at + 3] === 0x73 && b[at + 4] === 0x65 ? at + 5 : -1;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte < ZERO + 10;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}
