import { isUtf8 } from 'node:buffer';
import { BYTES } from '../../model/bytes.ts';
import { escapeBytes } from '../text/escape-bytes.ts';
import { damageOf } from './decode-frames.ts';

const { COMMA, QUOTE } = BYTES;

/** The values of a row without its line end, or why it is no row of RFC 4180. The words are those of the decoder of bodies. */
export function splitRow(row: Buffer): string[] | { readonly reason: string } {
  const values: string[] = [];
  for (let at = 0; at <= row.length; ) {
    const isQuoted = row[at] === QUOTE;
    const start = isQuoted ? at + 1 : at;
    const end = isQuoted ? endOfQuotes(row, start) : endOfValue(row, start);
    if (end === -1) return { reason: 'not CSV: a quote is not closed' };
    const next = isQuoted ? end + 1 : end;
    if (next < row.length && row[next] !== COMMA) return { reason: 'not CSV: text after a closing quote' };
    const text = row.toString('utf8', start, end);
    if (!isQuoted && text.includes('"')) return { reason: 'not CSV: a quote inside an unquoted value' };
    values.push(isQuoted ? text.replaceAll('""', '"') : text);
    at = next + 1;
  }
  return values;
}

function endOfValue(row: Buffer, from: number): number {
  const comma = row.indexOf(COMMA, from);
  return comma === -1 ? row.length : comma;
}

function endOfQuotes(row: Buffer, from: number): number {
  for (let at = row.indexOf(QUOTE, from); at !== -1; at = row.indexOf(QUOTE, at + 2)) {
    if (row[at + 1] !== QUOTE) return at;
  }
  return -1;
}

/** The values of a row that has so many columns, or why it is none. Bytes that are not UTF-8 are read as `\xhh`. */
export function readRow(row: Buffer, columns: number): string[] | { readonly reason: string } {
  const text = isUtf8(row) ? row : Buffer.from(escapeBytes(row));
  const damage = damageOf(text);
  if (damage !== undefined) return { reason: damage };
  const values = splitRow(text);
  if ('reason' in values || values.length === columns) return values;
  return { reason: `has ${values.length} ${values.length === 1 ? 'column' : 'columns'}, expected ${columns}` };
}

/** A row of CSV, without a line end. */
export function joinRow(values: readonly string[]): string {
  return values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',');
}
