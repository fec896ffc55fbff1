import { BYTES } from '../../model/bytes.ts';

const { NEWLINE, RETURN } = BYTES;

const SPACE = 0x20;
const TAB = 0x09;

/** Where the text at [start, end) begins: after a byte order mark and white space. */
export function startOfText(bytes: Uint8Array, start: number, end: number): number {
  const hasMark = end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
  let at = hasMark ? start + 3 : start;
  while (at < end && isBlank(bytes[at])) at++;
  return at;
}

/** Where it ends: before white space and NULs. */
export function endOfText(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isBlank(bytes[at - 1])) at--;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB || byte === 0;
}
