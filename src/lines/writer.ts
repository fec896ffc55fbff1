import { BYTES } from '../model/bytes.ts';
import type { Lead } from './layout.ts';

const { BACKSLASH, CLOSE_BRACE, MINUS, NEWLINE, QUOTE, SLASH, ZERO } = BYTES;

/** A buffer doubles up to this many bytes more: what is reserved and not used stays small beside what a batch may have. */
const MAX_GROWTH = 4 * 1024 * 1024;
/** A longer text is measured, and not taken for its longest form. */
const LONG_TEXT = 16 * 1024;

/** Larger memory is not kept for the next batch. */
const MAX_SPARE = 4 * 1024 * 1024;

/** Of a safe integer, with its sign. */
export const MAX_INTEGER_BYTES = 17;

/** Of `plain`: the text holds a byte beyond ASCII; it holds one that JSON.stringify escapes. */
export const NOT_ASCII = 1;
export const ESCAPED = 2;

const NOTHING = Buffer.alloc(0);
const NO_VIEW = new DataView(NOTHING.buffer, 0, 0);

/** Told before a writer makes memory. */
export interface WriterMemory {
  /** Throws when there is no room. */
  claim(bytes: number): void;
}

/** Memory for the lines of one batch after the other: whoever gives it to a batch takes it back when the batch is stored. */
export class SpareMemory {
  bytes: Buffer = NOTHING;

  /** For the next batch, instead of what was kept before. */
  keep(bytes: Buffer): void {
    if (bytes.length <= MAX_SPARE) this.bytes = bytes;
  }
}

/** FAST PATH. Writes stored lines to a buffer that grows. The caller makes room once a line, by `reserve`. */
export class LineWriter {
  bytes: Buffer = NOTHING;
  /** Bytes written; set it back to discard what was written last. */
  used = 0;
  view: DataView = NO_VIEW;
  readonly #expected: number;
  readonly #memory: WriterMemory | undefined;
  readonly #spare: SpareMemory | undefined;

  /** `expected`: bytes that will usually be written. It writes to `spare` first, if there is some, and makes more where it must. */
  constructor(expected: number, memory?: WriterMemory, spare?: SpareMemory) {
    this.#expected = expected;
    this.#memory = memory;
    this.#spare = spare;
    if (spare !== undefined && spare.bytes.length > 0) this.#use(spare.bytes);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.used + count;
    if (needed <= this.bytes.length) return;
    const { length } = this.bytes;
    const size = Math.max(needed, Math.min(length * 2, length + MAX_GROWTH), this.#expected);
    this.#memory?.claim(size - length);
    const larger = Buffer.allocUnsafe(size);
    this.bytes.copy(larger, 0, 0, this.used);
    this.#use(larger);
    this.#spare?.keep(larger);
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  byte(value: number): void {
    this.bytes[this.used++] = value;
  }

  /** What stands before the text of a field. */
  lead({ view, length }: Lead): void {
    this.slice(view, 0, length);
  }

  /** The closing brace and the newline. */
  endLine(): void {
    this.bytes[this.used++] = CLOSE_BRACE;
    this.bytes[this.used++] = NEWLINE;
  }

  /** [start, end) of the buffer that `from` is a view of: eight bytes at a time. For short texts that costs less than a call of `copy`. */
  slice(from: DataView, start: number, end: number): void {
    const to = this.view;
    const shift = this.used - start;
    this.used = end + shift;
    if (end - start < 8) {
      for (let i = start; i < end; i++) to.setUint8(i + shift, from.getUint8(i));
      return;
    }
    const last = end - 8;
    for (let i = start; i < last; i += 8) to.setBigInt64(i + shift, from.getBigInt64(i, true), true);
    to.setBigInt64(last + shift, from.getBigInt64(last, true), true);
  }

  /** As slice, and tells of the text: 0 where each byte stands for itself in a JSON string, else NOT_ASCII, ESCAPED, or both. */
  plain(from: DataView, start: number, end: number): number {
    if (end - start < 4) return this.#plainBytes(from, start, end);
    const to = this.view;
    const shift = this.used - start;
    const last = end - 4;
    const lastPair = end - 8;
    let word = from.getInt32(last, true);
    to.setInt32(last + shift, word, true);
    let high = word;
    // Whether any byte of a word is one to escape; findStop explains it.
    let stop = escapes(word);
    let i = start;
    for (; i < lastPair; i += 8) {
      word = from.getInt32(i, true);
      const next = from.getInt32(i + 4, true);
      to.setInt32(i + shift, word, true);
      to.setInt32(i + 4 + shift, next, true);
      high |= word | next;
      stop |= escapes(word) | escapes(next);
    }
    for (; i < last; i += 4) {
      word = from.getInt32(i, true);
      to.setInt32(i + shift, word, true);
      high |= word;
      stop |= escapes(word);
    }
    this.used = end + shift;
    return ((high & HIGH_BITS) === 0 ? 0 : NOT_ASCII) | ((stop & HIGH_BITS) === 0 ? 0 : ESCAPED);
  }

  #plainBytes(from: DataView, start: number, end: number): number {
    let kind = 0;
    for (let i = start; i < end; i++) {
      const byte = from.getUint8(i);
      this.bytes[this.used++] = byte;
      if (byte > 0x7f) kind |= NOT_ASCII;
      else if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) kind |= ESCAPED;
    }
    return kind;
  }

  /** [start, end) of `from`; for long texts. */
  copy(from: Buffer, start: number, end: number): void {
    this.used += from.copy(this.bytes, this.used, start, end);
  }

  /** [start, end) of `from` as JSON.stringify writes it: up to six times the bytes. */
  escaped(from: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      if (byte >= 0x20 && byte !== BACKSLASH && byte !== QUOTE) {
        bytes[this.used++] = byte;
      } else if (byte >= 0x20) {
        bytes[this.used++] = BACKSLASH;
        bytes[this.used++] = byte;
      } else {
        this.used += bytes.write(JSON.stringify(String.fromCharCode(byte)).slice(1, -1), this.used, 'latin1');
      }
    }
  }

  /** [start, end) of `from`, the inside of a JSON string, with `/` for each `\/` in it. */
  withoutSlashEscapes(from: Uint8Array, start: number, end: number): void {
    for (let i = start; i < end; i++) {
      const byte = from[i] as number;
      if (byte !== BACKSLASH) {
        this.byte(byte);
        continue;
      }
      i++;
      if (from[i] !== SLASH) this.byte(BACKSLASH);
      this.byte(from[i] as number);
    }
  }

  /** A safe integer as JSON.stringify writes it: up to MAX_INTEGER_BYTES. */
  integer(value: number): void {
    const { bytes } = this;
    let rest = Math.abs(value);
    if (value < 0) bytes[this.used++] = MINUS;
    let digits = 1;
    for (let power = 10; power <= rest; power *= 10) digits++;
    const end = this.used + digits;
    for (let at = end - 1; at >= this.used; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    this.used = end;
  }

  /** A text of ASCII. */
  ascii(text: string): void {
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) bytes[this.used++] = text.charCodeAt(i);
  }

  /** A text, for which it makes room itself. */
  text(text: string): void {
    // A UTF-16 unit takes at most three bytes.
    this.reserve(text.length > LONG_TEXT ? Buffer.byteLength(text) : text.length * 3);
    this.used += this.bytes.write(text, this.used);
  }
}

const HIGH_BITS = -0x7f7f7f80;

function escapes(word: number): number {
  const flipped = word ^ 0x02020202;
  const backslash = word ^ 0x5c5c5c5c;
  return ((flipped - 0x21212121) & ~flipped) | ((backslash - 0x01010101) & ~backslash);
}
