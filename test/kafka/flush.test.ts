import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { createCollector, until, whileConsuming } from '../../src/queue/collect.case.ts';
import type { KafkaQueueOptions } from '../../src/queue/kafka/kafka-queue.ts';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import type { Delivery, Queue } from '../../src/queue/queue.ts';
import { batchOf } from '../../src/queue/queue-contract.case.ts';
import { kafkaOptions, kafkaQueue } from '../support/queues.ts';
import { sharedBrokers } from '../support/shared-broker.ts';

/* consumer.flushBytes and consumer.flushInterval: how much of a partition is stored in one commit, and when. */

let brokers: readonly string[];
beforeAll(async () => {
  brokers = await sharedBrokers();
});

const BATCHES = 12;
const LINE = JSON.stringify({ text: 'x'.repeat(3_000) });
/** A fetch brings one batch. */
const SMALL_FETCHES = { minBytes: 1, maxWaitMs: 100, maxBytesPerPartition: 1_024, maxBytes: 1_024 };
const HOUR_MS = 3_600_000;

const ids = Array.from({ length: BATCHES }, (_, index) => `p:${index}`);

/** A queue of one partition that holds the batches. */
async function openFilled(
  { onTestFinished }: TestContext,
  client: 'kafkajs' | 'platformatic',
  given: Pick<KafkaQueueOptions, 'flush'> & Partial<KafkaQueueOptions>,
): Promise<Queue> {
  const queue = kafkaQueue(kafkaOptions(client, brokers, { partitions: 1, fetch: SMALL_FETCHES, ...given }));
  onTestFinished(() => queue.close());
  for (const id of ids) await queue.enqueue(batchOf([1, LINE]), { batchIds: [id] });
  return queue;
}

/** Another producer's transaction that stays open: the broker announces records that it does not give out. */
async function openTransaction({ onTestFinished }: TestContext, topic: string): Promise<void> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const transaction = await producer.transaction();
  onTestFinished(() => transaction.abort());
  await transaction.send({ topic, messages: [{ value: 'not committed', partition: 0 }] });
}

function sizesOf(deliveries: readonly Delivery[]): number[] {
  return deliveries.map(({ items }) => items.length);
}

const committed = async (queue: Queue) => (await queue.lag()).map((partition) => Number(partition.committed));

describe.each(['kafkajs', 'platformatic'] as const)('what is consumed by %s', { timeout: 60_000 }, (client) => {
  it('is stored in one commit when it has caught up, however many fetches brought it', async (context) => {
    const queue = await openFilled(context, client, { flush: { bytes: 1e9, intervalMs: HOUR_MS } });
    const deliveries: Delivery[] = [];
    const collector = createCollector({ store: async (delivery) => void deliveries.push(delivery) });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === BATCHES, 'all are stored');
    // What comes alone does not wait for company.
    await queue.enqueue(batchOf([1, LINE]), { batchIds: ['p:99'] });
    const begin = performance.now();
    await until(() => collector.ids().length === BATCHES + 1, 'the last is stored');
    expect(performance.now() - begin).toBeLessThan(5_000);
    await consumption.stop();
    expect(sizesOf(deliveries)).toEqual([BATCHES, 1]);
    expect(collector.ids()).toEqual([...ids, 'p:99']);
    expect(await committed(queue)).toEqual([BATCHES + 1]);
  });

  it('is stored in commits of consumer.flushBytes', async (context) => {
    const queue = await openFilled(context, client, { flush: { bytes: 10_000, intervalMs: HOUR_MS } });
    const deliveries: Delivery[] = [];
    const collector = createCollector({ store: async (delivery) => void deliveries.push(delivery) });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === BATCHES, 'all are stored');
    await consumption.stop();
    expect(sizesOf(deliveries)).toEqual([4, 4, 4]);
    expect(collector.ids()).toEqual(ids);
  });

  it('is stored once consumer.flushInterval has passed', async (context) => {
    const queue = await openFilled(context, client, { flush: { bytes: 1e9, intervalMs: 1 } });
    const deliveries: Delivery[] = [];
    const collector = createCollector({
      store: async (delivery) => {
        deliveries.push(delivery);
        await sleep(5);
      },
    });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === BATCHES, 'all are stored');
    await consumption.stop();
    expect(deliveries.length).toBeGreaterThan(2);
    expect(collector.ids()).toEqual(ids);
  });

  it('is read again from its first message when storing it failed', async (context) => {
    const queue = await openFilled(context, client, { flush: { bytes: 10_000, intervalMs: HOUR_MS } });
    let tries = 0;
    const collector = createCollector({
      store: async () => {
        if (++tries <= 2) throw new TypeError('a defect of ours');
      },
    });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === BATCHES, 'all are stored');
    await consumption.stop();
    expect(collector.ids()).toEqual(ids);
    expect(await committed(queue)).toEqual([BATCHES]);
  });

  it('is stored although the broker announces more and gives nothing', async (context) => {
    const topic = `logs-${randomUUID()}`;
    const queue = await openFilled(context, client, { topic, flush: { bytes: 1e9, intervalMs: HOUR_MS } });
    await openTransaction(context, topic);
    const collector = createCollector();
    await whileConsuming(queue, collector, () => until(() => collector.ids().length === BATCHES, 'all are stored'));
    expect(collector.ids()).toEqual(ids);
    expect(await committed(queue)).toEqual([BATCHES]);
  });

  it('is stored at a stop, also when it waits for more', async (context) => {
    const topic = `logs-${randomUUID()}`;
    const fetch = { minBytes: 1, maxWaitMs: 800, maxBytesPerPartition: 1e6, maxBytes: 1e6 };
    const queue = await openFilled(context, client, { topic, fetch, flush: { bytes: 1e9, intervalMs: HOUR_MS } });
    await openTransaction(context, topic);
    const collector = createCollector();
    const consumption = queue.consume(collector);
    await until(() => collector.assigned.length === 1, 'the partition is assigned');
    // kafkajs fetches nothing for so long where all was paused when it began.
    await sleep(client === 'kafkajs' ? 1_100 : 300);
    await consumption.stop();
    expect(collector.ids()).toEqual(ids);
    expect(await committed(queue)).toEqual([BATCHES]);
  });
});
