import {
  BYTE,
  fractionDigits,
  isAt,
  isDigit,
  isLetter,
  isLineStart,
  isUpper,
  NOT_FOUND,
  skipBsdTime,
  skipIsoTime,
  skipLocalTime,
  skipWord,
} from './prefix-scan.ts';
import { skipProgram } from './program-prefixes.ts';

/*
 * What wrappers put before the lines of a log. Each form is recognised by all of its parts, not by a word or a month alone:
 *
 *   docker      2026-03-05T10:00:01.123456789Z line                      docker logs --timestamps: nine digits of a second
 *   kubectl     [pod/nginx-7c5/nginx] line                               --prefix
 *   CRI         2026-03-05T10:00:01.123456789Z stdout F line             P: the line goes on in the next one
 *   RFC 3164    <134>Mar  8 10:00:01 web1 nginx[123]: line               with or without priority, host and tag; journalctl, rsyslog
 *   ISO syslog  <134>2026-03-05T10:00:01.1+00:00 web1 nginx: line        journalctl -o short-iso, too
 *   RFC 5424    <134>1 2026-03-05T10:00:01Z web1 nginx 123 - - line
 *   a time      2026-03-05T10:00:01.12Z line, 2026-03-05 10:00:01: line       kubectl --timestamps, CloudWatch, pm2: where a line is certain
 *
 * and those of program-prefixes.ts.
 */

/** A container's line may hold a line of syslog, and compose shows that again. */
const MAX_PREFIXES = 4;
/** Docker writes nanoseconds, and kubectl too, but without zeros at the end. Logs that begin with a time of their own have six digits at most. */
const LEAST_DOCKER_DIGITS = 7;

/**
 * Where the line of bytes[start, end) begins, after the prefixes of wrappers; `start` where it has none. A prefix is cut only where all of it
 * is there. Makes no object.
 */
export function skipPrefixes(bytes: Buffer, start: number, end: number): number {
  if (isOrdinary(bytes, start, end)) return start;
  let at = start;
  for (let i = 0; i < MAX_PREFIXES; i++) {
    const next = skipPrefix(bytes, at, end, at > start);
    if (next === NOT_FOUND) break;
    at = next;
  }
  return at;
}

/** FAST PATH. `192.0.2.1 - ` or `{"`: most lines of access logs have no prefix, and the search for one takes 0.2 µs, of JSON 0.3. */
function isOrdinary(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] === BYTE.openBrace) return start + 1 < end && bytes[start + 1] === BYTE.quote;
  let at = start;
  while (at < end && (isDigit(bytes[at]) || bytes[at] === BYTE.dot)) at++;
  return (
    at > start &&
    at + 2 < end &&
    bytes[at] === BYTE.blank &&
    bytes[at + 1] === BYTE.dash &&
    bytes[at + 2] === BYTE.blank
  );
}

/** A line in the form of container runtimes. */
export interface CriLine {
  /** Where the text begins. */
  readonly start: number;
  readonly stream: 'stdout' | 'stderr';
  /** The text is a part: the rest comes with the next lines of the same stream. */
  readonly isPart: boolean;
}

/** Undefined where bytes[start, end) does not begin as container runtimes write. Source: Kubernetes, "CRI logging". */
export function readCriLine(bytes: Buffer, start: number, end: number): CriLine | undefined {
  const time = skipIsoTime(bytes, start, end);
  const at = time === NOT_FOUND ? NOT_FOUND : skipCri(bytes, time, end);
  if (at === NOT_FOUND) return undefined;
  return {
    start: at,
    stream: bytes[time + 'std'.length] === BYTE.lowerO ? 'stdout' : 'stderr',
    isPart: bytes[time + 'stdout '.length] === BYTE.upperP,
  };
}

/** The end of one prefix. `isInner`: another one stands before it. */
function skipPrefix(bytes: Buffer, start: number, end: number, isInner: boolean): number {
  const first = bytes[start];
  if (first === BYTE.less) return skipPriority(bytes, start, end);
  if (first === BYTE.open) return skipPod(bytes, start, end);
  if (isDigit(first)) {
    const after = skipTime(bytes, start, end);
    if (after !== NOT_FOUND) return after;
  }
  if (isUpper(first)) {
    const time = skipBsdTime(bytes, start, end);
    if (time !== NOT_FOUND) return skipHostAndTag(bytes, time, end);
  }
  return skipProgram(bytes, start, end, isInner);
}

/** A time and what a wrapper has after it, up to where a line begins. */
function skipTime(bytes: Buffer, start: number, end: number): number {
  const iso = skipIsoTime(bytes, start, end);
  const known = iso === NOT_FOUND ? NOT_FOUND : skipAfterIsoTime(bytes, start, iso, end);
  if (known !== NOT_FOUND) return known;
  const time = iso === NOT_FOUND ? skipLocalTime(bytes, start, end) : iso;
  if (time === NOT_FOUND || isLineStart(bytes, time, end)) return time;
  const name = skipWord(bytes, time, end);
  if (!isLineStart(bytes, name, end)) return NOT_FOUND;
  const isClient = bytes[name] !== BYTE.openBrace && bytes[name] !== BYTE.open;
  return isClient && isVirtualHost(bytes, time, name - 1) ? time : name;
}

/** `www.example.com` or `web1:443`: a part of the line, where its client comes next. An address is none. */
function isVirtualHost(bytes: Buffer, start: number, end: number): boolean {
  let hasLetter = false;
  let isNamed = false;
  for (let at = start; at < end; at++) {
    hasLetter ||= isLetter(bytes[at]);
    isNamed ||= bytes[at] === BYTE.dot || (bytes[at] === BYTE.colon && isDigit(bytes[at + 1]));
  }
  return hasLetter && isNamed;
}

function skipAfterIsoTime(bytes: Buffer, start: number, time: number, end: number): number {
  const cri = skipCri(bytes, time, end);
  if (cri !== NOT_FOUND) return cri;
  const tag = skipTag(bytes, skipWord(bytes, time, end), end);
  if (tag !== NOT_FOUND) return tag;
  return fractionDigits(bytes, start, end) >= LEAST_DOCKER_DIGITS ? time : NOT_FOUND;
}

/** `stdout F `, `stderr P `; more tags may follow the first one, each after a colon. */
function skipCri(bytes: Buffer, at: number, end: number): number {
  if (!isAt(bytes, at, end, 'stdout ') && !isAt(bytes, at, end, 'stderr ')) return NOT_FOUND;
  const tag = at + 'stdout '.length;
  if (!isAt(bytes, tag, end, 'F') && !isAt(bytes, tag, end, 'P')) return NOT_FOUND;
  if (tag + 1 === end) return end;
  if (bytes[tag + 1] === BYTE.blank) return tag + 2;
  return bytes[tag + 1] === BYTE.colon ? skipWord(bytes, tag, end) : NOT_FOUND;
}

/** `<134>` and what follows: the version 1 of RFC 5424, a time, a tag alone, or nothing (HAProxy's `format short`, systemd). */
function skipPriority(bytes: Buffer, start: number, end: number): number {
  let at = start + 1;
  while (at < start + 4 && isDigit(bytes[at])) at++;
  if (at === start + 1 || bytes[at] !== BYTE.greater) return NOT_FOUND;
  at++;
  if (bytes[at] === BYTE.one && bytes[at + 1] === BYTE.blank) return skipRfc5424(bytes, at + 2, end);
  const bsd = skipBsdTime(bytes, at, end);
  if (bsd !== NOT_FOUND) return skipHostAndTag(bytes, bsd, end);
  const iso = skipIsoTime(bytes, at, end);
  if (iso !== NOT_FOUND) return skipHostAndTag(bytes, iso, end);
  const tag = skipTag(bytes, at, end);
  return tag === NOT_FOUND ? at : tag;
}

/** `time host app procid msgid structured-data message` */
function skipRfc5424(bytes: Buffer, start: number, end: number): number {
  const time = bytes[start] === BYTE.dash ? skipWord(bytes, start, end) : skipIsoTime(bytes, start, end);
  if (time === NOT_FOUND) return NOT_FOUND;
  let at = time;
  for (let i = 0; i < 4 && at < end; i++) at = skipWord(bytes, at, end);
  if (bytes[at] === BYTE.dash) at++;
  else while (at < end && bytes[at] === BYTE.open) at = skipElement(bytes, at, end);
  if (at > end || (at < end && bytes[at] !== BYTE.blank)) return NOT_FOUND;
  const message = Math.min(at + 1, end);
  return isAt(bytes, message, end, '\u00ef\u00bb\u00bf') ? message + 3 : message;
}

/** An element of structured data: `[id name="value"]`. A bracket in a value does not end it. */
function skipElement(bytes: Buffer, start: number, end: number): number {
  let isQuoted = false;
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at];
    if (byte === BYTE.backslash && isQuoted) at++;
    else if (byte === BYTE.quote) isQuoted = !isQuoted;
    else if (byte === BYTE.close && !isQuoted) return at + 1;
  }
  return end + 1;
}

/**
 * `web1 nginx[123]: `, `web1 ` where no tag follows, or `nginx: ` where no host comes before. A dash after the first word says that it is the
 * client of a common log.
 */
function skipHostAndTag(bytes: Buffer, start: number, end: number): number {
  const tagAlone = skipTag(bytes, start, end);
  if (tagAlone !== NOT_FOUND) return tagAlone;
  const host = skipWord(bytes, start, end);
  if (isAt(bytes, host, end, '- ')) return start;
  const tag = skipTag(bytes, host, end);
  return tag === NOT_FOUND ? host : tag;
}

/** A word that ends in a colon: `nginx: `, `docker/web-1[123]: `. An address of IPv6 may end in two. */
function skipTag(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== BYTE.blank) {
    if (bytes[at] === BYTE.quote) return NOT_FOUND;
    at++;
  }
  if (at - start < 2 || bytes[at - 1] !== BYTE.colon || bytes[at - 2] === BYTE.colon) return NOT_FOUND;
  return Math.min(at + 1, end);
}

/** `[pod/nginx-7c5/nginx] `, and the time after it with --timestamps. */
function skipPod(bytes: Buffer, start: number, end: number): number {
  if (!isAt(bytes, start, end, '[pod/')) return NOT_FOUND;
  let at = start;
  while (at < end && bytes[at] !== BYTE.close && bytes[at] !== BYTE.blank) at++;
  if (at + 1 >= end || bytes[at] !== BYTE.close || bytes[at + 1] !== BYTE.blank) return NOT_FOUND;
  const time = skipIsoTime(bytes, at + 2, end);
  return time === NOT_FOUND ? at + 2 : time;
}
