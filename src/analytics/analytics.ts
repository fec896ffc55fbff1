import type { OpenFile } from '../disk/open-file.ts';
import type { Hour } from '../model/hour.ts';
import type { OtherRequests, SummarySource } from '../model/summary.ts';

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

/** The sum of some hours. */
export interface RangeSum {
  readonly totalRequests: number;
  readonly requestsPerPath: ReadonlyMap<string, number>;
  readonly requestsPerUserAgent: ReadonlyMap<string, number>;
  /** Requests that the maps do not name. With `top`: those that it left out too. Absent without `top` where there are none. */
  readonly other?: OtherRequests | undefined;
  readonly source: SummarySource;
  /** The number of hours that had a summary. */
  readonly hours: number;
}

/** What GET /analytics asks: for one hour, or for the sum of [from, to). */
export interface AnalyticsQuestion {
  readonly kind: 'hour' | 'range';
  readonly from: Hour;
  readonly to: Hour;
  /** Each map has that many of its largest entries. */
  readonly top?: number | undefined;
  readonly format: 'json' | 'csv';
}

/** The hour has no summary; a range always has a sum. */
interface None {
  readonly kind: 'none';
}

/** These hours have a summary that cannot be used. The next run of the aggregator counts them again. */
export interface Damaged {
  readonly kind: 'damaged';
  readonly hours: readonly Hour[];
}

/** Too many questions wait. */
interface Busy {
  readonly kind: 'busy';
}

/** A text as it is sent. Whoever gets it closes it. */
interface Text {
  readonly kind: 'text';
  readonly text: OpenFile;
}

export type AnalyticsAnswer = Text | None | Damaged | Busy;

/** The tables of the dashboard: the largest paths and user agents of [from, to). */
export interface BreakdownQuestion {
  readonly from: Hour;
  readonly to: Hour;
  readonly rows: number;
  /** Only paths and user agents that contain this text, in upper or lower case. */
  readonly search?: string | undefined;
}

export interface Breakdown {
  readonly kind: 'breakdown';
  readonly hours: number;
  readonly totalRequests: number;
  readonly skippedLines: number;
  /** Lists, since an object would put a path `123` first. A long path or user agent is cut. */
  readonly paths: readonly (readonly [path: string, requests: number])[];
  readonly userAgents: readonly (readonly [userAgent: string, requests: number, isBot: boolean])[];
  /** The number of different ones. */
  readonly distinct: { readonly paths: number; readonly userAgents: number };
  readonly audience: Audience;
}

/** Reads summaries. No question is answered from a summary that is damaged. */
export interface Analytics {
  /** An hour without `top` as JSON is its summary file, byte for byte. */
  ask(question: AnalyticsQuestion): Promise<AnalyticsAnswer>;
  breakdown(question: BreakdownQuestion): Promise<Breakdown | Damaged | Busy>;
}

/** Records by hour, from the summaries. The cost does not depend on the number of paths in them. */
export interface HourTotals {
  /** The totals of the hours in [from, to); null where there is no summary. */
  totals(from: Hour, to: Hour): Promise<readonly (number | null)[]>;
  /** The latest hour that has a summary. */
  latest(): Promise<Hour | undefined>;
}
