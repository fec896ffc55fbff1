import { BYTES } from '../model/bytes.ts';
import type { DecodeOptions } from './decode.ts';
import type { DecodedFields, NameTokens } from './decoded-record.ts';
import { compactTokens, describeDeep, nameText } from './json-record.ts';
import { checkJson, type JsonFault } from './json-syntax.ts';
import { endOfValue, skipWhite } from './json-tokens.ts';
import { exceeds, NOT_AN_OBJECT, type RecordFault } from './record.ts';

const { COMMA, OPEN_BRACE, QUOTE } = BYTES;

/** What most objects consist of: members whose names and texts have no escapes, and whose values are not objects or arrays (RFC 8259). */
const FLAT_MEMBER =
  /[ \t\n\r]*"([^"\\\p{Cc}]*)"[ \t\n\r]*:[ \t\n\r]*("[^"\\\p{Cc}]*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)[ \t\n\r]*([,}])/uy;
const OPEN = /^[ \t\n\r]*\{/;
const REST = /[ \t\n\r]*$/y;
/** A longer text is read in steps. */
const LARGE = 64 * 1024;
/** Bytes of members that are read without a pause. */
const STEP = 8 * 1024;
const NO_TOKENS: NameTokens = new Map();

/** The values are the tokens that they came with. */
export interface JsonFields {
  readonly fields: DecodedFields;
  readonly names: NameTokens;
}

/**
 * The fields of the JSON object at [start, end): for records that are mapped, and for entries of the journal. Or why there are none. Pauses in
 * a long one.
 */
export function* readJsonFields(
  bytes: Buffer,
  start: number,
  end: number,
  options: DecodeOptions,
): Generator<undefined, JsonFields | RecordFault | JsonFault, undefined> {
  const flat = end - start <= LARGE ? readFlat(bytes.toString('utf8', start, end)) : undefined;
  return flat === undefined ? yield* readAny(bytes, start, end, options) : { fields: flat, names: NO_TOKENS };
}

/** undefined where the object is not certainly flat, or is none. */
function readFlat(text: string): DecodedFields | undefined {
  const open = OPEN.exec(text);
  if (open === null) return undefined;
  const fields = new Map<string, string>();
  FLAT_MEMBER.lastIndex = open[0].length;
  for (;;) {
    const match = FLAT_MEMBER.exec(text);
    if (match === null) return undefined;
    const [, name = '', value = '', next] = match;
    fields.set(name, value);
    if (next === ',') continue;
    REST.lastIndex = FLAT_MEMBER.lastIndex;
    return REST.test(text) ? fields : undefined;
  }
}

function* readAny(
  bytes: Buffer,
  start: number,
  end: number,
  options: DecodeOptions,
): Generator<undefined, JsonFields | RecordFault | JsonFault, undefined> {
  const depth = yield* checkJson(bytes, start, end);
  if (typeof depth !== 'number') return depth;
  if (depth > options.maxDepth) return yield* describeDeep(bytes, start, end, options);
  let at = yield* skipWhite(bytes, start, end);
  if (bytes[at] !== OPEN_BRACE) return NOT_AN_OBJECT;
  const fields = new Map<string, string>();
  const names = new Map<string, string>();
  let nextYield = start + STEP;
  do {
    const nameStart = yield* skipWhite(bytes, at + 1, end);
    if (bytes[nameStart] !== QUOTE) break;
    const colon = yield* endOfValue(bytes, nameStart, end);
    const nameEnd = bytes.lastIndexOf(QUOTE, colon - 1) + 1;
    const name = nameText(bytes, { start: nameStart, end: nameEnd });
    at = yield* endOfValue(bytes, colon + 1, end);
    const value = yield* compactTokens(bytes, { start: colon + 1, end: at }, end - start);
    if (value === undefined) return exceeds(options.maxRecordBytes);
    // As for all records the name is the one that came first.
    if (!fields.has(name) && nameEnd - nameStart - 2 > Buffer.byteLength(name))
      names.set(name, bytes.toString('utf8', nameStart, nameEnd));
    fields.set(name, value.toString());
    if (at >= nextYield) {
      yield;
      nextYield = at + STEP;
    }
  } while (bytes[at] === COMMA);
  return { fields, names };
}
