import { crc32 } from 'node:zlib';
import { GroupCommit } from '../../disk/group-commit.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { type BatchId, parseBatchId } from '../../model/batch-id.ts';
import { countBytes } from '../../model/chunk.ts';
import { BatchTooLargeError, type Receipt, UnavailableError } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';
import type { Driver, TopicState } from './driver.ts';
import { type EncodeOptions, encodedBytes, encodedRecords, encodeSend, MAX_RECORDS_PER_SEND } from './message.ts';

export interface SenderOptions extends EncodeOptions {
  readonly driver: Driver;
  /** Whether the driver compresses: then only the broker can say that a batch is too large. */
  readonly compressed: boolean;
  /** How long a batch waits for others when nothing is being sent, ms. */
  readonly lingerMs: number;
  /** Bytes that may wait in all; beyond, batches are refused with UnavailableError. */
  readonly maxWaitingBytes: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Joined batches come to no more than this in one send: it is held in memory several times over and hashed in one go. */
const MAX_JOINED_BYTES = 4 * 1024 * 1024;
/** From about 120,000 records in a record batch on, kafkajs cannot read it: it hands them to a function as arguments. */
const MAX_RECORDS_OF_ONE_BATCH = 100_000;
const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  readonly batch: QueuedBatch;
  readonly bytes: number;
  readonly records: number;
  readonly since: number;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/**
 * Sends batches, one send at a time for each partition: what comes while one is out joins the next (group commit). A
 * send that fails fails everything that waits behind it, so that nothing overtakes. A batch that is given again while it
 * is under way, as one is that was given up for late and comes once more from the spool, is sent once: two copies in one
 * send could not be told apart where they are stored.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #lanes = new Map<number, Lane>();
  readonly #underWay = new Map<BatchId, Promise<Receipt>>();
  #topic: Promise<TopicState> | undefined;
  #waitingBytes = 0;
  #closed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  send(batch: QueuedBatch): Promise<Receipt> {
    const { id } = batch;
    const same = this.#underWay.get(id);
    if (same !== undefined) return same;
    const sent = this.#send(batch).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, sent);
    return sent;
  }

  async #send(batch: QueuedBatch): Promise<Receipt> {
    if (this.#closed) throw unavailable('the queue is closing');
    const topic = await this.#topicState();
    const bytes = encodedBytes(batch, this.#options);
    this.#checkSize(batch, bytes, topic);
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) throw unavailable('too much waits for the broker');
    this.#waitingBytes += bytes;
    try {
      const records = encodedRecords(batch, this.#options);
      return await this.#lane(partitionOf(batch, topic.partitions)).add({ batch, bytes, records }, topic);
    } catch (error) {
      // The topic may have been changed, or made anew: look before the next send.
      if (!(error instanceof BatchTooLargeError)) this.#topic = undefined;
      throw error;
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** Refuses what comes from now on; resolves when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#lanes.values(), (lane) => lane.idle()));
  }

  #topicState(): Promise<TopicState> {
    if (this.#topic === undefined) {
      const topic = this.#options.driver.topic();
      this.#topic = topic;
      topic.catch(() => {
        if (this.#topic === topic) this.#topic = undefined;
      });
    }
    return this.#topic.catch((cause: unknown) => {
      throw unavailable(`the broker cannot be asked for the topic: ${messageOf(cause)}`, cause);
    });
  }

  #checkSize(batch: QueuedBatch, bytes: number, { maxMessageBytes }: TopicState): void {
    if (bytes > maxMessageBytes && !this.#options.compressed) throw tooLarge(batch, maxMessageBytes);
    const records = encodedRecords(batch, this.#options);
    if (records <= MAX_RECORDS_OF_ONE_BATCH) return;
    const message = `a batch of ${records} records is more than the ${MAX_RECORDS_OF_ONE_BATCH} that can be sent as one record a message`;
    throw new BatchTooLargeError(message, { bytes: countBytes(batch.batch), limit: maxMessageBytes });
  }

  #lane(partition: number): Lane {
    let lane = this.#lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane(partition, this.#options);
      this.#lanes.set(partition, lane);
    }
    return lane;
  }
}

/** Decided by what a resend has in common with its first copy. */
export function partitionOf({ id, idempotency }: QueuedBatch, partitions: number): number {
  if (idempotency !== undefined) return crc32(idempotency.key) % partitions;
  return (parseBatchId(id)?.sequence ?? crc32(id)) % partitions;
}

/** What waits for one partition. */
class Lane {
  readonly #partition: number;
  readonly #options: SenderOptions;
  readonly #commits: GroupCommit<Waiting>;
  /** Of the batches that wait. */
  #bytes = 0;
  #maxBytes = 0;
  #wake: (() => void) | undefined;
  #lastOffset: bigint | undefined;

  constructor(partition: number, options: SenderOptions) {
    this.#partition = partition;
    this.#options = options;
    this.#commits = new GroupCommit({
      gather: () => this.#linger(),
      limits: [
        { weigh: ({ bytes }) => bytes, max: () => this.#maxBytes },
        { weigh: ({ records }) => records, max: () => MAX_RECORDS_PER_SEND },
      ],
      commit: (group) => this.#sendGroup(group),
    });
  }

  add(entry: Pick<Waiting, 'batch' | 'bytes' | 'records'>, topic: TopicState): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#bytes += entry.bytes;
      this.#maxBytes = Math.min(topic.maxMessageBytes, MAX_JOINED_BYTES);
      this.#options.metrics.queueWaiting.inc();
      this.#commits.add({ ...entry, since: performance.now(), resolve, reject });
      if (this.#bytes >= this.#options.targetBytes) this.#wake?.();
    });
  }

  async idle(): Promise<void> {
    this.#wake?.();
    await this.#commits.idle();
  }

  /** Gives a lone batch company; what already waited behind a send does not wait again. */
  async #linger(): Promise<void> {
    const first = this.#commits.oldest;
    const { lingerMs, targetBytes } = this.#options;
    if (first === undefined || this.#bytes >= targetBytes) return;
    const rest = lingerMs - (performance.now() - first.since);
    if (rest <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, rest);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #sendGroup(group: readonly Waiting[]): Promise<void> {
    for (const waiting of group) this.#bytes -= waiting.bytes;
    this.#options.metrics.queueWaiting.dec(group.length);
    return this.#send(group);
  }

  async #send(group: readonly Waiting[]): Promise<void> {
    const { metrics, driver } = this.#options;
    const started = performance.now();
    try {
      const batches = group.map((waiting) => waiting.batch);
      this.#check(await driver.produce(this.#partition, encodeSend(batches, this.#options)));
    } catch (error) {
      metrics.kafkaWriterErrors.inc();
      await this.#fail(group, error);
      return;
    }
    metrics.kafkaUp.set(1);
    metrics.produceDuration.observe((performance.now() - started) / 1000);
    metrics.produceBatches.observe(group.length);
    for (const waiting of group) waiting.resolve({ durability: 'broker' });
  }

  /** An answer that belongs to another send must not acknowledge this one. */
  #check({ partition, baseOffset }: { readonly partition: number; readonly baseOffset: bigint }): void {
    const last = this.#lastOffset;
    this.#lastOffset = undefined;
    if (partition !== this.#partition) {
      throw new Error(`sent to partition=${this.#partition}, acknowledged for partition=${partition}`);
    }
    if (baseOffset < 0n || (last !== undefined && baseOffset <= last)) {
      throw new Error(`acknowledged at offset=${baseOffset} of partition=${partition} after offset=${last}`);
    }
    this.#lastOffset = baseOffset;
  }

  async #fail(group: readonly Waiting[], error: unknown): Promise<void> {
    if (error instanceof BatchTooLargeError) {
      // Each may fit alone, and one that does not must not take the others with it.
      if (group.length > 1) for (const waiting of group) await this.#send([waiting]);
      else for (const waiting of group) waiting.reject(tooLarge(waiting.batch, error.limit, error));
      return;
    }
    this.#lastOffset = undefined;
    const behind = this.#commits.withdraw();
    this.#options.metrics.queueWaiting.dec(behind.length);
    this.#bytes = 0;
    const { log } = this.#options;
    log.warn('cannot send to the broker', { partition: this.#partition, err: error, fold: this.#partition });
    const failure = unavailable(`the broker did not take the batch: ${messageOf(error)}`, error);
    for (const waiting of [...group, ...behind]) waiting.reject(failure);
  }
}

function tooLarge(batch: QueuedBatch, limit: number, cause?: unknown): BatchTooLargeError {
  const bytes = countBytes(batch.batch);
  const message = `a batch of ${bytes} bytes does not fit into a record batch of the topic, which takes ${limit}`;
  return new BatchTooLargeError(message, { bytes, limit, ...(cause !== undefined && { cause }) });
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(message, RETRY_AFTER_SECONDS, cause === undefined ? undefined : { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
