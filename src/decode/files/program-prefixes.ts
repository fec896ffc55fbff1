import { BYTE, isAt, isDigit, isLetter, isUpper, NOT_FOUND, skipIsoTime, skipWord } from './prefix-scan.ts';

/*
 * Prefixes without a time that all wrappers have in common:
 *
 *   compose     nginx-1  | line                                    ANSI colours around the name, a time after it (--timestamps)
 *   pm2         0|web    | line
 *   journalctl  Thu 2026-03-05 10:00:01 UTC web1 nginx[7]: line    -o short-full, -o short-unix; HAProxy: a program with its process
 *   Python      INFO:werkzeug:line                                 logging.basicConfig
 *   journal     MESSAGE=line                                       journalctl -o export: a line for each field
 *   grep        access.log:192.0.2.1 …                             -H, -n, zgrep of several files: before an address of IPv4
 *   fluentd     2026-03-05T10:00:01+00:00 TAB tag TAB {…}          out_file
 */

/** The end of such a prefix; NOT_FOUND where none stands at `start`. `isInner`: another prefix stands before it. */
export function skipProgram(bytes: Buffer, start: number, end: number, isInner: boolean): number {
  const first = bytes[start];
  if (isUpper(first) || first === BYTE.underscore) {
    const field = skipJournalField(bytes, start, end);
    if (field !== NOT_FOUND) return field;
    const logger = skipLogger(bytes, start, end);
    if (logger !== NOT_FOUND) return logger;
  }
  if (isDigit(first)) {
    const tagged = skipFluentd(bytes, start, end);
    if (tagged !== NOT_FOUND) return tagged;
  }
  const process = skipProcess(bytes, start, end);
  if (process !== NOT_FOUND || isInner) return process;
  const compose = skipComposeName(bytes, start, end);
  return compose === NOT_FOUND ? skipFileName(bytes, start, end) : compose;
}

/** `access.log:`, `12:` or `access.log:12:` */
function skipFileName(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (isNameByte(bytes[at]) || bytes[at] === BYTE.slash)) at++;
  if (at === start || at === end || bytes[at] !== BYTE.colon) return NOT_FOUND;
  const name = at + 1;
  if (isAddress(bytes, name, end)) return name;
  at = name;
  while (at < end && isDigit(bytes[at])) at++;
  return at > name && at < end && bytes[at] === BYTE.colon && isAddress(bytes, at + 1, end) ? at + 1 : NOT_FOUND;
}

/** `192.0.2.1 ` */
function isAddress(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  let dots = 0;
  while (at < end && (isDigit(bytes[at]) || bytes[at] === BYTE.dot)) {
    if (bytes[at] === BYTE.dot) dots++;
    at++;
  }
  return dots === 3 && at < end && bytes[at] === BYTE.blank;
}

/** The object after a time and a tag, with tabs between them. The time is that of the object. */
export function skipFluentd(bytes: Buffer, start: number, end: number): number {
  const time = skipIsoTime(bytes, start, end, BYTE.tab);
  if (time === NOT_FOUND) return NOT_FOUND;
  const tag = bytes.indexOf(BYTE.tab, time);
  return tag !== -1 && tag + 1 < end && bytes[tag + 1] === BYTE.openBrace ? tag + 1 : NOT_FOUND;
}

const MESSAGE = 'MESSAGE=';

/** How the other fields begin that journald and its relatives write: systemd.journal-fields(7), Docker's driver. Trusted ones have a `_` in front. */
const JOURNAL_FIELDS = (
  'PRIORITY= SYSLOG_ CODE_ MESSAGE_ID= INVOCATION_ID= USER_INVOCATION_ID= UNIT= USER_UNIT= TID= ERRNO= JOB_ OBJECT_ COREDUMP_ DOCUMENTATION= ' +
  'CONTAINER_ IMAGE_NAME='
).split(' ');

/** What MESSAGE holds; all of a line with another field of the journal: nothing is left of it. A line of another program may begin like one. */
function skipJournalField(bytes: Buffer, start: number, end: number): number {
  if (isAt(bytes, start, end, MESSAGE)) return start + MESSAGE.length;
  let at = start;
  while (at < end && (isUpper(bytes[at]) || isDigit(bytes[at]) || bytes[at] === BYTE.underscore)) at++;
  if (at < start + 2 || at === end || bytes[at] !== BYTE.equals) return NOT_FOUND;
  const isJournal = bytes[start] === BYTE.underscore || JOURNAL_FIELDS.some((name) => isAt(bytes, start, end, name));
  return isJournal ? end : NOT_FOUND;
}

const LEVELS = ['DEBUG:', 'INFO:', 'WARNING:', 'ERROR:', 'CRITICAL:'];

/** `INFO:werkzeug:` */
function skipLogger(bytes: Buffer, start: number, end: number): number {
  const level = LEVELS.find((name) => isAt(bytes, start, end, name));
  if (level === undefined) return NOT_FOUND;
  const name = start + level.length;
  let at = name;
  while (at < end && isNameByte(bytes[at])) at++;
  return at > name && at < end && bytes[at] === BYTE.colon ? at + 1 : NOT_FOUND;
}

/** Before the program: the time, which has four of them at most, and the host. */
const MAX_WORDS = 6;

/** `web1 nginx[123]: `, before anything that a line has in it: a dash, a quote, an object. */
function skipProcess(bytes: Buffer, start: number, end: number): number {
  let at = start;
  for (let i = 0; i < MAX_WORDS && at < end; i++) {
    const first = bytes[at];
    const next = skipWord(bytes, at, end);
    if (first === BYTE.quote || first === BYTE.openBrace || (first === BYTE.dash && next === at + 2)) return NOT_FOUND;
    if (isProcess(bytes, at, next - 1)) return next;
    at = next;
  }
  return NOT_FOUND;
}

/** `nginx[123]:` */
function isProcess(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[end - 1] !== BYTE.colon || bytes[end - 2] !== BYTE.close) return false;
  let at = end - 3;
  while (at > start && isDigit(bytes[at])) at--;
  return at > start && at < end - 3 && bytes[at] === BYTE.open;
}

/** `nginx-1  | `: the name of a service or container, padded with blanks, and a bar; of pm2 a number and a bar stand before it. */
function skipComposeName(bytes: Buffer, start: number, end: number): number {
  const name = skipNumberAndBar(bytes, skipColours(bytes, start, end), end);
  let at = name;
  let hasLetter = false;
  while (at < end && isNameByte(bytes[at])) {
    hasLetter ||= isLetter(bytes[at]);
    at++;
  }
  if (!hasLetter) return NOT_FOUND;
  const padding = at;
  while (at < end && bytes[at] === BYTE.blank) at++;
  if (at === padding || at === end || bytes[at] !== BYTE.bar) return NOT_FOUND;
  const bar = skipColours(bytes, at + 1, end);
  if (bar === end) return end;
  return bytes[bar] === BYTE.blank ? skipColours(bytes, bar + 1, end) : NOT_FOUND;
}

/** `0|` */
function skipNumberAndBar(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isDigit(bytes[at])) at++;
  return at > start && at < end && bytes[at] === BYTE.bar ? at + 1 : start;
}

/** `ESC [ 36 m` */
function skipColours(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at + 1 < end && bytes[at] === BYTE.escape && bytes[at + 1] === BYTE.open) {
    let stop = at + 2;
    while (stop < end && (isDigit(bytes[stop]) || bytes[stop] === BYTE.semicolon)) stop++;
    if (stop === end || bytes[stop] !== BYTE.lowerM) return at;
    at = stop + 1;
  }
  return at;
}

/** Of `project_web.1.abc@node`. */
function isNameByte(byte: number | undefined): boolean {
  return (
    isLetter(byte) ||
    isDigit(byte) ||
    byte === BYTE.dash ||
    byte === BYTE.dot ||
    byte === BYTE.underscore ||
    byte === BYTE.at
  );
}
