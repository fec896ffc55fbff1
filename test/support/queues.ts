import { randomUUID } from 'node:crypto';
import type { Log } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import type { Driver } from '../../src/queue/kafka/driver.ts';
import {
  createDrivenQueue,
  createKafkaQueue,
  type KafkaClient,
  type KafkaQueueOptions,
} from '../../src/queue/kafka/kafka-queue.ts';
import type { Queue } from '../../src/queue/queue.ts';

/** A log that keeps what is said, as `level message`. */
export function createTestLog(): Log & { readonly entries: string[] } {
  const entries: string[] = [];
  const write = (level: string) => (message: string) => void entries.push(`${level} ${message}`);
  const log = {
    entries,
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: () => log,
  };
  return log;
}

const tuning = {
  stream: 'access',
  format: 'ndjson',
  batchBytes: 900 * 1024,
  batchTimeoutMs: 2,
  maxWaitingBytes: 64 * 1024 * 1024,
  topicMaxAgeMs: 60_000,
  flush: { bytes: 4 * 1024 * 1024, intervalMs: 500 },
} as const;

export function drivenQueue(driver: Driver, options: Partial<Parameters<typeof createDrivenQueue>[0]> = {}): Queue {
  return createDrivenQueue({
    driver,
    topic: 'logs',
    compressed: false,
    ...tuning,
    watchMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createTestLog(),
    ...options,
  });
}

/** Options for a topic and a group of a test's own. */
export function kafkaOptions(
  client: KafkaClient,
  brokers: readonly string[],
  options: Partial<KafkaQueueOptions> = {},
): KafkaQueueOptions {
  const name = randomUUID();
  return {
    client,
    brokers,
    clientId: 'test',
    topic: `logs-${name}`,
    groupId: `group-${name}`,
    partitions: 3,
    replication: 1,
    maxMessageBytes: 20 * 1024 * 1024,
    compression: 'none',
    requireAllAcks: true,
    sendTimeoutMs: 5_000,
    sessionTimeoutMs: 6_000,
    fetch: { minBytes: 1, maxWaitMs: 100, maxBytesPerPartition: 4 * 1024 * 1024, maxBytes: 16 * 1024 * 1024 },
    ...tuning,
    watchMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log: createTestLog(),
    ...options,
  };
}

export function kafkaQueue(options: KafkaQueueOptions): Queue {
  return createKafkaQueue(options);
}
