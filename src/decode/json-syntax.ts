import { BYTES, isDigit, isHexDigit, isSimpleEscape, isWhite } from '../model/bytes.ts';

const {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  LOWER_CASE_BIT,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  LOWER_U,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  POINT,
  QUOTE,
  ZERO,
} = BYTES;

/** Where text stops being JSON, and what could stand there. */
export interface JsonFault {
  readonly offset: number;
  readonly expected: string;
}

const STEP = 256 * 1024;
const LITERALS = new Map<number, string>([
  [LOWER_T, 'true'],
  [LOWER_F, 'false'],
  [LOWER_N, 'null'],
]);

// Where in the grammar of RFC 8259 the next byte stands. From IN_STRING on it is within a token.
const BEFORE_VALUE = 0;
const AFTER_OPEN_BRACKET = 1;
const AFTER_OPEN_BRACE = 2;
const BEFORE_NAME = 3;
const BEFORE_COLON = 4;
const AFTER_VALUE = 5;
const IN_STRING = 6;
const IN_ESCAPE = 7;
const IN_HEX = 8;
const IN_LITERAL = 9;
const AFTER_MINUS = 10;
const AFTER_ZERO = 11;
const IN_INTEGER = 12;
const AFTER_POINT = 13;
const IN_FRACTION = 14;
const AFTER_E = 15;
const AFTER_E_SIGN = 16;
const IN_EXPONENT = 17;

/**
 * Checks that [start, end) is one JSON value (RFC 8259) with nothing but white space around it, and gives its depth: how many
 * objects and arrays are open at once. Otherwise it gives the place of the fault. It judges as JSON.parse does, but gives the
 * place, and yields every few milliseconds in any text. It does not recurse, and needs one bit a level: text of 16 MiB may be
 * 16 million levels deep. The bytes are known to be UTF-8.
 */
export function* checkJson(
  bytes: Buffer,
  start: number,
  end: number,
): Generator<undefined, JsonFault | number, undefined> {
  const syntax = new JsonSyntax();
  let nextYield = start + STEP;
  for (let at = start; at < end; at++) {
    if (!syntax.accept(bytes[at] as number)) return { offset: at, expected: syntax.expected(false) };
    if (at >= nextYield) {
      yield;
      nextYield = at + STEP;
    }
    if (syntax.isInString()) at = skipPlain(bytes, at + 1, Math.min(end, nextYield)) - 1;
  }
  return syntax.isComplete() ? syntax.deepest : { offset: end, expected: syntax.expected(true) };
}

/** The first byte at or after `at` that means something in a string, or `end`. */
function skipPlain(bytes: Buffer, at: number, end: number): number {
  let i = at;
  for (; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE || byte === BACKSLASH || byte < 0x20) break;
  }
  return i;
}

/** Whether [start, end) is JSON. It does not yield: for short text. */
export function isJson(bytes: Buffer, start: number, end: number): boolean {
  SHARED.reset();
  for (let at = start; at < end; at++) if (!SHARED.accept(bytes[at] as number)) return false;
  return SHARED.isComplete();
}

/** The grammar, a byte at a time. */
class JsonSyntax {
  #state = BEFORE_VALUE;
  /** Whether the string that is being read is a name. */
  #isName = false;
  /** Digits of a `\u` that are still to come; bytes of a literal that have been read. */
  #count = 0;
  #literal = '';
  /** The open containers, a bit each: 1 for an object. */
  #open = new Uint8Array(8);
  #depth = 0;
  /** The most containers that were open at once. */
  deepest = 0;

  /** Forgets what it has read. */
  reset(): void {
    this.#state = BEFORE_VALUE;
    this.#depth = 0;
    this.deepest = 0;
  }

  /** False when `byte` cannot stand here; then nothing has changed. */
  accept(byte: number): boolean {
    const state = this.#state;
    if (state === IN_STRING) return this.#acceptInString(byte);
    if (state > IN_STRING) return this.#acceptInToken(byte);
    if (isWhite(byte)) return true;
    if (state === AFTER_VALUE) return this.#acceptAfterValue(byte);
    if (state === BEFORE_COLON) return byte === COLON && this.#enter(BEFORE_VALUE);
    if (state === BEFORE_VALUE) return this.#acceptValue(byte);
    if (state === AFTER_OPEN_BRACKET) return byte === CLOSE_BRACKET ? this.#close() : this.#acceptValue(byte);
    if (state === AFTER_OPEN_BRACE && byte === CLOSE_BRACE) return this.#close();
    this.#isName = true;
    return byte === QUOTE && this.#enter(IN_STRING);
  }

  isInString(): boolean {
    return this.#state === IN_STRING;
  }

  /** Whether the text may end here. */
  isComplete(): boolean {
    return this.#depth === 0 && (this.#state === AFTER_VALUE || this.#endsNumber());
  }

  /** What could stand here, in place of a byte that was not accepted or of the end. */
  expected(isEnd: boolean): string {
    switch (this.#state) {
      case BEFORE_VALUE:
      case AFTER_OPEN_BRACKET:
        return 'a value';
      case AFTER_OPEN_BRACE:
        return 'a field name in quotes or "}"';
      case BEFORE_NAME:
        return 'a field name in quotes';
      case BEFORE_COLON:
        return '":"';
      case IN_STRING:
        return isEnd ? 'a closing quote' : 'an escape for the control character';
      case IN_ESCAPE:
      case IN_HEX:
        return 'an escape like \\n or \\u00e9';
      case IN_LITERAL:
        return `"${this.#literal}"`;
      case AFTER_VALUE:
        return this.#expectedAfterValue();
      default:
        return this.#endsNumber() ? this.#expectedAfterValue() : 'a digit';
    }
  }

  #expectedAfterValue(): string {
    if (this.#depth === 0) return 'nothing more';
    return this.#isInObject() ? '"," or "}"' : '"," or "]"';
  }

  #enter(state: number): true {
    this.#state = state;
    return true;
  }

  #acceptInString(byte: number): boolean {
    if (byte === QUOTE) this.#state = this.#isName ? BEFORE_COLON : AFTER_VALUE;
    else if (byte === BACKSLASH) this.#state = IN_ESCAPE;
    return byte >= 0x20;
  }

  #acceptInToken(byte: number): boolean {
    if (this.#state === IN_ESCAPE) {
      if (byte !== LOWER_U) return isSimpleEscape(byte) && this.#enter(IN_STRING);
      this.#count = 4;
      return this.#enter(IN_HEX);
    }
    if (this.#state === IN_HEX) {
      if (!isHexDigit(byte)) return false;
      this.#count--;
      return this.#count > 0 || this.#enter(IN_STRING);
    }
    if (this.#state === IN_LITERAL) {
      if (byte !== this.#literal.charCodeAt(this.#count)) return false;
      this.#count++;
      return this.#count < this.#literal.length || this.#enter(AFTER_VALUE);
    }
    const next = afterNumberByte(this.#state, byte);
    if (next !== -1) return this.#enter(next);
    return this.#endsNumber() && this.#enter(AFTER_VALUE) && this.accept(byte);
  }

  #acceptValue(byte: number): boolean {
    if (byte === QUOTE) {
      this.#isName = false;
      return this.#enter(IN_STRING);
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.#push(byte);
      return this.#enter(byte === OPEN_BRACE ? AFTER_OPEN_BRACE : AFTER_OPEN_BRACKET);
    }
    if (byte === MINUS) return this.#enter(AFTER_MINUS);
    if (isDigit(byte)) return this.#enter(byte === ZERO ? AFTER_ZERO : IN_INTEGER);
    const literal = LITERALS.get(byte);
    if (literal === undefined) return false;
    this.#literal = literal;
    this.#count = 1;
    return this.#enter(IN_LITERAL);
  }

  #acceptAfterValue(byte: number): boolean {
    if (this.#depth === 0) return false;
    const isObject = this.#isInObject();
    if (byte === COMMA) return this.#enter(isObject ? BEFORE_NAME : BEFORE_VALUE);
    return byte === (isObject ? CLOSE_BRACE : CLOSE_BRACKET) && this.#close();
  }

  #isInObject(): boolean {
    const level = this.#depth - 1;
    return (((this.#open[level >>> 3] as number) >>> (level & 7)) & 1) === 1;
  }

  #endsNumber(): boolean {
    const state = this.#state;
    return state === AFTER_ZERO || state === IN_INTEGER || state === IN_FRACTION || state === IN_EXPONENT;
  }

  #push(kind: number): void {
    const level = this.#depth++;
    if (level === this.#open.length * 8) {
      const larger = new Uint8Array(this.#open.length * 2);
      larger.set(this.#open);
      this.#open = larger;
    }
    const others = (this.#open[level >>> 3] as number) & ~(1 << (level & 7));
    this.#open[level >>> 3] = others | (kind === OPEN_BRACE ? 1 << (level & 7) : 0);
    if (this.#depth > this.deepest) this.deepest = this.#depth;
  }

  #close(): true {
    this.#depth--;
    return this.#enter(AFTER_VALUE);
  }
}

const SHARED = new JsonSyntax();

/** The state after a byte of a number, or -1 where a number cannot have it there. */
function afterNumberByte(state: number, byte: number): number {
  if (isDigit(byte)) {
    if (state === AFTER_MINUS) return byte === ZERO ? AFTER_ZERO : IN_INTEGER;
    if (state === AFTER_POINT || state === IN_FRACTION) return IN_FRACTION;
    if (state === IN_INTEGER) return IN_INTEGER;
    return state === AFTER_ZERO ? -1 : IN_EXPONENT;
  }
  const isWhole = state === AFTER_ZERO || state === IN_INTEGER;
  if (byte === POINT) return isWhole ? AFTER_POINT : -1;
  if ((byte | LOWER_CASE_BIT) === LOWER_E) return isWhole || state === IN_FRACTION ? AFTER_E : -1;
  if (byte === PLUS || byte === MINUS) return state === AFTER_E ? AFTER_E_SIGN : -1;
  return -1;
}
