import { findStop, isTrimmed } from '../lines/scan-text.ts';
import { BYTES, isDigit, isHexDigit, isSimpleEscape, isWhite } from '../model/bytes.ts';

const {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  LOWER_A,
  LOWER_B,
  LOWER_CASE_BIT,
  LOWER_E,
  LOWER_F,
  LOWER_L,
  LOWER_N,
  LOWER_R,
  LOWER_S,
  LOWER_T,
  LOWER_U,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  POINT,
  QUOTE,
  SLASH,
  ZERO,
} = BYTES;

/** It calls itself for each level. Deeper values are rare. */
const MAX_DEPTH = 32;

/** FAST PATH. Finds the end of a JSON value that will be copied as it is. It gives up where it cannot judge the value. */
export class ValueScan {
  /** It gives up at this offset and reads nothing beyond it. */
  limit = 0;
  /** Whether it found white space between tokens. The caller resets it. */
  sawWhite = false;
  /** Whether `textEnd` found `\/`: JSON.stringify writes a slash as it is. The caller resets it. */
  sawSlashEscape = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #maxDepth: number;

  /** `maxDepth`: levels that a value may have in a valid record; beyond it, or beyond 32, the reference reader judges. */
  constructor(bytes: Uint8Array, view: DataView, maxDepth: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#maxDepth = Math.min(maxDepth, MAX_DEPTH);
  }

  /** The offset after the valid JSON value at `at`; -1 when it is not certainly valid, or is nested too deep. */
  valueEnd(at: number, depth = 0): number {
    const byte = this.#bytes[at] as number;
    if (byte === QUOTE) return this.stringEnd(at);
    if (byte === MINUS || isDigit(byte)) return this.#numberEnd(at);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET)
      return depth < this.#maxDepth ? this.#containerEnd(at, depth) : -1;
    return this.#literalEnd(at, byte);
  }

  /** The offset after the closing quote of the string that opens at `at`, or -1. */
  stringEnd(at: number): number {
    const bytes = this.#bytes;
    for (let i = at + 1; ; ) {
      i = findStop(bytes, this.#view, i, this.limit);
      if (bytes[i] === QUOTE) return i + 1;
      if (bytes[i] !== BACKSLASH || i >= this.limit || !this.#isEscape(i + 1)) return -1;
      i += bytes[i + 1] === LOWER_U ? 6 : 2;
    }
  }

  /**
   * The closing quote of the text of a required field that opens at `at`; -1 when it is blank, needs to be trimmed, or has an escape that
   * JSON.stringify would write in another way, but for `\/`.
   */
  textEnd(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== QUOTE) return -1;
    const start = at + 1;
    let i = start;
    let whiteEscapeEnd = start;
    for (;;) {
      i = findStop(bytes, this.#view, i, this.limit);
      if (bytes[i] === QUOTE) break;
      if (bytes[i] !== BACKSLASH || i >= this.limit) return -1;
      const escaped = bytes[i + 1];
      if (escaped === SLASH) this.sawSlashEscape = true;
      else if (escaped === LOWER_T || escaped === LOWER_N || escaped === LOWER_F || escaped === LOWER_R) {
        if (i === start) return -1;
        whiteEscapeEnd = i + 2;
      } else if (escaped !== QUOTE && escaped !== BACKSLASH && escaped !== LOWER_B) return -1;
      i += 2;
    }
    return i > start && i !== whiteEscapeEnd && isTrimmed(bytes, start, i) ? i : -1;
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
    if (bytes[at] !== LOWER_U) return isSimpleEscape(bytes[at]);
    return (
      isHexDigit(bytes[at + 1]) && isHexDigit(bytes[at + 2]) && isHexDigit(bytes[at + 3]) && isHexDigit(bytes[at + 4])
    );
  }

  #numberEnd(at: number): number {
    const bytes = this.#bytes;
    const whole = bytes[at] === MINUS ? at + 1 : at;
    let i = bytes[whole] === ZERO ? whole + 1 : this.#digitsEnd(whole);
    if (i !== -1 && bytes[i] === POINT) i = this.#digitsEnd(i + 1);
    if (i === -1 || ((bytes[i] as number) | LOWER_CASE_BIT) !== LOWER_E) return i;
    const sign = bytes[i + 1];
    return this.#digitsEnd(sign === PLUS || sign === MINUS ? i + 2 : i + 1);
  }

  /** The offset after at least one digit, or -1. */
  #digitsEnd(at: number): number {
    const bytes = this.#bytes;
    let i = at;
    while (i < this.limit && isDigit(bytes[i] as number)) i++;
    return i === at ? -1 : i;
  }

  #literalEnd(at: number, first: number): number {
    const b = this.#bytes;
    if (first === LOWER_T) return b[at + 1] === LOWER_R && b[at + 2] === LOWER_U && b[at + 3] === LOWER_E ? at + 4 : -1;
    if (first === LOWER_N) return b[at + 1] === LOWER_U && b[at + 2] === LOWER_L && b[at + 3] === LOWER_L ? at + 4 : -1;
    if (first !== LOWER_F) return -1;
    const isFalse = b[at + 1] === LOWER_A && b[at + 2] === LOWER_L && b[at + 3] === LOWER_S && b[at + 4] === LOWER_E;
    return isFalse ? at + 5 : -1;
  }
}
