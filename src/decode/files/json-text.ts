import { isUtf8 } from 'node:buffer';
import { parseJson } from '../../lines/parse-json.ts';
import { describeFault } from '../json.ts';
import { checkJson } from '../json-syntax.ts';
import { runToEnd } from '../pace.ts';
import { characterLength, escapeBytes } from '../text/escape-bytes.ts';

/** Objects and lists that may be open at once. */
export const MAX_DEPTH = 100;

/** One JSON object: its text, which is valid, and what JSON.parse makes of it. */
export interface JsonObject {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Reads bytes[start, end), or says why they are no JSON object. nginx with `escape=default` writes quotes, control characters and all bytes
 * beyond ASCII as `\xhh`, which JSON does not know: they are read as the bytes that they are, and stay as written where these are no UTF-8.
 */
export function readJsonObject(bytes: Buffer, start: number, end: number): JsonObject | { readonly reason: string } {
  const decoded = bytes.toString('utf8', start, end);
  const written = decoded.includes('\ufffd') ? escapeBytes(bytes.subarray(start, end)) : decoded;
  const text = written.includes('\\x') ? undoHexEscapes(written) : written;
  if (mayBeDeep(text) && isDeep(text)) return { reason: `nested deeper than ${MAX_DEPTH}` };
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return { reason: explain(written) };
  }
  return isObject(value) ? { text, value } : { reason: 'not a JSON object' };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether it has as many closing brackets as it takes. */
function mayBeDeep(text: string): boolean {
  return text.length > 2 * MAX_DEPTH && (has(text, '}', MAX_DEPTH / 2) || has(text, ']', MAX_DEPTH / 2));
}

function has(text: string, bracket: string, times: number): boolean {
  let at = -1;
  for (let found = 0; found < times; found++) {
    at = text.indexOf(bracket, at + 1);
    if (at === -1) return false;
  }
  return true;
}

/** Text that is not JSON is not deep: JSON.parse reads it no further than to its fault. */
function isDeep(text: string): boolean {
  const bytes = Buffer.from(text);
  const depth = runToEnd(checkJson(bytes, 0, bytes.length));
  return typeof depth === 'number' && depth > MAX_DEPTH;
}

/** The first fault but for `\xhh`, by its column in the line as it was written. */
function explain(written: string): string {
  const bytes = Buffer.from(replaceHexEscapes(written, (run) => '.'.repeat(run.length)));
  const fault = runToEnd(checkJson(bytes, 0, bytes.length));
  if (typeof fault === 'number') return 'not JSON';
  const column = bytes.toString('utf8', 0, fault.offset).length + 1;
  return `not JSON: column ${column}: ${describeFault(bytes, bytes.length, fault)}`;
}

function undoHexEscapes(text: string): string {
  return replaceHexEscapes(text, (run) => JSON.stringify(decodeRun(run)).slice(1, -1));
}

/** A run of `\xhh`, or any other escape: that may be a backslash before an x. */
const ESCAPE = /((?:\\x[0-9A-Fa-f]{2})+)|\\./g;

function replaceHexEscapes(text: string, replace: (run: string) => string): string {
  return text.replace(ESCAPE, (whole: string, run: string | undefined) => (run === undefined ? whole : replace(run)));
}

/** Text of a run of `\xhh`: what is UTF-8 in it, and the rest as it is written. */
function decodeRun(run: string): string {
  const bytes = Buffer.from(run.replaceAll('\\x', ''), 'hex');
  if (isUtf8(bytes)) return bytes.toString();
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    text += length === 0 ? run.slice(at * 4, at * 4 + 4) : bytes.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return text;
}
