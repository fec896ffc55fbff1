import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Writes, and waits while the reader is slow: so a long output needs no memory. */
export async function print(stream: Writable, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}

/** Escapes control characters: one line that cannot control the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
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
