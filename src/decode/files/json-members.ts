import { type FieldMap, type FieldPair, pickSource, type Step } from '../../model/field-map.ts';
import type { DecodedFields } from '../decoded-record.ts';
import type { JsonObject } from './json-text.ts';

/*
 * Values of valid JSON as they were written, white space between their tokens removed: JSON.parse would bend 1.0 and a number of 20 digits.
 * All offsets are those of a text that JSON.parse accepts.
 */

/** The JSON text of each field that a map finds in an object, by target. */
export function mapMembers({ pairs }: FieldMap, object: JsonObject): DecodedFields {
  const fields = new Map<string, string>();
  for (const pair of pairs) {
    const token = pairToken(pair, object);
    if (token !== undefined) fields.set(pair.target, token);
  }
  return fields;
}

/** Of one pair; undefined where it finds nothing. */
export function pairToken(pair: FieldPair, { text, value }: JsonObject): string | undefined {
  const source = pickSource(pair, value);
  return source === undefined ? undefined : tokenAt(text, source.steps);
}

/** Whether a value is a number of more digits than JSON.parse keeps. */
export function isBent(value: unknown): value is number {
  return typeof value === 'number' && !Number.isSafeInteger(value) && String(value).length > SAFE_DIGITS + 1;
}

/** A double keeps so many. */
const SAFE_DIGITS = 15;
const PLAIN_NUMBER = /^-?\d+(?:\.\d+)?$/;

/** A time that is bent, by its token: the digits as text, unless they have an exponent. */
export function exactTime(value: number, token: string | undefined): string | number {
  return token !== undefined && PLAIN_NUMBER.test(token) ? token : value;
}

/** The members of an object whose names are wanted, each once: at the place of its first value, with its last one. */
export function membersOf({ text, value }: JsonObject, isWanted: (name: string) => boolean): [string, string][] {
  const members: [string, string][] = [];
  let count = 0;
  readMembers(text, skipWhite(text, 0), (name, start, end) => {
    count++;
    if (isWanted(name)) members.push([name, compact(text.slice(start, end))]);
  });
  return count === Object.keys(value).length ? members : [...new Map(members)];
}

/** The value at a path; undefined where there is none. */
export function tokenAt(text: string, steps: readonly Step[]): string | undefined {
  let start = skipWhite(text, 0);
  for (const step of steps) {
    const next = typeof step === 'number' ? elementStart(text, start, step) : memberStart(text, start, step);
    if (next === undefined) return undefined;
    start = next;
  }
  return compact(text.slice(start, endOfValue(text, start)));
}

function memberStart(text: string, at: number, wanted: string): number | undefined {
  let found: number | undefined;
  if (text[at] !== '{') return undefined;
  readMembers(text, at, (name, start) => {
    if (name === wanted) found = start;
  });
  return found;
}

function elementStart(text: string, open: number, index: number): number | undefined {
  if (text[open] !== '[') return undefined;
  let at = skipWhite(text, open + 1);
  for (let i = 0; text[at] !== ']'; i++) {
    if (i === index) return at;
    at = skipWhite(text, endOfValue(text, at));
    if (text[at] === ',') at = skipWhite(text, at + 1);
  }
  return undefined;
}

/** Calls `visit` for each member of the object at `open`, with the place of its value. */
function readMembers(text: string, open: number, visit: (name: string, start: number, end: number) => void): void {
  let at = skipWhite(text, open + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = endOfString(text, at);
    const token = text.slice(at, nameEnd);
    const name = token.includes('\\') ? String(JSON.parse(token)) : token.slice(1, -1);
    const start = skipWhite(text, skipWhite(text, nameEnd) + 1);
    const end = endOfValue(text, start);
    visit(name, start, end);
    at = skipWhite(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipWhite(text, at + 1);
  }
}

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function skipWhite(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= SPACE) at++;
  return at;
}

/** The offset after the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

/** Whether an odd number of backslashes stands before the character. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

/** The offset after the value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      // Of the object that a number stands in.
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || code <= SPACE)) return at;
    at++;
  }
  return text.length;
}

const WHITE_OR_STRING = /[ \t\n\r]+|"(?:[^"\\]|\\.)*"/g;

/** A value without the white space between its tokens. */
function compact(token: string): string {
  const isNested = token.startsWith('{') || token.startsWith('[');
  if (!isNested || !/[ \t\n\r]/.test(token)) return token;
  return token.replace(WHITE_OR_STRING, (part) => (part.startsWith('"') ? part : ''));
}
