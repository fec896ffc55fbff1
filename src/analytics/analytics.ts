import type { Hour } from '../model/hour.ts';
import type { Summary } from '../model/summary.ts';

/** What one run of the aggregator did. */
export interface AggregationRun {
  /** Hours by what became of them. */
  readonly written: number;
  readonly unchanged: number;
  readonly missing: number;
  readonly failed: number;
  /** Bytes, records and corrupt lines newly counted. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
  readonly seconds: number;
}

/** One run of the aggregator over all that is committed now. Rejects when it cannot be made at all. */
export type Aggregate = () => Promise<AggregationRun>;

/** Requests by who made them, as far as their user agents say. */
export interface Audience {
  readonly people: number;
  readonly bots: number;
  /** Of no user agent: `-` or nothing. */
  readonly unknown: number;
}

export interface RangeSum {
  readonly summary: Summary;
  readonly hours: number;
  readonly other?: { readonly requestsPerPath: number; readonly requestsPerUserAgent: number };
  /** How many different paths and user agents there are, those that `top` left out too. */
  readonly distinct?: { readonly paths: number; readonly userAgents: number };
  /** Of all user agents; and which of those in the summary are bots. */
  readonly audience?: Audience & { readonly botUserAgents: readonly string[] };
}

export interface RangeOptions {
  readonly top?: number | undefined;
  /** Only the paths and user agents that contain it, be it in upper or lower case. The others count in `other`. */
  readonly search?: string | undefined;
  readonly audience?: boolean | undefined;
}

/** Reads summaries for GET /analytics. */
export interface Analytics {
  /** The summary file of one hour, byte for byte; undefined where there is none. */
  hour(hour: Hour): Promise<Buffer | undefined>;
  /**
   * The sum over [from, to), and how many hours of it had a summary. With `top`, the maps have their largest so many,
   * and `other` has the requests of those left out. With `audience`, bots and people are told apart.
   */
  range(from: Hour, to: Hour, options?: RangeOptions): Promise<RangeSum>;
}

/** Records an hour, from the summaries, whatever the number of paths in them. */
export interface HourTotals {
  /** Of the hours in [from, to); null where there is no summary. */
  totals(from: Hour, to: Hour): Promise<readonly (number | null)[]>;
  /** The latest hour that has a summary. */
  latest(): Promise<Hour | undefined>;
}
