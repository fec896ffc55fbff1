import { BYTES } from '../model/bytes.ts';

const { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } = BYTES;

/** Half-open range of bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the value of a field stands in a stored line, as JSON; undefined where the line has no such field. */
export type FindField = (line: Buffer) => Span | undefined;

/**
 * Finds the field of that name at the top level of stored lines, required or extra, without parsing what stands before it. The lines must
 * be as the service stores them (layout.ts), with their newlines or without. In other text it finds nothing or a span of no meaning, but
 * never one outside of the line.
 */
export function createFieldFinder(name: string): FindField {
  const quotedName = Buffer.from(JSON.stringify(name));
  return function findField(line) {
    // The opening brace, and then each comma, stands before the quote of a name.
    for (let at = 1; line[at] === QUOTE; ) {
      const nameEnd = endOfString(line, at);
      if (line[nameEnd] !== COLON) return undefined;
      const start = nameEnd + 1;
      const end = endOfValue(line, start);
      if (isName(line, { start: at, end: nameEnd }, quotedName, name)) return { start, end };
      if (line[end] !== COMMA) return undefined;
      at = end + 1;
    }
    return undefined;
  };
}

/** The text of a value in a stored line: of a string its characters, of anything else its JSON. */
export function textOfValue(line: Buffer, { start, end }: Span): string {
  const json = line.toString('utf8', start, end);
  return line[start] === QUOTE ? String(JSON.parse(json)) : json;
}

/** A name may be written with other escapes than ours: extra fields are stored with the tokens that they came with. */
function isName(line: Buffer, { start, end }: Span, quotedName: Buffer, name: string): boolean {
  if (line.compare(quotedName, 0, quotedName.length, start, end) === 0) return true;
  const backslash = line.indexOf(BACKSLASH, start);
  if (backslash === -1 || backslash >= end) return false;
  try {
    return JSON.parse(line.toString('utf8', start, end)) === name;
  } catch {
    return false;
  }
}

/** The offset after the closing quote of the string that opens at `at`, or the end of the line. */
function endOfString(line: Buffer, at: number): number {
  for (let i = at + 1; i < line.length; i++) {
    if (line[i] === QUOTE) return i + 1;
    if (line[i] === BACKSLASH) i++;
  }
  return line.length;
}

/** The offset of the comma or brace after the value at `at`, or the end of the line. */
function endOfValue(line: Buffer, at: number): number {
  let depth = 0;
  let i = at;
  while (i < line.length) {
    const byte = line[i];
    if (byte === QUOTE) {
      i = endOfString(line, i);
      continue;
    }
    const isClosing = byte === CLOSE_BRACE || byte === CLOSE_BRACKET;
    if (depth === 0 && (isClosing || byte === COMMA)) break;
    if (isClosing) depth--;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    i++;
  }
  return i;
}
