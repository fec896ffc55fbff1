import type { Admin, Consumer } from 'kafkajs';
import type { RecordReceiver, RecordSink } from '../driver.ts';
import { typeOf } from './admin.ts';
import { createKafkaJs, type KafkaJsOptions } from './client.ts';

const HEARTBEAT_MS = 1_000;
const TELL_AGAIN_MS = 1_000;
const MIN_REQUEST_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 30_000;

/** One kafkajs consumer, from its creation until it has left the group. */
export interface Member {
  readonly options: KafkaJsOptions;
  readonly sink: RecordSink;
  readonly consumer: Consumer;
  readonly admin: Admin;
  /** One more with every join. Work that began under an older one must not touch a partition any more. */
  generation: number;
  /** The assigned partitions, by number. */
  readonly readers: Map<number, Reader>;
  /** Aborts when the partitions are lost. */
  lost: AbortController;
  /** Deliveries that are being stored. */
  readonly storing: Set<Promise<unknown>>;
  /** Offsets that the group could not be told, by partition. */
  readonly untold: Map<number, bigint>;
  readonly crashed: Promise<Crash>;
  /** Settles when it has joined, or failed to. */
  started: Promise<void>;
  isOver: boolean;
}

/** A partition that is being read. */
export interface Reader {
  readonly receiver: RecordReceiver;
  /** Runs while records wait for more of the partition. */
  stall: NodeJS.Timeout | undefined;
}

export interface Crash {
  readonly error: Error;
  /** Whether a new consumer may succeed. */
  readonly retriable: boolean;
}

export function createMember({
  options,
  sink,
}: {
  readonly options: KafkaJsOptions;
  readonly sink: RecordSink;
}): Member {
  const { fetch, groupId, sessionTimeoutMs, topicMaxAgeMs } = options;
  const requestTimeout = Math.max(MIN_REQUEST_TIMEOUT_MS, fetch.maxWaitMs * 2);
  const consumer = createKafkaJs(options, requestTimeout, { initialRetryTime: 100, maxRetryTime: 2_000 }).consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: Math.min(HEARTBEAT_MS, sessionTimeoutMs / 3),
    // With each fetch it compares the topic with its assignment, and joins again when partitions were added.
    metadataMaxAge: topicMaxAgeMs,
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
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => resolve({ error, retriable: !isPermanent(error) }));
  const admin = createKafkaJs(options, options.sendTimeoutMs, { retries: 2, initialRetryTime: 100 }).admin();
  return {
    options,
    sink,
    consumer,
    admin,
    generation: 0,
    readers: new Map(),
    lost: new AbortController(),
    storing: new Set(),
    untold: new Map(),
    crashed,
    started: Promise.resolve(),
    isOver: false,
  };
}

const PERMANENT = [
  ...['GROUP_AUTHORIZATION_FAILED', 'TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'],
  ...['SASL_AUTHENTICATION_FAILED', 'UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE'],
  ...['INCONSISTENT_GROUP_PROTOCOL', 'INVALID_SESSION_TIMEOUT'],
];

/** kafkajs also gives up for failures that an outage brings and that pass, such as a coordinator not found. These stay. */
function isPermanent(error: Error): boolean {
  return PERMANENT.includes(typeOf(error) ?? '') || error.name === 'KafkaJSSASLAuthenticationError';
}

/** Ends what the member does with its partitions. Returns the number of the next generation. */
export function lose(member: Member, reason: Error): number {
  member.lost.abort(reason);
  member.lost = new AbortController();
  for (const { stall } of member.readers.values()) clearTimeout(stall);
  member.readers.clear();
  member.untold.clear();
  member.generation++;
  return member.generation;
}

/**
 * Tells the group the offset of a partition. Advisory: the journal has it already. What fails is told again until it succeeds, since the group
 * would seem to be behind where nothing more comes. Rejects only when the group is being joined again.
 */
export async function commit(
  member: Member,
  partition: number,
  offset: bigint,
  send: () => Promise<void> = () => tell(member, partition, offset),
): Promise<void> {
  member.untold.delete(partition);
  try {
    await send();
  } catch (error) {
    if (isRebalance(error)) throw error;
    member.sink.failed('cannot commit an offset to the group', error);
    member.untold.set(partition, offset);
    const { generation } = member;
    const timer = setTimeout(() => {
      const isLatest = member.generation === generation && member.untold.get(partition) === offset;
      // A join that is under way tells the group by itself.
      if (isLatest && !member.isOver) void commit(member, partition, offset).catch(() => undefined);
    }, TELL_AGAIN_MS);
    timer.unref();
  }
}

function tell({ consumer, options: { topic } }: Member, partition: number, offset: bigint): Promise<void> {
  return consumer.commitOffsets([{ topic, partition, offset: String(offset) }]);
}

function isRebalance(error: unknown): boolean {
  return ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'].includes(
    typeOf(error) ?? '',
  );
}
