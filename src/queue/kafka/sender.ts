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

/** A batch that came before the topic was known. */
interface Early {
  readonly batch: QueuedBatch;
  resolve(sent: Promise<Receipt>): void;
  reject(error: unknown): void;
}

/**
 * Sends batches, one send at a time for each partition; batches that come meanwhile share the next send (group commit). A
 * send that fails also fails every batch that waits after it, so that none overtakes: those of its partition, and those that
 * wait for the topic. A batch that is given a second time while it is being sent is sent once: that happens when it was too
 * late for a request and comes again from the spool. Two copies in one send would look like one batch to the consumer.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #partitions = new Map<number, PartitionSender>();
  readonly #underWay = new Map<BatchId, Promise<Receipt>>();
  /** Undefined until it is known, and after a failure: it may have been changed, or created again. */
  #topic: TopicState | undefined;
  /** When the topic was last asked for. */
  #topicAsked = 0;
  #isAsking = false;
  /** In the order in which they came. All of them wait for one answer, so that none is asked for by a quicker question. */
  #early: Early[] = [];
  #waitingBytes = 0;
  #closed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  send(batch: QueuedBatch): Promise<Receipt> {
    const { id } = batch;
    const same = this.#underWay.get(id);
    if (same !== undefined) return same;
    const sent = this.#accept(batch).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, sent);
    return sent;
  }

  #accept(batch: QueuedBatch): Promise<Receipt> {
    if (this.#closed) return Promise.reject(unavailable('the queue is closing'));
    if (this.#topic !== undefined) {
      this.#renewTopic(this.#topic);
      return this.#add(batch, this.#topic);
    }
    return new Promise((resolve, reject) => {
      this.#early.push({ batch, resolve, reject });
      if (!this.#isAsking) void this.#askTopic();
    });
  }

  /** Up to its first `await` it runs at once: batches take their places in the order of the calls. */
  async #add(batch: QueuedBatch, topic: TopicState): Promise<Receipt> {
    const bytes = encodedBytes(batch, this.#options);
    this.#checkSize(batch, bytes, topic);
    this.#checkWaiting(bytes);
    this.#waitingBytes += bytes;
    try {
      const records = encodedRecords(batch, this.#options);
      return await this.#senderOf(partitionOf(batch, topic.partitions)).add({ batch, bytes, records }, topic);
    } finally {
      this.#waitingBytes -= bytes;
    }
  }

  /** Refuses batches from now on; resolves when nothing is being sent any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#partitions.values(), (sender) => sender.idle()));
  }

  async #askTopic(): Promise<void> {
    this.#isAsking = true;
    this.#topicAsked = performance.now();
    try {
      const topic = await this.#options.driver.topic();
      this.#topic = topic;
      for (const { batch, resolve } of this.#takeEarly()) resolve(this.#add(batch, topic));
    } catch (cause) {
      const error = unavailable(`cannot ask the broker for topic=${this.#options.topic}: ${messageOf(cause)}`, cause);
      for (const { reject } of this.#takeEarly()) reject(error);
    } finally {
      this.#isAsking = false;
    }
  }

  #takeEarly(): readonly Early[] {
    const early = this.#early;
    this.#early = [];
    return early;
  }

  /** Asks in the background when it is time: until there is an answer, sends go by the last one. */
  #renewTopic(before: TopicState): void {
    const now = performance.now();
    if (now - this.#topicAsked < this.#options.topicMaxAgeMs) return;
    this.#topicAsked = now;
    this.#options.driver.topic().then(
      (topic) => {
        if (this.#topic === before) this.#topic = topic;
      },
      () => undefined,
    );
  }

  #onFailure(failure: UnavailableError): void {
    this.#topic = undefined;
    for (const { reject } of this.#takeEarly()) reject(failure);
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
      sender = new PartitionSender(partition, this.#options, (failure) => this.#onFailure(failure));
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
  readonly #onFailure: (failure: UnavailableError) => void;
  readonly #commits: GroupCommit<Waiting>;
  /** Of the batches that wait. */
  #bytes = 0;
  #maxBytes = 0;
  #wake: (() => void) | undefined;
  #lastOffset: bigint | undefined;

  constructor(partition: number, options: SenderOptions, onFailure: (failure: UnavailableError) => void) {
    this.#partition = partition;
    this.#options = options;
    this.#onFailure = onFailure;
    this.#commits = new GroupCommit({
      gather: () => this.#linger(),
      limits: [
        { weigh: ({ bytes }) => bytes, max: () => this.#maxBytes },
        { weigh: ({ records }) => records, max: () => MAX_RECORDS_PER_SEND },
      ],
      commit: async (group) => {
        await this.#sendGroup(group);
      },
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

  #sendGroup(group: readonly Waiting[]): Promise<boolean> {
    for (const waiting of group) this.#bytes -= waiting.bytes;
    this.#options.metrics.queueWaiting.dec(group.length);
    return this.#send(group);
  }

  /** Resolves with false when the broker did not take it, and none of those that wait may be sent before it. */
  async #send(group: readonly Waiting[]): Promise<boolean> {
    const { metrics, driver } = this.#options;
    const started = performance.now();
    try {
      const batches = group.map((waiting) => waiting.batch);
      this.#check(await driver.produce(this.#partition, encodeSend(batches, this.#options)));
    } catch (error) {
      metrics.kafkaWriterErrors.inc();
      if (error instanceof BatchTooLargeError) return this.#refuse(group, error);
      this.#fail(group, error);
      return false;
    }
    metrics.kafkaUp.set(1);
    metrics.produceDuration.observe((performance.now() - started) / 1000);
    metrics.produceBatches.observe(group.length);
    for (const waiting of group) waiting.resolve({ durability: 'broker' });
    return true;
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

  /** Each may fit alone, and one that does not must not take the others with it. */
  async #refuse(group: readonly Waiting[], error: BatchTooLargeError): Promise<boolean> {
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      only.reject(tooLarge(this.#options, only.batch, error.limit, error));
      return true;
    }
    for (const [index, waiting] of group.entries()) {
      if (await this.#send([waiting])) continue;
      this.#fail(group.slice(index + 1), new Error('a batch before it was not taken'));
      return false;
    }
    return true;
  }

  #fail(group: readonly Waiting[], error: unknown): void {
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
    this.#onFailure(failure);
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
