import { BYTES, isWhite } from '../model/bytes.ts';

const { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } = BYTES;

const STEP = 512 * 1024;

/** The first byte at or after `at` that is not white space, or `end`. Yields in long stretches. */
export function* skipWhite(bytes: Uint8Array, at: number, end: number): Generator<undefined, number, undefined> {
  let nextYield = at + STEP;
  for (let i = at; i < end; i++) {
    if (!isWhite(bytes[i])) return i;
    if (i >= nextYield) {
      yield;
      nextYield = i + STEP;
    }
  }
  return end;
}

/**
 * In valid JSON: the `,`, `:`, `]` or `}` that ends the name or value at `at`, or `end`. It reads only quotes and
 * brackets. Yields in long values.
 */
export function* endOfValue(bytes: Uint8Array, at: number, end: number): Generator<undefined, number, undefined> {
  let depth = 0;
  let isInString = false;
  let nextYield = at + STEP;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (isInString) {
      if (byte === QUOTE) isInString = false;
      else if (byte === BACKSLASH) i++;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return i;
      depth--;
    } else if ((byte === COMMA || byte === COLON) && depth === 0) return i;
    if (i >= nextYield) {
      yield;
      nextYield = i + STEP;
    }
  }
  return end;
}
