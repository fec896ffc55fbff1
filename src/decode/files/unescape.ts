import { isUtf8 } from 'node:buffer';
import { BYTES, isHexDigit } from '../../model/bytes.ts';

const { BACKSLASH } = BYTES;

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
