// FAST PATH. Writes the stored line of a record whose fields were found in the bytes of a binary format. Works for any layout. The
// figures stand at its callers.

import { isUtf8 } from 'node:buffer';
import { InstantScan } from '../lines/instant-scan.ts';
import type { Layout, Lead } from '../lines/layout.ts';
import { isStoredLevel, readLevel } from '../lines/level-scan.ts';
import { isTrimmed } from '../lines/scan-text.ts';
import { ESCAPED, type LineWriter, MAX_INTEGER_BYTES, NOT_ASCII } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import type { DecodeOptions } from './decode.ts';

const { QUOTE } = BYTES;

/** A longer text goes to the reference reader, which yields. */
const LARGE = 64 * 1024;
/** Bytes that the stored form of a timestamp may be longer than the timestamp that came, and that a level may be. */
const SPARE = 32;
/** The most bytes that JSON.stringify makes of one. */
const MOST_ESCAPED = 6;

// What is known of a field.
const ABSENT = 0;
const TEXT = 1;
const INTEGER = 2;
const TOKEN = 3;

/** Where the fields of a kind of record go in the stored line. Made once for each schema. */
export interface FlatPlan {
  /** The number of fields. */
  readonly count: number;
  /** For each field of the layout, its place among the fields. */
  readonly fields: readonly number[];
  /** The other fields that are kept: their places, in stored order, and `,"name":` as it goes before the value. */
  readonly extras: readonly { readonly at: number; readonly view: DataView }[];
  /** The places of the fields that are dropped. */
  readonly dropped: readonly number[];
  /** Bytes of a line beside the values. */
  readonly overhead: number;
}

/**
 * The plan for records whose fields have these names, each once. The order is the stored order of extra fields. undefined where the
 * records lack a field of the layout, so that none can be valid.
 */
export function planFlatLine(
  layout: Layout,
  names: readonly string[],
  extraFields: DecodeOptions['extraFields'],
): FlatPlan | undefined {
  const fields = layout.fields.map((name) => names.indexOf(name));
  if (fields.includes(-1)) return undefined;
  const others = [...names.entries()].filter(([, name]) => !layout.fields.includes(name));
  const extras = extraFields === 'keep' ? others.map(([at, name]) => toExtra(at, name)) : [];
  const dropped = extraFields === 'keep' ? [] : others.map(([at]) => at);
  const overhead = extras.reduce((sum, { view }) => sum + view.byteLength + '""'.length, layout.overhead + SPARE);
  return { count: names.length, fields, extras, dropped, overhead };
}

function toExtra(at: number, name: string) {
  const bytes = Buffer.from(`,${JSON.stringify(name)}:`);
  return { at, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/**
 * The fields of one record of a body after the other. Its decoder sets each field, or calls `clear` and sets those that it finds, then
 * calls `write`. A field that is set again has the value that came last. An absent field is left out.
 */
export class FlatLine {
  readonly instants: InstantScan;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #plan: FlatPlan;
  readonly #leads: readonly Lead[];
  readonly #levelAt: number;
  readonly #fieldEnds: Int32Array;
  readonly #kinds: Uint8Array;
  /** Of a TEXT: where it begins and ends. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #integers: Float64Array;
  readonly #tokens: string[] = [];

  /** `bytes`: where the texts are. */
  constructor(bytes: Buffer, layout: Layout, plan: FlatPlan) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.instants = new InstantScan(bytes, this.#view);
    this.#plan = plan;
    this.#leads = layout.leads;
    this.#levelAt = layout.levelAt;
    this.#fieldEnds = layout.fieldEnds;
    this.#kinds = new Uint8Array(plan.count);
    this.#starts = new Int32Array(plan.count);
    this.#ends = new Int32Array(plan.count);
    this.#integers = new Float64Array(plan.count);
  }

  /** All fields are absent. */
  clear(): void {
    const kinds = this.#kinds;
    for (let at = 0; at < kinds.length; at++) kinds[at] = ABSENT;
  }

  absent(at: number): void {
    this.#kinds[at] = ABSENT;
  }

  /** [start, end) of the bytes, which need not be UTF-8. */
  text(at: number, start: number, end: number): void {
    this.#kinds[at] = TEXT;
    this.#starts[at] = start;
    this.#ends[at] = end;
  }

  /** A safe integer. */
  integer(at: number, value: number): void {
    this.#kinds[at] = INTEGER;
    this.#integers[at] = value;
  }

  /** A value by its JSON text, which is ASCII. Not for a field of the layout. */
  token(at: number, json: string): void {
    this.#kinds[at] = TOKEN;
    this.#tokens[at] = json;
  }

  /**
   * Writes the stored line; `instants.hour` is then its hour, and the layout has its `fieldEnds`. False, and nothing written, where the
   * reference must judge: a field of the layout is absent, blank, not trimmed or no text, a timestamp or a level is not valid, a text is long
   * or not UTF-8. The caller compares the length of the line with its limit.
   */
  write(writer: LineWriter): boolean {
    const { fields, extras } = this.#plan;
    const instants = this.instants;
    const most = this.#judge();
    if (most < 0) return false;
    writer.reserve(most);
    const start = writer.used;
    const leads = this.#leads;
    writer.lead(leads[0] as Lead);
    instants.write(writer, this.#starts[fields[0] as number] as number);
    const fieldEnds = this.#fieldEnds;
    fieldEnds[0] = writer.used;
    let kinds = 0;
    for (let field = 1; field < fields.length; field++) {
      const at = fields[field] as number;
      writer.lead(leads[field] as Lead);
      if (field === this.#levelAt) {
        if (!this.#writeLevel(writer, at)) return this.#undo(writer, start);
      } else {
        kinds |= this.#writeText(writer, at, most);
      }
      fieldEnds[field] = writer.used;
    }
    writer.byte(QUOTE);
    for (let extra = 0; extra < extras.length; extra++) {
      const { at, view } = extras[extra] as FlatPlan['extras'][number];
      const kind = this.#kinds[at];
      if (kind === ABSENT) continue;
      writer.slice(view, 0, view.byteLength);
      if (kind === TEXT) {
        writer.byte(QUOTE);
        kinds |= this.#writeText(writer, at, most);
        writer.byte(QUOTE);
      } else if (kind === INTEGER) writer.integer(this.#integers[at] as number);
      else writer.ascii(this.#tokens[at] as string);
    }
    writer.endLine();
    // Between two texts stands ASCII, so the line is UTF-8 exactly if each of its texts is.
    if ((kinds & NOT_ASCII) !== 0 && !isUtf8(writer.bytes.subarray(start, writer.used)))
      return this.#undo(writer, start);
    return true;
  }

  /** The most bytes that the line takes where nothing is escaped; -1 where the reference must judge. Reads the timestamp. */
  #judge(): number {
    const { fields, extras, dropped, overhead } = this.#plan;
    const timestamp = fields[0] as number;
    if (this.#kinds[timestamp] !== TEXT) return -1;
    const from = this.#starts[timestamp] as number;
    const to = this.#ends[timestamp] as number;
    if (to - from > LARGE || !this.instants.read(from, to)) return -1;
    let most = overhead + to - from;
    for (let field = 1; field < fields.length; field++) {
      const at = fields[field] as number;
      const start = this.#starts[at] as number;
      const end = this.#ends[at] as number;
      if (this.#kinds[at] !== TEXT || end - start > LARGE) return -1;
      most += end - start;
      // Where the text is not UTF-8 this says nothing, and the line is given up at its end.
      if (field !== this.#levelAt && (start === end || !isTrimmed(this.#bytes, start, end))) return -1;
    }
    for (let extra = 0; extra < extras.length; extra++) {
      const bytes = this.#mostOf((extras[extra] as FlatPlan['extras'][number]).at);
      if (bytes < 0) return -1;
      most += bytes;
    }
    for (let i = 0; i < dropped.length; i++) {
      const at = dropped[i] as number;
      if (this.#mostOf(at) < 0 || (this.#kinds[at] === TEXT && !this.#isUtf8(at))) return -1;
    }
    return most;
  }

  #isUtf8(at: number): boolean {
    return isUtf8(this.#bytes.subarray(this.#starts[at], this.#ends[at]));
  }

  /** The most bytes that the value takes in a line where nothing is escaped; -1 for a long text. */
  #mostOf(at: number): number {
    const kind = this.#kinds[at];
    if (kind === ABSENT) return 0;
    if (kind === INTEGER) return MAX_INTEGER_BYTES;
    if (kind === TOKEN) return (this.#tokens[at] as string).length;
    const length = (this.#ends[at] as number) - (this.#starts[at] as number);
    return length > LARGE ? -1 : length;
  }

  /** Returns what LineWriter.plain tells of the text. `most`: the most bytes of the line where nothing is escaped. */
  #writeText(writer: LineWriter, at: number, most: number): number {
    const start = this.#starts[at] as number;
    const end = this.#ends[at] as number;
    const used = writer.used;
    const kind = writer.plain(this.#view, start, end);
    if ((kind & ESCAPED) !== 0) {
      writer.used = used;
      // For all of the line that is still to come.
      writer.reserve(most * MOST_ESCAPED);
      writer.escaped(this.#bytes, start, end);
    }
    return kind;
  }

  #writeLevel(writer: LineWriter, at: number): boolean {
    const start = this.#starts[at] as number;
    const end = this.#ends[at] as number;
    if (isStoredLevel(this.#view, start, end)) {
      writer.slice(this.#view, start, end);
      return true;
    }
    const level = readLevel(this.#bytes, start, end);
    if (level === undefined) return false;
    writer.ascii(level);
    return true;
  }

  #undo(writer: LineWriter, start: number): boolean {
    writer.used = start;
    return false;
  }
}
