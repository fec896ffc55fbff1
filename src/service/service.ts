import type { BodyFormat, Rejection } from '../decode/decode.ts';
import type { Durability } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';
import type { Summary } from '../model/summary.ts';

/** One body to take in: what the edge knows of it. */
export interface IngestRequest {
  readonly format: BodyFormat;
  /** Decompressed. Ingest owns it from the call on. */
  readonly body: Buffer;
  /** What to do with invalid records; the configured default when absent. */
  readonly invalid?: 'reject' | 'skip';
  readonly idempotencyKey?: string;
  /** Whence it came, for the dead letters: a request id, never an address or a key. */
  readonly source: string;
}

export type IngestResult =
  /** `answer` is the JSON text of the 202 body, also when it is the first answer repeated (`replayed`). */
  | {
      readonly kind: 'accepted';
      readonly answer: string;
      readonly durability: Durability;
      readonly replayed: boolean;
      /** Where some records were left out. */
      readonly refused?: Rejected;
    }
  /** Nothing was stored: an invalid record in `reject`, or no valid one in `skip`. At most 100 rejections listed. */
  | ({ readonly kind: 'invalid' } & Rejected);

/** Records that are invalid: how many, and the first 100 of them. */
export interface Rejected {
  readonly rejections: readonly Rejection[];
  readonly rejected: number;
}

/**
 * Decodes and delivers one body. Resolves once the batch is as safe as `durability` says.
 * Rejects with MalformedBodyError (400), PermanentError or IdempotencyConflict (422), UnavailableError (503).
 */
export type Ingest = (request: IngestRequest) => Promise<IngestResult>;

/** Resolves with the passing checks by name; a failing one has its reason. */
export type CheckReadiness = () => Promise<Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>>;

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

/** How the service does. Rates are a second, over the last second; sums are since the start. */
export interface LiveStats {
  /** Unix time in milliseconds. */
  readonly time: number;
  readonly uptimeSeconds: number;
  readonly rates: LiveRates;
  /** Sums of what `rates` has as speeds. */
  readonly totals: LiveRates;
  /** Of POST /logs, in seconds, over the last ten; null while there was none. */
  readonly latency: Quantiles | null;
  /** Of the syncs in a commit, in seconds, over the last ten; null while there was none. */
  readonly sync: Quantiles | null;
  readonly inFlightRecords: number;
  readonly inFlightBytes: number;
  readonly openFiles: number;
  /** Version 2 only. */
  readonly queue: LiveQueue | null;
}

export interface LiveRates {
  /** Requests to POST /logs. */
  readonly batches: number;
  /** Requests answered 4xx. */
  readonly refusedBatches: number;
  /** Requests answered 5xx. */
  readonly failedBatches: number;
  /** Bytes of bodies, unpacked. */
  readonly bytes: number;
  /** Records answered 202. */
  readonly accepted: number;
  readonly stored: number;
  readonly rejected: number;
  readonly deadLettered: number;
  readonly duplicate: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export interface LiveQueue {
  readonly up: boolean;
  readonly lagMessages: number;
  readonly lagSeconds: number;
  readonly breaker: string;
  readonly spoolBytes: number;
  readonly spoolBatches: number;
  readonly spoolAgeSeconds: number;
}

/** The past, oldest first: columns of one length, `stepSeconds` between their rows; null where nothing was measured. */
export interface LiveHistory {
  readonly stepSeconds: number;
  /** Unix time in seconds, of the end of each step. */
  readonly time: readonly number[];
  readonly accepted: readonly number[];
  readonly refused: readonly number[];
  readonly batches: readonly number[];
  readonly bytes: readonly number[];
  readonly p50: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

/** A batch, or records of one, that was not taken in. Holds what the client was told and never what it sent. */
export interface Refusal {
  /** Unix time in milliseconds. */
  readonly time: number;
  /** Of the answer; 202 where only some records of the batch were refused. */
  readonly status: number;
  readonly reason: string;
  /** Of the first record refused. */
  readonly field?: string;
  /** Records refused, where it was for the sake of records. */
  readonly records?: number;
  readonly requestId: string;
}

export interface LiveSnapshot {
  readonly stats: LiveStats;
  /** The last minutes by the second, and the last hour in coarser steps. */
  readonly history: readonly LiveHistory[];
  /** The last ones, newest first. */
  readonly refusals: readonly Refusal[];
}

export type LiveEvent =
  | { readonly kind: 'stats'; readonly stats: LiveStats }
  /** What was refused since the last event, newest first. */
  | { readonly kind: 'refusals'; readonly refusals: readonly Refusal[] };

/** Which accepted records a tail shows: those that pass every test that is given. */
export interface TailFilter {
  /** The path contains it. */
  readonly path?: string;
  /** The user agent contains it. */
  readonly userAgent?: string;
  /** `field=value`: the field has this value, as text. Without `=`: the stored line contains it. */
  readonly q?: string;
}

/** What a tail has to show of a tenth of a second. */
export interface TailPiece {
  /** Stored lines, without their newlines. */
  readonly lines: readonly string[];
  /** Accepted records that were not looked at or not sent, as more came than a tail may cost. */
  readonly leftOut: number;
}

/** Watching the service at work. A listener must not throw and must not keep anyone waiting. */
export interface Live {
  snapshot(): Promise<LiveSnapshot>;
  /** Once a second. Gives what ends it. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
  /** The records that are accepted from now on. Gives what ends it. */
  tail(filter: TailFilter, listener: (piece: TailPiece) => void): () => void;
}
