import { CsvError, type Options, parse } from 'csv-parse/sync';
import { Collector, type CollectorOptions } from '../../src/decode/collector.ts';
import { type Columns, encodeRow, readColumns } from '../../src/decode/csv-columns.ts';
import { type DecodeOptions, type Decoder, MalformedBodyError, type TextFormat } from '../../src/decode/decode.ts';
import { explain, explainLine } from '../../src/decode/json.ts';
import { readJsonRecord } from '../../src/decode/json-record.ts';
import { endOfValue, skipWhite } from '../../src/decode/json-tokens.ts';
import { startOfText } from '../../src/decode/utf8.ts';
import { createLayout } from '../../src/lines/layout.ts';
import type { Stream } from '../../src/model/stream.ts';

/**
 * Decoders without a fast path: JSON.parse and csv-parse read each record. The real decoders must give the same result. These
 * are slow, and use as much memory as they need.
 */
export function createReferenceDecoders(stream: Stream): Readonly<Record<TextFormat, Decoder>> {
  return { json: referenceJson(stream), ndjson: referenceNdjson(stream), csv: referenceCsv(stream) };
}

/** A collector that checks no schema. */
export function collect(
  body: Buffer,
  options: DecodeOptions,
  format: Pick<CollectorOptions, 'stream' | 'noun'>,
): Collector {
  return new Collector(body, { ...options, ...format, expected: 0, check: undefined });
}

function referenceJson(stream: Stream): Decoder {
  const layout = createLayout(stream);
  return function* decode(body, options) {
    const start = startOfText(body);
    const collector = collect(body, options, { stream: stream.name, noun: 'record' });
    let at = yield* skipWhite(body, start, body.length);
    if (body[at] === 0x7b && isJson(body.toString('utf8', at))) {
      const end = yield* endOfValue(body, at, body.length);
      const record = yield* readJsonRecord(layout, body, at, end, options);
      if ('offset' in record) throw new Error('cannot agree with JSON.parse on a body of one record');
      const from = at;
      collector.add(record, () => body.toString('utf8', from, end).trim());
      return yield* collector.finish();
    }
    if (body[at] !== 0x5b) throw yield* explain(body, start);
    at = yield* skipWhite(body, at + 1, body.length);
    for (let index = 0; index > 0 || body[at] !== 0x5d; index++) {
      const from = at;
      at = yield* endOfValue(body, from, body.length);
      const text = body.toString('utf8', from, at);
      if (!isJson(text)) throw yield* explain(body, start);
      const record = yield* readJsonRecord(layout, body, from, at, options);
      if ('offset' in record) throw new Error(`cannot agree with JSON.parse on ${text}`);
      collector.add(record, () => text.trim());
      if (body[at] !== 0x2c) break;
      at++;
    }
    const isOver = body[at] === 0x5d && (yield* skipWhite(body, at + 1, body.length)) === body.length;
    if (!isOver) throw yield* explain(body, start);
    return yield* collector.finish();
  };
}

function referenceNdjson(stream: Stream): Decoder {
  const layout = createLayout(stream);
  return function* decode(body, options) {
    const collector = collect(body, options, { stream: stream.name, noun: 'record' });
    let line = 1;
    for (let at = startOfText(body); at < body.length; line++) {
      const start = at;
      const newline = body.indexOf(0x0a, start);
      const end = newline === -1 ? body.length : newline;
      at = end + 1;
      if ((yield* skipWhite(body, start, end)) === end) continue;
      const text = body.toString('utf8', start, end);
      const record = yield* readJsonRecord(layout, body, start, end, options);
      if ('offset' in record === isJson(text)) throw new Error(`cannot agree with JSON.parse on ${text}`);
      const result = 'offset' in record ? yield* explainLine(body, start, end, line, record) : record;
      collector.add(result, () => text.trim());
    }
    return yield* collector.finish();
  };
}

function referenceCsv(stream: Stream): Decoder {
  const layout = createLayout(stream);
  return function* decode(body, options) {
    const collector = collect(body, options, { stream: stream.name, noun: 'row' });
    const text = body.subarray(startOfText(body));
    let columns: Columns | undefined;
    let row = 0;
    let start = 0;
    const { rows, fault } = parseCsv(text);
    for (const { values, end } of rows) {
      const raw = text.toString('utf8', start, end).replace(/\r?\n$/, '');
      start = end;
      row++;
      if (values.length === 1 && values[0] === '') continue;
      if (columns === undefined) {
        const first = readColumns(layout, values, values.length, row, options);
        columns = first.columns;
        if (first.isHeader) continue;
      }
      collector.index = row;
      collector.add(encodeRow(layout, values, values.length, columns, options), () => raw);
    }
    if (fault !== undefined) throw fault;
    return yield* collector.finish();
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const CSV_OPTIONS: Options = {
  relax_column_count: true,
  record_delimiter: ['\r\n', '\n'],
  encoding: 'utf8',
};

const CSV_FAULTS = new Map([
  ['CSV_QUOTE_NOT_CLOSED', 'a quote is not closed'],
  ['INVALID_OPENING_QUOTE', 'a quote inside an unquoted value'],
  ['CSV_INVALID_CLOSING_QUOTE', 'text after a closing quote'],
]);

interface Row {
  readonly values: string[];
  /** The offset of its end, its line end included. */
  readonly end: number;
}

/** The rows up to the first error, if there is one. */
function parseCsv(text: Buffer): { rows: Row[]; fault: MalformedBodyError | undefined } {
  const rows: Row[] = [];
  try {
    const keep = (values: string[], info: { bytes: number }) => {
      rows.push({ values, end: info.bytes });
      return null;
    };
    parse(text, { ...CSV_OPTIONS, on_record: keep });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const fault = CSV_FAULTS.get(error.code) ?? error.message;
    return { rows, fault: new MalformedBodyError(`not CSV: row ${rows.length + 1}: ${fault}`, { cause: error }) };
  }
  return { rows, fault: undefined };
}
