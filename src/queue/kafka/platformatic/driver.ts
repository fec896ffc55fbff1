import { Admin, ProduceAcks, Producer } from '@platformatic/kafka';
import {
  type Driver,
  type OutRecord,
  type Produced,
  recordBatchTooLarge,
  retryNotTaken,
  type TopicState,
} from '../driver.ts';
import { createReplaceable } from '../replaceable.ts';
import { createTopic, maxMessageBytesOf, partitionsOf, readEnds } from './admin.ts';
import { clientOptions, hasApiId, type PlatformaticOptions } from './client.ts';
import { consumeByPlatformatic } from './consumer.ts';

type Text = string;
type TextProducer = Producer<Text, Buffer, Text, Text>;

const serializers = {
  key: (text?: Text) => (text === undefined ? undefined : Buffer.from(text)),
  value: (value?: Buffer) => value,
  headerKey: (text?: Text) => Buffer.from(text ?? ''),
  headerValue: (text?: Text) => Buffer.from(text ?? ''),
};

export function createPlatformaticDriver(options: PlatformaticOptions): Driver {
  const { topic, sendTimeoutMs } = options;
  // After a request has timed out, a connection of this library no longer matches answers to requests: it must be replaced.
  const producers = createReplaceable<TextProducer>({
    open: async () => new Producer<Text, Buffer, Text, Text>({ ...clientOptions(options, sendTimeoutMs), serializers }),
    close: (producer) => producer.close(true),
  });
  const admins = createReplaceable<Admin>({
    open: async () => new Admin(clientOptions(options, sendTimeoutMs)),
    close: (admin) => admin.close(),
  });

  async function produce(partition: number, records: readonly OutRecord[]): Promise<Produced> {
    try {
      return await retryNotTaken(() => producers.use((producer) => send(producer, partition, records)), isNotTaken);
    } catch (error) {
      throw isTooLarge(error) ? recordBatchTooLarge(options, records, error) : error;
    }
  }

  async function send(producer: TextProducer, partition: number, records: readonly OutRecord[]): Promise<Produced> {
    await untilKnown(producer, partition);
    const { offsets = [] } = await producer.send({
      acks: options.requireAllAcks ? ProduceAcks.ALL : ProduceAcks.LEADER,
      compression: options.compression,
      messages: records.map(({ headers, value }) => ({ topic, partition, value, headers: { ...headers } })),
    });
    const [answer] = offsets;
    if (answer === undefined || offsets.length !== 1 || answer.topic !== topic) {
      throw new Error(`a send to topic=${topic} partition=${partition} was answered for ${offsets.length} partitions`);
    }
    return { partition: answer.partition, baseOffset: answer.offset };
  }

  /** The library sends to another partition, without a word, where its metadata is older than the partition. */
  async function untilKnown(producer: TextProducer, partition: number): Promise<void> {
    const count = async (forceUpdate: boolean) => {
      return (await producer.metadata({ topics: [topic], forceUpdate })).topics.get(topic)?.partitionsCount ?? 0;
    };
    if (partition < (await count(false)) || partition < (await count(true))) return;
    throw new UnknownPartitionError(`the broker does not know topic=${topic} partition=${partition} yet`);
  }

  async function topicState(): Promise<TopicState> {
    return admins.use(async (admin) => {
      const partitions = (await partitionsOf(admin, topic)) ?? (await createTopic(admin, options));
      return { partitions, maxMessageBytes: await maxMessageBytesOf(admin, options) };
    });
  }

  return {
    produce,
    topic: topicState,
    ends: () => admins.use((admin) => readEnds(admin, options)),
    consume: (sink) => consumeByPlatformatic({ options, sink, ensureTopic: topicState }),
    close: async () => {
      await Promise.all([producers.close(), admins.close()]);
    },
  };
}

class UnknownPartitionError extends Error {
  override readonly name = 'UnknownPartitionError';
}

function isNotTaken(error: unknown): boolean {
  if (error instanceof UnknownPartitionError) return true;
  return hasApiId(error, 'NOT_LEADER_OR_FOLLOWER') || hasApiId(error, 'LEADER_NOT_AVAILABLE');
}

function isTooLarge(error: unknown): boolean {
  return hasApiId(error, 'MESSAGE_TOO_LARGE') || hasApiId(error, 'RECORD_LIST_TOO_LARGE');
}
