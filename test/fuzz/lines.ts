import { crc32 } from 'node:zlib';
import { FaultError } from './fuzz.ts';

// Stored lines that say of themselves whether they are whole, so that a reader of damaged files can be caught with a line that nobody wrote.

/** The line with this number. Every fifth is long. */
export function lineOf(id: number): string {
  const text = `{"timestamp":"2025-11-22T10:00:00Z","path":"/${id}","userAgent":"a"${id % 5 === 4 ? `,"x":"${'x'.repeat(700)}"` : ''}`;
  return `${text},"id":${id},"crc":${crc32(`${id} ${text}`)}}\n`;
}

/** The numbers of the lines. Throws for a line that `lineOf` does not make. */
export function idsOf(lines: Buffer): number[] {
  const text = lines.toString('latin1');
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new FaultError(`no line end after ${JSON.stringify(text.slice(-100))}`);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const id = Number(/"id":(\d+),"crc":\d+\}$/.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(id) || lineOf(id) !== `${line}\n`)
        throw new FaultError(`nobody wrote the line ${JSON.stringify(line.slice(0, 200))}`);
      return id;
    });
}
