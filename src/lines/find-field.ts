import { BYTES, isDigit } from '../model/bytes.ts';

const { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE, SPACE, ZERO } = BYTES;

/** Half-open range of bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the value of a field stands in a stored line, as JSON; undefined where the line has no such field, or something that is no JSON in its place. */
export type FindField = (line: Buffer) => Span | undefined;

/**
 * Finds the field of that name at the top level of stored lines, required or extra, without parsing what stands before it. The lines must
 * be as the service stores them (layout.ts), with their newlines or without. In other text it finds nothing or a value of no meaning.
 */
export function createFieldFinder(name: string): FindField {
  const findMember = createMemberFinder(name);
  return function findField(line) {
    const found = findMember(line, 0, line.length);
    return typeof found === 'string' || !isJson(line, found) ? undefined : found;
  };
}

/** Where a member's value stands. `unclear`: the text is not in stored form, so only JSON.parse knows. */
export type FoundMember = Span | 'none' | 'unclear';

/**
 * Finds the member of that name in the object that stands in [start, end) of a line: the line itself, or with `isNested` an object in it. A
 * stored line has each name once. An object in it is stored as it was sent; of a name that stands there again the last one counts, as for
 * JSON.parse. What stands at the place is JSON only in an undamaged line: isJson.
 */
export function createMemberFinder(
  name: string,
  { isNested = false }: { readonly isNested?: boolean } = {},
): (line: Buffer, start: number, end: number) => FoundMember {
  const quotedName = Buffer.from(JSON.stringify(name));
  return function findMember(line, start, end) {
    if (line[start + 1] === CLOSE_BRACE) return 'none';
    let found: Span | 'none' = 'none';
    // The opening brace, and then each comma, stands before the quote of a name.
    for (let at = start + 1; at < end && line[at] === QUOTE; ) {
      const nameEnd = endOfString(line, at, end);
      if (line[nameEnd] !== COLON) return 'unclear';
      const valueStart = nameEnd + 1;
      const valueEnd = endOfValue(line, valueStart, end);
      if ((line[valueStart] as number) <= SPACE || (line[valueEnd - 1] as number) <= SPACE) return 'unclear';
      if (isName(line, { start: at, end: nameEnd }, quotedName, name)) {
        found = { start: valueStart, end: valueEnd };
        if (!isNested) return found;
      }
      if (valueEnd >= end) return 'unclear';
      if (line[valueEnd] === CLOSE_BRACE) return found;
      if (line[valueEnd] !== COMMA) return 'unclear';
      at = valueEnd + 1;
    }
    return 'unclear';
  };
}

/** Whether what stands there is JSON. The finders look at quotes, commas and braces alone, and a line may be damaged or edited by hand. */
export function isJson(line: Buffer, { start, end }: Span): boolean {
  if (line[start] === QUOTE ? isPlainString(line, start, end) : isPlainNumber(line, start, end)) return true;
  try {
    JSON.parse(line.toString('utf8', start, end));
    return true;
  } catch {
    return false;
  }
}

/** FAST PATH, as hasBytes. Whether [start, end) is a string without escapes. */
function isPlainString(line: Buffer, start: number, end: number): boolean {
  const last = end - 1;
  if (last === start || line[last] !== QUOTE) return false;
  for (let i = start + 1; i < last; i++) {
    const byte = line[i] as number;
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) return false;
  }
  return true;
}

/** FAST PATH, as hasBytes. Whether [start, end) is a whole number without sign. */
function isPlainNumber(line: Buffer, start: number, end: number): boolean {
  if (end === start || (line[start] === ZERO && end > start + 1)) return false;
  for (let i = start; i < end; i++) if (!isDigit(line[i] as number)) return false;
  return true;
}

/** The text of a value that isJson: of a string its characters, of anything else its JSON. */
export function textOfValue(line: Buffer, { start, end }: Span): string {
  if (line[start] !== QUOTE) return line.toString('utf8', start, end);
  if (!hasBackslash(line, start, end)) return line.toString('utf8', start + 1, end - 1);
  return String(JSON.parse(line.toString('utf8', start, end)));
}

/** A name may be written with other escapes than ours: extra fields are stored with the tokens that they came with. */
function isName(line: Buffer, { start, end }: Span, quotedName: Buffer, name: string): boolean {
  if (end - start === quotedName.length && hasBytes(line, start, quotedName)) return true;
  if (!hasBackslash(line, start, end)) return false;
  try {
    return JSON.parse(line.toString('utf8', start, end)) === name;
  } catch {
    return false;
  }
}

/** FAST PATH. For a name or a value, which are short, a call of Buffer costs more. */
export function hasBytes(line: Buffer, start: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (line[start + i] !== bytes[i]) return false;
  return true;
}

/** FAST PATH, as hasBytes. Whether the string [start, end) is written with an escape. */
export function hasBackslash(line: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (line[i] === BACKSLASH) return true;
  return false;
}

/** The offset after the closing quote of the string that opens at `at`, or `limit`. */
function endOfString(line: Buffer, at: number, limit: number): number {
  for (let i = at + 1; i < limit; i++) {
    if (line[i] === QUOTE) return i + 1;
    if (line[i] === BACKSLASH) i++;
  }
  return limit;
}

/** The offset of the comma or brace after the value at `at`, or `limit`. */
function endOfValue(line: Buffer, at: number, limit: number): number {
  let depth = 0;
  let i = at;
  while (i < limit) {
    const byte = line[i];
    if (byte === QUOTE) {
      i = endOfString(line, i, limit);
      continue;
    }
    const isClosing = byte === CLOSE_BRACE || byte === CLOSE_BRACKET;
    if (depth === 0 && (isClosing || byte === COMMA)) break;
    if (isClosing) depth--;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    i++;
  }
  return Math.min(i, limit);
}
