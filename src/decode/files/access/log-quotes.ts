import { isUtf8 } from 'node:buffer';
import { BYTES, isHexDigit } from '../../../model/bytes.ts';

const { BACKSLASH } = BYTES;

/** The next quote at or after `from` that no backslash escapes; -1: none. `start`: of the field. A field is read once, however many it has. */
export function nextQuote(text: string, from: number, start: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1 && isEscaped(text, quote, Math.max(start, from))) quote = text.indexOf('"', quote + 1);
  return quote;
}

function isEscaped(text: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && text[first - 1] === '\\') first--;
  return (at - first) % 2 === 1;
}

/**
 * Undoes the escapes of Apache and nginx: `\"`, `\\`, `\n` and `\xhh`. Where the bytes are not UTF-8 together the text stays as it was
 * written.
 */
export function unescapeLog(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text);
  let used = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] as number;
    if (byte === BACKSLASH && at + 1 < bytes.length) {
      at++;
      byte = bytes[at] as number;
      if (byte === LOWER_X && isHexDigit(bytes[at + 1]) && isHexDigit(bytes[at + 2])) {
        byte = Number.parseInt(bytes.toString('latin1', at + 1, at + 3), 16);
        at += 2;
      } else {
        byte = NAMED.get(byte) ?? byte;
      }
    }
    bytes[used++] = byte;
  }
  const unescaped = bytes.subarray(0, used);
  return isUtf8(unescaped) ? unescaped.toString() : text;
}

const LOWER_X = 0x78;
const NAMED = new Map(
  Object.entries({ b: 8, n: 10, r: 13, t: 9, v: 11 }).map(([name, byte]) => [name.charCodeAt(0), byte]),
);
