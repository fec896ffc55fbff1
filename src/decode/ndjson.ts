import { ACCESS } from '../lines/layout.ts';
import { BYTES } from '../model/bytes.ts';
import { Collector } from './collector.ts';
import type { Decoded, DecodeOptions } from './decode.ts';
import { RecordTaker } from './fast-reader.ts';
import { describeFault } from './json.ts';
import { readJsonRecord } from './json-record.ts';
import { isJson, type JsonFault } from './json-syntax.ts';
import { skipWhite } from './json-tokens.ts';
import { Pace } from './pace.ts';
import type { RecordFault } from './record.ts';
import { lineAndColumn, startOfText } from './utf8.ts';

const { NEWLINE, RETURN } = BYTES;

/** A line that is judged in one go. */
const SHORT = 4096;
/** What an empty line costs, in bytes that are gone over. */
const EMPTY_LINE_COST = 16;

/**
 * `application/x-ndjson`: a record a line, lines of nothing but white space skipped. A line that is not JSON is an invalid
 * record and not a malformed body: the next line is found whatever stands in this one. Plain records are scanned, and
 * stay where they are if they stand there in stored form; any other line goes to the reference reader.
 */
export function* decodeNdjson(body: Buffer, options: DecodeOptions): Generator<undefined, Decoded, undefined> {
  const collector = new Collector(body, options, 'record', body.length);
  const taker = new RecordTaker(body, collector, options);
  const pace = new Pace();
  let blankLines = 0;
  let at = startOfText(body);
  while (at < body.length) {
    if (body[at] === NEWLINE) {
      at++;
      blankLines++;
      if (pace.scanned(EMPTY_LINE_COST)) yield;
      continue;
    }
    const start = taker.takeRun(at, NEWLINE);
    if (pace.scanned(start - at)) yield;
    if (start === body.length) break;
    const newline = body.indexOf(NEWLINE, start);
    const lineEnd = newline === -1 ? body.length : newline;
    at = lineEnd + 1;
    const end = taker.find(start);
    if (end !== -1 && isLineEnd(body, end, lineEnd) && taker.take(body[end] === NEWLINE)) {
      if (pace.written(lineEnd - start)) yield;
      continue;
    }
    if ((yield* skipWhite(body, start, lineEnd)) === lineEnd) {
      blankLines++;
    } else if (!collector.isListing && isMisfit(body, start, lineEnd, taker)) {
      collector.refuse();
    } else {
      const line = collector.index + blankLines + 1;
      const record = yield* readJsonRecord(ACCESS, body, start, lineEnd, options);
      const result = 'offset' in record ? yield* explainLine(body, start, lineEnd, line, record) : record;
      collector.add(result, () => body.toString('utf8', start, lineEnd).trim());
    }
    if (pace.spent(lineEnd - start)) yield;
  }
  return yield* collector.finish();
}

/** Whether nothing but the return of a line end is left of the line; an odder one is for the reference reader. */
function isLineEnd(body: Buffer, end: number, lineEnd: number): boolean {
  return end === lineEnd || (end === lineEnd - 1 && body[end] === RETURN);
}

/** Whether a line can only be counted as refused: it is not JSON, or no record for certain. */
function isMisfit(body: Buffer, start: number, lineEnd: number, taker: RecordTaker): boolean {
  return isLineEnd(body, taker.misfitEnd(start), lineEnd) || (lineEnd - start < SHORT && !isJson(body, start, lineEnd));
}

/** What is wrong with a line that is not JSON. */
export function* explainLine(
  body: Buffer,
  start: number,
  end: number,
  line: number,
  fault: JsonFault,
): Generator<undefined, RecordFault, undefined> {
  const { column } = yield* lineAndColumn(body, start, fault.offset);
  return { field: '', problem: `not JSON: line ${line} column ${column}: ${describeFault(body, end, fault)}` };
}
