import { isUtf8 } from 'node:buffer';
import { BYTES, isContinuation } from '../model/bytes.ts';
import { MalformedBodyError } from './decode.ts';

const { NEWLINE } = BYTES;

const STEP = 512 * 1024;

/** The offset of the first character: after a byte order mark, if there is one. Refuses a body that is not UTF-8. */
export function startOfText(body: Buffer): number {
  if (!isUtf8(body)) {
    const offset = firstInvalidByte(body);
    const byte = body[offset]?.toString(16).padStart(2, '0');
    throw new MalformedBodyError(`not UTF-8: invalid byte 0x${byte} at offset ${offset}`);
  }
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
}

/** 1-based line and column of a byte in UTF-8 text; lines end at "\n", columns count characters. Yields in long text. */
export function* lineAndColumn(
  text: Buffer,
  start: number,
  offset: number,
): Generator<undefined, { line: number; column: number }, undefined> {
  let line = 1;
  let column = 1;
  for (let i = start; i < offset; i++) {
    if (text[i] === NEWLINE) {
      line++;
      column = 1;
    } else if (!isContinuation(text[i])) {
      column++;
    }
    if (i % STEP === STEP - 1) yield;
  }
  return { line, column };
}

/** The character that begins at `offset`, quoted as JSON quotes it. */
export function quoteCharacter(text: Buffer, offset: number): string {
  const [character = ''] = text.toString('utf8', offset, offset + 4);
  return character === '"' ? `'"'` : JSON.stringify(character);
}

/** Where the first ill-formed sequence begins, in text that has one. */
export function firstInvalidByte(bytes: Buffer): number {
  let good = skipValid(bytes, skipValid(bytes, 0, 65_536), 256);
  for (;;) {
    const length = [1, 2, 3, 4].find((n) => good + n <= bytes.length && isUtf8(bytes.subarray(good, good + n)));
    if (length === undefined) return good;
    good += length;
  }
}

/** Goes on from `start` by about `size` bytes, whole characters, as long as they are valid. */
function skipValid(bytes: Buffer, start: number, size: number): number {
  let good = start;
  while (good < bytes.length) {
    let end = Math.min(good + size, bytes.length);
    while (end < bytes.length && end < good + size + 3 && isContinuation(bytes[end])) end++;
    if (!isUtf8(bytes.subarray(good, end))) break;
    good = end;
  }
  return good;
}
