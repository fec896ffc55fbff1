import { BYTES } from '../model/bytes.ts';
import { Collector } from './collector.ts';
import { type Columns, encodeRow, MAX_COLUMNS, readColumns } from './csv-columns.ts';
import { type Decoded, type DecodeOptions, type Decoder, MalformedBodyError } from './decode.ts';
import { Pace } from './pace.ts';
import { ParsedRows } from './parsed-rows.ts';
import type { RecordFormat } from './record-reader.ts';
import { RowScan, UNFINISHED } from './row-scan.ts';
import { startOfText } from './utf8.ts';

const { NEWLINE, RETURN } = BYTES;

/** See `decode`. */
export function createCsvDecoder(format: RecordFormat): Decoder {
  return (body, options) => decode(format, body, options);
}

/**
 * `text/csv` (RFC 4180; rows end in CRLF or LF). Rows are counted from 1, the header and empty lines included. A row with
 * too few or too many values is an invalid record. A quote out of place makes the body malformed, since the ends of all later
 * rows are then unknown.
 *
 * The scanner finds where rows end, and reads those without doubled quotes; csv-parse reads the others. Tests check that
 * both together give what csv-parse alone gives.
 */
function* decode(
  { stream, layout, checkOfNow }: RecordFormat,
  body: Buffer,
  options: DecodeOptions,
): Generator<undefined, Decoded, undefined> {
  const check = checkOfNow();
  const about = { stream: stream.name, noun: 'row', expected: Math.ceil(body.length * 1.5), check } as const;
  const collector = new Collector(body, { ...options, ...about });
  const { lines } = collector;
  const scan = new RowScan(body, layout);
  const parsed = new ParsedRows();
  const pace = new Pace(check?.cost);
  let columns: Columns | undefined;
  let row = 0;
  for (let at = startOfText(body); at < body.length; ) {
    const start = at;
    for (at = scan.rowEnd(start); at === UNFINISHED; at = scan.continueRow()) yield;
    row++;
    if (at === -1) throw new MalformedBodyError(`not CSV: row ${row}: ${scan.fault}`);
    if (scan.isBlank()) {
      if (pace.written(at - start)) yield;
      continue;
    }
    if (columns === undefined) {
      const values = scan.count > MAX_COLUMNS ? [] : yield* textsOf(body, start, at, scan, parsed);
      const first = readColumns(layout, values, scan.count, row, options);
      columns = first.columns;
      if (first.isHeader) continue;
    }
    const { writer } = lines;
    const used = writer.used;
    collector.index = row;
    const isWritten = scan.write(writer, columns, at - start);
    const length = writer.used - used;
    // A row of empty values can make a line of a thousand names, so the work is that of the longer one.
    let work = Math.max(at - start, length);
    if (isWritten && collector.addWritten(scan.instants.hour, used, layout.fieldEnds)) {
      if (pace.written(work)) yield;
    } else {
      writer.used = used;
      const isRagged = scan.count !== columns.count;
      if (isRagged && !collector.isListing) {
        collector.reject();
      } else {
        const values = isRagged ? [] : yield* textsOf(body, start, at, scan, parsed);
        const result = encodeRow(layout, values, scan.count, columns, options);
        if ('line' in result) work = Math.max(work, result.line.length);
        collector.add(result, () => body.toString('utf8', start, endOfText(body, at)));
      }
      if (scan.hasDoubledQuotes ? pace.parsed(work) : pace.spent(work)) yield;
    }
  }
  return yield* collector.finish();
}

/** The values of the row that the scanner read last. */
function textsOf(body: Buffer, start: number, end: number, scan: RowScan, parsed: ParsedRows) {
  return scan.hasDoubledQuotes ? parsed.read(body, start, endOfText(body, end)) : scan.texts();
}

/** Where the text of a row that ends at `end` ends, its line end not included. */
function endOfText(body: Buffer, end: number): number {
  if (body[end - 1] !== NEWLINE) return end;
  return body[end - 2] === RETURN ? end - 2 : end - 1;
}
