import type { Hour, StreamHour } from './hour.ts';
import { isDefaultStream, type StreamName } from './stream.ts';

/** The counts of one hour's records of a stream. Maps keep keys like `__proto__` and `123` as any other. */
export interface Summary extends StreamHour {
  /** Records. */
  readonly total: number;
  /** The records by the values of each field that the stream was counted by, in the order of its `countBy`. */
  readonly dimensions: readonly Dimension[];
  readonly source: SummarySource;
}

/** Records by the values of one field. */
export interface Dimension {
  /** Of the field. */
  readonly name: string;
  readonly counts: ReadonlyMap<string, number>;
  /** Records whose value the map does not name, because it was full. */
  readonly other: number;
}

/** By which fields the summaries of a stream are counted. */
export interface DimensionNote {
  readonly countBy: readonly string[];
  /** This hour and those before it may be counted by other fields. Absent: none is. */
  readonly upTo?: Hour | undefined;
}

/** What a record counts as that does not have the field of a dimension. */
export const ABSENT_VALUE = '-';

/** How much one map of a summary holds: keys, and their bytes in UTF-8. */
export interface MapLimits {
  readonly maxKeys: number;
  readonly maxKeyBytes: number;
}

/**
 * Bytes of the keys of one map. A path may have 256 KiB, so a limit on their number alone would allow 256 GiB. A map that reached it takes
 * about 256 MiB of memory, or twice that where the keys are not Latin text.
 */
export const MAX_KEY_BYTES = 256 * 1024 * 1024;
/** V8 cannot make a Map of more than 2^24 keys. */
const MAX_MAP_KEYS = 16_000_000;

/** The limits of a map of `aggregation.maxKeys`. */
export function mapLimits(maxKeys: number): MapLimits {
  return { maxKeys: Math.min(maxKeys, MAX_MAP_KEYS), maxKeyBytes: MAX_KEY_BYTES };
}

/** A summary whose owner may add to its maps. */
export interface OwnedSummary extends Summary {
  readonly dimensions: readonly OwnedDimension[];
}

export interface OwnedDimension extends Dimension {
  readonly counts: Map<string, number>;
}

/** What was counted: `bytes` from the start of the hour's file, which hold `records` and `skippedLines` whole lines. */
export interface SummarySource {
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
}

/** The names of the members of a summary as JSON. Those of the default stream are older than streams. */
export interface SummaryForm {
  readonly total: 'totalRequests' | 'totalRecords';
  /** The member of each dimension. Undefined: the member `counts` has a member for each, by its own name. */
  readonly members: ReadonlyMap<string, string> | undefined;
}

const ACCESS_FORM: SummaryForm = {
  total: 'totalRequests',
  members: new Map([
    ['path', 'requestsPerPath'],
    ['userAgent', 'requestsPerUserAgent'],
  ]),
};
const FORM: SummaryForm = { total: 'totalRecords', members: undefined };

export function summaryForm(stream: StreamName): SummaryForm {
  return isDefaultStream(stream) ? ACCESS_FORM : FORM;
}

/** A summary file is damaged or was edited: it cannot be read, or its counts do not add up. */
export class SummaryFormatError extends Error {
  override readonly name = 'SummaryFormatError';
}
