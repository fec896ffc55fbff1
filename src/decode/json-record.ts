import type { Span } from '../lines/find-field.ts';
import type { Layout } from '../lines/layout.ts';
import { BYTES, isContinuation, isWhite } from '../model/bytes.ts';
import { levelOfSeverity, SEVERITY } from '../model/level.ts';
import type { DecodeOptions } from './decode.ts';
import { encodeWithin, lacksLevel } from './decoded-record.ts';
import { checkJson, type JsonFault } from './json-syntax.ts';
import { endOfValue, skipWhite } from './json-tokens.ts';
import { NOT_AN_OBJECT, type RecordFault, type StoredRecord } from './record.ts';

const { BACKSLASH, COMMA, LOWER_U, OPEN_BRACE, QUOTE } = BYTES;

/** Text of up to this many bytes goes to JSON.parse in one call. */
const LARGE = 64 * 1024;
const STEP = 512 * 1024;
/** An object of small fields costs much more per byte than one of long fields. */
const MEMBER_STEP = 32 * 1024;

interface Member {
  readonly name: Span;
  /** With white space around it, perhaps. */
  value: Span;
}

interface Members {
  /** The last value of each field of the layout, in its order; undefined where absent. */
  readonly fields: readonly (Span | undefined)[];
  /** The extra fields, each once: in the place where its name came first, with the value that came last. */
  readonly extras: Iterable<Member>;
  /** Of the extra field SEVERITY. */
  readonly severity: Span | undefined;
  /** The extra fields alone are longer than a line may be; `extras` is not complete. */
  readonly tooLong: boolean;
}

/**
 * The reference reader: turns [start, end) into a stored line, into the reason why it is invalid, or into the place where it is not
 * JSON. JSON.parse reads the fields of the layout; the extra fields are cut from the source, token for token. An oversized record is read
 * in steps, which JSON.parse would not allow, and one with an escape member by member. Of several faults the first counts: not JSON, not an object, nested too deep, then those of
 * its fields.
 */
export function* readJsonRecord(
  layout: Layout,
  bytes: Buffer,
  start: number,
  end: number,
  options: DecodeOptions,
): Generator<undefined, StoredRecord | RecordFault | JsonFault, undefined> {
  // First, because JSON.parse takes ten times as long to throw: a million bad lines must not cost seconds.
  const depth = yield* checkJson(bytes, start, end);
  if (typeof depth !== 'number') return depth;
  // Before JSON.parse, which makes an object for each level.
  if (depth > options.maxDepth) return yield* describeDeep(bytes, start, end, options);
  const text = end - start > LARGE ? undefined : bytes.toString('utf8', start, end);
  // V8 (Node.js 26.10) misreads names with an escape: after JSON.parse('{"\\\\":1}'), '{"\\"":1}' has the name \\ and not ".
  if (text === undefined || text.includes('\\')) return yield* readMembers(layout, bytes, start, end, options);
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return NOT_AN_OBJECT;
  const values = layout.fields.map((name) => ownValue(value, name));
  const hasExtras = Object.keys(value).length > countPresent(values);
  if (lacksLevel(layout, values)) values[layout.levelAt] = levelOfSeverity(ownValue(value, SEVERITY));
  let extras: string | undefined = '';
  if (options.extraFields === 'keep' && hasExtras) {
    const members = yield* cutMembers(layout, bytes, start, end, options);
    extras = yield* writeExtras(bytes, members, options.maxRecordBytes);
  }
  return encodeWithin(layout, values, extras, options.maxRecordBytes);
}

/** A value that is nested too deep: not an object at all, or an invalid record. */
export function* describeDeep(
  bytes: Buffer,
  start: number,
  end: number,
  { maxDepth }: DecodeOptions,
): Generator<undefined, RecordFault, undefined> {
  const open = yield* skipWhite(bytes, start, end);
  if (bytes[open] !== OPEN_BRACE) return NOT_AN_OBJECT;
  return { field: '', problem: `is nested deeper than ${maxDepth} (ingestion.maxDepth)` };
}

/** Reads a record member by member: in steps, and with no name that JSON.parse reads as part of an object. */
function* readMembers(layout: Layout, bytes: Buffer, start: number, end: number, options: DecodeOptions) {
  const open = yield* skipWhite(bytes, start, end);
  if (bytes[open] !== OPEN_BRACE) return NOT_AN_OBJECT;
  const members = yield* cutMembers(layout, bytes, open, end, options);
  const extras = yield* writeExtras(bytes, members, options.maxRecordBytes);
  const values: unknown[] = [];
  for (const [field, span] of members.fields.entries()) {
    const number = field === layout.levelAt ? numberIn(bytes, span) : undefined;
    values.push(number ?? (yield* spanValue(bytes, span)));
  }
  if (lacksLevel(layout, values)) values[layout.levelAt] = levelOfSeverity(numberIn(bytes, members.severity));
  return encodeWithin(layout, values, extras, options.maxRecordBytes);
}

const MAX_SEVERITY_BYTES = 64;

function numberIn(bytes: Buffer, span: Span | undefined): number | undefined {
  if (span === undefined || span.end - span.start > MAX_SEVERITY_BYTES) return undefined;
  const value: unknown = JSON.parse(bytes.toString('utf8', span.start, span.end));
  return typeof value === 'number' ? value : undefined;
}

function ownValue(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function countPresent(values: readonly unknown[]): number {
  let count = 0;
  for (const value of values) if (value !== undefined) count++;
  return count;
}

/** The field as far as it matters: a string read by JSON.parse, piece by piece, or null for any other value. */
function* spanValue(bytes: Buffer, span: Span | undefined): Generator<undefined, string | null | undefined, undefined> {
  if (span === undefined) return undefined;
  const start = yield* skipWhite(bytes, span.start, span.end);
  if (bytes[start] !== QUOTE) return null;
  const end = bytes.lastIndexOf(QUOTE, span.end - 1);
  let value = '';
  for (let at = start + 1; at < end; ) {
    const pieceEnd = endOfPiece(bytes, at, end);
    value += String(JSON.parse(`"${bytes.toString('utf8', at, pieceEnd)}"`));
    at = pieceEnd;
    yield;
  }
  return value;
}

/** About LARGE bytes on, at the end of a character or an escape. */
function endOfPiece(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < Math.min(start + LARGE, end)) {
    if (bytes[at] !== BACKSLASH) at++;
    else at += bytes[at + 1] === LOWER_U ? 6 : 2;
  }
  while (at < end && isContinuation(bytes[at])) at++;
  return at;
}

/** Takes a valid JSON object apart. Extra fields are listed only if they are kept. */
function* cutMembers(
  layout: Layout,
  bytes: Buffer,
  start: number,
  end: number,
  { extraFields, maxRecordBytes }: DecodeOptions,
): Generator<undefined, Members, undefined> {
  const fields: (Span | undefined)[] = layout.fields.map(() => undefined);
  const extras = new Map<string, Member>();
  let severity: Span | undefined;
  let least = 0;
  let nextYield = start + MEMBER_STEP;
  let at = yield* skipWhite(bytes, start, end);
  do {
    const nameStart = yield* skipWhite(bytes, at + 1, end);
    if (bytes[nameStart] !== QUOTE) break;
    const colon = yield* endOfValue(bytes, nameStart, end);
    const name = { start: nameStart, end: bytes.lastIndexOf(QUOTE, colon - 1) + 1 };
    at = yield* endOfValue(bytes, colon + 1, end);
    const value = { start: colon + 1, end: at };
    const length = name.end - name.start;
    const text = length <= Math.max(layout.maxNameBytes, maxRecordBytes) ? nameText(bytes, name) : '';
    const field = layout.fields.indexOf(text);
    if (text === SEVERITY) severity = value;
    if (field !== -1) fields[field] = value;
    else if (extraFields === 'keep' && least <= maxRecordBytes) {
      const known = extras.get(text);
      if (known !== undefined) known.value = value;
      else extras.set(text, { name, value });
      // The least that a further field adds to the line: a comma, its name, a colon, one byte.
      if (known === undefined || length > maxRecordBytes) least += length + 3;
    }
    if (at >= nextYield) {
      yield;
      nextYield = at + MEMBER_STEP;
    }
  } while (bytes[at] === COMMA);
  return { fields, extras: extras.values(), severity, tooLong: least > maxRecordBytes };
}

export function nameText(bytes: Buffer, { start, end }: Span): string {
  for (let i = start; i < end; i++) {
    if (bytes[i] === BACKSLASH) return String(JSON.parse(bytes.toString('utf8', start, end)));
  }
  return bytes.toString('utf8', start + 1, end - 1);
}

/** `,"name":value` for each, without white space between tokens; undefined when that is more than `most` bytes. */
function* writeExtras(
  bytes: Buffer,
  { extras, tooLong }: Members,
  most: number,
): Generator<undefined, string | undefined, undefined> {
  if (tooLong) return undefined;
  let text = '';
  let written = 0;
  for (const { name, value } of extras) {
    const compact = yield* compactTokens(bytes, value, most - written);
    if (compact === undefined) return undefined;
    written += name.end - name.start + 2 + compact.length;
    if (written > most) return undefined;
    text += `,${bytes.toString('utf8', name.start, name.end)}:${compact.toString()}`;
  }
  return text;
}

/** The tokens of a valid JSON value without the white space between them; undefined when they take more than `most` bytes. */
export function* compactTokens(
  bytes: Buffer,
  { start, end }: Span,
  most: number,
): Generator<undefined, Buffer | undefined, undefined> {
  const out = Buffer.allocUnsafe(Math.min(end - start, Math.max(most, 0)));
  let used = 0;
  let isInString = false;
  let nextYield = start + STEP;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (isInString || !isWhite(byte)) {
      if (used === out.length) return undefined;
      out[used++] = byte;
      if (byte === QUOTE) isInString = !isInString || isEscaped(bytes, at);
    }
    if (at >= nextYield) {
      yield;
      nextYield = at + STEP;
    }
  }
  return out.subarray(0, used);
}

/** Whether an odd number of backslashes stands before the byte. */
function isEscaped(bytes: Buffer, at: number): boolean {
  let first = at;
  while (bytes[first - 1] === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}
