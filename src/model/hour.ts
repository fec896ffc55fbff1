import { isDefaultStream, type StreamName } from './stream.ts';

/** A UTC hour, as whole hours since 1970-01-01T00:00:00Z (negative before it). */
export type Hour = number;

/** One hour of one stream. */
export interface StreamHour {
  readonly stream: StreamName;
  readonly hour: Hour;
}

/** The hours of one stream in [from, to). */
export interface StreamRange {
  readonly stream: StreamName;
  readonly from: Hour;
  readonly to: Hour;
}

/** One value for each hour of each stream, as the key of a map: of the default stream the hour itself. */
export type HourKey = Hour | string;

export function hourKey({ stream, hour }: StreamHour): HourKey {
  return isDefaultStream(stream) ? hour : `${stream}/${hour}`;
}

export const MS_PER_HOUR = 3_600_000;

/** 0001-01-01T00 and 9999-12-31T23: the first and the last hour a record can belong to. */
export const MIN_HOUR: Hour = -17_259_888;
export const MAX_HOUR: Hour = 70_389_527;

/** `2015-05-17T10:00:00Z` */
export function hourToIso(hour: Hour): string {
  return `${new Date(hour * MS_PER_HOUR).toISOString().slice(0, 13)}:00:00Z`;
}

/** `2015-05-17` and `10`: the folder and the number that the hour's files are named by. */
export function hourToPath(hour: Hour): { readonly day: string; readonly hh: string } {
  const iso = new Date(hour * MS_PER_HOUR).toISOString();
  return { day: iso.slice(0, 10), hh: iso.slice(11, 13) };
}

/** Reads `2015-05-17T10`, also followed by `:00`, `:00:00` or `Z`; undefined for anything else. */
export function parseHour(text: string): Hour | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)(?::00(?::00)?)?Z?$/.exec(text);
  if (match === null) return undefined;
  const iso = `${match[1]}-${match[2]}-${match[3]}T${match[4]}:00:00.000Z`;
  const ms = Date.parse(iso);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) return undefined;
  const hour = ms / MS_PER_HOUR;
  return hour < MIN_HOUR ? undefined : hour;
}
