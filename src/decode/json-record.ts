import { BACKSLASH, COMMA, isContinuation, isWhite, LOWER_U, OPEN_BRACE, QUOTE } from '../model/bytes.ts';
import type { DecodeOptions } from './decode.ts';
import { findJsonFault, type JsonFault } from './json-syntax.ts';
import { endOfValue, skipWhite } from './json-tokens.ts';
import { encodeRecord, exceeds, NOT_AN_OBJECT, type RecordFault, type StoredRecord } from './record.ts';

/** Up to here JSON.parse is quick enough to be called in one go. */
const LARGE = 64 * 1024;
const STEP = 512 * 1024;
/** A field of six bytes costs as much as hundreds of a long one's. */
const MEMBER_STEP = 32 * 1024;
/** Longer than `"userAgent"` with every letter escaped: no name of this length is one of the three. */
const LONG_NAME = 64;

/** Half-open range of bytes. */
interface Span {
  readonly start: number;
  readonly end: number;
}

interface Member {
  readonly name: Span;
  /** With white space around it, perhaps. */
  value: Span;
}

interface Members {
  /** By decoded name: the last value of each of the three fields. */
  readonly fields: Readonly<Record<'timestamp' | 'path' | 'userAgent', Span | undefined>>;
  /** The other fields, each once: in the place where its name came first, with the value that came last. */
  readonly extras: Iterable<Member>;
  /** The extra fields alone are longer than a line may be; `extras` is not complete. */
  readonly tooLong: boolean;
}

/**
 * The reference reader: what stands in [start, end), as a stored line, as the reason why not, or as the place where it is
 * not JSON. JSON.parse reads the three fields; the other fields are cut from the source, token for token. A giant is read
 * in steps, which JSON.parse would not allow.
 */
export function* readJsonRecord(
  bytes: Buffer,
  start: number,
  end: number,
  options: DecodeOptions,
): Generator<undefined, StoredRecord | RecordFault | JsonFault, undefined> {
  // First, because JSON.parse takes ten times as long to throw: a million bad lines must not cost seconds.
  const fault = yield* findJsonFault(bytes, start, end);
  if (fault !== undefined) return fault;
  if (end - start > LARGE) return yield* readGiant(bytes, start, end, options);
  const value: unknown = JSON.parse(bytes.toString('utf8', start, end));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return NOT_AN_OBJECT;
  const fields = {
    timestamp: ownValue(value, 'timestamp'),
    path: ownValue(value, 'path'),
    userAgent: ownValue(value, 'userAgent'),
  };
  let extras: string | undefined = '';
  if (options.extraFields === 'keep' && Object.keys(value).length > countPresent(fields)) {
    const members = yield* cutMembers(bytes, start, end, options);
    extras = yield* writeExtras(bytes, members, options.maxRecordBytes);
  }
  return encode(fields, extras, options);
}

function* readGiant(bytes: Buffer, start: number, end: number, options: DecodeOptions) {
  const open = yield* skipWhite(bytes, start, end);
  if (bytes[open] !== OPEN_BRACE) return NOT_AN_OBJECT;
  const members = yield* cutMembers(bytes, open, end, options);
  const extras = yield* writeExtras(bytes, members, options.maxRecordBytes);
  const timestamp = yield* spanValue(bytes, members.fields.timestamp);
  const path = yield* spanValue(bytes, members.fields.path);
  const userAgent = yield* spanValue(bytes, members.fields.userAgent);
  return encode({ timestamp, path, userAgent }, extras, options);
}

/** `extras` undefined: too long. The fields are judged first, so that one fault is told whatever its record's size. */
function encode(
  fields: { timestamp: unknown; path: unknown; userAgent: unknown },
  extras: string | undefined,
  { maxRecordBytes }: DecodeOptions,
): StoredRecord | RecordFault {
  if (extras !== undefined) return encodeRecord(fields, extras, maxRecordBytes);
  const bare = encodeRecord(fields, '', maxRecordBytes);
  return 'problem' in bare ? bare : exceeds(maxRecordBytes);
}

function ownValue(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function countPresent(fields: Readonly<Record<string, unknown>>): number {
  let count = 0;
  for (const value of Object.values(fields)) if (value !== undefined) count++;
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
  bytes: Buffer,
  start: number,
  end: number,
  { extraFields, maxRecordBytes }: DecodeOptions,
): Generator<undefined, Members, undefined> {
  const fields: { timestamp?: Span; path?: Span; userAgent?: Span } = {};
  const extras = new Map<string, Member>();
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
    const text = length <= Math.max(LONG_NAME, maxRecordBytes) ? nameText(bytes, name) : '';
    if (text === 'timestamp' || text === 'path' || text === 'userAgent') fields[text] = value;
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
  const { timestamp, path, userAgent } = fields;
  return { fields: { timestamp, path, userAgent }, extras: extras.values(), tooLong: least > maxRecordBytes };
}

function nameText(bytes: Buffer, { start, end }: Span): string {
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
function* compactTokens(
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
