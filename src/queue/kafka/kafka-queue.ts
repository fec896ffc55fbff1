import { randomUUID } from 'node:crypto';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { createBatchIds } from '../../model/batch-id.ts';
import { type Clock, systemClock } from '../../model/clock.ts';
import type { Consumption, PartitionLag, Queue, QueueHandler } from '../queue.ts';
import type { Driver, DriverConsumption, DriverOptions, PartitionEnds } from './driver.ts';
import { createKafkaJsDriver } from './kafkajs/driver.ts';
import { createLagWatch } from './lag-watch.ts';
import type { MessageFormat } from './message.ts';
import { createPlatformaticDriver } from './platformatic/driver.ts';
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
}

export interface QueueTuning {
  readonly format: MessageFormat;
  /** Waiting batches are joined to messages of up to this size, bytes. */
  readonly batchBytes: number;
  /** How long a batch waits for others when nothing is being sent, ms. */
  readonly batchTimeoutMs: number;
  /** Bytes that may wait for the broker in all; beyond, batches are refused. */
  readonly maxWaitingBytes: number;
  /** When consumed messages are stored. */
  readonly flush: FlushLimits;
  /** How often the group's lag and the broker's health are looked at, ms. */
  readonly watchMs: number;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A queue on a Kafka topic. Connects when it is first used: a broker that is away fails calls, not the start. */
export function createKafkaQueue(options: KafkaQueueOptions): Queue {
  const driver = DRIVERS[options.client](options);
  return createDrivenQueue({ ...options, driver, topic: options.topic, compressed: options.compression !== 'none' });
}

/** What is common to all drivers: see driver.ts. */
export function createDrivenQueue(
  options: QueueTuning & { readonly driver: Driver; readonly topic: string; readonly compressed: boolean },
): Queue {
  const { driver, topic, metrics, log, clock = systemClock } = options;
  const now = () => performance.now();
  const sender = new Sender({
    ...{ driver, metrics, log, format: options.format, targetBytes: options.batchBytes },
    ...{ compressed: options.compressed, lingerMs: options.batchTimeoutMs, maxWaitingBytes: options.maxWaitingBytes },
  });
  const nextId = createBatchIds(randomUUID());
  const consumptions = new Set<DriverConsumption>();
  const watch = createLagWatch({ ends: () => driver.ends(), metrics, clock, everyMs: options.watchMs });
  let closing: Promise<void> | undefined;

  function consume(handler: QueueHandler): Consumption {
    const consumption = driver.consume({
      assign: async (ends) => {
        const assignment = await handler.assign({ ...ends, topic });
        return createReceiver({ topic, partition: ends.partition, assignment, flush: options.flush, now });
      },
      failed: (what, err) => {
        metrics.kafkaConsumerErrors.inc();
        log.warn(what, { err, fold: what });
      },
      fatal: (error) => handler.fatal(error),
    });
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
    await Promise.all(Array.from(consumptions, (consumption) => consumption.stop()));
    await sender.close();
    await driver.close();
  }

  return {
    enqueue: (batch, note = {}) => {
      const { idempotency, deadLetters, batchIds: [id = nextId()] = [] } = note;
      const extra = {
        ...(idempotency !== undefined && { idempotency }),
        ...(deadLetters !== undefined && { deadLetters }),
      };
      return sender.send({ id, batch, ...extra });
    },
    consume,
    lag: async () => (await watch.look()).map(toLag),
    check: async () => {
      try {
        await driver.topic();
        metrics.kafkaUp.set(1);
      } catch (error) {
        metrics.kafkaUp.set(0);
        throw error;
      }
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function toLag({ partition, committed, low, high }: PartitionEnds): PartitionLag {
  const from = committed ?? low;
  return { partition, committed: from, high, messages: Number(high > from ? high - from : 0n) };
}
