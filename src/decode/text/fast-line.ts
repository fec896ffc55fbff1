// FAST PATH. Writes the stored line of a text whose parts were found in its bytes. The figures stand at fast-text.ts.

import { isUtf8 } from 'node:buffer';
import type { Layout, Lead } from '../../lines/layout.ts';
import { isTrimmed } from '../../lines/scan-text.ts';
import { ESCAPED, type LineWriter, NOT_ASCII } from '../../lines/writer.ts';
import { BYTES } from '../../model/bytes.ts';
import { LEVELS, type Level } from '../../model/level.ts';
import type { FastData } from './fast-data.ts';
import { FACILITIES } from './syslog.ts';
import type { TextTime } from './text-time.ts';

const { COMMA, QUOTE } = BYTES;

/** Of a field whose lead is written with the level. */
const NO_LEAD: Lead = { text: '', length: 0, view: new DataView(new ArrayBuffer(0)), words: new Int32Array(0) };

/** The most bytes that JSON.stringify makes of one. */
const MOST_ESCAPED = 6;
/** Bytes of a line beside what is copied from the text: its timestamp, level, facility and the names of the other fields. */
const SPARE = 256;

/** The fields that every text has; a layout must have these and no others. */
export const TEXT_FIELDS: readonly string[] = ['timestamp', 'level', 'message', 'service'];
const LEVEL = 1;
const MESSAGE = 2;

const FACILITY_VIEWS = FACILITIES.map((name) => toView(`,"facility":"${name}"`));
/** A facility, and what stands before the host that follows it. */
const HOST_VIEWS = FACILITIES.map((name) => toView(`,"facility":"${name}","host":"`));
const PID = toView(',"pid":"');
const MESSAGE_ID = toView(',"messageId":"');
const STRUCTURED_DATA = toView(',"structuredData":');

export interface FastLineOptions {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly layout: Layout;
  /** What the reader reads the timestamp with. */
  readonly time: TextTime;
  /** And the structured data. */
  readonly data: FastData;
  readonly keepsExtras: boolean;
  /** Of a text that names none. */
  readonly service: string;
  readonly level: Level;
}

/**
 * The parts of one text after the other. Its reader calls `clear` and sets those that it finds, then calls `write`. A part is [start, end) of
 * the bytes. The host, the pid and the message's id are absent where they are empty; they are printable ASCII without quotes and backslashes.
 */
export class FastLine {
  /** The place of the level in LEVELS. */
  level = 0;
  messageStart = 0;
  messageEnd = 0;
  /** Empty: `defaultService` stands in its place. */
  serviceStart = 0;
  serviceEnd = 0;
  /** By its number; -1 where the text has none. */
  facility = -1;
  hostStart = 0;
  hostEnd = 0;
  pidStart = 0;
  pidEnd = 0;
  messageIdStart = 0;
  messageIdEnd = 0;
  /** Whether the text has structured data. */
  hasData = false;

  /** Further members that are stored as they came: [start, end) of each range of neighbours, with the commas between them. */
  readonly #ranges: number[] = [];
  #rangeBytes = 0;
  /** The place in LEVELS of the level of a text that names none. */
  readonly defaultLevel: number;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #time: TextTime;
  readonly #data: FastData;
  readonly #keepsExtras: boolean;
  readonly #leads: readonly Lead[];
  readonly #fieldEnds: Int32Array;
  /** The places in TEXT_FIELDS of the layout's fields. */
  readonly #order: readonly number[];
  /** For each level what stands between the texts before and after it: `","level":"INFO","message":"`. */
  readonly #levels: readonly DataView[];
  /** Bytes of it after the level. */
  readonly #afterLevel: number;
  readonly #service: DataView;

  constructor({ bytes, view, layout, time, data, keepsExtras, service, level }: FastLineOptions) {
    this.#bytes = bytes;
    this.#view = view;
    this.#time = time;
    this.#data = data;
    this.#keepsExtras = keepsExtras;
    const { fields, leads, levelAt } = layout;
    this.#leads = leads.map((lead, field) => (field === levelAt || field === levelAt + 1 ? NO_LEAD : lead));
    this.#order = fields.map((name) => TEXT_FIELDS.indexOf(name));
    const [before, after] = [leads[levelAt]?.text ?? '', leads[levelAt + 1]?.text ?? ''];
    this.#afterLevel = after.length;
    this.#fieldEnds = layout.fieldEnds;
    this.#levels = LEVELS.map((level) => toView(before + level + after));
    this.#service = toView(JSON.stringify(service).slice(1, -1));
    this.defaultLevel = LEVELS.indexOf(level);
  }

  clear(): void {
    this.serviceEnd = this.serviceStart;
    this.facility = -1;
    this.hostEnd = this.hostStart;
    this.pidEnd = this.pidStart;
    this.messageIdEnd = this.messageIdStart;
    this.hasData = false;
    // Most texts have none, and to set the length of an array costs more than all the rest.
    if (this.#ranges.length > 0) this.#ranges.length = 0;
    this.#rangeBytes = 0;
  }

  /** [start, end) is `"name":value` of JSON, to be stored as it is. UTF-8 is checked when it is written. */
  addMember(start: number, end: number): void {
    const ranges = this.#ranges;
    this.#rangeBytes += end - start + 1;
    if (ranges.length > 0 && ranges.at(-1) === start - 1) ranges[ranges.length - 1] = end;
    else ranges.push(start, end);
  }

  /** Whether [start, end), trimmed of the white space of ASCII, can be the message. */
  setMessage(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let from = start;
    let to = end;
    while (from < to && isAsciiSpace(bytes[from] as number)) from++;
    while (to > from && isAsciiSpace(bytes[to - 1] as number)) to--;
    this.messageStart = from;
    this.messageEnd = to;
    return from < to && isTrimmed(bytes, from, to);
  }

  /** Writes the stored line, and sets the layout's `fieldEnds`. False, and nothing written, where a text is not UTF-8. */
  write(writer: LineWriter): boolean {
    const most = this.#mostBytes();
    writer.reserve(most);
    const start = writer.used;
    const leads = this.#leads;
    const order = this.#order;
    writer.lead(leads[0] as Lead);
    this.#time.write(writer);
    const fieldEnds = this.#fieldEnds;
    fieldEnds[0] = writer.used;
    let kinds = 0;
    for (let field = 1; field < order.length; field++) {
      const place = order[field];
      if (place === LEVEL) {
        writeView(writer, this.#levels[this.level] as DataView);
        fieldEnds[field] = writer.used - this.#afterLevel;
        continue;
      }
      const lead = leads[field] as Lead;
      if (lead.length > 0) writer.lead(lead);
      if (place === MESSAGE) kinds |= this.#writeText(writer, this.messageStart, this.messageEnd, most);
      else if (this.serviceStart < this.serviceEnd)
        kinds |= this.#writeText(writer, this.serviceStart, this.serviceEnd, most);
      else writeView(writer, this.#service);
      fieldEnds[field] = writer.used;
    }
    writer.byte(QUOTE);
    if (this.#keepsExtras && this.facility !== -1) this.#writeExtras(writer);
    if (this.#ranges.length > 0) kinds |= this.#writeMembers(writer);
    writer.endLine();
    // Between two texts stands ASCII, so the line is UTF-8 exactly if each of its texts is.
    if ((kinds & NOT_ASCII) === 0 || isUtf8(writer.bytes.subarray(start, writer.used))) return true;
    writer.used = start;
    return false;
  }

  #mostBytes(): number {
    const headers =
      this.hostEnd - this.hostStart + (this.pidEnd - this.pidStart) + (this.messageIdEnd - this.messageIdStart);
    const texts = this.messageEnd - this.messageStart + (this.serviceEnd - this.serviceStart);
    return (
      SPARE + headers + texts + this.#rangeBytes + this.#service.byteLength + (this.hasData ? this.#data.mostBytes : 0)
    );
  }

  #writeExtras(writer: LineWriter): void {
    if (this.hostStart < this.hostEnd)
      this.#writeExtra(writer, HOST_VIEWS[this.facility] as DataView, this.hostStart, this.hostEnd);
    else writeView(writer, FACILITY_VIEWS[this.facility] as DataView);
    this.#writeExtra(writer, PID, this.pidStart, this.pidEnd);
    this.#writeExtra(writer, MESSAGE_ID, this.messageIdStart, this.messageIdEnd);
    if (!this.hasData) return;
    writeView(writer, STRUCTURED_DATA);
    this.#data.write(writer);
  }

  #writeMembers(writer: LineWriter): number {
    const ranges = this.#ranges;
    let kinds = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      writer.byte(COMMA);
      kinds |= writer.plain(this.#view, ranges[i] as number, ranges[i + 1] as number);
    }
    return kinds;
  }

  #writeExtra(writer: LineWriter, lead: DataView, start: number, end: number): void {
    if (start >= end) return;
    writeView(writer, lead);
    writer.slice(this.#view, start, end);
    writer.byte(QUOTE);
  }

  /** Returns what LineWriter.plain tells of the text. `most`: the most bytes of the line where nothing is escaped. */
  #writeText(writer: LineWriter, start: number, end: number, most: number): number {
    const { used } = writer;
    const kind = writer.plain(this.#view, start, end);
    if ((kind & ESCAPED) !== 0) {
      writer.used = used;
      // For all of the line that is still to come.
      writer.reserve(most * MOST_ESCAPED);
      writer.escaped(this.#bytes, start, end);
    }
    return kind;
  }
}

function writeView(writer: LineWriter, view: DataView): void {
  writer.slice(view, 0, view.byteLength);
}

function isAsciiSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function toView(text: string): DataView {
  const bytes = Buffer.from(text);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
