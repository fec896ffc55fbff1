import { beforeAll, expect, it } from 'vitest';
import { createCollector, until, whileConsuming } from '../../src/queue/collect.case.ts';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { batchOf } from '../../src/queue/queue-contract.case.ts';
import { createTestLog, kafkaOptions, kafkaQueue } from '../support/queues.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { withAdmin } from '../support/version2.ts';

/* Partitions that are added to the topic while the service runs. */

let brokers: readonly string[];
beforeAll(async () => {
  brokers = await sharedBrokers();
});

const WITHIN_MS = 20_000;

it.for([
  ['kafkajs', 'kafkajs'],
  ['platformatic', 'platformatic'],
  ['kafkajs', 'platformatic'],
  ['platformatic', 'kafkajs'],
] as const)(
  'are read and written without a restart: %s leads the group of %s',
  { timeout: 90_000 },
  async ([one, two], { onTestFinished }) => {
    const log = createTestLog();
    const options = { ...kafkaOptions(one, brokers, { partitions: 2, log }), topicMaxAgeMs: 1_000 };
    const [leader, other] = [kafkaQueue(options), kafkaQueue({ ...options, client: two })];
    onTestFinished(async () => {
      await Promise.all([leader.close(), other.close()]);
    });
    const { topic } = options;
    await leader.enqueue(batchOf([1, '{}']), { batchIds: ['p:0'] });
    const collector = createCollector();
    const partitionsOf = () => new Set(collector.items.map(({ partition }) => partition));
    await whileConsuming(leader, collector, async () => {
      await until(() => collector.ids().length === 1, 'the first is read');
      await whileConsuming(other, collector, async () => {
        const assigned = collector.assigned.length;
        await until(() => collector.assigned.length >= assigned + 2, 'both are members');
        await withAdmin(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] }));

        const foreign = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
        await foreign.connect();
        await foreign.send({ topic, messages: [{ value: '{"of":"another program"}', partition: 4 }] });
        await foreign.disconnect();
        await until(() => partitionsOf().has(4), 'the new partition is read', WITHIN_MS);

        let sequence = 1;
        const send = (queue: typeof leader) => {
          const batchIds = [`p:${sequence++}`];
          return queue.enqueue(batchOf([1, '{}']), { batchIds });
        };
        for (const queue of [leader, other]) {
          const before = collector.items.length;
          const seen = () => new Set(collector.items.slice(before).map(({ partition }) => partition));
          await until(
            async () => {
              await send(queue);
              return seen().size === 5;
            },
            'batches go to all partitions',
            WITHIN_MS,
          );
        }
        await until(() => new Set(collector.ids()).size === sequence, 'all are read');
        expect(collector.ids()).toHaveLength(sequence);
      });
    });
    expect(log.entries.filter((entry) => entry.startsWith('warn cannot send'))).toEqual([]);
  },
);
