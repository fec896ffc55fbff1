import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer } from '@platformatic/kafka';
import { beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { createCollector, until } from '../../src/queue/collect.case.ts';
import type { KafkaClient } from '../../src/queue/kafka/kafka-queue.ts';
import { Kafka } from '../../src/queue/kafka/kafkajs/library.ts';
import type { Consumption, Queue } from '../../src/queue/queue.ts';
import { batchOf } from '../../src/queue/queue-contract.case.ts';
import { findFaults, openPipeline, startSenders, type TestPipeline } from '../support/pipeline.ts';
import { createTestLog, kafkaOptions, kafkaQueue } from '../support/queues.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { eventually } from '../support/storage.ts';
import { awaitStored, createStream, readLag, withAdmin } from '../support/version2.ts';

/* What membership in the group may do to consumption: come and go, be slow, fail. */

let brokers: readonly string[];
beforeAll(async () => {
  brokers = await sharedBrokers();
});
/** A queue that ends with the test. */
function open(
  { onTestFinished }: TestContext,
  client: KafkaClient,
  options: Parameters<typeof kafkaOptions>[2] = {},
): Queue {
  const queue = kafkaQueue(kafkaOptions(client, brokers, options));
  onTestFinished(() => queue.close());
  return queue;
}

const clients = ['kafkajs', 'platformatic'] as const;

/** Makes so many commits of offsets fail, as where the coordinator is away for a moment. Gives how many are still to fail. */
function failCommits(client: KafkaClient, count: number, { onTestFinished }: TestContext): () => number {
  let left = count;
  const failing =
    <A extends unknown[], R>(commit: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> =>
      left-- > 0 ? Promise.reject(new Error('the coordinator is away')) : commit(...args);
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  if (client === 'platformatic') {
    const { commit } = Consumer.prototype;
    vi.spyOn(Consumer.prototype, 'commit').mockImplementation(function (this: Consumer, options) {
      return failing(commit.bind(this))(options);
    });
  } else {
    const { consumer: create } = Kafka.prototype;
    vi.spyOn(Kafka.prototype, 'consumer').mockImplementation(function (this: InstanceType<typeof Kafka>, config) {
      const consumer = create.call(this, config);
      const { run } = consumer;
      consumer.commitOffsets = failing(consumer.commitOffsets);
      consumer.run = ({ eachBatch, ...rest } = {}) =>
        run({
          ...rest,
          eachBatch: async (payload) =>
            eachBatch?.({ ...payload, commitOffsetsIfNecessary: failing(payload.commitOffsetsIfNecessary) }),
        });
      return consumer;
    });
  }
  return () => Math.max(left, 0);
}

describe.each(clients)('a member of the group, by %s', { timeout: 120_000 }, (client) => {
  it('comes and goes all the time, and every batch is stored once', async (context) => {
    const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_CONSUMERS: '2' });
    const dir = await mkdtemp(join(tmpdir(), 'logforge-storm-'));
    context.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const pipeline: TestPipeline = await openPipeline({ dir, env: stream.env });
    context.onTestFinished(async () => {
      await pipeline.stop(10_000);
    });
    // Another process of the group, with a data directory of its own, that joins and leaves.
    const other = await mkdtemp(join(tmpdir(), 'logforge-storm-'));
    context.onTestFinished(() => rm(other, { recursive: true, force: true }));
    const senders = startSenders(pipeline.deliver, { senders: 4 });
    for (let round = 0; round < 6; round++) {
      const guest = await openPipeline({ dir: other, env: stream.env });
      await sleep(700);
      expect(await guest.stop(20_000)).toBe(true);
    }
    await senders.stop();
    await awaitStored(stream);
    expect(senders.refused).toEqual([]);
    expect(await findFaults([dir, other], senders.acknowledged)).toEqual([]);
    expect(pipeline.fatal).toEqual([]);
  });

  it('keeps its partitions while it stores for longer than a session lasts', async (context) => {
    const queue = open(context, client, { partitions: 2, sessionTimeoutMs: 3_000 });
    for (let index = 0; index < 4; index++) await queue.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`] });
    const collector = createCollector({ store: () => sleep(5_000) });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length >= 4, 'all are stored');
    await queue.enqueue(batchOf([1, '{}']), { batchIds: ['p:4'] });
    await until(() => collector.ids().length >= 5, 'the next is stored');
    await consumption.stop();
    expect(collector.ids().sort()).toEqual(['p:0', 'p:1', 'p:2', 'p:3', 'p:4']);
    expect(collector.assigned).toHaveLength(2);
  });

  it('is told later what it could not be told, though nothing more comes', async (context) => {
    const failures = failCommits(client, 3, context);
    const options = kafkaOptions(client, brokers, { partitions: 1 });
    const queue = kafkaQueue(options);
    context.onTestFinished(() => queue.close());
    await queue.enqueue(batchOf([1, '{}']), { batchIds: ['p:0'] });
    const collector = createCollector();
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === 1, 'it is stored');
    const lag = () => withAdmin(brokers, (admin) => readLag(admin, options));
    await eventually(async () => expect(await lag()).toBe(0));
    expect(failures()).toBe(0);
    await consumption.stop();
  });

  it('gives its partitions up while storage fails when another joins, and what it had is delivered there', async (context) => {
    const queue = open(context, client, { partitions: 2 });
    for (let index = 0; index < 6; index++) await queue.enqueue(batchOf([1, '{}']), { batchIds: [`p:${index}`] });
    let failing = true;
    const slow = createCollector({
      store: async (_, signal) => {
        while (failing) {
          signal.throwIfAborted();
          await sleep(50);
        }
      },
    });
    const first = queue.consume(slow);
    await until(() => slow.assigned.length >= 2, 'the first member has both partitions');
    const collector = createCollector();
    const second: Consumption = queue.consume(collector);
    await until(() => collector.ids().length === 3, 'the second member stores its share');
    failing = false;
    await until(() => slow.ids().length === 3, 'the first member stores the rest');
    await Promise.all([first.stop(), second.stop()]);
    expect([...collector.ids(), ...slow.ids()].sort()).toEqual(['p:0', 'p:1', 'p:2', 'p:3', 'p:4', 'p:5']);
  });

  it('has committed what it stored before it gives a partition up', async (context) => {
    const options = kafkaOptions(client, brokers, { partitions: 1 });
    const [one, two] = [kafkaQueue(options), kafkaQueue(options)];
    context.onTestFinished(async () => {
      await Promise.all([one.close(), two.close()]);
    });
    await one.enqueue(batchOf([1, '{}']), { batchIds: ['p:0'] });
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const holder = createCollector({
      // Storage that does not heed the signal: an append that is under way.
      store: async () => {
        begun.resolve();
        await finish.promise;
      },
    });
    const first = one.consume(holder);
    await begun.promise;
    const successor = createCollector();
    const second = two.consume(successor);
    await sleep(2_000);
    expect(successor.assigned).toEqual([]);
    finish.resolve();
    await until(() => holder.ids().length === 1, 'it is stored');
    await first.stop();
    await until(() => successor.assigned.length > 0, 'the other has the partition');
    expect(successor.assigned[0]?.committed).toBe(1n);
    await second.stop();
    expect(successor.ids()).toEqual([]);
  });

  it('says where it will read before it has read anything', async (context) => {
    const options = kafkaOptions(client, brokers, { partitions: 3 });
    const queue = kafkaQueue(options);
    context.onTestFinished(() => queue.close());
    await queue.enqueue(batchOf([1, '{}']));
    const { topic, groupId } = options;
    const committed = () =>
      withAdmin(brokers, async (admin) => {
        const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
        return group?.partitions.map(({ offset }) => offset).sort();
      });
    // Looking at the lag writes nothing to the group. Some partition may have no leader yet.
    await eventually(() => queue.lag());
    expect(await committed()).toEqual(['-1', '-1', '-1']);
    const collector = createCollector({ store: (_, signal) => sleep(60_000, undefined, { signal }) });
    const consumption = queue.consume(collector);
    await eventually(async () => expect(await committed()).toEqual(['0', '0', '0']), 20_000);
    await consumption.stop();
  });

  it('tries a broker that is not there for as long as it takes, and stops when told to', async () => {
    const log = createTestLog();
    const queue = kafkaQueue(kafkaOptions(client, ['127.0.0.1:1'], { log, sendTimeoutMs: 1_000 }));
    const collector = createCollector();
    const consumption = queue.consume(collector);
    await eventually(() => {
      expect(log.entries.filter((entry) => entry.startsWith('warn')).length).toBeGreaterThanOrEqual(2);
    }, 20_000);
    await expect(queue.check()).rejects.toThrow();
    await consumption.stop();
    await queue.close();
    expect(collector.failures).toEqual([]);
  });
});

describe.each(clients)('a consumer that fails, by %s', { timeout: 60_000 }, (client) => {
  it('ends the process where no later try mends it: the group is of another kind', async (context) => {
    const options = kafkaOptions(client, brokers, { partitions: 1 });
    const queue = kafkaQueue(options);
    context.onTestFinished(() => queue.close());
    await queue.enqueue(batchOf([1, '{}']));
    const { topic, groupId } = options;
    const protocols = [{ name: 'another', version: 1 }];
    const stranger = new Consumer({ clientId: 'test', bootstrapBrokers: [...brokers], groupId, protocols });
    context.onTestFinished(() => stranger.close(true));
    stranger.topics.track(topic);
    await stranger.joinGroup({});
    const collector = createCollector();
    queue.consume(collector);
    await until(() => collector.failures.length > 0, 'it is told');
    expect(collector.failures).toHaveLength(1);
    expect(collector.assigned).toEqual([]);
  });

  it('tries again what failed for a defect of ours, and does not skip it', async (context) => {
    const log = createTestLog();
    const queue = open(context, client, { partitions: 1, log });
    for (const id of ['p:0', 'p:1']) await queue.enqueue(batchOf([1, '{}']), { batchIds: [id] });
    let tries = 0;
    const collector = createCollector({
      store: async () => {
        if (++tries < 3) throw new TypeError('a defect of ours');
      },
    });
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === 2, 'both are stored');
    await consumption.stop();
    expect(collector.ids()).toEqual(['p:0', 'p:1']);
    expect(collector.failures).toEqual([]);
  });
});

describe('kafkajs as it is loaded', () => {
  it('checks record batches natively, and the broker agrees', async (context) => {
    const queue = open(context, 'kafkajs');
    const line = JSON.stringify({ text: 'é'.repeat(1_000) });
    await queue.enqueue(batchOf([1, ...Array(2_000).fill(line)]), { batchIds: ['p:0'] });
    const collector = createCollector();
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === 1, 'it comes');
    await consumption.stop();
    expect(collector.batches()[0]?.batch[0]?.lines.toString()).toBe(`${line}\n`.repeat(2_000));
  });

  it('sends the largest batch of the format record in no time to speak of, and reads it back', async (context) => {
    const queue = open(context, 'kafkajs', { format: 'record', partitions: 1 });
    const begin = performance.now();
    await queue.enqueue(batchOf([1, ...Array(99_999).fill('{}')]), { batchIds: ['p:0'] });
    // By itself it takes over a minute for that, in one go.
    expect(performance.now() - begin).toBeLessThan(20_000);
    const collector = createCollector();
    const consumption = queue.consume(collector);
    await until(() => collector.ids().length === 1, 'it comes', 60_000);
    await consumption.stop();
    expect(collector.batches()[0]?.batch[0]?.count).toBe(99_999);
  });
});
