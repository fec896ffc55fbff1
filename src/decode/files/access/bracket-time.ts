import { parseTimestamp } from '../../../lines/timestamp.ts';

/** Characters of a time in brackets, at most. */
export const MAX_TIME_LENGTH = 64;

const CLOCK = String.raw`(\d\d:\d\d:\d\d)(?:[.,](\d{1,32}))?(?: ?([+-]\d\d):?(\d\d)| ?(?:Z|UTC|GMT))?$`;
const LOG_TIME = new RegExp(String.raw`^(\d\d?)/([A-Z]{3})/(\d{4})[: ]${CLOCK}`, 'i');
const ISO_TIME = new RegExp(String.raw`^(\d{4}-\d\d-\d\d)[T ]${CLOCK}`, 'i');
const NAMES_ZONE = /[+-]\d\d:?\d\d$|[CTZ]$/i;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * Reads `05/Mar/2026:10:00:01 +0000` or ISO 8601, both with a fraction or without, and gives it in its stored form. `zone`: of a time that
 * names none, minutes east of UTC. Undefined: it is no time.
 */
export function readBracketTime(text: string, zone: number): string | undefined {
  if (text !== last.text || zone !== last.zone) last = { text, zone, stored: readTime(text, zone) };
  return last.stored;
}

/** Lines that follow one another often have one time. */
let last: { readonly text: string; readonly zone: number; readonly stored: string | undefined } = {
  text: '',
  zone: 0,
  stored: undefined,
};

function readTime(text: string, zone: number): string | undefined {
  if (text.length > MAX_TIME_LENGTH) return undefined;
  const [, date, clock, fraction, hours, minutes] = readParts(text) ?? [];
  if (date === undefined) return undefined;
  const seconds = fraction === undefined ? clock : `${clock}.${fraction}`;
  const offset = hours === undefined ? offsetOf(NAMES_ZONE.test(text) ? 0 : zone) : `${hours}:${minutes}`;
  return parseTimestamp(`${date}T${seconds}${offset}`)?.text;
}

/** As ISO_TIME matches, with the date as `2026-03-05`. */
function readParts(text: string): readonly (string | undefined)[] | undefined {
  const match = LOG_TIME.exec(text);
  if (match === null) return ISO_TIME.exec(text) ?? undefined;
  const [all, day = '', month = '', year, ...clock] = match;
  const number = MONTHS.indexOf(month.toLowerCase()) + 1;
  return [all, `${year}-${String(number).padStart(2, '0')}-${day.padStart(2, '0')}`, ...clock];
}

/** Whether a text begins as a time does. */
export function looksLikeTime(text: string): boolean {
  return /^(?:\d\d?\/[A-Za-z]{3}\/\d|\d{4}-\d\d-\d\d)/.test(text);
}

function offsetOf(zone: number): string {
  const minutes = Math.abs(zone);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${zone < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
