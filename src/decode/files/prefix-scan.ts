/*
 * Parts of prefixes in bytes[start, end): times, words and single bytes. Each function makes no object, gives the offset after what it looks for,
 * and NOT_FOUND where that does not stand at `start`.
 */
export const NOT_FOUND = -1;

export const BYTE = {
  tab: 0x09,
  escape: 0x1b,
  blank: 0x20,
  quote: 0x22,
  comma: 0x2c,
  dash: 0x2d,
  dot: 0x2e,
  slash: 0x2f,
  one: 0x31,
  colon: 0x3a,
  semicolon: 0x3b,
  less: 0x3c,
  equals: 0x3d,
  greater: 0x3e,
  at: 0x40,
  upperP: 0x50,
  upperT: 0x54,
  upperZ: 0x5a,
  open: 0x5b,
  backslash: 0x5c,
  close: 0x5d,
  underscore: 0x5f,
  lowerM: 0x6d,
  lowerO: 0x6f,
  openBrace: 0x7b,
  bar: 0x7c,
} as const;

const MONTHS: ReadonlySet<number> = new Set(
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map((name) => {
    const [a = '', b = '', c = ''] = name;
    return monthKey(a.charCodeAt(0), b.charCodeAt(0), c.charCodeAt(0));
  }),
);

/** `Mar  8 10:00:01 `, `Mar 08 10:00:01.123 `, `Mar  8 2026 10:00:01 `; the end of its blank. */
export function skipBsdTime(bytes: Buffer, start: number, end: number): number {
  if (end - start < 15 || !MONTHS.has(monthKey(bytes[start] ?? 0, bytes[start + 1] ?? 0, bytes[start + 2] ?? 0)))
    return NOT_FOUND;
  if (bytes[start + 3] !== BYTE.blank) return NOT_FOUND;
  let at = start + 4;
  if (bytes[at] === BYTE.blank) at++;
  const day = at;
  while (at < day + 2 && isDigit(bytes[at])) at++;
  if (at === day || bytes[at] !== BYTE.blank) return NOT_FOUND;
  at++;
  if (isForm(bytes, at, end, 'dddd ')) at += 5;
  return skipClock(bytes, at, end);
}

/** `10:00:01 `, with or without a fraction; some senders put a colon after it. */
function skipClock(bytes: Buffer, start: number, end: number): number {
  if (!isForm(bytes, start, end, 'dd:dd:dd')) return NOT_FOUND;
  let at = skipFraction(bytes, start + 8, end);
  if (bytes[at] === BYTE.colon) at++;
  return at < end && bytes[at] === BYTE.blank ? at + 1 : NOT_FOUND;
}

const ISO_SECOND = 'dddd-dd-ddTdd:dd:dd';

/** `2026-03-05T10:00:01.123456789Z `, `…+00:00 `, `…+0000 `; the end of its blank, or of what else separates. */
export function skipIsoTime(bytes: Buffer, start: number, end: number, separator: number = BYTE.blank): number {
  if (!isForm(bytes, start, end, ISO_SECOND)) return NOT_FOUND;
  let at = skipFraction(bytes, start + ISO_SECOND.length, end);
  if (bytes[at] === BYTE.upperZ) at++;
  else if (isForm(bytes, at + 1, end, 'dd:dd') && isSign(bytes[at])) at += 6;
  else if (isForm(bytes, at + 1, end, 'dddd') && isSign(bytes[at])) at += 5;
  else return NOT_FOUND;
  return at < end && bytes[at] === separator ? at + 1 : NOT_FOUND;
}

function skipFraction(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] !== BYTE.dot && bytes[start] !== BYTE.comma) return start;
  let at = start + 1;
  while (at < end && isDigit(bytes[at])) at++;
  return at === start + 1 ? start : at;
}

/**
 * `2026-03-05 10:00:01: `, `2026-03-05T10:00:01,123 `: the time of a program's own log, with or without a zone and a colon after it; the end of
 * its blank.
 */
export function skipLocalTime(bytes: Buffer, start: number, end: number): number {
  if (!isForm(bytes, start, end, 'dddd-dd-dd') || !isForm(bytes, start + 11, end, 'dd:dd:dd')) return NOT_FOUND;
  if (bytes[start + 10] !== BYTE.blank && bytes[start + 10] !== BYTE.upperT) return NOT_FOUND;
  let at = skipFraction(bytes, start + ISO_SECOND.length, end);
  if (bytes[at] === BYTE.upperZ) at++;
  if (bytes[at] === BYTE.colon) at++;
  return at < end && bytes[at] === BYTE.blank ? at + 1 : NOT_FOUND;
}

/** Whether a line of an access log begins there: an object, `client - user [`, `client:port [time` or `[time`. */
export function isLineStart(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] === BYTE.openBrace) return true;
  if (bytes[start] === BYTE.open) return isTimeInBrackets(bytes, start, end);
  const second = skipWord(bytes, start, end);
  if (second < start + 2) return false;
  if (bytes[second] === BYTE.open) return isTimeInBrackets(bytes, second, end);
  return isAt(bytes, second, end, '- ') && bytes[skipWord(bytes, second + 2, end)] === BYTE.open;
}

/** `[05/Mar`, `[5-Mar`, `[2026-03-05`, `[2026/03/05` or `[1772704801`, which no address in brackets begins like. */
function isTimeInBrackets(bytes: Buffer, start: number, end: number): boolean {
  const day = start + 1;
  if (isForm(bytes, day, end, 'ddddddddd')) return true;
  if (isForm(bytes, day, end, 'dddd-dd-dd') || isForm(bytes, day, end, 'dddd/dd/dd')) return true;
  let at = day;
  while (at < day + 2 && isDigit(bytes[at])) at++;
  const isSeparated = bytes[at] === BYTE.slash || bytes[at] === BYTE.dash;
  return at > day && at + 1 < end && isSeparated && isLetter(bytes[at + 1]);
}

/** How many digits of a second an ISO time at `start` has. */
export function fractionDigits(bytes: Buffer, start: number, end: number): number {
  return Math.max(0, skipFraction(bytes, start + ISO_SECOND.length, end) - start - ISO_SECOND.length - 1);
}

/** The end of the blank after a word. */
export function skipWord(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== BYTE.blank) at++;
  return Math.min(at + 1, end);
}

/** Whether bytes of a form stand there, `d` for any digit. */
function isForm(bytes: Buffer, start: number, end: number, form: string): boolean {
  if (end - start < form.length) return false;
  for (let i = 0; i < form.length; i++) {
    const code = form.charCodeAt(i);
    const byte = bytes[start + i];
    if (code === 0x64 ? !isDigit(byte) : byte !== code) return false;
  }
  return true;
}

/** Whether the bytes of a text, each a character, stand there. */
export function isAt(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function monthKey(a: number, b: number, c: number): number {
  return (a << 16) | (b << 8) | c;
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

export function isUpper(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a;
}

export function isLetter(byte: number | undefined): boolean {
  return isUpper(byte) || (byte !== undefined && byte >= 0x61 && byte <= 0x7a);
}

function isSign(byte: number | undefined): boolean {
  return byte === 0x2b || byte === BYTE.dash;
}
