import { formatUnixTime, parseTimestamp } from '../../../lines/timestamp.ts';

/** The RFC 3339 text in UTC of a time as logs write it, as it will be stored; undefined where it is none. */
export type ReadTime = (text: string) => string | undefined;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** `05/Mar/2026:10:00:01.123 +0000` */
const COMMON = /^(\d\d?)\/([A-Z][a-z]{2})\/(\d{4})[: ](\d\d:\d\d)$/;
/** `2026-03-05T10:00:01.123+00:00` */
const ISO = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)$/;
/** What comes after the minute. */
const SECOND = /^:([0-5]\d|60)(?:[.,](\d+))?(?: ?(Z|z|[+-]\d\d:?\d\d))?$/;
const UNIX = /^(\d{9,19})(?:\.(\d+))?$/;
const MAX_LENGTH = 64;
const NANO_DIGITS = 9;

/**
 * Reads the time of common logs and ISO 8601, each with or without a fraction and a zone. `zone`: of times that name none, in minutes east of
 * UTC. A leap second, `:60` at 23:59 UTC, is the start of the next second. Neighbouring lines often are of one minute: the last one is known.
 */
export function createTimeReader(zone: number): ReadTime {
  const defaultZone = formatZone(zone);
  let known = { local: '', zone: '', minute: undefined as string | undefined };
  return function readTime(text) {
    if (text.length > MAX_LENGTH) return undefined;
    const secondAt = text[2] === '/' ? '05/Mar/2026:10:00'.length : '2026-03-05T10:00'.length;
    const match = SECOND.exec(text.slice(secondAt));
    if (match === null) return undefined;
    const local = text.slice(0, secondAt);
    const zone = match[3] ?? defaultZone;
    if (local !== known.local || zone !== known.zone) known = { local, zone, minute: readMinute(local, zone) };
    if (known.minute === undefined) return undefined;
    return withSecond(known.minute, match[1] ?? '', match[2] ?? '');
  };
}

/** `2026-03-05T10:00`, in UTC. */
function readMinute(local: string, zone: string): string | undefined {
  const common = COMMON.exec(local);
  const date = common === null ? ISO.exec(local)?.slice(1).join('T') : commonDate(common);
  const offset = zone.length === '+0000'.length ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  return parseTimestamp(`${date}:00${offset}`)?.text.slice(0, '2026-03-05T10:00'.length);
}

function commonDate([, day = '', name = '', year, clock]: RegExpExecArray): string {
  return `${year}-${twoDigits(MONTHS.indexOf(name) + 1)}-${day.padStart(2, '0')}T${clock}`;
}

function withSecond(minute: string, second: string, fraction: string): string | undefined {
  if (second !== '60') return `${minute}:${second}${fraction === '' ? '' : withDot(fraction.slice(0, NANO_DIGITS))}Z`;
  return minute.endsWith('T23:59') ? formatUnixTime(Date.parse(`${minute}:00Z`) / 1_000 + 60, 0) : undefined;
}

/** A fraction without zeros at its end; empty where it is 0. */
function withDot(fraction: string): string {
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end--;
  return end === 0 ? '' : `.${fraction.slice(0, end)}`;
}

/**
 * The text of a Unix time: seconds with or without a fraction, or, by the number of digits, milliseconds, microseconds or nanoseconds.
 * Undefined where it is none.
 */
export function readUnixTime(text: string): string | undefined {
  const match = UNIX.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = ''] = match;
  const below = whole.length <= 11 ? 0 : whole.length <= 14 ? 3 : whole.length <= 17 ? 6 : 9;
  const seconds = Number(whole.slice(0, whole.length - below));
  const nanos = `${whole.slice(whole.length - below)}${fraction}`.slice(0, NANO_DIGITS).padEnd(NANO_DIGITS, '0');
  return formatUnixTime(seconds, Number(nanos));
}

/** `+05:30`, of minutes east of UTC. */
function formatZone(minutes: number): string {
  if (minutes === 0) return 'Z';
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
