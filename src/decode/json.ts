import type { Layout } from '../lines/layout.ts';
import { BYTES, isWhite } from '../model/bytes.ts';
import { Collector } from './collector.ts';
import { type Decoded, type DecodeOptions, type Decoder, MalformedBodyError } from './decode.ts';
import { readJsonRecord } from './json-record.ts';
import { checkJson, type JsonFault } from './json-syntax.ts';
import { endOfValue, skipWhite } from './json-tokens.ts';
import { Pace } from './pace.ts';
import type { RecordFault } from './record.ts';
import type { RecordFormat, RecordReader } from './record-reader.ts';
import { lineAndColumn, quoteCharacter, startOfText } from './utf8.ts';

const { CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET } = BYTES;

/** See `decode`. */
export function createJsonDecoder(format: RecordFormat): Decoder {
  return (body, options) => decode(format, body, options);
}

/**
 * `application/json`: one array of records, or one record. Each element is judged by itself; together they are JSON exactly if each of
 * them is. Plain records are scanned, and are not copied if they are in stored form. Any other element is cut out by its
 * brackets and quotes and goes to the reference reader.
 */
function* decode(
  { stream, layout, createReader, checkOfNow }: RecordFormat,
  body: Buffer,
  options: DecodeOptions,
): Generator<undefined, Decoded, undefined> {
  const start = startOfText(body);
  const check = checkOfNow();
  const { name } = stream;
  const collector = new Collector(body, { ...options, stream: name, noun: 'record', expected: body.length, check });
  const fast = createReader(body, collector, options);
  const pace = new Pace(check?.cost);
  let at = yield* skipWhite(body, start, body.length);
  if (body[at] === OPEN_BRACE) return yield* decodeOne({ layout, body, start, at, collector, fast, options });
  if (body[at] !== OPEN_BRACKET) throw yield* explain(body, start);
  at = yield* skipWhite(body, at + 1, body.length);
  if (yield* isEnd(body, at)) return yield* collector.finish();
  for (;;) {
    if (isWhite(body[at])) at = yield* skipWhite(body, at, body.length);
    const from = fast.acceptRun(at, COMMA);
    if (pace.scanned(from - at)) yield;
    const end = fast.find(from);
    const isFollowed = body[end] === COMMA;
    const isLast = end !== -1 && !isFollowed && (yield* isEnd(body, end));
    const isPlain = isFollowed || isLast;
    const comma = end === -1 || isPlain ? end : yield* skipWhite(body, end, body.length);
    // What is not JSON is refused as such, also when the record before it is too much for a batch.
    if (end !== -1 && (isPlain || body[comma] === COMMA) && fast.accept(isPlain)) {
      if (isLast) return yield* collector.finish();
      if (pace.written(end - from)) yield;
      // Where there is no white space before it, the comma may be a newline by now.
      at = comma;
    } else {
      let next = collector.isListing ? -1 : fast.invalidEnd(from);
      if (next !== -1) {
        collector.reject();
        next = yield* skipWhite(body, next, body.length);
      } else {
        const to = yield* endOfValue(body, from, body.length);
        const record = yield* readJsonRecord(layout, body, from, to, options);
        if ('offset' in record) break;
        collector.add(record, () => body.toString('utf8', from, to).trim());
        next = to;
      }
      if (pace.spent(next - from)) yield;
      at = next;
      if (body[at] !== COMMA) {
        if (yield* isEnd(body, at)) return yield* collector.finish();
        break;
      }
    }
    at++;
  }
  collector.lines.restoreCommas();
  throw yield* explain(body, start);
}

/** A body that is one record, which begins at `at`. */
function* decodeOne(parts: {
  readonly layout: Layout;
  readonly body: Buffer;
  readonly start: number;
  readonly at: number;
  readonly collector: Collector;
  readonly fast: RecordReader;
  readonly options: DecodeOptions;
}): Generator<undefined, Decoded, undefined> {
  const { layout, body, start, at, collector, fast, options } = parts;
  const found = fast.find(at);
  const isAlone = found !== -1 && (yield* skipWhite(body, found, body.length)) === body.length;
  if (isAlone && fast.accept(false)) return yield* collector.finish();
  const end = yield* endOfValue(body, at, body.length);
  const record = yield* readJsonRecord(layout, body, at, end, options);
  const isWhole = !('offset' in record) && (yield* skipWhite(body, end, body.length)) === body.length;
  if (!isWhole) throw yield* explain(body, start);
  collector.add(record, () => body.toString('utf8', at, end).trim());
  return yield* collector.finish();
}

/** Whether the array is closed at `at` or after white space there, and nothing but white space follows. */
function* isEnd(body: Buffer, at: number): Generator<undefined, boolean, undefined> {
  const close = isWhite(body[at]) ? yield* skipWhite(body, at, body.length) : at;
  return body[close] === CLOSE_BRACKET && (yield* skipWhite(body, close + 1, body.length)) === body.length;
}

/** Why the body is neither a JSON array nor a record. */
export function* explain(body: Buffer, start: number): Generator<undefined, MalformedBodyError, undefined> {
  const fault = yield* checkJson(body, start, body.length);
  if (typeof fault === 'number')
    return new MalformedBodyError('the body is neither a JSON array of records nor a record');
  const { line, column } = yield* lineAndColumn(body, start, fault.offset);
  return new MalformedBodyError(`not JSON: line ${line} column ${column}: ${describeFault(body, body.length, fault)}`);
}

/** The fault of a line that is not JSON. `line`: its number in the body, where that means something. */
export function* explainLine(
  body: Buffer,
  start: number,
  end: number,
  line: number | undefined,
  fault: JsonFault,
): Generator<undefined, RecordFault, undefined> {
  const { column } = yield* lineAndColumn(body, start, fault.offset);
  const where = `${line === undefined ? '' : `line ${line} `}column ${column}`;
  return { field: '', problem: `not JSON: ${where}: ${describeFault(body, end, fault)}` };
}

/** `expected ":", found "x"`; `end` is where the text ends that the fault is in. */
export function describeFault(text: Buffer, end: number, { offset, expected }: JsonFault): string {
  return `expected ${expected}, found ${offset >= end ? 'the end' : quoteCharacter(text, offset)}`;
}
