import { escapeBytes } from '../../text/escape-bytes.ts';
import type { AccessFields } from '../line-format.ts';
import { splitRequest } from '../request-line.ts';
import { unescapeLog } from '../unescape.ts';
import { looksLikeTime, MAX_TIME_LENGTH, readBracketTime } from './bracket-time.ts';
import { readAgents } from './line-agents.ts';
import { readHead } from './line-head.ts';
import { nextQuote } from './log-quotes.ts';

/*
 * The reference reader of access logs in the combined and the common format of Apache and nginx:
 *
 *   [host] client [ident] [user] [time] "request" status bytes [number …] ["referrer" "user agent"] [anything]
 *
 * fast-combined.ts stands in front of it. The work is proportional to the length of the line: each part is read once, whatever is in it.
 */

const NOT_COMBINED = 'not a line of the combined format';
const DAY_FIRST = /^ ?\d\d?\//;
const AFTER_REQUEST = /[ \t]+(\d{3}|0|-)(?=[ \t]|$)/y;

/** Reads a line without its newline. Bytes that are not UTF-8 are read as `\xhh`. `zone`: of a time that names none, minutes east of UTC. */
export function readCombinedLine(bytes: Buffer, zone: number): AccessFields | { readonly reason: string } {
  const text = withoutRow(escapeBytes(bytes).trim());
  const time = findTime(text, zone);
  if ('reason' in time) return time;
  const requestStart = text.indexOf('"', time.end) + 1;
  const request = findRequest(text, requestStart);
  if (request === undefined) return { reason: `${NOT_COMBINED}: no status after the request in quotes` };
  const { path, ...parts } = splitRequest(text.slice(requestStart, request.end));
  const { userAgent, bytes: size, referrer, duration, rest } = readAgents(text, request.after);
  return {
    timestamp: time.timestamp,
    path: orDash(path),
    userAgent: orDash(userAgent),
    ...readHead(text.slice(0, time.start).trim()),
    ...parts,
    status: request.status,
    bytes: size,
    referrer,
    duration,
    rest,
  };
}

/** The line in a row of CSV that has nothing else: `"192.0.2.1 - - [time] ""GET / HTTP/1.1"" 200 5"`. */
function withoutRow(text: string): string {
  const isRow = text.startsWith('"') && text.endsWith('"') && text.includes('] ""');
  return isRow && !/\] "" |[^"]"[^"]/.test(text) ? text.slice(1, -1).replaceAll('""', '"') : text;
}

function orDash(field: string): string {
  return unescapeLog(field).trim() || '-';
}

interface FoundTime {
  readonly timestamp: string;
  /** Of its opening bracket, and beyond its closing one. */
  readonly start: number;
  readonly end: number;
}

/**
 * The first time in brackets that has the quote of the request after it. With nothing before it the line is one of Django's runserver; with
 * ISO 8601 it would be one of Envoy.
 */
function findTime(text: string, zone: number): FoundTime | { readonly reason: string } {
  let invalid: string | undefined;
  for (let start = text.indexOf('['); start !== -1; start = text.indexOf('[', start + 1)) {
    const inside = text.slice(start + 1, start + 1 + MAX_TIME_LENGTH + 1);
    if (!looksLikeTime(inside) || (start === 0 && !DAY_FIRST.test(inside))) continue;
    const length = inside.indexOf(']');
    if (length === -1 || !/^[ \t]*"/.test(text.slice(start + length + 2, start + length + 2 + MAX_BLANKS))) continue;
    const timestamp = readBracketTime(inside.slice(0, length), zone);
    if (timestamp !== undefined) return { timestamp, start, end: start + length + 2 };
    invalid ??= inside.slice(0, length);
  }
  if (invalid !== undefined) return { reason: `invalid time ${JSON.stringify(invalid)}` };
  return findBareTime(text, zone) ?? { reason: `${NOT_COMBINED}: no [time] before a request in quotes` };
}

/** As PHP-FPM writes it, and where a format has quotes for brackets. */
function findBareTime(text: string, zone: number): FoundTime | undefined {
  const found = BARE_TIME.exec(text.slice(0, MAX_HEAD));
  const timestamp = found?.[1] === undefined ? undefined : readBracketTime(found[1], zone);
  if (found === null || timestamp === undefined) return undefined;
  return { timestamp, start: found.index, end: found.index + found[0].length };
}

const BARE_TIME =
  /(?:^|[ \t])"?(\d\d?\/[A-Za-z]{3}\/\d{4}[: ]\d\d:\d\d:\d\d[^\s"]{0,10}(?: [+-]\d{4})?)"?[ \t]{1,16}(?=")/;
/** Characters before such a time, at most. */
const MAX_HEAD = 1_024;

/** Between the time and the request. */
const MAX_BLANKS = 16;

interface FoundRequest {
  readonly end: number;
  readonly status: number | undefined;
  /** Where the line goes on after the status. */
  readonly after: number;
}

/**
 * The request ends at the first quote that a status follows: not all programs escape the quotes in it. A quote that is escaped ends it only
 * where no other does: the request ended with a backslash then.
 */
function findRequest(text: string, start: number): FoundRequest | undefined {
  for (let quote = nextQuote(text, start, start); quote !== -1; quote = nextQuote(text, quote + 1, start)) {
    const found = statusAfter(text, quote);
    if (found !== undefined) return found;
  }
  for (let quote = text.indexOf('"', start); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    const found = statusAfter(text, quote);
    if (found !== undefined) return found;
  }
  return undefined;
}

function statusAfter(text: string, quote: number): FoundRequest | undefined {
  AFTER_REQUEST.lastIndex = quote + 1;
  const word = AFTER_REQUEST.exec(text)?.[1];
  if (word === undefined) return undefined;
  // Of a request that was given up before an answer.
  const status = word === '-' ? 0 : Number(word);
  return { end: quote, status: status === 0 ? undefined : status, after: AFTER_REQUEST.lastIndex };
}
