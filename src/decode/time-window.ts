import { TIMESTAMP } from '../lines/layout.ts';
import { formatUnixTime } from '../lines/timestamp.ts';
import { type Hour, MAX_HOUR, MIN_HOUR } from '../model/hour.ts';
import type { DecodeOptions } from './decode.ts';
import { OLDER_THAN_RETENTION, type RecordFault } from './record.ts';

const SECONDS_PER_HOUR = 3_600;
/** Where the minute stands in a stored line, `{"timestamp":"2025-11-22T15:23:00Z"`, and the second. */
const MINUTE_AT = 28;
const SECOND_AT = 31;
const ZERO = 48;

/** The times that a batch may have, by whole seconds: not removed by retention, and not too far from now where a rule says so. */
export class TimeWindow {
  /** Hours between these two, without them, are inside: whoever is on a fast path asks `holds` only about the others. */
  readonly first: Hour;
  readonly last: Hour;
  readonly #retained: Hour;
  readonly #earliest: number | undefined;
  readonly #firstSecond: number;
  readonly #lastSecond: number;

  constructor({ firstHour, earliest, latest }: Pick<DecodeOptions, 'firstHour' | 'earliest' | 'latest'>) {
    this.#retained = firstHour ?? MIN_HOUR;
    this.#earliest = earliest;
    const ruled = hourOf(earliest ?? MIN_HOUR * SECONDS_PER_HOUR);
    this.first = Math.max(this.#retained, ruled);
    this.#firstSecond = earliest === undefined || ruled < this.#retained ? 0 : earliest - ruled * SECONDS_PER_HOUR;
    this.last = latest === undefined ? MAX_HOUR + 1 : hourOf(latest);
    this.#lastSecond = latest === undefined ? 0 : latest - this.last * SECONDS_PER_HOUR;
  }

  /** Whether a record of that hour, whose stored line begins at `start`, is inside. */
  holds(hour: Hour, bytes: Uint8Array, start: number): boolean {
    if (hour > this.first && hour < this.last) return true;
    if (hour < this.first || hour > this.last) return false;
    const second = twoDigits(bytes, start + MINUTE_AT) * 60 + twoDigits(bytes, start + SECOND_AT);
    return (hour > this.first || second >= this.#firstSecond) && (hour < this.last || second <= this.#lastSecond);
  }

  /** Why the record of that hour with this stored line is outside; undefined where it is not. */
  faultOf(hour: Hour, line: string): RecordFault | undefined {
    if (hour > this.first && hour < this.last) return undefined;
    if (hour < this.#retained) return OLDER_THAN_RETENTION;
    if (this.holds(hour, Buffer.from(line.slice(0, SECOND_AT + 2)), 0)) return undefined;
    if (hour < this.last && this.#earliest !== undefined) {
      return { field: TIMESTAMP, problem: `before ${formatUnixTime(this.#earliest, 0)} (ingestion.minTimestamp)` };
    }
    return { field: TIMESTAMP, problem: 'too far in the future (ingestion.maxFuture)' };
  }
}

function hourOf(seconds: number): Hour {
  return Math.floor(seconds / SECONDS_PER_HOUR);
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) - ZERO) * 10 + (bytes[at + 1] as number) - ZERO;
}
