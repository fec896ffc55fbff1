import { formatUnixTime } from '../../lines/timestamp.ts';
import type { DecodedFields } from '../decoded-record.ts';

/** What a text was recognised as. */
export type TextKind = 'raw' | 'syslog' | 'journald';

/** What the reader of a text must know beside it. */
export interface TextContext {
  /** When it arrived, Unix milliseconds. */
  readonly arrival: number;
  /** The zone of times that have none, in minutes east of UTC; `arrival`: the one in which the time is that of the arrival, else UTC. */
  readonly zone: number | 'arrival';
  /** The service of raw text that names none. */
  readonly service: string;
  /** What the input has in place of the usual level and service. */
  readonly defaults?: ReadonlyMap<string, string>;
}

export interface TextRecord {
  readonly kind: TextKind;
  readonly fields: DecodedFields;
}

/** What a reader found; undefined where the text does not have the part. */
export interface TextParts {
  /** RFC 3339. */
  readonly timestamp: string | undefined;
  readonly level: string | undefined;
  readonly message: string;
  readonly service: string | undefined;
  /** Further fields: the JSON text of each value, by name, in stored order. */
  readonly more?: Iterable<readonly [string, string]>;
}

/** The level of a text that names none. */
export const DEFAULT_LEVEL = 'INFO';
/** The message of a text that has none: a blank one is not valid. */
const NO_MESSAGE = '-';

/** The record of a text: the parts that it lacks have their defaults, and a time of arrival says that it is one. */
export function toTextRecord(
  kind: TextKind,
  parts: TextParts,
  { arrival, defaults }: TextContext,
  service: string,
): TextRecord {
  const { timestamp, level, message, more = [] } = parts;
  const fields = new Map([
    ['timestamp', JSON.stringify(timestamp ?? formatArrival(arrival))],
    ['level', JSON.stringify(level ?? defaults?.get('level') ?? DEFAULT_LEVEL)],
    ['message', JSON.stringify(message.trim() === '' ? NO_MESSAGE : message)],
    ['service', JSON.stringify(parts.service ?? defaults?.get('service') ?? service)],
    ...more,
  ]);
  if (timestamp === undefined) fields.set('timestampSource', '"arrival"');
  return { kind, fields };
}

/** To the millisecond, RFC 3339. */
function formatArrival(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return formatUnixTime(seconds, Math.floor(ms - seconds * 1_000) * 1_000_000) ?? '';
}
