import type { Hour } from './hour.ts';

/** The counts of one hour's records. Maps keep keys like `__proto__` and `123` as any other. */
export interface Summary {
  readonly hour: Hour;
  readonly totalRequests: number;
  readonly requestsPerPath: ReadonlyMap<string, number>;
  readonly requestsPerUserAgent: ReadonlyMap<string, number>;
  /** Requests whose path or user agent the map does not name, because it was full. Absent where there are none. */
  readonly other?: OtherRequests;
  readonly source: SummarySource;
}

export interface OtherRequests {
  readonly requestsPerPath: number;
  readonly requestsPerUserAgent: number;
}

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
  readonly requestsPerPath: Map<string, number>;
  readonly requestsPerUserAgent: Map<string, number>;
}

/** What was counted: `bytes` from the start of the hour's file, which hold `records` and `skippedLines` whole lines. */
export interface SummarySource {
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
}

/** A summary file is damaged or was edited: it cannot be read, or its counts do not add up. */
export class SummaryFormatError extends Error {
  override readonly name = 'SummaryFormatError';
}
