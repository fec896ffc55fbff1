// FAST PATH. Finds the values of CSV rows in their bytes, and writes the stored line of a plain row without a string. Works for any layout.

import { InstantScan } from '../lines/instant-scan.ts';
import type { Layout, Lead } from '../lines/layout.ts';
import { LEVEL_VIEWS, levelNamed, MAX_LEVEL_LENGTH } from '../lines/level-scan.ts';
import { findStop, findValueStop, isTrimmed } from '../lines/scan-text.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES, isContinuation } from '../model/bytes.ts';
import { type Columns, MAX_COLUMNS } from './csv-columns.ts';

const { BACKSLASH, COMMA, NEWLINE, QUOTE, RETURN } = BYTES;

/** For each value: where it begins and ends, without its quotes, and whether its bytes are also its JSON text. */
const VALUE_INTS = 3;
const PLAIN = 0;
const SPECIAL = 1;

// The place of the next byte in a row.
const BEFORE_VALUE = 0;
const UNQUOTED = 1;
const IN_QUOTES = 2;

/** rowEnd returns it where the decoder should yield. */
export const UNFINISHED = -2;
/** A longer row goes to the reference reader, which yields. */
const LARGE = 64 * 1024;
/** Bytes that are read without a pause. */
const STEP = 128 * 1024;

export class RowScan {
  readonly instants: InstantScan;
  /** Values in the row read last. The places of the first MAX_COLUMNS are known. */
  count = 0;
  /** Why the row read last is malformed. */
  fault = '';
  /** Whether the row read last has doubled quotes in a value: then csv-parse must read its values. */
  hasDoubledQuotes = false;
  readonly #bytes: Buffer;
  readonly #leads: readonly Lead[];
  readonly #levelAt: number;
  readonly #fieldEnds: Int32Array;
  readonly #view: DataView;
  readonly #values = new Int32Array(MAX_COLUMNS * VALUE_INTS);
  /** The place in LEVELS of the row's level. */
  #level = 0;
  #at = 0;
  #place = BEFORE_VALUE;
  #valueStart = 0;
  #kind = PLAIN;
  /** Whether a value of the row is not PLAIN. */
  #hasSpecial = false;

  constructor(bytes: Buffer, layout: Layout) {
    this.#bytes = bytes;
    this.#leads = layout.leads;
    this.#levelAt = layout.levelAt;
    this.#fieldEnds = layout.fieldEnds;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.instants = new InstantScan(bytes, this.#view);
  }

  /** Reads the row at `at`: the offset after its line end, -1 for the `fault` of it, or UNFINISHED: see `continueRow`. */
  rowEnd(at: number): number {
    this.count = 0;
    this.#at = at;
    this.#place = BEFORE_VALUE;
    this.#hasSpecial = false;
    this.hasDoubledQuotes = false;
    return this.continueRow();
  }

  /** Reads the next part of a row that rowEnd did not finish; returns as rowEnd does. */
  continueRow(): number {
    const bytes = this.#bytes;
    const limit = this.#at + STEP;
    while (this.#at < limit) {
      if (this.#place === BEFORE_VALUE) this.#enterValue();
      const end = this.#place === IN_QUOTES ? this.#quotedEnd(limit) : this.#unquotedEnd(limit);
      if (end < 0) return end;
      if (bytes[end] !== COMMA) return Math.min(bytes[end] === RETURN ? end + 2 : end + 1, bytes.length);
      this.#at = end + 1;
      this.#place = BEFORE_VALUE;
    }
    return UNFINISHED;
  }

  isBlank(): boolean {
    return this.count === 1 && this.#values[0] === this.#values[1];
  }

  /** The row's values as strings, at most MAX_COLUMNS of them, if no quotes are doubled in it. */
  *texts(): Generator<undefined, string[], undefined> {
    const texts: string[] = [];
    for (let column = 0; column < Math.min(this.count, MAX_COLUMNS); column++) texts.push(yield* this.#text(column));
    return texts;
  }

  /** Writes the row's stored line, and sets the layout's `fieldEnds`; false, and nothing written, if the reference reader must judge it. */
  write(writer: LineWriter, columns: Columns, bytesOfRow: number): boolean {
    if (!this.#isPlain(columns, bytesOfRow)) return false;
    const { fields, extras, overhead } = columns;
    const instants = this.instants;
    const timestamp = (fields[0] as number) * VALUE_INTS;
    const timestampStart = this.#values[timestamp] as number;
    if (!instants.read(timestampStart, this.#values[timestamp + 1] as number)) return false;
    writer.reserve(bytesOfRow * (this.#hasSpecial ? 6 : 1) + overhead + MAX_LEVEL_LENGTH);
    writer.lead(this.#leads[0] as Lead);
    instants.write(writer, timestampStart);
    const leads = this.#leads;
    const fieldEnds = this.#fieldEnds;
    fieldEnds[0] = writer.used;
    for (let field = 1; field < fields.length; field++) {
      writer.lead(leads[field] as Lead);
      if (field === this.#levelAt) this.#writeLevel(writer);
      else this.#writeValue(writer, fields[field] as number);
      fieldEnds[field] = writer.used;
    }
    writer.byte(QUOTE);
    for (const { at, view } of extras) {
      writer.slice(view, 0, view.byteLength);
      writer.byte(QUOTE);
      this.#writeValue(writer, at);
      writer.byte(QUOTE);
    }
    writer.endLine();
    return true;
  }

  /** Whether the row can be written by its bytes: it has every field, none is blank or must be trimmed, and it is not oversized. */
  #isPlain({ count, fields, isComplete, isTooLong, maxRowBytes }: Columns, bytesOfRow: number): boolean {
    if (this.hasDoubledQuotes || bytesOfRow > LARGE || this.count !== count || !isComplete) return false;
    if (isTooLong || bytesOfRow > maxRowBytes) return false;
    if (this.#values[(fields[0] as number) * VALUE_INTS + 2] !== PLAIN) return false;
    for (let field = 1; field < fields.length; field++) {
      if (!this.#isTrimmedText(fields[field] as number)) return false;
    }
    return this.#levelAt === -1 || this.#readLevel(fields[this.#levelAt] as number);
  }

  /** Whether the value certainly names a level, which it keeps. */
  #readLevel(column: number): boolean {
    const value = column * VALUE_INTS;
    if (this.#values[value + 2] !== PLAIN) return false;
    this.#level = levelNamed(this.#view, this.#values[value] as number, this.#values[value + 1] as number);
    return this.#level !== -1;
  }

  #writeLevel(writer: LineWriter): void {
    const level = LEVEL_VIEWS[this.#level] as DataView;
    writer.slice(level, 0, level.byteLength);
  }

  #isTrimmedText(column: number): boolean {
    const start = this.#values[column * VALUE_INTS] as number;
    const end = this.#values[column * VALUE_INTS + 1] as number;
    return end > start && isTrimmed(this.#bytes, start, end);
  }

  #writeValue(writer: LineWriter, column: number): void {
    const start = this.#values[column * VALUE_INTS] as number;
    const end = this.#values[column * VALUE_INTS + 1] as number;
    if (this.#values[column * VALUE_INTS + 2] === PLAIN) {
      writer.slice(this.#view, start, end);
    } else {
      writer.escaped(this.#bytes, start, end);
    }
  }

  #add(start: number, end: number, kind: number): void {
    const column = this.count++;
    if (kind !== PLAIN) this.#hasSpecial = true;
    if (column >= MAX_COLUMNS) return;
    this.#values[column * VALUE_INTS] = start;
    this.#values[column * VALUE_INTS + 1] = end;
    this.#values[column * VALUE_INTS + 2] = kind;
  }

  #enterValue(): void {
    const isQuoted = this.#bytes[this.#at] === QUOTE;
    if (isQuoted) this.#at++;
    this.#place = isQuoted ? IN_QUOTES : UNQUOTED;
    this.#valueStart = this.#at;
    this.#kind = PLAIN;
  }

  /** The comma, line end or end of the body after the value. */
  #unquotedEnd(limit: number): number {
    const bytes = this.#bytes;
    const stop = Math.min(limit, bytes.length);
    let i = findValueStop(bytes, this.#view, this.#at, stop);
    // A value mostly ends at a comma. After any other stop the bytes are read one by one.
    if (bytes[i] !== COMMA) {
      for (; i < stop; i++) {
        const byte = bytes[i] as number;
        if (byte === COMMA || byte === NEWLINE) break;
        if (byte === QUOTE) return this.#fail('a quote inside an unquoted value');
        if (byte === RETURN && bytes[i + 1] === NEWLINE) break;
        if (byte < 0x20 || byte === BACKSLASH) this.#kind = SPECIAL;
      }
    }
    if (i === limit) return this.#pause(i);
    this.#add(this.#valueStart, i, this.#kind);
    return i;
  }

  #quotedEnd(limit: number): number {
    const bytes = this.#bytes;
    const stop = Math.min(limit, bytes.length);
    let i = this.#at;
    for (;;) {
      if (this.#kind === PLAIN) i = findStop(bytes, this.#view, i, stop);
      else while (i < stop && bytes[i] !== QUOTE) i++;
      if (i >= bytes.length) return this.#fail('a quote is not closed');
      if (i >= limit) return this.#pause(i);
      if (bytes[i] !== QUOTE) this.#kind = SPECIAL;
      else if (bytes[i + 1] === QUOTE) {
        this.#kind = SPECIAL;
        this.hasDoubledQuotes = true;
        i += 2;
      } else break;
    }
    this.#add(this.#valueStart, i, this.#kind);
    const next = bytes[i + 1];
    const isEnd =
      next === COMMA || next === NEWLINE || next === undefined || (next === RETURN && bytes[i + 2] === NEWLINE);
    return isEnd ? i + 1 : this.#fail('text after a closing quote');
  }

  #pause(at: number): number {
    this.#at = at;
    return UNFINISHED;
  }

  #fail(fault: string): number {
    this.fault = fault;
    return -1;
  }

  /** A value as text; a long one in pieces of whole characters. */
  *#text(column: number): Generator<undefined, string, undefined> {
    const bytes = this.#bytes;
    const end = this.#values[column * VALUE_INTS + 1] as number;
    let text = '';
    for (let at = this.#values[column * VALUE_INTS] as number; at < end; ) {
      const pieceEnd = endOfPiece(bytes, at, end);
      text += bytes.toString('utf8', at, pieceEnd);
      at = pieceEnd;
      if (at < end) yield;
    }
    return text;
  }
}

/** About STEP bytes on, where a character begins. */
function endOfPiece(bytes: Buffer, start: number, end: number): number {
  if (end - start < STEP) return end;
  let at = start + STEP;
  while (at < end && isContinuation(bytes[at])) at++;
  return at;
}
