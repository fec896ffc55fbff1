import { randomUUID } from 'node:crypto';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { createBatchIds } from '../../model/batch-id.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import type { StreamName } from '../../model/stream.ts';
import type { Consumption, PartitionLag, Queue, QueueHandler } from '../queue.ts';
import { leaveForDead } from './dead-members.ts';
import type { Driver, DriverConsumption, DriverOptions, PartitionEnds, RecordSink } from './driver.ts';
import { createKafkaJsDriver } from './kafkajs/driver.ts';
import { createLagWatch } from './lag-watch.ts';
import { openMemberIds } from './member-ids.ts';
import type { MessageFormat } from './message.ts';
import { createPlatformaticDriver } from './platformatic/driver.ts';
import { openGroupAdmin } from './platformatic/group-admin.ts';
import { createReceiver, type FlushLimits } from './receiver.ts';
import { Sender } from './sender.ts';

export const KAFKA_CLIENTS = ['kafkajs', 'platformatic'] as const;
export type KafkaClient = (typeof KAFKA_CLIENTS)[number];

const DRIVERS: Record<KafkaClient, (options: DriverOptions & { readonly log: Log }) => Driver> = {
  kafkajs: createKafkaJsDriver,
  platformatic: createPlatformaticDriver,
};

export interface KafkaQueueOptions extends DriverOptions, QueueTuning {
  readonly client: KafkaClient;
  /** The state folder, where the ids of the consumers are kept (member-ids.ts). The caller holds its lock. */
  readonly stateDir?: string;
}

export interface QueueTuning {
  /** The stream whose batches go through the queue: no other is given to it. */
  readonly stream: StreamName;
  readonly format: MessageFormat;
  /** Waiting batches share messages of up to this size, bytes. */
  readonly batchBytes: number;
  /** How long a batch waits for others when nothing is being sent, ms. */
  readonly batchTimeoutMs: number;
  /** Bytes that may wait for the broker in all; batches beyond that are refused. */
  readonly maxWaitingBytes: number;
  /** See DriverOptions. */
  readonly topicMaxAgeMs: number;
  /** When consumed messages are stored. */
  readonly flush: FlushLimits;
  /** How often the group's lag and the broker's health are checked, ms. */
  readonly watchMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface DrivenQueueOptions extends QueueTuning {
  readonly driver: Driver;
  readonly topic: string;
  /** Whether the driver compresses what it sends. */
  readonly compressed: boolean;
  /** Absent: a consumer that dies is noticed when its session expires. */
  readonly members?: Membership | undefined;
}

/** The ids under which this process is in the group. */
interface Membership {
  /** Leaves the group for the consumers of the process before. Never rejects. */
  leaveForDead(signal: AbortSignal): Promise<void>;
  joined(memberId: string): void;
}

/** A queue on a Kafka topic. Connects when it is first used: an unavailable broker fails calls, not the start. */
export function createKafkaQueue(options: KafkaQueueOptions): Queue {
  const driver = DRIVERS[options.client](options);
  const { topic, compression } = options;
  return createDrivenQueue({
    ...options,
    driver,
    topic,
    compressed: compression !== 'none',
    members: createMembership(options),
  });
}

function createMembership(options: KafkaQueueOptions): Membership | undefined {
  const { stateDir, stream, groupId, log } = options;
  if (stateDir === undefined) return undefined;
  const ids = openMemberIds({ stateDir, stream, groupId, log });
  return {
    leaveForDead: (signal) => leaveForDead({ ids, openAdmin: () => openGroupAdmin(options), log, signal }),
    joined: (memberId) => ids.add(memberId),
  };
}

/** What is common to all drivers: see driver.ts. */
export function createDrivenQueue(options: DrivenQueueOptions): Queue {
  const { driver, topic, compressed, format, metrics, log, clock = systemClock } = options;
  const sender = new Sender({
    driver,
    topic,
    metrics,
    log,
    format,
    compressed,
    targetBytes: options.batchBytes,
    lingerMs: options.batchTimeoutMs,
    maxWaitingBytes: options.maxWaitingBytes,
    topicMaxAgeMs: options.topicMaxAgeMs,
  });
  const nextId = createBatchIds(randomUUID());
  const watch = createLagWatch({ topic, ends: () => driver.ends(), metrics, clock, everyMs: options.watchMs });
  const consumptions = new Set<DriverConsumption>();
  const closed = new AbortController();
  let leaving: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  function consume(handler: QueueHandler): Consumption {
    leaving ??= options.members?.leaveForDead(closed.signal);
    const consumption = driver.consume(toSink(handler, options));
    consumptions.add(consumption);
    watch.start();
    return {
      stop: async () => {
        consumptions.delete(consumption);
        await consumption.stop();
      },
    };
  }

  async function close(): Promise<void> {
    watch.stop();
    closed.abort();
    await Promise.all([leaving, ...Array.from(consumptions, (consumption) => consumption.stop())]);
    await sender.close();
    await driver.close();
  }

  return {
    enqueue: (batch, { idempotency, deadLetters, batchIds: [id = nextId()] = [] } = {}) =>
      sender.send({
        id,
        batch,
        ...(idempotency !== undefined && { idempotency }),
        ...(deadLetters !== undefined && { deadLetters }),
      }),
    consume,
    lag: async () => (await watch.check()).map(toLag),
    check: () => checkTopic(driver, metrics),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** What a driver reads goes to the handler, partition by partition, collected by `flush`. */
function toSink(
  handler: QueueHandler,
  { stream, topic, flush, metrics, log, members }: DrivenQueueOptions,
): RecordSink {
  return {
    joined: (memberId) => members?.joined(memberId),
    assign: async (ends) => {
      const { partition } = ends;
      const assignment = await handler.assign({ ...ends, topic });
      return createReceiver({ stream, topic, partition, assignment, flush, now: () => performance.now() });
    },
    failed: (what, err) => {
      metrics.kafkaConsumerErrors.inc();
      log.warn(what, { topic, err, fold: what });
    },
    fatal: (error) => handler.fatal(error),
  };
}

async function checkTopic(driver: Driver, metrics: Metrics): Promise<void> {
  try {
    await driver.topic();
    metrics.kafkaUp.set(1);
  } catch (error) {
    metrics.kafkaUp.set(0);
    throw error;
  }
}

function toLag({ partition, committed, low, high }: PartitionEnds): PartitionLag {
  const from = committed ?? low;
  return { partition, committed: from, high, messages: Number(high > from ? high - from : 0n) };
}
