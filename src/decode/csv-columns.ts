import { type Layout, TIMESTAMP } from '../lines/layout.ts';
import { type DecodeOptions, MalformedBodyError } from './decode.ts';
import { encodeRecord, exceeds, quoteShort, type RecordFault, type StoredRecord } from './record.ts';

/** Where in a row the fields of a record stand. */
export interface Columns {
  readonly count: number;
  /** The column of each field of the layout, in its order; -1 where the header does not name it. */
  readonly fields: readonly number[];
  /** Whether the header names every field of the layout. */
  readonly isComplete: boolean;
  /** The other columns that are kept: `,"name":` as it goes before the value, as text and as bytes. */
  readonly extras: readonly { readonly at: number; readonly prefix: string; readonly view: DataView }[];
  /** The most that a stored line is longer than its row, unless something in it must be escaped. */
  readonly overhead: number;
  /** The names of the other columns are longer than a line may be, and are not in `extras`. */
  readonly isTooLong: boolean;
  /** The line of a longer row is certainly too long. */
  readonly maxRowBytes: number;
}

/** A row with more columns is refused. */
export const MAX_COLUMNS = 1_000;

/** The least that a name takes in a line beside itself: a comma, its quotes and a colon. */
const NAME_OVERHEAD = 4;
/** The quotes of a value. */
const QUOTES = 2;
/** The most bytes beside a value in a row: a comma or a line end, and quotes. */
const SEPARATORS = 4;
const NO_NAMES = { isTooLong: false, maxRowBytes: Number.POSITIVE_INFINITY };

/** Bytes that the stored form of a timestamp may be longer than the timestamp in the row, with some to spare. */
const TIMESTAMP_OVERHEAD = 24;

/**
 * The columns by the first row: named by it if it names `timestamp`, else the fields of the layout by position.
 * `count`: the number of its values; `firstRow` has at most MAX_COLUMNS of them.
 */
export function readColumns(
  layout: Layout,
  firstRow: readonly string[],
  count: number,
  row: number,
  { extraFields, maxRecordBytes }: DecodeOptions,
): { readonly columns: Columns; readonly isHeader: boolean } {
  if (count > MAX_COLUMNS) {
    throw new MalformedBodyError(`not CSV: row ${row}: ${count} columns, at most ${MAX_COLUMNS} can be read`);
  }
  const names = firstRow.map((name) => name.trim());
  const overhead = layout.overhead + TIMESTAMP_OVERHEAD;
  if (!names.includes(TIMESTAMP)) {
    const fields = layout.fields.map((_, at) => at);
    const columns = { count: fields.length, fields, isComplete: true, extras: [], overhead, ...NO_NAMES };
    return { columns, isHeader: false };
  }
  const seen = new Set<string>();
  for (const [at, name] of names.entries()) {
    if (name === '') throw new MalformedBodyError(`not CSV with a header: row ${row}: column ${at + 1} has no name`);
    if (seen.has(name)) {
      throw new MalformedBodyError(`not CSV with a header: row ${row}: column ${quoteShort(name)} appears twice`);
    }
    seen.add(name);
  }
  const isExtra = (name: string) => !layout.fields.includes(name);
  const named = extraFields === 'drop' ? [] : [...names.entries()].filter(([, name]) => isExtra(name));
  const isTooLong = named.reduce((sum, [, name]) => sum + name.length + NAME_OVERHEAD, 0) > maxRecordBytes;
  const extras = isTooLong ? [] : named.map(([at, name]) => toExtra(at, name));
  const bytesOfNames = extras.reduce((sum, { view }) => sum + view.byteLength + QUOTES, 0);
  const fields = layout.fields.map((name) => names.indexOf(name));
  const columns = {
    count,
    fields,
    isComplete: !fields.includes(-1),
    extras,
    overhead: overhead + bytesOfNames,
    isTooLong,
    maxRowBytes: extras.length === 0 ? Number.POSITIVE_INFINITY : maxRecordBytes - bytesOfNames + count * SEPARATORS,
  };
  return { columns, isHeader: true };
}

function toExtra(at: number, name: string) {
  const prefix = `,${JSON.stringify(name)}:`;
  const bytes = Buffer.from(prefix);
  return { at, prefix, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/** A row's values, unquoted, as a stored line or as the reason why not. */
export function encodeRow(
  layout: Layout,
  values: readonly string[],
  count: number,
  columns: Columns,
  { maxRecordBytes }: DecodeOptions,
): StoredRecord | RecordFault {
  if (count !== columns.count) return ragged(count, columns.count);
  const fields = columns.fields.map((at) => values[at]);
  let least = 0;
  for (const { at, prefix } of columns.extras) least += prefix.length + (values[at]?.length ?? 0);
  if (columns.isTooLong || least > maxRecordBytes) {
    const bare = encodeRecord(layout, fields, '', maxRecordBytes);
    return 'problem' in bare ? bare : exceeds(maxRecordBytes);
  }
  let extras = '';
  for (const { at, prefix } of columns.extras) extras += prefix + JSON.stringify(values[at]);
  return encodeRecord(layout, fields, extras, maxRecordBytes);
}

function ragged(found: number, expected: number): RecordFault {
  return { field: '', problem: `has ${found} ${found === 1 ? 'column' : 'columns'}, expected ${expected}` };
}
