import { MAX_TIMESTAMP_LENGTH, parseTimestamp } from '../../lines/timestamp.ts';
import { readUnixTime } from '../map-fields.ts';

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const CLOCK = String.raw`(?<minute>\d\d:\d\d):(?<second>\d\d)(?:(?<point>[.,:])(?<fraction>\d+))?`;
const ZONE = String.raw`(?: ?(?:(?<utc>[Zz]|UTC|GMT)|(?<hours>[+-]\d\d)(?::?(?<minutes>\d\d))?))?`;
/** RFC 3339, and what ISO 8601 and others allow beside it. */
const ISO = new RegExp(String.raw`^(?<year>\d{4})([-/])(?<month>\d\d)\2(?<day>\d\d)[Tt ]${CLOCK}${ZONE}$`);
/** As Apache and nginx write it. */
const COMMON = new RegExp(String.raw`^(?<day>\d\d?)([-/])(?<name>[a-z]{3})\2(?<year>\d{4})[: ]${CLOCK}${ZONE}$`, 'i');
/** As HTTP has it (RFC 9110, section 5.6.7). */
const HTTP = new RegExp(String.raw`^[a-z]{3}, (?<day>\d\d) (?<name>[a-z]{3}) (?<year>\d{4}) ${CLOCK}${ZONE}$`, 'i');
/** As Kibana shows and exports it: `Mar 5, 2026 @ 10:00:01.123`. */
const KIBANA = new RegExp(String.raw`^(?<name>[a-z]{3}) (?<day>\d\d?), (?<year>\d{4}) @ ${CLOCK}$`, 'i');
/** A text of fewer digits is a date, a time of day or a duration, rather than a time of the year 1970. */
const UNIX = /^-?\d{9}/;
const IN_BRACKETS = /^\[(.*)\]$/;
/** What follows the minute in a text of the known minute and zone, up to the zone. */
const SECONDS = /^[0-5]\d(\.\d{1,9})?$/;

/** Length of `2026-03-05T10:00:` */
const MINUTE_LENGTH = 17;
/** Numbers of at least so much are milliseconds, or microseconds. */
const LEAST_MILLISECONDS = 1e11;
const LEAST_MICROSECONDS = 1e14;
const MILLISECONDS = 1_000;
const MAX_FRACTION = 9;
/** It is read as the start of the next minute. */
const LEAP_SECOND = '60';

/** The stored text of a time as logs write it; undefined for what is no time. */
export type ReadTime = (text: string) => string | undefined;

/** LogTime as a function. `zone`: of times that name none, minutes east of UTC. */
export function createTimeReader(zone: number): ReadTime {
  const times = new LogTime(zone);
  return (text) => times.read(text);
}

/**
 * Times of a log, as stored text: RFC 3339 and its relatives, `05/Mar/2026:10:00:01 +0000`, the dates of HTTP, and Unix times as numbers or
 * text, whose unit (s, ms, µs, ns) follows from their size. The second 60 of 23:59 UTC is the start of the next one.
 *
 * Consecutive lines share their minute, so the last minute is known with its zone and what it is in UTC.
 */
export class LogTime {
  /** Of times that name none: minutes east of UTC. */
  readonly #zone: number;
  /** The text before the seconds and after the fraction, of the last time that has them. */
  #head = '';
  #tail = '';
  /** `2026-03-05T10:00:` in UTC. */
  #minute = '';

  /** The minute of the last number, since 1970, and its text in UTC. */
  #unixMinute = Number.NaN;
  #unixText = '';

  constructor(zone: number) {
    this.#zone = zone;
  }

  /** undefined for what is no time. */
  read(value: unknown): string | undefined {
    if (typeof value === 'string') return this.#readText(value);
    return typeof value === 'number' ? this.#readNumber(value) : undefined;
  }

  #readNumber(value: number): string | undefined {
    if (!(value >= 0 && value < LEAST_MICROSECONDS)) return readUnixTime(String(value));
    const parts = value < LEAST_MILLISECONDS ? 1 : MILLISECONDS;
    const second = Math.floor(value / parts);
    const minute = Math.floor(second / 60);
    const fraction = fractionOf(value, second, parts);
    if (minute === this.#unixMinute && fraction !== undefined)
      return `${this.#unixText}${two(second - minute * 60)}${fraction}Z`;
    const time = readUnixTime(String(value));
    if (time !== undefined) {
      this.#unixMinute = minute;
      this.#unixText = time.slice(0, MINUTE_LENGTH);
    }
    return time;
  }

  #readText(text: string): string | undefined {
    if (this.#head !== '' && text.startsWith(this.#head) && text.endsWith(this.#tail)) {
      const seconds = text.slice(this.#head.length, text.length - this.#tail.length);
      const match = SECONDS.exec(seconds);
      if (match !== null) return `${this.#minute}${match[1] === undefined ? seconds : trimFraction(seconds)}Z`;
    }
    return text.length > MAX_TIMESTAMP_LENGTH ? undefined : this.#readAny(text.trim());
  }

  #readAny(trimmed: string): string | undefined {
    const text = IN_BRACKETS.exec(trimmed)?.[1] ?? trimmed;
    const parts = (ISO.exec(text) ?? COMMON.exec(text) ?? HTTP.exec(text) ?? KIBANA.exec(text))?.groups;
    if (parts === undefined) return UNIX.test(text) ? readUnixTime(text) : undefined;
    const time = this.#toUtc(parts);
    const { minute = '', second = '', point, fraction } = parts;
    // After a colon the fraction may repeat the clock, so that its place is not certain.
    if (time === undefined || second === LEAP_SECOND || point === ':') return time;
    const secondsAt = text.lastIndexOf(`${minute}:${second}`) + minute.length + 1;
    const fractionLength = fraction === undefined ? 0 : fraction.length + 1;
    this.#head = text.slice(0, secondsAt);
    this.#tail = text.slice(secondsAt + second.length + fractionLength);
    this.#minute = time.slice(0, MINUTE_LENGTH);
    return time;
  }

  #toUtc(parts: Readonly<Record<string, string | undefined>>): string | undefined {
    const { year, name = '', day = '', minute, second, fraction } = parts;
    const { month = String(MONTHS.indexOf(name.toLowerCase()) + 1).padStart(2, '0') } = parts;
    const seconds = fraction === undefined ? second : `${second}.${fraction}`;
    return parseTimestamp(`${year}-${month}-${day.padStart(2, '0')}T${minute}:${seconds}${this.#zoneOf(parts)}`)?.text;
  }

  #zoneOf({ utc, hours, minutes = '00' }: Readonly<Record<string, string | undefined>>): string {
    if (utc !== undefined) return 'Z';
    if (hours !== undefined) return `${hours}:${minutes}`;
    const east = Math.abs(this.#zone);
    return `${this.#zone < 0 ? '-' : '+'}${two(Math.floor(east / 60))}:${two(east % 60)}`;
  }
}

/** Of seconds or milliseconds, with its point, without zeros at its end; undefined where it has more digits than nanoseconds. */
function fractionOf(value: number, second: number, parts: number): string | undefined {
  if (parts === 1 && !Number.isInteger(value)) {
    const text = String(value);
    const point = text.indexOf('.');
    return point === -1 || text.length - point > MAX_FRACTION + 1 || text.includes('e') ? undefined : text.slice(point);
  }
  const rest = value - second * parts;
  if (rest === 0) return '';
  return Number.isInteger(rest) ? trimFraction(`.${String(rest).padStart(3, '0')}`) : undefined;
}

/** Text that ends with a fraction, without zeros at its end. */
function trimFraction(text: string): string {
  let end = text.length;
  while (text[end - 1] === '0') end--;
  return text.slice(0, text[end - 1] === '.' ? end - 1 : end);
}

function two(part: number): string {
  return part < 10 ? `0${part}` : `${part}`;
}
