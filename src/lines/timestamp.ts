import type { Hour } from '../model/hour.ts';

/** An instant as it is stored: UTC text with `Z`, fraction to nanoseconds without trailing zeros, and its hour. */
export interface Instant {
  readonly text: string;
  readonly hour: Hour;
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
/** Characters of a timestamp at most: a fraction may have any number of digits, so it needs a limit. */
export const MAX_TIMESTAMP_LENGTH = 1024;

const LEAP_SECOND = 60;
const MINUTES_PER_DAY = 1440;
const FIRST_MINUTE = daysFromCivil(1, 1, 1) * MINUTES_PER_DAY;
const END_MINUTE = daysFromCivil(10_000, 1, 1) * MINUTES_PER_DAY;

/**
 * Reads an RFC 3339 date-time (section 5.6; `t` and `z` may be lower case, the offset is required). Undefined unless it
 * is a real calendar instant in the years 0001–9999 both as written and in UTC. A leap second, 23:59:60 in UTC, is read as the start of the
 * next second: which days have one, no program can know.
 */
export function parseTimestamp(text: string): Instant | undefined {
  if (text.length > MAX_TIMESTAMP_LENGTH) return undefined;
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const year = Number(match[1]);
  const month = Number(match[2]);
  const day = Number(match[3]);
  const hour = Number(match[4]);
  const minute = Number(match[5]);
  const second = Number(match[6]);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > LEAP_SECOND) return undefined;
  const offset = offsetMinutes(match[8], match[9], match[10]);
  if (offset === undefined) return undefined;
  const utc = daysFromCivil(year, month, day) * MINUTES_PER_DAY + hour * 60 + minute - offset;
  if (utc < FIRST_MINUTE || utc >= END_MINUTE) return undefined;
  if (second < LEAP_SECOND) return { text: formatInstant(utc, second, match[7]), hour: Math.floor(utc / 60) };
  const next = utc + 1;
  if (next % MINUTES_PER_DAY !== 0 || next >= END_MINUTE) return undefined;
  return { text: formatInstant(next, 0, undefined), hour: Math.floor(next / 60) };
}

const NANO_DIGITS = 9;

/** The stored text of an instant, in seconds since 1970 and nanoseconds from 0 on; undefined outside the years 0001–9999. */
export function formatUnixTime(seconds: number, nanos: number): string | undefined {
  const minute = Math.floor(seconds / 60);
  if (!(minute >= FIRST_MINUTE && minute < END_MINUTE)) return undefined;
  return formatInstant(minute, seconds - minute * 60, String(nanos).padStart(NANO_DIGITS, '0'));
}

/** `15:23:00.5`, of less than a day. */
export function formatTimeOfDay(seconds: number, nanos: number): string {
  return (formatUnixTime(seconds, nanos) ?? '').slice('1970-01-01T'.length, -'Z'.length);
}

/** `2025-11-22`, of days since 1970; undefined outside the years 0001–9999. */
export function formatDate(days: number): string | undefined {
  return formatUnixTime(days * MINUTES_PER_DAY * 60, 0)?.slice(0, '2025-11-22'.length);
}

/** Days of a month in the proleptic Gregorian calendar. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The inverse, civil_from_days of the same source. */
function civilFromDays(days: number): [year: number, month: number, day: number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const mp = Math.floor((5 * dayOfYear + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - Math.floor((153 * mp + 2) / 5) + 1];
}

function offsetMinutes(sign: string | undefined, hours: string | undefined, minutes: string | undefined) {
  if (sign === undefined) return 0;
  const h = Number(hours);
  const m = Number(minutes);
  if (h > 23 || m > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (h * 60 + m);
}

function formatInstant(utcMinute: number, second: number, fraction: string | undefined): string {
  const days = Math.floor(utcMinute / MINUTES_PER_DAY);
  const minuteOfDay = utcMinute - days * MINUTES_PER_DAY;
  const [year, month, day] = civilFromDays(days);
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  const time = `${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}:${two(second)}`;
  const digits = fraction === undefined ? '' : trimZeros(fraction.slice(0, 9));
  return `${date}T${time}${digits === '' ? '' : `.${digits}`}Z`;
}

function trimZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

function two(n: number): string {
  return n < 10 ? `0${n}` : `${n}`;
}
