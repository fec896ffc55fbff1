import type { Hour } from '../model/hour.ts';
import type { Summary } from '../model/summary.ts';

/** What one run of the aggregator did. */
export interface AggregationRun {
  /** Numbers of hours, by outcome. */
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

/** Requests by who made them, according to their user agents. */
export interface Audience {
  readonly people: number;
  readonly bots: number;
  /** Requests without a user agent: `-` or nothing. */
  readonly unknown: number;
}

export interface RangeSum {
  readonly summary: Summary;
  readonly hours: number;
  readonly other?: { readonly requestsPerPath: number; readonly requestsPerUserAgent: number };
  /** The number of different paths and user agents, including those that `top` left out. */
  readonly distinct?: { readonly paths: number; readonly userAgents: number };
  /** Requests of all user agents, and those user agents of the summary that are bots. */
  readonly audience?: Audience & { readonly botUserAgents: readonly string[] };
}

export interface RangeOptions {
  readonly top?: number | undefined;
  /** Only paths and user agents that contain this text, in upper or lower case. The others count in `other`. */
  readonly search?: string | undefined;
  readonly audience?: boolean | undefined;
}

/** Reads summaries for GET /analytics. */
export interface Analytics {
  /** The summary file of one hour, byte for byte; undefined where there is none. */
  hour(hour: Hour): Promise<Buffer | undefined>;
  /**
   * The sum over [from, to), and the number of its hours that have a summary. With `top`, the maps have that many of their largest entries,
   * and `other` has the requests of the rest. With `audience`, requests are counted by bots and people.
   */
  range(from: Hour, to: Hour, options?: RangeOptions): Promise<RangeSum>;
}

/** Records by hour, from the summaries. The cost does not depend on the number of paths in them. */
export interface HourTotals {
  /** The totals of the hours in [from, to); null where there is no summary. */
  totals(from: Hour, to: Hour): Promise<readonly (number | null)[]>;
  /** The latest hour that has a summary. */
  latest(): Promise<Hour | undefined>;
}
