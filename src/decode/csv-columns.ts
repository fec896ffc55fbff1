import { type DecodeOptions, MalformedBodyError } from './decode.ts';
import { encodeRecord, exceeds, type RecordFault, type StoredRecord } from './record.ts';

/** Where in a row the fields of a record stand; -1 where the header does not name one. */
export interface Columns {
  readonly count: number;
  readonly timestamp: number;
  readonly path: number;
  readonly userAgent: number;
  /** The further columns that are kept: `,"name":` as it goes before the value, as text and as bytes. */
  readonly extras: readonly { readonly at: number; readonly prefix: string; readonly view: DataView }[];
  /** The most that a stored line is longer than its row, unless something in it must be escaped. */
  readonly overhead: number;
}

/** More than this are not a record's. */
export const MAX_COLUMNS = 1_000;

const OWN_OVERHEAD = 64;
const POSITIONAL: Columns = { count: 3, timestamp: 0, path: 1, userAgent: 2, extras: [], overhead: OWN_OVERHEAD };

/**
 * The columns by the first row: named by it if it names `timestamp`, else timestamp, path, userAgent by position.
 * `count`: how many values it has, of which `firstRow` need hold no more than MAX_COLUMNS.
 */
export function readColumns(
  firstRow: readonly string[],
  count: number,
  row: number,
  { extraFields }: DecodeOptions,
): { readonly columns: Columns; readonly isHeader: boolean } {
  if (count > MAX_COLUMNS) {
    throw new MalformedBodyError(`not CSV: row ${row}: ${count} columns, at most ${MAX_COLUMNS} can be read`);
  }
  const names = firstRow.map((name) => name.trim());
  if (!names.includes('timestamp')) return { columns: POSITIONAL, isHeader: false };
  const seen = new Set<string>();
  for (const [at, name] of names.entries()) {
    if (name === '') throw new MalformedBodyError(`not CSV with a header: row ${row}: column ${at + 1} has no name`);
    if (seen.has(name)) {
      throw new MalformedBodyError(`not CSV with a header: row ${row}: column ${JSON.stringify(name)} appears twice`);
    }
    seen.add(name);
  }
  const isExtra = (name: string) => name !== 'timestamp' && name !== 'path' && name !== 'userAgent';
  const named = extraFields === 'drop' ? [] : [...names.entries()].filter(([, name]) => isExtra(name));
  const extras = named.map(([at, name]) => toExtra(at, name));
  const columns = {
    count,
    timestamp: names.indexOf('timestamp'),
    path: names.indexOf('path'),
    userAgent: names.indexOf('userAgent'),
    extras,
    overhead: extras.reduce((sum, { view }) => sum + view.byteLength + 2, OWN_OVERHEAD),
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
  values: readonly string[],
  count: number,
  columns: Columns,
  { maxRecordBytes }: DecodeOptions,
): StoredRecord | RecordFault {
  if (count !== columns.count) return ragged(count, columns.count);
  const fields = {
    timestamp: values[columns.timestamp],
    path: values[columns.path],
    userAgent: values[columns.userAgent],
  };
  let least = 0;
  for (const { at, prefix } of columns.extras) least += prefix.length + (values[at]?.length ?? 0);
  if (least > maxRecordBytes) {
    const bare = encodeRecord(fields, '', maxRecordBytes);
    return 'problem' in bare ? bare : exceeds(maxRecordBytes);
  }
  let extras = '';
  for (const { at, prefix } of columns.extras) extras += prefix + JSON.stringify(values[at]);
  return encodeRecord(fields, extras, maxRecordBytes);
}

function ragged(found: number, expected: number): RecordFault {
  return { field: '', problem: `has ${found} ${found === 1 ? 'column' : 'columns'}, expected ${expected}` };
}
