import type { Layout } from '../../lines/layout.ts';
import { BYTES } from '../../model/bytes.ts';
import type { Collector } from '../collector.ts';
import { type DecodeOptions, KEPT_OF_FRAME, type RecordKind, type TextOptions } from '../decode.ts';
import { encodeFields } from '../decoded-record.ts';
import { storedFields } from '../files/access/access-lines.ts';
import { readCombinedLine } from '../files/access/combined-line.ts';
import { type JsonReader, rawOfBytes } from '../json-reader.ts';
import { exceeds, type RecordFault, type StoredRecord } from '../record.ts';
import type { UNJUDGED } from '../record-reader.ts';
import { escapeBytes } from './escape-bytes.ts';
import { createFastText, type FastText } from './fast-text.ts';
import { readText } from './read-text.ts';
import type { TextContext } from './text-record.ts';

const { OPEN_BRACE } = BYTES;

const NOT_JSON: RecordFault = { field: '', problem: 'is not an entry of the journal: not a JSON object' };

const NO_TIME: RecordFault = {
  field: '',
  problem: 'has no time at its beginning: expected "time [LEVEL] [service] message", a JSON object or syslog',
};

export interface TextReaderOptions {
  readonly layout: Layout;
  /** The block. */
  readonly body: Buffer;
  readonly collector: Collector;
  readonly options: DecodeOptions;
  readonly text: TextOptions & TextContext;
  /** Of the same block and collector. */
  readonly json: JsonReader;
}

/** Reads the texts of one block, each a record, and adds them to the collector. Made for each block. */
export class TextReader {
  readonly #layout: Layout;
  readonly #collector: Collector;
  readonly #options: DecodeOptions;
  readonly #text: TextOptions & TextContext;
  readonly #json: JsonReader;
  readonly #fast: FastText | undefined;

  constructor({ layout, body, collector, options, text, json }: TextReaderOptions) {
    this.#layout = layout;
    this.#collector = collector;
    this.#options = options;
    this.#text = text;
    this.#json = json;
    this.#fast = createFastText({ layout, body, collector, options, text });
  }

  /**
   * Adds the text at [start, end), which is not empty and trimmed (trim-text.ts), but may be no UTF-8. Gives what it was recognised as if it is
   * valid; undefined if it was rejected; UNJUDGED if `judge` must read it.
   */
  read(body: Buffer, start: number, end: number): RecordKind | undefined | typeof UNJUDGED {
    const { format } = this.#text;
    if (body[start] === OPEN_BRACE && (format === 'auto' || format === 'journald'))
      return this.#fast?.readEntry(start, end) === true ? 'journald' : this.#json.readText(start, end, this.#text);
    if (format === 'journald') return this.#add(NOT_JSON, 'journald', body, start, end);
    if (end - start > this.#options.maxRecordBytes) return this.#rejectLong(body, start, end);
    if (format === 'combined') return this.#readCombined(body, start, end);
    const known = this.#fast?.read(start, end);
    if (known !== undefined) return known;
    const text = escapeBytes(body.subarray(start, end));
    if (text.length > this.#options.maxRecordBytes) return this.#rejectLong(body, start, end);
    const { kind, fields } = readText(text, format, this.#text);
    if (this.#text.needsTime === true && fields.has('timestampSource'))
      return this.#add(NO_TIME, kind, body, start, end);
    return this.#add(encodeFields(this.#layout, fields, this.#options), kind, body, start, end);
  }

  /** The same for a text that is UNJUDGED, which is JSON. */
  judge(start: number, end: number): Generator<undefined, RecordKind | undefined, undefined> {
    return this.#json.judgeText(start, end, this.#text);
  }

  /** A text is not read in steps, and its line is not shorter than it is. Its letter has the beginning. */
  #rejectLong(body: Buffer, start: number, end: number): undefined {
    const { problem } = exceeds(this.#options.maxRecordBytes);
    const kept = Math.min(end, start + KEPT_OF_FRAME);
    const fault = {
      field: '',
      problem: `${problem}: a text of ${end - start}, of which the first ${kept - start} are kept`,
    };
    this.#add(fault, 'raw', body, start, kept);
  }

  #readCombined(body: Buffer, start: number, end: number): RecordKind | undefined {
    const { zone } = this.#text;
    const record = readCombinedLine(body.subarray(start, end), zone === 'arrival' ? 0 : zone);
    if ('reason' in record) return this.#add({ field: '', problem: record.reason }, 'raw', body, start, end);
    return this.#add(encodeFields(this.#layout, storedFields(record), this.#options), 'raw', body, start, end);
  }

  #add<K extends RecordKind>(
    record: StoredRecord | RecordFault,
    kind: K,
    body: Buffer,
    start: number,
    end: number,
  ): K | undefined {
    return this.#collector.add(record, () => rawOfBytes(body.subarray(start, end))) ? kind : undefined;
  }
}
