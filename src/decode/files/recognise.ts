import { BYTES, isWhite } from '../../model/bytes.ts';
import { isDefaultStream, type Stream } from '../../model/stream.ts';
import { createBoundary } from '../framing.ts';
import { namesFields, namesFieldsOtherwise } from './csv-header.ts';
import { splitRow } from './csv-row.ts';
import { cutBlock, withoutMark } from './cut-block.ts';
import type { FileFormat } from './file-reading.ts';
import type { LineFormat } from './line-format.ts';
import { LogTime } from './log-time.ts';

const { CLOSE_BRACKET, OPEN_BRACE, OPEN_BRACKET } = BYTES;

/** Lines of the head that are looked at, and those that suffice where nearly all of them are certainly of one format: each costs 0.1 ms. */
const MAX_LINES = 100;
const FEW_LINES = 10;
const NEARLY_ALL = 0.9;
/** A line that begins like a row of CSV counts so much: less than one that a format knows. */
const ROW_SCORE = 0.6;
/** As a name ends that says CSV, whatever packed or rotated the file. */
const CSV_NAME = /\.csv(?:\.|$)/i;

export interface RecogniseOptions {
  readonly name: string;
  readonly stream: Stream;
  /** Of the stream access. */
  readonly formats: readonly LineFormat[];
  /** The line of a log in one that a program has wrapped: after a prefix, or in a JSON object. */
  readonly unwrap: (line: Buffer) => Buffer;
}

/**
 * The format of a file by its first bytes, of which only whole lines count where there is one: a JSON array, CSV by its header, else the
 * format that most lines of the first MAX_LINES are of.
 */
export function recognise(head: Buffer, { name, stream, formats, unwrap }: RecogniseOptions): FileFormat {
  const text = withoutMark(head, 1);
  if (opensArray(text)) return 'json';
  const lines = firstLines(text);
  const [first] = lines;
  if (first === undefined) return CSV_NAME.test(name) ? 'csv' : isDefaultStream(stream.name) ? 'combined' : 'ndjson';
  if (first[0] !== OPEN_BRACE && isHeader(first, stream)) return 'csv';
  return isDefaultStream(stream.name)
    ? mostLikely(lines.map(unwrap), formats, CSV_NAME.test(name))
    : recogniseOther(lines, stream, CSV_NAME.test(name));
}

/**
 * Whether an array begins: with an object, or empty. A `[` alone says nothing, since lines of many logs begin with an address or a time in
 * brackets.
 */
function opensArray(head: Buffer): boolean {
  const open = skipWhite(head, 0);
  if (head[open] !== OPEN_BRACKET) return false;
  const next = skipWhite(head, open + 1);
  if (head[next] === CLOSE_BRACKET) return skipWhite(head, next + 1) === head.length;
  return head[next] === OPEN_BRACE || next === head.length;
}

function skipWhite(head: Buffer, from: number): number {
  let at = from;
  while (at < head.length && isWhite(head[at])) at++;
  return at;
}

function firstLines(head: Buffer): Buffer[] {
  const end = head.lastIndexOf(BYTES.NEWLINE);
  const whole = end === -1 ? head : head.subarray(0, end);
  const { frames } = cutBlock(whole, createBoundary('lines', false), { from: 0, number: 1, isArray: false });
  return frames.slice(0, MAX_LINES).map(({ bytes }) => bytes);
}

function isHeader(line: Buffer, stream: Stream): boolean {
  const values = splitRow(line);
  return (!('reason' in values) && namesFields(values, stream)) || namesFieldsOtherwise(line.toString(), stream);
}

function mostLikely(lines: readonly Buffer[], formats: readonly LineFormat[], isNamedCsv: boolean): FileFormat {
  const few = lines.slice(0, FEW_LINES);
  const first = mostOf(few, formats, isNamedCsv);
  const suffices = first.score >= few.length * NEARLY_ALL || few.length === lines.length;
  return (suffices ? first : mostOf(lines, formats, isNamedCsv)).format;
}

function mostOf(lines: readonly Buffer[], formats: readonly LineFormat[], isNamedCsv: boolean) {
  const rows = lines.filter(isRow).length * ROW_SCORE;
  let most: { readonly format: FileFormat; readonly score: number } = { format: 'combined', score: 0 };
  if (isNamedCsv || rows > 0) most = { format: 'csv', score: isNamedCsv ? Math.max(rows, lines.length / 2) : rows };
  for (const format of formats) {
    const score = lines.reduce((sum, line) => sum + format.score(line), 0);
    if (score > most.score) most = { format: format.name, score };
  }
  return most;
}

/** A time and two values more at least, separated by commas. */
function isRow(line: Buffer): boolean {
  const [time = '', ...others] = line.toString('utf8', 0, BEGINNING_BYTES).split(',', 3);
  const text = time.replaceAll('"', '').trim();
  return others.length === 2 && !/^[\d.]*$/.test(text) && TIMES.read(text) !== undefined;
}

const BEGINNING_BYTES = 128;
const TIMES = new LogTime(0);

/** Lines of JSON unless most are none; then text, for a stream that has the fields which a text has. */
function recogniseOther(lines: readonly Buffer[], stream: Stream, isNamedCsv: boolean): FileFormat {
  const objects = lines.filter((line) => line[0] === OPEN_BRACE).length;
  // An object over several lines is no text either: it is refused with what was expected.
  if (objects * 2 >= lines.length || lines[0]?.toString('latin1') === '{') return 'ndjson';
  if (isNamedCsv) return 'csv';
  return TEXT_FIELDS.every((field) => stream.required.includes(field)) ? 'text' : 'ndjson';
}

/** What text has beside its time. */
const TEXT_FIELDS = ['level', 'message', 'service'];
