import { createMemoryBroker } from '../../test/support/memory-broker.ts';
import { drivenQueue } from '../../test/support/queues.ts';
import { describeQueueContract } from './queue-contract.case.ts';

for (const format of ['ndjson', 'record'] as const) {
  describeQueueContract(`a queue over the broker in memory, format ${format}`, async () => {
    const broker = createMemoryBroker({ partitions: 3, maxMessageBytes: 20 * 1024 * 1024 });
    return {
      open: async () => drivenQueue(broker.driver(), { format }),
      tooLargeBytes: 21 * 1024 * 1024,
      dispose: async () => undefined,
    };
  });
}
