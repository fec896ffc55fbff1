import type { KindSamples, RecordKind } from '../model/record-kinds.ts';
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
  /** Mean, in seconds, of the time from the last byte of a record's batch to its commit, over the last ten; null while there was none. */
  readonly recordLatency: number | null;
  /** What records came as. */
  readonly kinds: readonly LiveKind[];
  readonly inputs: readonly LiveInput[];
  /** Frames that inputs dropped since the start, the kernel's included. */
  readonly dropped: number;
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

export interface LiveKind {
  readonly kind: RecordKind;
  /** Records accepted a second. */
  readonly rate: number;
  /** Records accepted since the start. */
  readonly total: number;
}

/** An input of the configuration. */
export interface LiveInput {
  readonly name: string;
  readonly rates: InputRates;
  /** The totals of what `rates` has by the second. */
  readonly totals: InputRates;
  readonly connections: number;
  readonly inFlightBytes: number;
  readonly maxInFlightBytes: number;
}

export interface InputRates {
  /** Records that came in, invalid ones included. */
  readonly records: number;
  /** Of frames. */
  readonly bytes: number;
  /** Frames that were dropped. */
  readonly dropped: number;
  /** Connections that were closed or not accepted. */
  readonly refused: number;
}

export interface LiveRates {
  /** Requests to POST /logs. */
  readonly batches: number;
  /** Requests answered 4xx. */
  readonly refusedBatches: number;
  /** Requests answered 5xx. */
  readonly failedBatches: number;
  /** Bytes of bodies, unpacked, and of the frames of inputs. */
  readonly bytes: number;
  /** Records answered 202, and those that inputs took. */
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
  /** The last stored lines by what they came as, newest first. */
  readonly samples: KindSamples;
}

export type LiveEvent =
  | { readonly kind: 'stats'; readonly stats: LiveStats }
  /** What was refused since the last event, newest first. */
  | { readonly kind: 'refusals'; readonly refusals: readonly Refusal[] }
  /** All samples, when there is a new one. */
  | { readonly kind: 'samples'; readonly samples: KindSamples };

/** What GET /stats answers, in this order. Counts are since the start. */
export interface ServiceStats extends Readonly<Record<RecordKind, number>> {
  /** Records accepted in the last second. */
  readonly logs_per_sec: number;
  /** Of stored lines, in the last second; a MB has 1,000,000 bytes. */
  readonly mb_per_sec: number;
  /** Microseconds from the last byte of a record's batch to its commit: the mean of the last ten seconds. */
  readonly latency_us: number;
  /** Records in flight. */
  readonly queue_length: number;
  /** Files that outputs began because the one before was full or old. */
  readonly file_rotations: number;
  /** Frames that inputs dropped, the kernel's included. */
  readonly dropped: number;
  /** The last stored lines of each kind, newest first. */
  readonly samples: Readonly<Record<RecordKind, readonly string[]>>;
  /** Where they are counted (logging.sources), the largest first. */
  readonly sources?: readonly SourceFigures[] | undefined;
}

/** What one source has sent: an address of a client, a host, a file, or an input. */
export interface SourceFigures {
  readonly source: string;
  /** Since it was first seen. */
  readonly records: number;
  /** Of bodies or frames, uncompressed. */
  readonly bytes: number;
  /** Records a second, over the last seconds. */
  readonly rate: number;
  /** RFC 3339. */
  readonly last_seen: string;
}

/** What GET /stats of a collector answers, beside what the one of a service does. Counts are since the start. */
export interface CollectStats extends ServiceStats {
  /** Records collected. */
  readonly total: number;
  readonly levels: Readonly<Record<string, number>>;
  readonly tags: Readonly<Record<string, number>>;
  /** Lines that could not be read. */
  readonly parsing_errors: number;
  /** Lines that the filter left out. */
  readonly filtered: number;
  /** Records that the service refused for their own sake. */
  readonly refused: number;
  /** Files that are followed, and the bytes of them that are not collected yet. */
  readonly files: number;
  readonly lag_bytes: number;
  readonly uptime_seconds: number;
  /** The largest first. */
  readonly sources: readonly SourceFigures[];
  /** The last lines that could not be read, newest first. */
  readonly last_errors: readonly { readonly file: string; readonly number: number; readonly reason: string }[];
  /** Where it collects from and to, for people. */
  readonly about: string;
}

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
