import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { DriverConsumption, InRecord, RecordReceiver, RecordSink } from '../driver.ts';
import { readEnds, typeOf } from './admin.ts';
import { createKafkaJs, type KafkaJsOptions } from './client.ts';

/*
 * A member of the group by kafkajs. On GROUP_JOIN, which it emits before it fetches anything, all partitions are paused,
 * their true positions are asked for, and each is sought and resumed. A handler does not return before its records are
 * stored and their offset is committed to the group: kafkajs joins again only when no handler runs, so a partition is
 * never given away with work in flight. `fromBeginning` and `autoCommit: false` keep kafkajs from deciding positions.
 *
 * A consumer that crashed is put away for a new one. kafkajs would restart it itself, also after it was stopped, and what
 * it does not restart would stand still without a word: that ends the process. It is put away for good even where it
 * was still joining: kafkajs lets a consumer that is told to disconnect meanwhile join nevertheless.
 */

const HEARTBEAT_MS = 1_000;
const RETRY_MS = 1_000;
const MIN_REQUEST_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 30_000;
/** What telling the group goodbye may take. A broker that is away cannot be told, and kafkajs tries for a long time. */
const FAREWELL_MS = 4_000;

interface Member {
  readonly options: KafkaJsOptions;
  readonly sink: RecordSink;
  readonly consumer: Consumer;
  readonly admin: Admin;
  /** One more with every join: what began under an older one must not touch a partition any more. */
  generation: number;
  readonly receivers: Map<number, RecordReceiver>;
  lost: AbortController;
  /** Records that are being stored. */
  readonly storing: Set<Promise<unknown>>;
  readonly crashed: Promise<Crash>;
  /** Settles when it has joined, or failed to. */
  started: Promise<void>;
  isOver: boolean;
}

interface Crash {
  readonly error: Error;
  /** Whether a new consumer may do better. */
  readonly retriable: boolean;
}

export function consumeByKafkaJs(parts: {
  readonly options: KafkaJsOptions;
  readonly sink: RecordSink;
  ensureTopic(): Promise<unknown>;
}): DriverConsumption {
  const { sink } = parts;
  const stopping = new AbortController();
  const stopSignal = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });

  async function runMembers(): Promise<void> {
    while (!stopping.signal.aborted) {
      const member = createMember(parts);
      const crash = await runMember(member);
      await disconnect(member);
      if (crash === undefined) return;
      if (!crash.retriable) {
        sink.fatal(crash.error);
        return;
      }
      sink.failed('a consumer failed; trying again', crash.error);
      await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  /** Resolves with why it is over, or with nothing when it was told to stop. */
  async function runMember(member: Member): Promise<Crash | undefined> {
    member.started = parts.ensureTopic().then(() => run(member, parts.options));
    try {
      await Promise.race([member.started, stopSignal]);
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)), retriable: true };
    }
    const crash = await Promise.race([member.crashed, stopSignal]);
    member.lost.abort(crash?.error ?? new Error('the consumer is stopping'));
    return crash;
  }

  const running = runMembers();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function createMember({ options, sink }: { readonly options: KafkaJsOptions; readonly sink: RecordSink }): Member {
  const { fetch, groupId, sessionTimeoutMs } = options;
  const requestTimeout = Math.max(MIN_REQUEST_TIMEOUT_MS, fetch.maxWaitMs * 2);
  const consumer = createKafkaJs(options, requestTimeout, { initialRetryTime: 100, maxRetryTime: 2_000 }).consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: Math.min(HEARTBEAT_MS, sessionTimeoutMs / 3),
    maxBytesPerPartition: fetch.maxBytesPerPartition,
    minBytes: fetch.minBytes,
    maxBytes: fetch.maxBytes,
    maxWaitTimeInMs: fetch.maxWaitMs,
    allowAutoTopicCreation: false,
    retry: {
      retries: 5,
      // The restart is ours: a new member.
      restartOnFailure: async () => false,
    },
  });
  const { promise: crashed, resolve } = Promise.withResolvers<Crash>();
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => resolve({ error, retriable: !isHopeless(error) }));
  const admin = createKafkaJs(options, options.sendTimeoutMs, { retries: 2, initialRetryTime: 100 }).admin();
  return {
    ...{ options, sink, consumer, admin, crashed, started: Promise.resolve(), isOver: false },
    ...{ generation: 0, receivers: new Map(), lost: new AbortController(), storing: new Set() },
  };
}

const HOPELESS = [
  ...['GROUP_AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'],
  ...['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE'],
  ...['INCONSISTENT_GROUP_PROTOCOL', 'INVALID_SESSION_TIMEOUT'],
];

/** kafkajs counts as final what an outage brings too, such as a coordinator not found: only what we know to stay so is. */
function isHopeless(error: Error): boolean {
  return HOPELESS.includes(typeOf(error) ?? '') || error.name === 'KafkaJSSASLAuthenticationError';
}

async function run(member: Member, { topic, partitions }: KafkaJsOptions): Promise<void> {
  const { consumer, admin } = member;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => join(member, payload.memberAssignment[topic] ?? []));
  await admin.connect();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: partitions,
    eachBatch: (payload) => handle(member, payload),
  });
}

/** Once what is being stored is stored, or cannot be, the rest has its time, and goes on without us after that. */
async function disconnect(member: Member): Promise<void> {
  const { consumer, admin, storing, started } = member;
  member.isOver = true;
  const inTime = new AbortController();
  const gone = started
    .catch(() => undefined)
    .then(() => Promise.allSettled([consumer.disconnect(), admin.disconnect()]));
  const late = Promise.allSettled(storing).then(() => sleep(FAREWELL_MS, undefined, { signal: inTime.signal }));
  await Promise.race([gone, late]);
  inTime.abort();
  lose(member, new Error('the consumer is disconnected'));
}

function lose(member: Member, reason: Error): number {
  member.lost.abort(reason);
  member.lost = new AbortController();
  member.receivers.clear();
  member.generation++;
  return member.generation;
}

/** Synchronous until all partitions are paused: the first fetch comes right after. */
function join(member: Member, partitions: readonly number[]): void {
  const generation = lose(member, new Error('the group was joined anew'));
  const { topic } = member.options;
  if (partitions.length === 0) return;
  // Also where it is over: what it is given now it must not read.
  member.consumer.pause([{ topic, partitions: [...partitions] }]);
  if (!member.isOver) void assignAll(member, partitions, generation);
}

async function assignAll(member: Member, partitions: readonly number[], generation: number): Promise<void> {
  const { sink, consumer, admin, options } = member;
  const { topic } = options;
  while (member.generation === generation) {
    try {
      const ends = await readEnds(admin, options);
      await Promise.all(
        partitions.map(async (partition) => {
          const state = ends.find((end) => end.partition === partition);
          if (state === undefined) throw new Error(`the broker does not know partition=${partition}`);
          const receiver = await sink.assign(state);
          if (member.generation !== generation) return;
          member.receivers.set(partition, receiver);
          consumer.seek({ topic, partition, offset: String(receiver.offset) });
          if (state.committed !== receiver.offset) {
            const start = { topic, partition, offset: String(receiver.offset) };
            await commit(member, () => consumer.commitOffsets([start]));
          }
          if (member.generation !== generation) return;
          consumer.resume([{ topic, partitions: [partition] }]);
        }),
      );
      return;
    } catch (error) {
      sink.failed('cannot begin to read assigned partitions; trying again', error);
      await sleep(RETRY_MS);
    }
  }
}

async function handle(member: Member, payload: EachBatchPayload): Promise<void> {
  const { batch, heartbeat, resolveOffset, isStale, isRunning, commitOffsetsIfNecessary } = payload;
  const { generation, receivers, lost } = member;
  const receiver = receivers.get(batch.partition);
  // Not resolved: it will be fetched again from the position that is sought.
  if (receiver === undefined || isStale() || !isRunning()) return;
  const next = BigInt(batch.lastOffset()) + 1n;
  const work = receiver.receive(batch.messages.map(toInRecord), next, lost.signal);
  member.storing.add(work);
  const stored = () => member.storing.delete(work);
  work.then(stored, stored);
  const failure = await whileBeating(work, heartbeat, (reason) => lost.abort(reason));
  if (member.generation === generation) {
    resolveOffset(batch.lastOffset());
    // Not the consumer's own commit, which does nothing, without a word, once the consumer is told to stop.
    await commit(member, () => {
      const partitions = [{ partition: batch.partition, offset: String(next) }];
      return commitOffsetsIfNecessary({ topics: [{ topic: batch.topic, partitions }] });
    });
  }
  if (failure !== undefined) throw failure;
}

/** To the group: advisory, for the files and the journal have it already. */
async function commit({ sink }: Member, send: () => Promise<void>): Promise<void> {
  await send().catch((error: unknown) => {
    if (isRebalance(error)) throw error;
    sink.failed('cannot commit an offset to the group', error);
  });
}

/**
 * Keeps the membership alive while records are being stored. Resolves when they are, with the failure of a heartbeat if
 * there was one: it is passed on once what is stored is committed. Rejects when they are not stored.
 */
async function whileBeating(
  work: Promise<void>,
  heartbeat: () => Promise<void>,
  giveUp: (reason: Error) => void,
): Promise<Error | undefined> {
  const settled = new AbortController();
  const done = work.finally(() => settled.abort());
  done.catch(() => undefined);
  let failure: Error | undefined;
  while (!settled.signal.aborted && failure === undefined) {
    await sleep(HEARTBEAT_MS, undefined, { signal: settled.signal }).catch(() => undefined);
    if (settled.signal.aborted) break;
    await heartbeat().catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
      giveUp(failure);
    });
  }
  await done.catch((error: unknown) => {
    throw failure ?? error;
  });
  return failure;
}

function isRebalance(error: unknown): boolean {
  return ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'].includes(
    typeOf(error) ?? '',
  );
}

function toInRecord({ offset, timestamp, headers, value }: KafkaMessage): InRecord {
  const texts: Record<string, string> = {};
  for (const [name, raw] of Object.entries(headers ?? {})) {
    const first = Array.isArray(raw) ? raw[0] : raw;
    if (first !== undefined && first !== null) texts[name] = first.toString();
  }
  return { offset: BigInt(offset), timestamp: Number(timestamp), headers: texts, value };
}
