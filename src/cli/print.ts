import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Writes, and waits while the reader is slow: so a long output needs no memory. */
export async function print(stream: Writable, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}

/**
 * Characters that control a terminal (C0, DEL, C1), that turn the direction of text around, that do not show (zero-width, soft
 * hyphen, tags, fillers, variation selectors), that end a line for some readers, or that are no characters (lone surrogates).
 */
const MISLEADING = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu;

/** Escapes what is not to be seen: one line that cannot control the terminal or look like another text. */
export function printable(text: string): string {
  return text.replace(MISLEADING, escapeUnits);
}

/** As `printable`, for a line of JSON: it stays JSON of the same value. A tab can only stand between tokens. */
export function printableJson(line: string): string {
  return line.replace(MISLEADING, (character) => (character === '\t' ? character : escapeUnits(character)));
}

/** As `printable`, for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** `\\u202e`, as JSON writes it: two for a character beyond U+FFFF. */
function escapeUnits(character: string): string {
  let escaped = '';
  for (let i = 0; i < character.length; i++) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}

/** Columns as wide as their widest cell, two spaces apart; a column of numbers is aligned to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  const isNumeric: boolean[] = [];
  for (const [index, row] of rows.entries()) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, String(cell).length);
      if (index > 0) isNumeric[column] = (isNumeric[column] ?? true) && typeof cell === 'number';
    }
  }
  const pad = (cell: string | number, column: number) =>
    isNumeric[column] ? String(cell).padStart(widths[column] ?? 0) : String(cell).padEnd(widths[column] ?? 0);
  return rows.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}
