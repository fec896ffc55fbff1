import type { Layout } from '../lines/layout.ts';
import { parseJson } from '../lines/parse-json.ts';
import { BYTES } from '../model/bytes.ts';
import type { FieldMap } from '../model/field-map.ts';
import { Collector } from './collector.ts';
import type { Decoded, DecodeOptions, Decoder } from './decode.ts';
import { encodeFields } from './decoded-record.ts';
import { explainInvalid, memberNames } from './files/json-faults.ts';
import type { JsonObject } from './files/json-text.ts';
import { createRecordMapper, type MapFault, type MapRecord } from './files/record-mapper.ts';
import { explain, explainLine } from './json.ts';
import { describeDeep } from './json-record.ts';
import { checkJson, type JsonFault } from './json-syntax.ts';
import { endOfValue, skipWhite } from './json-tokens.ts';
import { Pace } from './pace.ts';
import { exceeds, NOT_AN_OBJECT, type RecordFault, type StoredRecord } from './record.ts';
import type { RecordFormat } from './record-reader.ts';
import { startOfText } from './utf8.ts';

const { CLOSE_BRACKET, COMMA, NEWLINE, OPEN_BRACE, OPEN_BRACKET } = BYTES;

/** An object may be this many times as long as a stored line: what the map does not name is not stored. A longer one is not parsed. */
const MAX_LINES = 4;
/** The cost of an empty line, in scanned bytes. */
const EMPTY_LINE_COST = 16;
/** A mapped record is parsed and written from scratch: it costs so many times what the reference reader takes. */
const MAPPED_COST = 2;
/** And so many times more for each pair of the map, which looks for its value in the text. */
const PAIR_COST = 0.5;
/** Of times that name no zone: UTC. */
const ZONE = 0;

/**
 * Bodies whose records stand where a map says (`DecodeOptions.map`), for any stream. What the map finds is judged as a record that came so; the
 * body around it is read as by the decoders of json.ts and ndjson.ts.
 */
export function createMappedJsonDecoder(format: RecordFormat): Decoder {
  return (body, options) => decodeArray(new MappedBody(format, body, options));
}

export function createMappedNdjsonDecoder(format: RecordFormat): Decoder {
  return (body, options) => decodeLines(new MappedBody(format, body, options));
}

/** The first that applies: `plain` where the options have no map. */
export function orMapped(plain: Decoder, mapped: Decoder): Decoder {
  return (body, options) => (options.map === undefined ? plain(body, options) : mapped(body, options));
}

/** What reads and adds the records of one body. */
class MappedBody {
  readonly body: Buffer;
  readonly collector: Collector;
  readonly pace: Pace;
  readonly #layout: Layout;
  readonly #options: DecodeOptions;
  readonly #map: MapRecord;

  constructor({ stream, layout, checkOfNow }: RecordFormat, body: Buffer, options: DecodeOptions) {
    const check = checkOfNow();
    this.body = body;
    this.collector = new Collector(body, {
      ...options,
      stream: stream.name,
      noun: 'record',
      expected: body.length,
      check,
    });
    const map = options.map as FieldMap;
    this.pace = new Pace((check?.cost ?? 0) + MAPPED_COST + map.pairs.length * PAIR_COST);
    this.#layout = layout;
    this.#options = options;
    this.#map = createRecordMapper(map, stream, ZONE);
  }

  /** The record at [start, end), why it is none, or where it is not JSON. */
  *read(start: number, end: number): Generator<undefined, StoredRecord | RecordFault | JsonFault, undefined> {
    const { maxDepth, maxRecordBytes } = this.#options;
    const depth = yield* checkJson(this.body, start, end);
    if (typeof depth !== 'number') return depth;
    if (depth > maxDepth) return yield* describeDeep(this.body, start, end, this.#options);
    if (end - start > maxRecordBytes * MAX_LINES) return exceeds(maxRecordBytes);
    const text = this.body.toString('utf8', start, end);
    const value: unknown = parseJson(text);
    if (!isObject(value)) return NOT_AN_OBJECT;
    const fields = this.#map({ text, value });
    return 'fault' in fields ? toFault(fields, { text, value }) : encodeFields(this.#layout, fields, this.#options);
  }

  add(record: StoredRecord | RecordFault, start: number, end: number): void {
    this.collector.add(record, () => this.body.toString('utf8', start, end).trim());
  }
}

/** One array of objects, or one object. */
function* decodeArray(mapped: MappedBody): Generator<undefined, Decoded, undefined> {
  const { body, collector, pace } = mapped;
  const start = startOfText(body);
  const open = yield* skipWhite(body, start, body.length);
  const isArray = body[open] === OPEN_BRACKET;
  if (!isArray && body[open] !== OPEN_BRACE) throw yield* explain(body, start);
  let at = isArray ? yield* skipWhite(body, open + 1, body.length) : open;
  let isWhole = isArray && body[at] === CLOSE_BRACKET;
  while (!isWhole) {
    const end = yield* endOfValue(body, at, body.length);
    const record = yield* mapped.read(at, end);
    if ('offset' in record) throw yield* explain(body, start);
    mapped.add(record, at, end);
    if (pace.spent(end - at)) yield;
    at = yield* skipWhite(body, end, body.length);
    if (!isArray) break;
    isWhole = body[at] === CLOSE_BRACKET;
    if (!isWhole && body[at] !== COMMA) throw yield* explain(body, start);
    if (!isWhole) at = yield* skipWhite(body, at + 1, body.length);
  }
  const end = isArray ? yield* skipWhite(body, at + 1, body.length) : at;
  if (end !== body.length) throw yield* explain(body, start);
  return yield* collector.finish();
}

/** An object a line; blank lines are skipped. */
function* decodeLines(mapped: MappedBody): Generator<undefined, Decoded, undefined> {
  const { body, collector, pace } = mapped;
  let number = 0;
  for (let start = startOfText(body); start < body.length; ) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    number++;
    if ((yield* skipWhite(body, start, end)) === end) {
      if (pace.scanned(end - start + EMPTY_LINE_COST)) yield;
    } else {
      const record = yield* mapped.read(start, end);
      const result = 'offset' in record ? yield* explainLine(body, start, end, number, record) : record;
      mapped.add(result, start, end);
      if (pace.spent(end - start)) yield;
    }
    start = end + 1;
  }
  return yield* collector.finish();
}

function isObject(value: unknown): value is JsonObject['value'] {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toFault({ fault, value, sources }: MapFault, object: JsonObject): RecordFault {
  const problem =
    value === undefined
      ? `has no ${sources} for ${fault}; it has: ${memberNames(object)}`
      : explainInvalid(fault, value, sources);
  return { field: fault, problem };
}
