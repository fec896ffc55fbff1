import { setTimeout as sleep } from 'node:timers/promises';
import { BatchTooLargeError } from '../../model/deliver.ts';

/**
 * What a client library must provide. A driver only moves records. The rest (message format, joining, partitions,
 * batch-ids, checks) stands above it, once, in kafka-queue.ts.
 */
export interface Driver {
  /**
   * Sends records as one record batch to one partition: all of them arrive, in this order, or none. At most one call
   * at a time for a partition. BatchTooLargeError when the broker says so; after any other rejection it is unknown whether
   * they arrived.
   */
  produce(partition: number, records: readonly OutRecord[]): Promise<Produced>;

  /** The topic's state. Creates the topic when it is missing. Asks the broker every time. */
  topic(): Promise<TopicState>;

  /** Where the group and the log stand, for every partition of the topic. */
  ends(): Promise<readonly PartitionEnds[]>;

  /** Joins the group and reads until stopped, through outages. */
  consume(sink: RecordSink): DriverConsumption;

  close(): Promise<void>;
}

export interface OutRecord {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer;
}

/** What the broker answered. */
export interface Produced {
  readonly partition: number;
  readonly baseOffset: bigint;
}

export interface TopicState {
  readonly partitions: number;
  /** Largest record batch it takes, in bytes, headers included. */
  readonly maxMessageBytes: number;
}

export interface PartitionEnds {
  readonly partition: number;
  readonly low: bigint;
  readonly high: bigint;
  readonly committed: bigint | undefined;
}

export interface InRecord {
  readonly offset: bigint;
  /** Unix ms. */
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A view of the fetch's buffer. */
  readonly value: Buffer | null;
  /** Why it could not be read; then there are no headers and no value. */
  readonly problem?: string;
}

/** Takes what a driver reads: QueueHandler with records in place of items. */
export interface RecordSink {
  assign(ends: PartitionEnds): Promise<RecordReceiver>;
  /** The group took this process as a member of that id. Called again when it joins again. */
  joined(memberId: string): void;
  /** Something failed and is tried again: to be counted and logged. */
  failed(what: string, error: unknown): void;
  fatal(error: Error): void;
}

/** What one fetch brought of one partition. */
export interface Fetched {
  /** At least one. */
  readonly records: readonly InRecord[];
  /** The offset to read after these; past the last record where offsets are skipped. */
  readonly next: bigint;
  /** Whether the partition has more to read now: then these may wait for it, to be stored together. */
  readonly hasMore: boolean;
}

/** The receiver of one assigned partition. One call at a time. */
export interface RecordReceiver {
  /** The offset to read first. The driver commits it to the group at once, so that a group without one tells something. */
  readonly offset: bigint;
  /**
   * Resolves with the offset up to which everything is stored: the driver commits it to the group. Resolves with
   * undefined when the records only wait for more: the driver reads on, and commits nothing. When it rejects, nothing
   * that waited is stored: the driver reads again from `rewind`.
   */
  receive(fetched: Fetched, signal: AbortSignal): Promise<bigint | undefined>;
  /** Stores what waits, for a driver that stops or gives the partition up. Undefined when nothing waits. */
  flush(signal: AbortSignal): Promise<bigint | undefined>;
  /** Forgets what waits, and returns the offset from which the driver must read again. */
  rewind(): bigint;
}

export interface DriverConsumption {
  stop(): Promise<void>;
}

/** max.message.bytes of a broker that is not configured otherwise. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;

const NOT_TAKEN_RETRIES_MS = [50, 100, 200, 400];

/**
 * Sends again, for a moment, what the broker refused because the partition has no leader yet or a new one. So a topic that
 * was just created, or a leader that just moved, fails no send. Any other failure passes through.
 */
export async function retryNotTaken<T>(send: () => Promise<T>, isNotTaken: (error: unknown) => boolean): Promise<T> {
  for (const pauseMs of NOT_TAKEN_RETRIES_MS) {
    try {
      return await send();
    } catch (error) {
      if (!isNotTaken(error)) throw error;
      await sleep(pauseMs);
    }
  }
  return send();
}

/** The error for a record batch that the broker refused as too large. The broker does not say its limit. */
export function recordBatchTooLarge(
  { topic }: Pick<DriverOptions, 'topic'>,
  records: readonly OutRecord[],
  cause: unknown,
): BatchTooLargeError {
  const bytes = records.reduce((sum, record) => sum + record.value.length, 0);
  const message = `a record batch of ${bytes} bytes is larger than topic=${topic} allows`;
  return new BatchTooLargeError(message, { bytes, limit: 0, cause });
}

const TOPIC_SEEN_MS = 2_000;
const TOPIC_PAUSE_MS = 50;

/** Waits for a moment until a topic that was just created is seen: brokers learn of it one after the other. */
export async function untilSeen(topic: string, countPartitions: () => Promise<number | undefined>): Promise<number> {
  for (const end = performance.now() + TOPIC_SEEN_MS; ; await sleep(TOPIC_PAUSE_MS)) {
    const partitions = await countPartitions();
    if (partitions !== undefined) return partitions;
    if (performance.now() > end) throw new Error(`topic=${topic} was created and is not visible yet`);
  }
}

/** Settings that both drivers take. */
export interface DriverOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly topic: string;
  readonly groupId: string;
  /** For a topic that we create. */
  readonly partitions: number;
  readonly replication: number;
  /** The largest record batch of a topic that we create, in bytes. */
  readonly maxMessageBytes: number;
  readonly compression: Compression;
  readonly requireAllAcks: boolean;
  /** A send that the broker has not acknowledged by then has failed, ms. */
  readonly sendTimeoutMs: number;
  /** The group takes a member for dead when it has heard nothing of it for so long, ms. */
  readonly sessionTimeoutMs: number;
  /** Partitions that are added to the topic are used after so long at most, plus a join of the group, ms. */
  readonly topicMaxAgeMs: number;
  readonly fetch: FetchOptions;
  readonly ssl?: TlsOptions | undefined;
  readonly sasl?: SaslOptions | undefined;
}

export interface FetchOptions {
  /** A fetch is answered when there is so much, or after `maxWaitMs`. */
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** At most so much of one partition, and in all. The first record batch comes whatever its size. */
  readonly maxBytesPerPartition: number;
  readonly maxBytes: number;
}

/**
 * The limits of one fetch. They say how the broker answers; when records are stored is for FlushLimits to say.
 *
 * minBytes: a fetch is answered as soon as there is one record, so that none waits at the broker.
 * maxWaitMs: how long the broker keeps a fetch that has nothing to answer. Its own default; a stop waits for it.
 * maxBytesPerPartition: the largest record batch that the sender joins (MAX_JOINED_BYTES), so that it comes in one fetch.
 * maxBytes: every partition may fill its share, so that none waits for another, up to what a process can hold.
 */
export function fetchLimits(partitions: number): FetchOptions {
  const maxBytesPerPartition = 4 * MIB;
  const maxBytes = Math.min(maxBytesPerPartition * Math.max(1, partitions), 64 * MIB);
  return { minBytes: 1, maxWaitMs: 500, maxBytesPerPartition, maxBytes };
}

const MIB = 1024 * 1024;

export interface TlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly rejectUnauthorized: boolean;
}

export interface SaslOptions {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

export const COMPRESSIONS = ['none', 'gzip', 'zstd', 'snappy', 'lz4'] as const;
export type Compression = (typeof COMPRESSIONS)[number];
