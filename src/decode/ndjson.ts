import { isUtf8 } from 'node:buffer';
import { BYTES } from '../model/bytes.ts';
import { Collector } from './collector.ts';
import type { Decoded, DecodeOptions, Decoder } from './decode.ts';
import { explainLine } from './json.ts';
import { JsonReader } from './json-reader.ts';
import { readJsonRecord } from './json-record.ts';
import { isJson } from './json-syntax.ts';
import { skipWhite } from './json-tokens.ts';
import { Pace } from './pace.ts';
import { type RecordFormat, type RecordReader, UNJUDGED } from './record-reader.ts';
import { decodeLines, type LineReader, type LinesParts } from './text/lines.ts';
import { endOfText, startOfText as startOfLine } from './text/trim-text.ts';
import { startOfText } from './utf8.ts';

const { NEWLINE, RETURN } = BYTES;

/** A shorter line is judged without a pause. */
const SHORT = 4096;
/** The cost of an empty line, in scanned bytes. */
const EMPTY_LINE_COST = 16;

/** See `decode`. */
export function createNdjsonDecoder(format: RecordFormat): Decoder {
  return function* decodeBody(body, options) {
    const isPlain = options.isBlock !== true || (options.mapping === undefined && isUtf8(body));
    return isPlain ? yield* decode(format, body, options) : yield* decodeLines(format, body, options, openJsonLines);
  };
}

/** Of a block whose records are mapped, or of which a line is not UTF-8: that costs no other line. */
function openJsonLines(parts: LinesParts): LineReader {
  const reader = new JsonReader(parts);
  return {
    read(start, end) {
      const read = reader.read(start, end);
      return read === UNJUDGED ? UNJUDGED : read ? 'json' : undefined;
    },
    *judge(start, end) {
      return (yield* reader.judge(start, end)) ? 'json' : undefined;
    },
  };
}

/**
 * `application/x-ndjson`: a record a line, blank lines are skipped. A line that is not JSON is an invalid record and
 * does not make the body malformed, since the next line can still be found. Plain records are scanned, and are not copied if they are in
 * stored form. Any other line goes to the reference reader.
 */
function* decode(
  { stream, layout, createReader, checkOfNow }: RecordFormat,
  body: Buffer,
  options: DecodeOptions,
): Generator<undefined, Decoded, undefined> {
  const check = checkOfNow();
  const { name } = stream;
  const collector = new Collector(body, { ...options, stream: name, noun: 'record', expected: body.length, check });
  const fast = createReader(body, collector, options);
  const pace = new Pace(check?.cost);
  let blankLines = 0;
  let at = startOfText(body);
  while (at < body.length) {
    if (body[at] === NEWLINE) {
      at++;
      blankLines++;
      if (pace.scanned(EMPTY_LINE_COST)) yield;
      continue;
    }
    const start = fast.acceptRun(at, NEWLINE);
    if (pace.scanned(start - at)) yield;
    if (start === body.length) break;
    const newline = body.indexOf(NEWLINE, start);
    const lineEnd = newline === -1 ? body.length : newline;
    at = lineEnd + 1;
    const end = fast.find(start);
    if (end !== -1 && isLineEnd(body, end, lineEnd) && fast.accept(body[end] === NEWLINE)) {
      if (pace.written(lineEnd - start)) yield;
      continue;
    }
    // The lines of a block are trimmed, as those of decodeLines are: whether one is valid does not depend on its neighbours.
    const from = options.isBlock === true ? startOfLine(body, start, lineEnd) : start;
    const to = options.isBlock === true ? endOfText(body, from, lineEnd) : lineEnd;
    if ((yield* skipWhite(body, from, to)) === to) {
      blankLines++;
    } else if (!collector.isListing && isSurelyInvalid(body, from, to, fast)) {
      collector.reject();
    } else {
      const line = options.isBlock === true ? undefined : collector.index + blankLines + 1;
      const record = yield* readJsonRecord(layout, body, from, to, options);
      const result = 'offset' in record ? yield* explainLine(body, from, to, line, record) : record;
      collector.add(result, () => body.toString('utf8', from, to).trim());
    }
    if (pace.spent(lineEnd - start)) yield;
  }
  return yield* collector.finish();
}

/** Whether the line ends at `end`, but for a carriage return. */
function isLineEnd(body: Buffer, end: number, lineEnd: number): boolean {
  return end === lineEnd || (end === lineEnd - 1 && body[end] === RETURN);
}

/** Whether a line is certainly invalid: it is not JSON, or certainly not a valid record. */
function isSurelyInvalid(body: Buffer, start: number, lineEnd: number, fast: RecordReader): boolean {
  return isLineEnd(body, fast.invalidEnd(start), lineEnd) || (lineEnd - start < SHORT && !isJson(body, start, lineEnd));
}
