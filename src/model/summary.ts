import type { Hour } from './hour.ts';

/** The counts of one hour's records. Maps keep keys like `__proto__` and `123` as any other. */
export interface Summary {
  readonly hour: Hour;
  readonly totalRequests: number;
  readonly requestsPerPath: ReadonlyMap<string, number>;
  readonly requestsPerUserAgent: ReadonlyMap<string, number>;
  readonly source: SummarySource;
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
