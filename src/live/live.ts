import type { StreamName } from '../model/stream.ts';

/** The figures of the service. Rates are for one second, over the last second; totals are since the start. */
export interface LiveStats {
  /** Unix time in milliseconds. */
  readonly time: number;
  readonly uptimeSeconds: number;
  readonly rates: LiveRates;
  /** The totals of what `rates` has by the second. */
  readonly totals: LiveRates;
  /** Of POST /logs, in seconds, over the last ten; null while there was none. */
  readonly latency: Quantiles | null;
  /** Of the syncs in a commit, in seconds, over the last ten; null while there was none. */
  readonly sync: Quantiles | null;
  readonly inFlightRecords: number;
  readonly inFlightBytes: number;
  readonly openFiles: number;
  /** What each stream stores in this process. */
  readonly streams: readonly LiveStream[];
  /** Version 2 only. */
  readonly queue: LiveQueue | null;
}

export interface LiveStream {
  readonly name: StreamName;
  readonly rates: StreamRates;
  /** The totals of what `rates` has by the second. */
  readonly totals: StreamRates;
}

export interface StreamRates {
  /** Records. */
  readonly stored: number;
  /** Of stored lines. */
  readonly bytes: number;
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

/** A batch, or some records of one, that was not accepted. Holds what the client was told and never what it sent. */
export interface Refusal {
  /** Unix time in milliseconds. */
  readonly time: number;
  /** Of the answer; 202 where only some records of the batch were refused. */
  readonly status: number;
  readonly reason: string;
  /** Of the first record refused. */
  readonly field?: string;
  /** The number of invalid records, where they were the reason. */
  readonly records?: number;
  readonly requestId: string;
}

export interface LiveSnapshot {
  readonly stats: LiveStats;
  /** The last minutes by the second, and the last hour in coarser steps. */
  readonly history: readonly LiveHistory[];
  /** The last refusals, newest first. */
  readonly refusals: readonly Refusal[];
}

export type LiveEvent =
  | { readonly kind: 'stats'; readonly stats: LiveStats }
  /** What was refused since the last event, newest first. */
  | { readonly kind: 'refusals'; readonly refusals: readonly Refusal[] };

/** Which accepted records a tail shows: those that pass every test that is given. */
export interface TailFilter {
  /** Of this stream; absent: of every one. */
  readonly stream?: StreamName;
  /** The path contains it. */
  readonly path?: string;
  /** The user agent contains it. */
  readonly userAgent?: string;
  /** `field=value`: the field has this value, as text. Without `=`: the stored line contains it. */
  readonly q?: string;
}

/** What a tail shows of a tenth of a second. */
export interface TailPiece {
  /** Stored lines, without their newlines. */
  readonly lines: readonly string[];
  /** Accepted records that were not examined or not sent, because more came than the limits of a tail allow. */
  readonly leftOut: number;
}

/** Live figures and accepted records. A listener must not throw and must return quickly. */
export interface Live {
  snapshot(): Promise<LiveSnapshot>;
  /** Calls the listener once a second. Returns what ends that. */
  subscribe(listener: (event: LiveEvent) => void): () => void;
  /** Calls the listener with the records that are accepted from now on. Returns what ends that. */
  tail(filter: TailFilter, listener: (piece: TailPiece) => void): () => void;
}
