import { isUtf8 } from 'node:buffer';
import { parseTimestamp } from '../lines/timestamp.ts';

/** The fields of a record in a line of an access log; `timestamp` in UTC as it will be stored. */
export interface AccessRecord {
  readonly timestamp: string;
  readonly path: string;
  readonly userAgent: string;
}

// %h %l %u [%t] "%r" %>s %b "%{Referer}i" "%{User-Agent}i", and anything that a longer format adds.
const LINE =
  /^\S+ \S+ .*?\[([^\][]{0,64})\] "((?:[^"\\]|\\.)*)" \d{3} \S+ "(?:[^"\\]|\\.)*" "((?:[^"\\]|\\.)*)"(?: .*)?$/;
const TIME = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)$/;
const REQUEST = /^\S+ (.*?)(?: HTTP\/\d(?:\.\d)?)?$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const ESCAPE = /\\(?:x([0-9A-Fa-f]{2})|(.))/g;
const NAMED_ESCAPES = new Map([
  ['b', '\b'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/**
 * Reads one line without its newline of a log in the "combined" format that Apache (mod_log_config) and nginx write,
 * or gives the reason why it cannot. `path` is the request target as logged, query included; an absent user agent is `-`.
 */
export function parseCombinedLine(line: string): AccessRecord | { readonly reason: string } {
  const match = LINE.exec(line);
  if (match === null) return { reason: 'not a line of the combined format' };
  const [, time = '', request = '', agent = ''] = match;
  const instant = parseTimestamp(toRfc3339(time));
  if (instant === undefined) return { reason: `invalid time ${JSON.stringify(time.slice(0, 64))}` };
  const path = unescapeLog(REQUEST.exec(request)?.[1] ?? '').trim();
  if (path === '') return { reason: 'no path in the request line' };
  const userAgent = unescapeLog(agent).trim();
  if (userAgent === '') return { reason: 'blank user agent' };
  return { timestamp: instant.text, path, userAgent };
}

/** `17/May/2015:10:05:03 +0000` to `2015-05-17T10:05:03+00:00`; empty for any other text. */
function toRfc3339(time: string): string {
  const match = TIME.exec(time);
  if (match === null) return '';
  const [, day, month = '', year, clock, hours, minutes] = match;
  const number = String(MONTHS.indexOf(month) + 1).padStart(2, '0');
  return `${year}-${number}-${day}T${clock}${hours}:${minutes}`;
}

/** Undoes `\"`, `\\`, `\n` and `\xhh`; bytes that are not UTF-8 together stay as they were written. */
function unescapeLog(text: string): string {
  if (!text.includes('\\')) return text;
  const parts: Buffer[] = [];
  let at = 0;
  for (const match of text.matchAll(ESCAPE)) {
    parts.push(Buffer.from(text.slice(at, match.index)));
    const [whole, hex, character = ''] = match;
    parts.push(hex === undefined ? Buffer.from(NAMED_ESCAPES.get(character) ?? character) : Buffer.from(hex, 'hex'));
    at = match.index + whole.length;
  }
  parts.push(Buffer.from(text.slice(at)));
  const bytes = Buffer.concat(parts);
  return isUtf8(bytes) ? bytes.toString() : text;
}
