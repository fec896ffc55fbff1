import { isUtf8 } from 'node:buffer';
import type { Layout } from '../lines/layout.ts';
import { isWhite } from '../model/bytes.ts';
import type { Collector } from './collector.ts';
import type { DecodeOptions, RecordKind, TextOptions } from './decode.ts';
import { encodeFields } from './decoded-record.ts';
import { explainLine } from './json.ts';
import { type JsonFields, readJsonFields } from './json-fields.ts';
import { readJsonRecord } from './json-record.ts';
import type { JsonFault } from './json-syntax.ts';
import { altersValidRecords } from './map-fields.ts';
import { runToEnd } from './pace.ts';
import { exceeds, type RecordFault, type StoredRecord } from './record.ts';
import { type RecordFormat, type RecordReader, UNJUDGED } from './record-reader.ts';
import { isJournalEntry, readJournalEntry } from './text/journald.ts';
import type { TextContext } from './text/text-record.ts';
import { endOfText, startOfText } from './text/trim-text.ts';
import { firstInvalidByte } from './utf8.ts';

/** A longer text is judged by a reader that pauses. */
const SHORT = 4 * 1024;
/** Text may be this many times as long as a stored line: white space, and values that later ones replace, are not stored. */
const MAX_LINES = 4;
/** Of these one is in each entry of the journal, unless its names have escapes. */
const ENTRY_NAMES = ['MESSAGE', '__REALTIME_TIMESTAMP', '\\u'].map((name) => Buffer.from(name));

/** Bytes as dead letters have them. */
export function rawOfBytes(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : `base64:${bytes.toString('base64')}`;
}

const NOT_AN_ENTRY: RecordFault = { field: '', problem: 'is not an entry of the journal: it has no MESSAGE' };

type JsonKind = Extract<RecordKind, 'json' | 'journald'>;
type TextFormatAndContext = TextContext & Pick<TextOptions, 'format'>;

export interface JsonReaderOptions {
  readonly format: Pick<RecordFormat, 'layout' | 'createReader'>;
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
}

/** Reads JSON records that stand anywhere in a block, and adds each to the collector. */
export class JsonReader {
  readonly #body: Buffer;
  readonly #layout: Layout;
  readonly #collector: Collector;
  readonly #options: DecodeOptions;
  readonly #fast: RecordReader;
  readonly #view: DataView;
  readonly #triesFast: boolean;

  constructor({ format, body, collector, options }: JsonReaderOptions) {
    this.#body = body;
    this.#layout = format.layout;
    this.#collector = collector;
    this.#options = options;
    this.#fast = format.createReader(body, collector, options);
    this.#view = new DataView(body.buffer, body.byteOffset, body.length);
    this.#triesFast = options.mapping === undefined || !altersValidRecords(options.mapping, format.layout);
  }

  /** Whether the record at [start, end) is valid; white space, NULs and a byte order mark may stand around it. */
  read(start: number, end: number): boolean | typeof UNJUDGED {
    if (this.#acceptFast(start, end)) return true;
    return end - start > SHORT ? UNJUDGED : runToEnd(this.judge(start, end));
  }

  /** The same for one that is UNJUDGED. */
  *judge(from: number, to: number): Generator<undefined, boolean, undefined> {
    const { start, end } = this.#trim(from, to);
    const fault = this.#faultOfBytes(start, end);
    if (fault !== undefined) return this.#add(fault, start, end);
    if (this.#options.mapping === undefined) return yield* this.#addRecord(start, end);
    return yield* this.#addFields(yield* this.#readFields(start, end), start, end);
  }

  /** As `read`, for a text of which it is not known whether it is an entry of the journal. `format`: it must be one, or may be. */
  readText(start: number, end: number, text: TextFormatAndContext): JsonKind | undefined | typeof UNJUDGED {
    if (text.format !== 'journald' && this.#acceptFast(start, end)) return 'json';
    return end - start > SHORT ? UNJUDGED : runToEnd(this.judgeText(start, end, text));
  }

  /** The same for one that is UNJUDGED. */
  *judgeText(
    start: number,
    end: number,
    text: TextFormatAndContext,
  ): Generator<undefined, JsonKind | undefined, undefined> {
    const mustBeEntry = text.format === 'journald';
    if (!mustBeEntry && !this.#mayBeEntry(start, end)) return (yield* this.judge(start, end)) ? 'json' : undefined;
    const read = this.#faultOfBytes(start, end) ?? (yield* this.#readFields(start, end));
    if ('fields' in read) {
      const { fields, names } = read;
      // A record has a timestamp; an entry of the journal has names in upper case.
      const isEntry = isJournalEntry(fields) && !fields.has('timestamp');
      if (isEntry || (mustBeEntry && fields.has('MESSAGE'))) {
        yield;
        const { fields: entry } = readJournalEntry(fields, text);
        yield;
        return (yield* this.#addFields({ fields: entry, names }, start, end)) ? 'journald' : undefined;
      }
      if (mustBeEntry) {
        this.#add(NOT_AN_ENTRY, start, end);
        return undefined;
      }
      if (this.#options.mapping === undefined) return (yield* this.#addRecord(start, end)) ? 'json' : undefined;
    }
    return (yield* this.#addFields(read, start, end)) ? 'json' : undefined;
  }

  #mayBeEntry(start: number, end: number): boolean {
    const text = this.#body.subarray(start, end);
    return ENTRY_NAMES.some((name) => text.includes(name));
  }

  #trim(from: number, to: number): { readonly start: number; readonly end: number } {
    const start = startOfText(this.#body, from, to);
    return { start, end: endOfText(this.#body, start, to) };
  }

  #acceptFast(start: number, end: number): boolean {
    if (!this.#triesFast) return false;
    const body = this.#body;
    const fast = this.#fast;
    let from = start;
    while (from < end && isWhite(body[from])) from++;
    let to = fast.find(from);
    if (to === -1) return false;
    while (to < end && isWhite(body[to])) to++;
    return to === end && this.#isUtf8(start, end) && fast.acceptCopy();
  }

  #isUtf8(start: number, end: number): boolean {
    return isAscii(this.#view, start, end) || isUtf8(this.#body.subarray(start, end));
  }

  #faultOfBytes(start: number, end: number): RecordFault | undefined {
    if (this.#isUtf8(start, end)) return undefined;
    const offset = firstInvalidByte(this.#body.subarray(start, end));
    const byte = (this.#body[start + offset] as number).toString(16).padStart(2, '0');
    return { field: '', problem: `not UTF-8: invalid byte 0x${byte} at offset ${offset}` };
  }

  *#readFields(start: number, end: number) {
    const { maxRecordBytes } = this.#options;
    // Its fields are in memory as texts.
    if (end - start > maxRecordBytes * MAX_LINES) return exceeds(maxRecordBytes);
    return yield* readJsonFields(this.#body, start, end, this.#options);
  }

  *#addRecord(start: number, end: number): Generator<undefined, boolean, undefined> {
    const record = yield* readJsonRecord(this.#layout, this.#body, start, end, this.#options);
    return this.#add('offset' in record ? yield* this.#explain(start, end, record) : record, start, end);
  }

  *#addFields(
    read: JsonFields | RecordFault | JsonFault,
    start: number,
    end: number,
  ): Generator<undefined, boolean, undefined> {
    if ('offset' in read) return this.#add(yield* this.#explain(start, end, read), start, end);
    const record = 'problem' in read ? read : encodeFields(this.#layout, read.fields, this.#options, read.names);
    return this.#add(record, start, end);
  }

  #add(record: StoredRecord | RecordFault, start: number, end: number): boolean {
    return this.#collector.add(record, () => rawOfBytes(this.#body.subarray(start, end)).trim());
  }

  #explain(start: number, end: number, fault: JsonFault): Generator<undefined, RecordFault, undefined> {
    return explainLine(this.#body, start, end, undefined, fault);
  }
}

/** FAST PATH. Eight bytes at a time. */
function isAscii(view: DataView, start: number, end: number): boolean {
  let bits = 0;
  let at = start;
  for (; at <= end - 8; at += 8) bits |= view.getInt32(at) | view.getInt32(at + 4);
  for (; at < end; at++) bits |= view.getInt8(at) << 24;
  return (bits & 0x80808080) === 0;
}
