// FAST PATH, made by hand for the layout ACCESS: it knows the names of the three fields. equality.test.ts holds it to the reference
// reader, which is driven by the layout.
//
// Reads one record as clients write it: names in any order, white space, extra fields of any kind. It leaves to the reference reader what may
// be invalid and what it cannot judge: an escape in a name, a name that stands twice, \u in one of the three fields, more than 16 extra
// fields.

import type { InstantScan } from '../lines/instant-scan.ts';
import { ACCESS, type Lead, leadOf } from '../lines/layout.ts';
import { findStop, toWords } from '../lines/scan-text.ts';
import type { LineWriter } from '../lines/writer.ts';
import { BYTES } from '../model/bytes.ts';
import { ExtraFields } from './extra-fields.ts';
import type { ValueScan } from './value-scan.ts';

const { CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, QUOTE } = BYTES;

const TIMESTAMP_LEAD = leadOf(ACCESS, 'timestamp');
const PATH_LEAD = leadOf(ACCESS, 'path');
const USER_AGENT_LEAD = leadOf(ACCESS, 'userAgent');

const FIELD_ENDS = ACCESS.fieldEnds;

const TIMESTAMP_NAME = toWords('timestamp');
const PATH_NAME = toWords('path');
const USER_AGENT_NAME = toWords('userAgent');
const USER_AGENT_NAME_LENGTH = 9;

export class ObjectScan {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #instants: InstantScan;
  readonly #values: ValueScan;
  readonly #extras: ExtraFields;
  /** Whether recordEnd last read a whole JSON object that lacks one of the three fields. */
  isIncomplete = false;
  #start = 0;
  #end = 0;
  #timestampStart = 0;
  #pathStart = 0;
  #pathEnd = 0;
  #userAgentStart = 0;
  #userAgentEnd = 0;

  constructor(bytes: Uint8Array, view: DataView, instants: InstantScan, values: ValueScan) {
    this.#bytes = bytes;
    this.#view = view;
    this.#instants = instants;
    this.#values = values;
    this.#extras = new ExtraFields(bytes, view, values);
  }

  /** The offset after the record that opens at `at`, or -1. Then `instants.hour` is its hour and `write` writes its line. */
  recordEnd(at: number): number {
    const bytes = this.#bytes;
    const values = this.#values;
    if (bytes[at] !== OPEN_BRACE) return -1;
    this.#extras.clear();
    this.#timestampStart = 0;
    this.#pathStart = 0;
    this.#userAgentStart = 0;
    values.sawSlashEscape = false;
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
    this.isIncomplete = this.#timestampStart === 0 || this.#pathStart === 0 || this.#userAgentStart === 0;
    if (this.isIncomplete) return -1;
    this.#start = at;
    this.#end = i + 1;
    return i + 1;
  }

  /** `at`: the comma after the third field of a record in stored form. The offset after the record, or -1. */
  storedExtrasEnd(at: number): number {
    this.#extras.clear();
    this.#values.sawWhite = false;
    let i = at;
    while (this.#bytes[i] === COMMA) {
      const nameEnd = this.#nameEnd(i + 1);
      if (nameEnd === -1 || this.#bytes[nameEnd] !== COLON || this.#isOneOfThree(i + 2, nameEnd - 1)) return -1;
      i = this.#extras.add(i + 1, nameEnd, nameEnd + 1);
      if (i === -1 || i > this.#values.limit) return -1;
    }
    return this.#bytes[i] === CLOSE_BRACE && !this.#values.sawWhite ? i + 1 : -1;
  }

  /** Writes the stored line of the record that recordEnd found last, and sets the layout's `fieldEnds`. */
  write(writer: LineWriter, extraFields: 'keep' | 'drop'): void {
    // A stored line is no longer than its record but for the newline.
    writer.reserve(this.#end - this.#start + 1);
    writeLead(writer, TIMESTAMP_LEAD);
    this.#instants.write(writer, this.#timestampStart);
    FIELD_ENDS[0] = writer.used;
    writeLead(writer, PATH_LEAD);
    this.#writeText(writer, this.#pathStart, this.#pathEnd);
    FIELD_ENDS[1] = writer.used;
    writeLead(writer, USER_AGENT_LEAD);
    this.#writeText(writer, this.#userAgentStart, this.#userAgentEnd);
    FIELD_ENDS[2] = writer.used;
    writer.byte(QUOTE);
    if (extraFields === 'keep') this.#extras.write(writer);
    writer.endLine();
  }

  #memberEnd(at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] !== QUOTE || at + USER_AGENT_NAME_LENGTH + 2 > bytes.length) return -1;
    if (bytes[at + 5] === QUOTE && this.#isName(at + 1, PATH_NAME)) return this.#readPath(this.#valueStart(at + 6));
    if (bytes[at + 10] === QUOTE) {
      if (this.#isName(at + 1, TIMESTAMP_NAME)) return this.#readTimestamp(this.#valueStart(at + 11));
      if (this.#isName(at + 1, USER_AGENT_NAME)) return this.#readUserAgent(this.#valueStart(at + 11));
    }
    const nameEnd = this.#nameEnd(at);
    return nameEnd === -1 ? -1 : this.#extras.add(at, nameEnd, this.#valueStart(nameEnd));
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

  #isOneOfThree(start: number, end: number): boolean {
    const length = end - start;
    if (length === 4) return this.#isName(start, PATH_NAME);
    return length === 9 && (this.#isName(start, TIMESTAMP_NAME) || this.#isName(start, USER_AGENT_NAME));
  }

  /** Whether the name at `start`, as long as `name`, which is of four or nine bytes, is `name`. */
  #isName(start: number, name: Int32Array): boolean {
    const view = this.#view;
    if (view.getInt32(start, true) !== name[0]) return false;
    return (
      name.length === 1 || (view.getInt32(start + 4, true) === name[1] && view.getInt32(start + 5, true) === name[2])
    );
  }

  #readTimestamp(at: number): number {
    const end = this.#timestampStart === 0 ? this.#instants.quotedEnd(at, this.#values.limit) : -1;
    this.#timestampStart = at + 1;
    return end;
  }

  #readPath(at: number): number {
    const end = this.#pathStart === 0 ? this.#values.textEnd(at) : -1;
    this.#pathStart = at + 1;
    this.#pathEnd = end;
    return end === -1 ? -1 : end + 1;
  }

  #readUserAgent(at: number): number {
    const end = this.#userAgentStart === 0 ? this.#values.textEnd(at) : -1;
    this.#userAgentStart = at + 1;
    this.#userAgentEnd = end;
    return end === -1 ? -1 : end + 1;
  }

  #writeText(writer: LineWriter, start: number, end: number): void {
    if (this.#values.sawSlashEscape) writer.withoutSlashEscapes(this.#bytes, start, end);
    else writer.slice(this.#view, start, end);
  }
}

/** As LineWriter.lead, 3 % faster in all, for the leads of ACCESS: they have three or four words. */
function writeLead(writer: LineWriter, { words, length }: Lead): void {
  const view = writer.view;
  const at = writer.used;
  view.setInt32(at, words[0] as number, true);
  view.setInt32(at + 4, words[1] as number, true);
  if (words.length === 4) view.setInt32(at + 8, words[2] as number, true);
  view.setInt32(at + length - 4, words[words.length - 1] as number, true);
  writer.used = at + length;
}
