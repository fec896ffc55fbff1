import { crc32 } from 'node:zlib';
import { type BatchId, parseBatchId } from '../../model/batch-id.ts';
import { countBytes } from '../../model/chunk.ts';
import { BatchTooLargeError, type Receipt, type UnavailableError } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';
import type { TopicState } from './driver.ts';
import { encodedBytes, encodedRecords } from './message.ts';
import { PartitionSender, type PartitionSenderOptions } from './partition-sender.ts';
import { messageOf, tooLarge, unavailable } from './send-errors.ts';

export interface SenderOptions extends PartitionSenderOptions {
  /** Whether the driver compresses: then only the broker can say that a batch is too large. */
  readonly compressed: boolean;
  /** Bytes that may wait in all; batches beyond that are refused with UnavailableError. */
  readonly maxWaitingBytes: number;
  /** The topic is asked for again after so long, so that partitions that are added are used, ms. */
  readonly topicMaxAgeMs: number;
}

/** kafkajs cannot read a record batch of more than about 120,000 records: it passes them to a function as arguments. */
const MAX_RECORDS_OF_ONE_BATCH = 100_000;

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
