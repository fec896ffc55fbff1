import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DamageReport, type DamageReportOptions } from '../../disk/damage-report.ts';
import type { FileSystem } from '../../disk/file-system.ts';
import { GroupCommit } from '../../disk/group-commit.ts';
import type { EncodedEntry } from '../../disk/write-ahead-log.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { createBatchIds } from '../../model/batch-id.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import { type Deliver, type Receipt, UnavailableError } from '../../model/deliver.ts';
import type { Consumption, PartitionLag, Queue, QueueHandler, QueueItem } from '../queue.ts';
import { encodeBatch, type SpoolEntry } from './spool-format.ts';
import { SpoolSegments } from './spool-segments.ts';

/*
 * The disk spool: a queue of one partition on our own disk, in the folder <dir>/spool.
 *
 *   spool-format.ts     segments and entries, drawn
 *   spool-head.ts       the head file, drawn
 *   spool-recovery.ts   what a start makes of the folder, as a list of rules
 *   spool-damage.ts     reads on after a damaged entry
 *   spool-segments.ts   append at the tail, read and delete at the head
 */

export interface SpoolOptions {
  readonly dir: string;
  /** Bytes it may take on disk. Beyond, batches are refused with UnavailableError. */
  readonly maxBytes: number;
  readonly metrics: Pick<Metrics, 'spoolBytes' | 'spoolBatches' | 'spoolAge' | 'storageDamage'>;
  readonly log: Log;
  readonly clock?: Clock;
  readonly files?: FileSystem;
}

/** What is acknowledged is synced. One process owns its folder. */
export interface Spool extends Queue {
  /** Batches that wait to be delivered. */
  waiting(): number;
  /** The offset that the next batch will have. Batches that are being written come before it. */
  end(): bigint;
  bytes(): number;
  /** Updates the gauges, including the age of the oldest batch. */
  show(): void;
}

const TOPIC = 'spool';
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
const MAX_GROUP_BYTES = 16 * 1024 * 1024;
const MAX_DELIVERY_BYTES = 4 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  readonly entry: EncodedEntry;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/** Opens the spool in `dir`/spool and recovers what the last run left in it. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { maxBytes, log, files, metrics, clock = systemClock } = options;
  const dir = join(options.dir, 'spool');
  const segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.ceil(maxBytes / 8));
  const count: DamageReportOptions['count'] = (kind, places) => metrics.storageDamage.labels(kind).inc(places);
  const report = new DamageReport({ stateDir: options.dir, count, clock, log });
  const segments = await SpoolSegments.open({ dir, segmentBytes, report, log, files });
  const [oldest] = await segments.read(segments.head, 1);
  return new DiskSpool({ options, dir, segments, oldest: oldest?.time });
}

class DiskSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #segments: SpoolSegments;
  readonly #nextId = createBatchIds(randomUUID());
  readonly #commits: GroupCommit<Waiting>;
  /** Batches and bytes that wait to be written or are being written. */
  #unwritten = { batches: 0, bytes: 0 };
  /** Unix ms at which the oldest batch was accepted, give or take one delivery. */
  #oldest: number | undefined;
  /** Resolves when there may be something to read, or to stop for. */
  #news = Promise.withResolvers<void>();
  #consumption: Consumption | undefined;
  #closed = false;

  constructor(parts: {
    readonly options: SpoolOptions;
    readonly dir: string;
    readonly segments: SpoolSegments;
    readonly oldest: number | undefined;
  }) {
    this.#options = parts.options;
    this.#dir = parts.dir;
    this.#clock = parts.options.clock ?? systemClock;
    this.#segments = parts.segments;
    this.#oldest = parts.oldest;
    this.#commits = new GroupCommit({
      limits: [{ weigh: ({ entry }) => entry.bytes, max: () => MAX_GROUP_BYTES }],
      commit: (group) => this.#write(group),
    });
    this.show();
  }

  readonly enqueue: Deliver = async (batch, note = {}) => {
    if (this.#closed) throw new UnavailableError('the spool is closing', RETRY_AFTER_SECONDS);
    const { idempotency, deadLetters, batchIds: [id = this.#nextId()] = [] } = note;
    const extra = { ...(idempotency && { idempotency }), ...(deadLetters && { deadLetters }) };
    const entry = encodeBatch({ id, batch, ...extra }, this.#clock());
    if (this.#segments.bytes + this.#unwritten.bytes + entry.bytes > this.#options.maxBytes) {
      throw new UnavailableError(this.#fullMessage(), RETRY_AFTER_SECONDS);
    }
    this.#unwritten.batches++;
    this.#unwritten.bytes += entry.bytes;
    return new Promise((resolve, reject) => this.#commits.add({ entry, resolve, reject }));
  };

  waiting(): number {
    return this.#segments.tail - this.#segments.head + this.#unwritten.batches;
  }

  end(): bigint {
    return BigInt(this.#segments.tail + this.#unwritten.batches);
  }

  bytes(): number {
    return this.#segments.bytes;
  }

  show(): void {
    const { metrics } = this.#options;
    metrics.spoolBytes.set(this.#segments.bytes);
    metrics.spoolBatches.set(this.#segments.tail - this.#segments.head);
    metrics.spoolAge.set(this.#oldest === undefined ? 0 : Math.max(0, this.#clock() - this.#oldest) / 1000);
  }

  async lag(): Promise<readonly PartitionLag[]> {
    const [committed, high] = [BigInt(this.#segments.head), BigInt(this.#segments.tail)];
    return [{ partition: 0, committed, high, messages: Number(high - committed) }];
  }

  async check(): Promise<void> {
    if (this.#closed) throw new Error('the spool is closing');
    if (this.#segments.bytes >= this.#options.maxBytes) throw new Error(this.#fullMessage());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#consumption?.stop();
    await this.#commits.idle();
    await this.#segments.close();
  }

  consume(handler: QueueHandler): Consumption {
    if (this.#consumption !== undefined) throw new Error('the spool has a consumer already');
    const stopping = new AbortController();
    const running = this.#run(handler, stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted) handler.fatal(error instanceof Error ? error : new Error(String(error)));
    });
    const consumption: Consumption = {
      stop: async () => {
        stopping.abort(new Error('the spool is no longer consumed'));
        this.#wake();
        await running;
        if (this.#consumption === consumption) this.#consumption = undefined;
      },
    };
    this.#consumption = consumption;
    return consumption;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const entries = group.map(({ entry }) => entry);
    try {
      await this.#segments.append(entries).finally(() => {
        this.#unwritten.batches -= group.length;
      });
      this.#oldest ??= this.#clock();
      for (const { resolve } of group) resolve({ durability: 'spool' });
      this.#wake();
    } catch (cause) {
      this.#options.log.error('cannot write to the spool', { dir: this.#dir, err: cause, fold: 'spool' });
      const reason = cause instanceof Error ? cause.message : String(cause);
      const error = new UnavailableError(`cannot write to the spool: ${reason}`, RETRY_AFTER_SECONDS, { cause });
      for (const { reject } of group) reject(error);
    }
    for (const { bytes } of entries) this.#unwritten.bytes -= bytes;
    this.show();
  }

  /** Delivers from the head on until stopped. */
  async #run(handler: QueueHandler, signal: AbortSignal): Promise<void> {
    const segments = this.#segments;
    const head = BigInt(segments.head);
    const state = { topic: TOPIC, partition: 0, committed: head, low: head, high: BigInt(segments.tail) };
    const assignment = await handler.assign(state);
    let at = Number(assignment.offset);
    while (!signal.aborted) {
      const news = this.#news.promise;
      const entries = await segments.read(at, MAX_DELIVERY_BYTES);
      const last = entries.at(-1);
      if (last === undefined) {
        await news;
        continue;
      }
      const next = last.sequence + 1;
      const delivery = { topic: TOPIC, partition: 0, items: entries.map(toItem), next: BigInt(next) };
      await assignment.receive(delivery, signal);
      at = next;
      await segments.advanceHead(at);
      this.#oldest = at === segments.tail ? undefined : last.time;
      this.show();
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #fullMessage(): string {
    return `the spool is full: ${this.#segments.bytes} of ${this.#options.maxBytes} bytes`;
  }
}

function toItem({ sequence, time, batch }: SpoolEntry): QueueItem {
  const [offset, next] = [BigInt(sequence), BigInt(sequence + 1)];
  return { kind: 'batches', offset, next, timestamp: time, batches: [batch] };
}
