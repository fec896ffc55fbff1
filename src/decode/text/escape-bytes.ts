import { isUtf8 } from 'node:buffer';

/** Bytes of `\xhh`. */
const ESCAPE_LENGTH = 4;
const BACKSLASH = 0x5c;
const LOWER_X = 0x78;
const HEX = Buffer.from('0123456789abcdef');

/** Bytes as text: each that is not part of UTF-8 as `\xhh`. Reads them once; takes up to four bytes for each that is not. */
export function escapeBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const escaped = Buffer.allocUnsafe(bytes.length * ESCAPE_LENGTH);
  let used = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    const end = at + Math.max(1, length);
    if (length === 0) {
      const byte = bytes[at] as number;
      escaped[used++] = BACKSLASH;
      escaped[used++] = LOWER_X;
      escaped[used++] = HEX[byte >> 4] as number;
      escaped[used++] = HEX[byte & 0xf] as number;
      at++;
    }
    while (at < end) escaped[used++] = bytes[at++] as number;
  }
  return escaped.toString('utf8', 0, used);
}

/** Bytes of the character at `at`; 0 where none stands there. Source: The Unicode Standard, table 3-7. */
export function characterLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  const second = bytes[at + 1] as number;
  if (second < leastSecond(lead) || second > mostSecond(lead)) return 0;
  for (let i = at + 2; i < at + length; i++) if (((bytes[i] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

function leastSecond(lead: number): number {
  if (lead === 0xe0) return 0xa0;
  return lead === 0xf0 ? 0x90 : 0x80;
}

function mostSecond(lead: number): number {
  if (lead === 0xed) return 0x9f;
  return lead === 0xf4 ? 0x8f : 0xbf;
}
