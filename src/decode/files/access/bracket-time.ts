import { LogTime } from '../log-time.ts';

/** Characters of a time in brackets, at most. */
export const MAX_TIME_LENGTH = 64;

/** Readers by their zones: each knows the minute of the line before. Zones are few: a process has those of its configuration. */
const readers = new Map<number, LogTime>();

/**
 * Reads a time in brackets, and gives it in its stored form (log-time.ts). `zone`: of a time that names none, minutes east of UTC. Undefined: it
 * is no time.
 */
export function readBracketTime(text: string, zone: number): string | undefined {
  if (text.length > MAX_TIME_LENGTH) return undefined;
  let times = readers.get(zone);
  if (times === undefined) {
    times = new LogTime(zone);
    readers.set(zone, times);
  }
  return times.read(text);
}

/** Whether a text begins as a time does: a date, or a Unix time alone, such as nginx's $msec. */
export function looksLikeTime(text: string): boolean {
  return /^ ?(?:\d\d?([-/])[^-/\s\]]{2,5}\1\d{4}|\d{4}([-/])\d\d\2\d\d|[A-Za-z]{3}, \d\d |\d{9,13}(?:\.\d{1,6})?(?:\]|$))/.test(
    text,
  );
}
