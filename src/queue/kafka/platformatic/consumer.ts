import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, type ClusterMetadata, Consumer } from '@platformatic/kafka';
import type { DriverConsumption, RecordReceiver, RecordSink } from '../driver.ts';
import { partitionsOf, readEnds } from './admin.ts';
import { clientOptions, createFetcher, isPermanent, type PlatformaticOptions, REQUEST_TIMEOUT_MS } from './client.ts';
import { type FetchResponse, recordsOf } from './records.ts';
import { createTopicWatch, type TopicWatch } from './topic-watch.ts';

/*
 * A member of the group by @platformatic/kafka, without its streams. One consumer joins, sends heartbeats and commits.
 * Another, which never joins, fetches: a fetch that waits at the broker delays every later request on its connection.
 *
 * Before every join the library asks for the member's metadata and waits for it. There we wait until all that was
 * fetched is stored and committed to the group: so a partition is never given away with work in flight.
 */

const RETRY_MS = 500;
const HEARTBEAT_MS = 1_000;
const REBALANCE_TIMEOUT_MS = 30_000;
/** What storing the rest may take at a stop and before a rebalance. */
const LAST_FLUSH_MS = 2_000;
/** The name that kafkajs gives the same assignment: members of both kinds can be in one group while one replaces the other. */
const PROTOCOLS = [{ name: 'RoundRobinAssigner', version: 1 }];

/** What was assigned by one join. */
interface Generation {
  readonly lost: AbortController;
  /** Settles when nothing of it is under way any more. */
  work: Promise<void>;
}

interface Reader {
  readonly partition: number;
  readonly receiver: RecordReceiver;
  position: bigint;
  /** What the group could not be told. The next fetch tells it again: the group would seem to be behind where nothing more comes. */
  untold?: bigint | undefined;
}

export function consumeByPlatformatic(parts: {
  readonly options: PlatformaticOptions;
  readonly sink: RecordSink;
  ensureTopic(): Promise<unknown>;
}): DriverConsumption {
  const member = new Member(parts.options, parts.sink, parts.ensureTopic);
  const started = member.start();
  let stopped: Promise<void> | undefined;
  return {
    stop: () => {
      stopped ??= member.stop(started);
      return stopped;
    },
  };
}

class Member {
  readonly #options: PlatformaticOptions;
  readonly #sink: RecordSink;
  readonly #ensureTopic: () => Promise<unknown>;
  readonly #stopping = new AbortController();
  readonly #consumer: Consumer;
  readonly #topicWatch: TopicWatch;
  #fetcher: Consumer;
  #admin: Admin;
  #generation: Generation | undefined;
  #joining: Promise<void> | undefined;

  constructor(options: PlatformaticOptions, sink: RecordSink, ensureTopic: () => Promise<unknown>) {
    this.#options = options;
    this.#sink = sink;
    this.#ensureTopic = ensureTopic;
    this.#consumer = new Consumer({
      ...clientOptions(options, REQUEST_TIMEOUT_MS),
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: Math.min(HEARTBEAT_MS, options.sessionTimeoutMs / 3),
      protocols: PROTOCOLS,
      protocolsMetadata: async (_protocols, _topics, metadata) => {
        this.#topicWatch.joining(metadata.topics.get(options.topic)?.partitionsCount ?? 0);
        await this.#letGo();
        return Buffer.alloc(0);
      },
    });
    this.#topicWatch = createTopicWatch({
      everyMs: options.topicMaxAgeMs,
      countPartitions: () => partitionsOf(this.#admin, options.topic),
      joinAgain: () => this.#join(),
    });
    this.#fetcher = createFetcher(this.#options);
    this.#admin = new Admin(clientOptions(options, options.sendTimeoutMs));
    this.#consumer.topics.track(options.topic);
    this.#consumer.on('consumer:group:join', ({ memberId, isLeader = false, assignments = [] }) => {
      this.#topicWatch.joined(isLeader);
      if (memberId) sink.joined(memberId);
      const mine = assignments.find(({ topic }) => topic === options.topic);
      this.#begin(mine?.partitions ?? []);
    });
    this.#consumer.on('consumer:heartbeat:error', ({ error }) => this.#warn('a heartbeat failed', error));
    // A join that the library began after a failed heartbeat has failed: it does not try again.
    this.#consumer.on('error', (error: Error) => {
      this.#warn('cannot join the group again', error);
      this.#join();
    });
  }

  async start(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#ensureTopic();
        break;
      } catch (error) {
        this.#warn('cannot start a consumer; trying again', error);
        await this.#pause();
      }
    }
    this.#join();
    await this.#joining;
    if (!this.#stopping.signal.aborted) this.#topicWatch.start();
  }

  async stop(started: Promise<void>): Promise<void> {
    this.#stopping.abort(new Error('the consumer is stopping'));
    this.#topicWatch.stop();
    await started;
    await this.#joining;
    await this.#generation?.work;
    // With force: leaves the group even where a heartbeat is out.
    const closing = [this.#consumer.close(true), this.#fetcher.close(true), this.#admin.close()];
    await Promise.all(closing.map((closed) => closed.catch(() => undefined)));
  }

  #join(): void {
    this.#joining ??= this.#joinUntilIn().finally(() => {
      this.#joining = undefined;
    });
  }

  async #joinUntilIn(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#consumer.joinGroup({});
        return;
      } catch (error) {
        if (isPermanent(error)) {
          this.#sink.fatal(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        this.#warn('cannot join the group; trying again', error);
        await this.#pause();
      }
    }
  }

  /** Gives up what is assigned, once all that was fetched of it is stored and committed, or cannot be. */
  async #letGo(): Promise<void> {
    const generation = this.#generation;
    generation?.lost.abort(new Error('the group is joined again'));
    await generation?.work;
  }

  #begin(partitions: readonly number[]): void {
    const generation: Generation = { lost: new AbortController(), work: Promise.resolve() };
    this.#generation = generation;
    this.#stopping.signal.addEventListener('abort', () => generation.lost.abort(this.#stopping.signal.reason), {
      once: true,
      signal: generation.lost.signal,
    });
    if (this.#stopping.signal.aborted) generation.lost.abort(this.#stopping.signal.reason);
    generation.work = partitions.length === 0 ? Promise.resolve() : this.#read(partitions, generation.lost.signal);
  }

  /** Assigns and reads. After a failure it begins again with the assignment. Never rejects. */
  async #read(partitions: readonly number[], lost: AbortSignal): Promise<void> {
    while (!lost.aborted) {
      try {
        const readers = await this.#assign(partitions);
        await this.#readAll(readers, lost);
      } catch (error) {
        if (lost.aborted) return;
        this.#warn('cannot read assigned partitions; trying again', error);
        await this.#renewClients();
        await this.#pause(lost);
      }
    }
  }

  async #assign(partitions: readonly number[]): Promise<Reader[]> {
    const ends = await readEnds(this.#admin, this.#options);
    return Promise.all(
      partitions.map(async (partition) => {
        const state = ends.find((end) => end.partition === partition);
        if (state === undefined)
          throw new Error(`the broker does not know topic=${this.#options.topic} partition=${partition}`);
        const receiver = await this.#sink.assign(state);
        const reader: Reader = { partition, receiver, position: receiver.offset };
        if (state.committed !== receiver.offset) await this.#commit(reader, receiver.offset);
        return reader;
      }),
    );
  }

  async #readAll(readers: readonly Reader[], lost: AbortSignal): Promise<void> {
    const { topic } = this.#options;
    const failed = new AbortController();
    const over = AbortSignal.any([lost, failed.signal]);
    const metadata = await this.#fetcher.metadata({ topics: [topic], forceUpdate: true });
    const byLeader = Map.groupBy(readers, ({ partition }) => metadata.topics.get(topic)?.partitions[partition]?.leader);
    const loops = Array.from(byLeader, async ([node = -1, mine]) => {
      try {
        while (!over.aborted) await this.#readOnce(node, mine, metadata, lost);
      } finally {
        failed.abort();
      }
    });
    const results = await Promise.allSettled(loops);
    if (lost.aborted) await this.#storeRest(readers);
    const rejected = results.find((result) => result.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
  }

  /**
   * Before the partitions are given up: stores what waits for more. What cannot be stored in time is read again by
   * whoever gets the partition.
   */
  async #storeRest(readers: readonly Reader[]): Promise<void> {
    const signal = AbortSignal.timeout(LAST_FLUSH_MS);
    const flush = async (reader: Reader): Promise<void> => {
      const stored = await reader.receiver.flush(signal);
      if (stored !== undefined) await this.#commit(reader, stored);
    };
    await Promise.allSettled(readers.map(flush));
  }

  async #readOnce(
    node: number,
    readers: readonly Reader[],
    metadata: ClusterMetadata,
    lost: AbortSignal,
  ): Promise<void> {
    const { topic, fetch } = this.#options;
    const topicId = metadata.topics.get(topic)?.id ?? '';
    const partitions = readers.map(({ partition, position }) => ({
      partition,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      fetchOffset: position,
      partitionMaxBytes: fetch.maxBytesPerPartition,
    }));
    const { minBytes, maxBytes, maxWaitMs } = fetch;
    const wanted = { node, minBytes, maxBytes, maxWaitTime: maxWaitMs, topics: [{ topicId, partitions }] };
    const response = await this.#fetcher.fetch(wanted);
    const results = await Promise.allSettled(readers.map((reader) => this.#deliver(reader, response, lost)));
    const rejected = results.find((result) => result.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
  }

  async #deliver(reader: Reader, response: FetchResponse, lost: AbortSignal): Promise<void> {
    if (lost.aborted) return;
    const { receiver, position, untold } = reader;
    const { records, next, hasMore } = recordsOf(response, reader);
    // Without a record there is no more for now, or a transaction marker alone: the next fetch begins after it.
    const isEmpty = records.length === 0;
    const stored = await (isEmpty ? receiver.flush(lost) : receiver.receive({ records, next, hasMore }, lost));
    reader.position = next;
    const news = isEmpty && next > position ? next : (stored ?? untold);
    if (news !== undefined) await this.#commit(reader, news);
  }

  /** Tells the group an offset. Advisory: the journal has it already. */
  async #commit(reader: Reader, offset: bigint): Promise<void> {
    reader.untold = offset;
    const { topic } = this.#options;
    try {
      await this.#consumer.commit({ offsets: [{ topic, partition: reader.partition, offset, leaderEpoch: -1 }] });
      reader.untold = undefined;
    } catch (error) {
      this.#warn('cannot commit an offset to the group', error);
    }
  }

  /** After a failure nothing is known of the connections, sessions and metadata of these two. */
  async #renewClients(): Promise<void> {
    const old = [this.#fetcher.close(true), this.#admin.close()];
    await Promise.all(old.map((closed) => closed.catch(() => undefined)));
    this.#fetcher = createFetcher(this.#options);
    this.#admin = new Admin(clientOptions(this.#options, this.#options.sendTimeoutMs));
  }

  #warn(message: string, err: unknown): void {
    if (!this.#stopping.signal.aborted) this.#sink.failed(message, err);
  }

  async #pause(lost: AbortSignal = this.#stopping.signal): Promise<void> {
    await sleep(RETRY_MS, undefined, { signal: lost }).catch(() => undefined);
  }
}
