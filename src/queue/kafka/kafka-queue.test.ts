import { kafkaOptions, kafkaQueue } from '../../../test/support/queues.ts';
import { sharedBrokers } from '../../../test/support/shared-broker.ts';
import { describeQueueContract } from '../queue-contract.case.ts';
import { KAFKA_CLIENTS } from './kafka-queue.ts';

for (const client of KAFKA_CLIENTS) {
  describeQueueContract(`a queue over Kafka by ${client}`, async () => {
    const options = kafkaOptions(client, await sharedBrokers());
    return {
      open: async () => kafkaQueue(options),
      tooLargeBytes: 21 * 1024 * 1024,
      dispose: async () => undefined,
    };
  });
}
