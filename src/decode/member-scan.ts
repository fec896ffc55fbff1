// FAST PATH, for any layout. Reads one record as clients write it: names in any order, white space, extra fields of any kind, levels by
// any of their names. It leaves to the reference reader what may be invalid and what it cannot judge: an escape in a name that
// JSON.stringify would not write there, a name that stands twice, \u in a required field, a level that only severityNumber gives, more than 16
// extra fields. object-scan.ts does the same for access records alone.

import type { InstantScan } from '../lines/instant-scan.ts';
import type { Lead } from '../lines/layout.ts';
import { LEVEL_VIEWS, levelNamed, levelOfDigit, MAX_LEVEL_LENGTH } from '../lines/level-scan.ts';
import { findStop } from '../lines/scan-text.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import { ExtraFields } from './extra-fields.ts';
import { fieldNamed, type NameTable, type ScanPlan } from './scan-plan.ts';
import type { ValueScan } from './value-scan.ts';

const { CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, QUOTE, ZERO } = BYTES;

/** The fewest bytes of a member and of the brace after it, `"":1}`. */
const MIN_MEMBER = 5;
/** A level as it is stored may be longer than it came: a digit becomes a level and its quotes. */
const LEVEL_GROWTH = MAX_LEVEL_LENGTH + 1;

export class MemberScan {
  /** Whether recordEnd last read a whole JSON object that certainly lacks a field. */
  isIncomplete = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #instants: InstantScan;
  readonly #values: ValueScan;
  readonly #extras: ExtraFields;
  readonly #names: NameTable;
  readonly #leads: readonly Lead[];
  readonly #levelAt: number;
  readonly #fieldEnds: Int32Array;
  /** Where the text of each field begins and ends; 0 where it was not found. Of a level only that it was found. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  /** The place in LEVELS of the record's level. */
  #level = 0;
  /** Fields that were not found yet. */
  #missing = 0;
  /** For each field, the one that came after it last; the last place: the one that came first. Most records have theirs in one order. */
  readonly #next: Int32Array;
  /** The place in it of the field found last. */
  #last = 0;
  #start = 0;
  #end = 0;

  constructor(
    { layout, names }: ScanPlan,
    bytes: Uint8Array,
    view: DataView,
    instants: InstantScan,
    values: ValueScan,
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.#instants = instants;
    this.#values = values;
    this.#extras = new ExtraFields(bytes, view, values);
    this.#names = names;
    this.#leads = layout.leads;
    this.#levelAt = layout.levelAt;
    this.#fieldEnds = layout.fieldEnds;
    this.#starts = new Int32Array(layout.fields.length);
    this.#ends = new Int32Array(layout.fields.length);
    this.#next = new Int32Array(layout.fields.length + 1);
  }

  /** The offset after the record that opens at `at`, or -1. Then `instants.hour` is its hour and `write` writes its line. */
  recordEnd(at: number): number {
    const bytes = this.#bytes;
    const values = this.#values;
    this.isIncomplete = false;
    if (bytes[at] !== OPEN_BRACE) return -1;
    this.#clear();
    let i = values.skipWhite(at + 1);
    this.isIncomplete = bytes[i] === CLOSE_BRACE;
    for (;;) {
      i = this.#memberEnd(i);
      if (i === -1 || i > values.limit) return -1;
      i = values.skipWhite(i);
      if (bytes[i] === CLOSE_BRACE) break;
      if (bytes[i] !== COMMA) return -1;
      i = values.skipWhite(i + 1);
    }
    if (this.#missing > 0) {
      // The level may be in severityNumber.
      this.isIncomplete = this.#missing > 1 || this.#levelAt === -1 || this.#starts[this.#levelAt] !== 0;
      return -1;
    }
    this.#start = at;
    this.#end = i + 1;
    return i + 1;
  }

  /** `at`: the comma after the last field of a record in stored form. The offset after the record, or -1. */
  storedExtrasEnd(at: number): number {
    const bytes = this.#bytes;
    const values = this.#values;
    this.#extras.clear();
    values.sawWhite = false;
    let i = at;
    while (bytes[i] === COMMA) {
      const nameEnd = i + 1 + MIN_MEMBER > bytes.length ? -1 : this.#nameEnd(i + 1);
      if (nameEnd === -1 || bytes[nameEnd] !== COLON || fieldNamed(this.#names, this.#view, i + 1, 0) !== -1) return -1;
      i = this.#extras.add(i + 1, nameEnd, nameEnd + 1);
      if (i === -1 || i > values.limit) return -1;
    }
    return bytes[i] === CLOSE_BRACE && !values.sawWhite ? i + 1 : -1;
  }

  /** Writes the stored line of the record that recordEnd found last, and sets the layout's `fieldEnds`. */
  write(writer: LineWriter, extraFields: 'keep' | 'drop'): void {
    const leads = this.#leads;
    writer.reserve(this.#end - this.#start + LEVEL_GROWTH + '\n'.length);
    writer.lead(leads[0] as Lead);
    this.#instants.write(writer, this.#starts[0] as number);
    const fieldEnds = this.#fieldEnds;
    fieldEnds[0] = writer.used;
    for (let field = 1; field < leads.length; field++) {
      writer.lead(leads[field] as Lead);
      if (field === this.#levelAt) {
        const level = LEVEL_VIEWS[this.#level] as DataView;
        writer.slice(level, 0, level.byteLength);
      } else if (this.#values.sawSlashEscape) {
        writer.withoutSlashEscapes(this.#bytes, this.#starts[field] as number, this.#ends[field] as number);
      } else {
        writer.slice(this.#view, this.#starts[field] as number, this.#ends[field] as number);
      }
      fieldEnds[field] = writer.used;
    }
    writer.byte(QUOTE);
    if (extraFields === 'keep') this.#extras.write(writer);
    writer.endLine();
  }

  #clear(): void {
    const starts = this.#starts;
    for (let field = 0; field < starts.length; field++) starts[field] = 0;
    this.#missing = starts.length;
    this.#last = starts.length;
    this.#extras.clear();
    this.#values.sawSlashEscape = false;
  }

  #memberEnd(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== QUOTE || at + MIN_MEMBER > bytes.length) return -1;
    const next = this.#next;
    const field = fieldNamed(this.#names, this.#view, at, next[this.#last] as number);
    if (field === -1) {
      const nameEnd = this.#nameEnd(at);
      return nameEnd === -1 ? -1 : this.#extras.add(at, nameEnd, this.#valueStart(nameEnd));
    }
    if (this.#starts[field] !== 0) return -1;
    next[this.#last] = field;
    this.#last = field;
    this.#missing--;
    const value = this.#valueStart(at + (this.#names.lengths[field] as number));
    this.#starts[field] = value + 1;
    if (field === 0) return this.#instants.quotedEnd(value, this.#values.limit);
    if (field === this.#levelAt) return this.#readLevel(value);
    const end = this.#values.textEnd(value);
    this.#ends[field] = end;
    return end === -1 ? -1 : end + 1;
  }

  /** Where the value begins whose name ends at `nameEnd`; without a colon, the end of the bytes. */
  #valueStart(nameEnd: number): number {
    const colon = this.#values.skipWhite(nameEnd);
    return this.#bytes[colon] === COLON ? this.#values.skipWhite(colon + 1) : this.#bytes.length;
  }

  /** The offset after the name in quotes at `at`, or -1; also for a name with an escape in it. */
  #nameEnd(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== QUOTE) return -1;
    const end = findStop(bytes, this.#view, at + 1, this.#values.limit);
    return bytes[end] === QUOTE ? end + 1 : -1;
  }

  /** The offset after a level: its name in quotes, or its number in syslog as one digit; else -1. */
  #readLevel(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] === QUOTE) {
      const end = findStop(bytes, this.#view, at + 1, this.#values.limit);
      this.#level = bytes[end] === QUOTE ? levelNamed(this.#view, at + 1, end) : -1;
      return this.#level === -1 ? -1 : end + 1;
    }
    // What follows the digit must be a comma or a brace, so a longer number is not taken for it.
    const digit = bytes[at] as number;
    if (digit < ZERO || digit > ZERO + 7) return -1;
    this.#level = levelOfDigit(digit);
    return at + 1;
  }
}
