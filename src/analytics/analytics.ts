import type { OpenFile } from '../disk/open-file.ts';
import type { Hour, StreamRange } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import type { Dimension, SummarySource } from '../model/summary.ts';

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
  /** Records. */
  readonly total: number;
  /** `other`: records that the map does not name. With `top`: those that it left out too. */
  readonly dimensions: readonly Dimension[];
  readonly source: SummarySource;
  /** The number of hours that had a summary. */
  readonly hours: number;
}

/** What GET /analytics asks: for one hour of a stream, or for the sum of [from, to). */
export interface AnalyticsQuestion extends StreamRange {
  readonly kind: 'hour' | 'range';
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
  readonly stream: StreamName;
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

/** The tables of the dashboard: the largest values of each dimension in [from, to). */
export interface BreakdownQuestion extends StreamRange {
  readonly rows: number;
  /** Only values that contain this text, in upper or lower case. */
  readonly search?: string | undefined;
}

export interface Breakdown {
  readonly kind: 'breakdown';
  readonly hours: number;
  readonly total: number;
  readonly skippedLines: number;
  readonly dimensions: readonly BreakdownDimension[];
  /** Of the stream access. `botUserAgents`: which of the listed ones are bots. */
  readonly audience?: (Audience & { readonly botUserAgents: readonly string[] }) | undefined;
}

export interface BreakdownDimension {
  readonly name: string;
  /** A list, since an object would put a value `123` first. A long value is cut. */
  readonly largest: readonly (readonly [value: string, records: number])[];
  /** The number of different values. */
  readonly distinct: number;
}

/** Records of each hour in [from, to) by the values of one dimension: the stacked bars of the dashboard. */
export interface SeriesQuestion extends StreamRange {
  readonly dimension: string;
  /** How many values have a row of their own, the largest of the whole range. */
  readonly rows: number;
}

export interface Series {
  readonly kind: 'series';
  /** Largest first. A long value is cut. */
  readonly values: readonly string[];
  /** For each value its records in each hour. */
  readonly records: readonly (readonly number[])[];
  /** In each hour the records of other values, and all of an hour that was not counted by the dimension. */
  readonly other: readonly number[];
  /** All records of each hour; null where there is no summary, or a damaged one. */
  readonly totals: readonly (number | null)[];
}

/** The stream is not counted by the dimension that is asked for. */
interface NoDimension {
  readonly kind: 'no-dimension';
  readonly dimensions: readonly string[];
}

/** Reads summaries. No question is answered from a summary that is damaged. */
export interface Analytics {
  /** An hour without `top` as JSON is its summary file, byte for byte. */
  ask(question: AnalyticsQuestion): Promise<AnalyticsAnswer>;
  breakdown(question: BreakdownQuestion): Promise<Breakdown | Damaged | Busy>;
  series(question: SeriesQuestion): Promise<Series | NoDimension | Busy>;
}

/** Records by hour, from the summaries. The cost does not depend on the number of values in them. */
export interface HourTotals {
  /** The totals of the hours in [from, to); null where there is no summary. */
  totals(range: StreamRange): Promise<readonly (number | null)[]>;
  /** The latest hour of a stream that has a summary. */
  latest(stream: StreamName): Promise<Hour | undefined>;
}
