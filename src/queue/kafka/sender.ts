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
  readonly topic: string;
  /** Whether the driver compresses: then only the broker can say that a batch is too large. */
  readonly compressed: boolean;
  /** How long a batch waits for others when nothing is being sent, ms. */
  readonly lingerMs: number;
  /** Bytes that may wait in all; batches beyond that are refused with UnavailableError. */
  readonly maxWaitingBytes: number;
  /** The topic is asked for again after so long, so that partitions that are added are used, ms. */
  readonly topicMaxAgeMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The most that joined batches come to in one send: it is held in memory several times and hashed at once. */
const MAX_JOINED_BYTES = 4 * 1024 * 1024;
/** kafkajs cannot read a record batch of more than about 120,000 records: it passes them to a function as arguments. */
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
 * Sends batches, one send at a time for each partition; batches that come meanwhile share the next send (group commit). A
 * send that fails also fails every batch that waits after it, so that none overtakes. A batch that is given a second time
 * while it is being sent is sent once: that happens when it was too late for a request and comes again from the spool. Two
 * copies in one send would look like one batch to the consumer.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #partitions = new Map<number, PartitionSender>();
  readonly #underWay = new Map<BatchId, Promise<Receipt>>();
  #topic: Promise<TopicState> | undefined;
  /** When the topic was last asked for. */
  #topicAsked = 0;
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
    this.#checkWaiting(bytes);
    this.#waitingBytes += bytes;
    try {
      const records = encodedRecords(batch, this.#options);
      return await this.#senderOf(partitionOf(batch, topic.partitions)).add({ batch, bytes, records }, topic);
    } catch (error) {
      // The topic may have been changed, or created again: ask before the next send.
      if (!(error instanceof BatchTooLargeError)) this.#topic = undefined;
      throw error;
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** Refuses batches from now on; resolves when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#partitions.values(), (sender) => sender.idle()));
  }

  #topicState(): Promise<TopicState> {
    const now = performance.now();
    if (this.#topic !== undefined && now - this.#topicAsked >= this.#options.topicMaxAgeMs) this.#renewTopic(now);
    if (this.#topic === undefined) {
      const topic = this.#options.driver.topic();
      this.#topicAsked = now;
      this.#topic = topic;
      topic.catch(() => {
        if (this.#topic === topic) this.#topic = undefined;
      });
    }
    return this.#topic.catch((cause: unknown) => {
      throw unavailable(`cannot ask the broker for topic=${this.#options.topic}: ${messageOf(cause)}`, cause);
    });
  }

  /** Asks in the background: until there is an answer, sends go by the last one. */
  #renewTopic(now: number): void {
    this.#topicAsked = now;
    const before = this.#topic;
    this.#options.driver.topic().then(
      (topic) => {
        if (this.#topic === before) this.#topic = Promise.resolve(topic);
      },
      () => undefined,
    );
  }

  #checkWaiting(bytes: number): void {
    const { topic, maxWaitingBytes } = this.#options;
    if (this.#waitingBytes + bytes <= maxWaitingBytes) return;
    throw unavailable(`too many bytes wait for the broker: topic=${topic} (limit ${maxWaitingBytes} bytes)`);
  }

  #checkSize(batch: QueuedBatch, bytes: number, { maxMessageBytes }: TopicState): void {
    if (bytes > maxMessageBytes && !this.#options.compressed) throw tooLarge(this.#options, batch, maxMessageBytes);
    const records = encodedRecords(batch, this.#options);
    if (records <= MAX_RECORDS_OF_ONE_BATCH) return;
    const limit = MAX_RECORDS_OF_ONE_BATCH;
    const message = `a batch of ${records} records cannot be sent with kafka.format=record (limit ${limit} records)`;
    throw new BatchTooLargeError(message, { bytes: countBytes(batch.batch), limit: maxMessageBytes });
  }

  #senderOf(partition: number): PartitionSender {
    let sender = this.#partitions.get(partition);
    if (sender === undefined) {
      sender = new PartitionSender(partition, this.#options);
      this.#partitions.set(partition, sender);
    }
    return sender;
  }
}

/** By what a resend has in common with its first copy: the key, else the batch-id. */
export function partitionOf({ id, idempotency }: QueuedBatch, partitions: number): number {
  if (idempotency !== undefined) return crc32(idempotency.key) % partitions;
  return (parseBatchId(id)?.sequence ?? crc32(id)) % partitions;
}

/** The batches that wait for one partition. */
class PartitionSender {
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

  /** Lets a single batch wait for others. Batches that already waited for a send do not wait again. */
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
      else for (const waiting of group) waiting.reject(tooLarge(this.#options, waiting.batch, error.limit, error));
      return;
    }
    this.#lastOffset = undefined;
    const later = this.#commits.withdraw();
    this.#options.metrics.queueWaiting.dec(later.length);
    this.#bytes = 0;
    const { log, topic } = this.#options;
    const partition = this.#partition;
    log.warn('cannot send to the broker', { topic, partition, err: error, fold: partition });
    const message = `the broker did not take the batch (topic=${topic} partition=${partition}): ${messageOf(error)}`;
    const failure = unavailable(message, error);
    for (const waiting of [...group, ...later]) waiting.reject(failure);
  }
}

function tooLarge(
  { topic }: SenderOptions,
  { batch }: QueuedBatch,
  limit: number,
  cause?: unknown,
): BatchTooLargeError {
  const bytes = countBytes(batch);
  const known = limit > 0 ? ` (limit ${limit} bytes)` : '';
  const message = `a batch of ${bytes} bytes is too large for topic=${topic}${known}`;
  return new BatchTooLargeError(message, { bytes, limit, ...(cause !== undefined && { cause }) });
}

function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(message, RETRY_AFTER_SECONDS, cause === undefined ? undefined : { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
