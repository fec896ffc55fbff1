import type { RemovalCause } from '../metrics/metrics.ts';
import { type Hour, MS_PER_HOUR } from '../model/hour.ts';
import type { HourOnDisk } from '../repo/repo.ts';

/** The limits of one stream; undefined where there is none. */
export interface StreamLimits {
  /** Milliseconds since the end of an hour. */
  readonly maxAge: number | undefined;
  /** Bytes of all its hours on disk. */
  readonly maxBytes: number | undefined;
}

/** An hour that exceeds a limit. */
export interface DueHour {
  readonly at: HourOnDisk;
  readonly cause: RemovalCause;
}

/** Whether the hour is over. Before that it is never removed. `now`: Unix milliseconds. */
export function hasEnded(hour: Hour, now: number): boolean {
  return (hour + 1) * MS_PER_HOUR <= now;
}

/** The hours of one stream that exceed its limits, oldest first. `hours`: all of the stream, in order. */
export function dueHours(hours: readonly HourOnDisk[], { maxAge, maxBytes }: StreamLimits, now: number): DueHour[] {
  let bytes = hours.reduce((sum, hour) => sum + hour.bytes, 0);
  const due: DueHour[] = [];
  for (const at of hours) {
    if (!hasEnded(at.hour, now)) break;
    const isOld = maxAge !== undefined && hasEnded(at.hour, now - maxAge);
    if (!isOld && (maxBytes === undefined || bytes <= maxBytes)) break;
    due.push({ at, cause: isOld ? 'max_age' : 'max_bytes' });
    bytes -= at.bytes;
  }
  return due;
}

/** The oldest hour of several streams, each in order, that has ended; undefined where there is none. */
export function oldestEnded(streams: Iterable<readonly HourOnDisk[]>, now: number): HourOnDisk | undefined {
  let oldest: HourOnDisk | undefined;
  for (const [first] of streams)
    if (first !== undefined && (oldest === undefined || first.hour < oldest.hour)) oldest = first;
  return oldest !== undefined && hasEnded(oldest.hour, now) ? oldest : undefined;
}

const DAY_MS = 24 * MS_PER_HOUR;

/** The days, `2015-05-17`, whose end is `maxAge` milliseconds ago or longer. */
export function dueDays(days: readonly string[], maxAge: number | undefined, now: number): readonly string[] {
  if (maxAge === undefined) return [];
  return days.filter((day) => Date.parse(`${day}T00:00:00Z`) + DAY_MS + maxAge <= now);
}
