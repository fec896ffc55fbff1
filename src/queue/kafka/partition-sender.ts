import { GroupCommit } from '../../disk/group-commit.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { BatchTooLargeError, type Receipt, type UnavailableError } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';
import type { Driver, TopicState } from './driver.ts';
import { type EncodeOptions, encodeSend, MAX_RECORDS_PER_SEND } from './message.ts';
import { messageOf, tooLarge, unavailable } from './send-errors.ts';

export interface PartitionSenderOptions extends EncodeOptions {
  readonly driver: Driver;
  readonly topic: string;
  /** How long a batch waits for others when nothing is being sent, ms. */
  readonly lingerMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The most that joined batches come to in one send: it is held in memory several times and hashed at once. */
const MAX_JOINED_BYTES = 4 * 1024 * 1024;

interface Waiting {
  readonly batch: QueuedBatch;
  readonly bytes: number;
  readonly records: number;
  readonly since: number;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
}

/** The batches that wait for one partition. One send is under way at a time; what waits meanwhile shares the next. */
export class PartitionSender {
  readonly #partition: number;
  readonly #options: PartitionSenderOptions;
  readonly #onFailure: (failure: UnavailableError) => void;
  readonly #commits: GroupCommit<Waiting>;
  /** Of the batches that wait. */
  #bytes = 0;
  #maxBytes = 0;
  #wake: (() => void) | undefined;
  #lastOffset: bigint | undefined;

  constructor(partition: number, options: PartitionSenderOptions, onFailure: (failure: UnavailableError) => void) {
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
