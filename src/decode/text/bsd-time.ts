import { daysFromCivil, daysInMonth, formatUnixTime } from '../../lines/timestamp.ts';
import type { TextContext } from './text-record.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** The offsets of the zones that the world has, in minutes east of UTC. */
const ZONES: readonly number[] = [
  ...Array.from({ length: 27 }, (_, i) => (i - 12) * 60),
  ...[-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825],
];
/** A sender's clock may be so far ahead, and a message may take so long, for its time to be that of the arrival. */
const MOST_AHEAD_MS = 5_000;
const MOST_DELAY_MS = MINUTE_MS;

/** A time of RFC 3164: `Jul  2 17:00:01`. Some senders add the year and a fraction. */
export interface BsdTime {
  readonly year: number | undefined;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly secondOfDay: number;
  readonly nanos: number;
}

const BSD_TIME = /^([A-Z][a-z]{2}) +(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?= |:|$)/;
/** `Jul  2 17:00:01 2025` */
const YEAR_AFTER = /^ (\d{4})(?= |:|$)/;

/** Reads the time that a text begins with. `length`: its characters. */
export function readBsdTime(text: string): { readonly time: BsdTime; readonly length: number } | undefined {
  const match = BSD_TIME.exec(text);
  if (match === null) return undefined;
  const [whole, name = '', dayText, before, hours, minutes, seconds, fraction = ''] = match;
  const month = MONTHS.indexOf(name) + 1;
  const day = Number(dayText);
  const [hour, minute, second] = [Number(hours), Number(minutes), Number(seconds)];
  // 29 February is in some years.
  if (month === 0 || day < 1 || day > daysInMonth(2000, month) || hour > 23 || minute > 59 || second > 59)
    return undefined;
  const after = before === undefined ? YEAR_AFTER.exec(text.slice(whole.length)) : null;
  const year = before ?? after?.[1];
  const secondOfDay = (hour * 60 + minute) * 60 + second;
  const nanos = Number(fraction.padEnd(9, '0'));
  return {
    time: { year: year === undefined ? undefined : Number(year), month, day, secondOfDay, nanos },
    length: whole.length + (after?.[0].length ?? 0),
  };
}

/**
 * The RFC 3339 text of a time without year or zone, by the time of its arrival: the year that brings it nearest to the arrival, so that
 * a record of 31 December that arrives in January is of the year before; and the zone in which it is the time of arrival, if there is one.
 */
export function toTimestamp(
  time: BsdTime,
  { arrival, zone }: Pick<TextContext, 'arrival' | 'zone'>,
): string | undefined {
  const arrivalYear = new Date(arrival).getUTCFullYear();
  const years = time.year === undefined ? [...Array(9).keys()].map((i) => arrivalYear + i - 4) : [time.year];
  let nearest: number | undefined;
  for (const year of years) {
    if (time.day > daysInMonth(year, time.month)) continue;
    const ms = daysFromCivil(year, time.month, time.day) * DAY_MS + time.secondOfDay * 1_000;
    if (nearest === undefined || Math.abs(ms - arrival) < Math.abs(nearest - arrival)) nearest = ms;
  }
  if (nearest === undefined) return undefined;
  const offset = zone === 'arrival' ? zoneByArrival(nearest, arrival) : zone;
  return formatUnixTime(nearest / 1_000 - offset * 60, time.nanos);
}

/**
 * Minutes east of UTC: of the zone in which the time is that of the arrival, else UTC. A message of a sender in UTC that was delayed by whole hours
 * looks like a punctual one from the west. The punctual one is more likely: of all delays one in fifty looks so.
 */
function zoneByArrival(local: number, arrival: number): number {
  const isPunctual = (zone: number) => {
    const delay = arrival - (local - zone * MINUTE_MS);
    return delay >= -MOST_AHEAD_MS && delay <= MOST_DELAY_MS;
  };
  return ZONES.find(isPunctual) ?? 0;
}

const NO_ZONE = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?$/;

/** A time of RFC 3339 that lacks its zone, with that of its input; `arrival`: UTC. Any other text as it is. */
export function withZone(text: string, { zone }: Pick<TextContext, 'zone'>): string {
  if (!NO_ZONE.test(text)) return text;
  if (zone === 'arrival' || zone === 0) return `${text}Z`;
  const minutes = Math.abs(zone);
  const twoDigits = (number: number) => String(number).padStart(2, '0');
  return `${text}${zone < 0 ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}
