import type { Admin, Producer } from 'kafkajs';
import { BatchTooLargeError } from '../../../model/deliver.ts';
import {
  type Compression,
  type Driver,
  type OutRecord,
  type Produced,
  retryNotTaken,
  type TopicState,
} from '../driver.ts';
import { createReplaceable } from '../replaceable.ts';
import { createTopic, maxMessageBytesOf, partitionsOf, readEnds, typeOf } from './admin.ts';
import { createKafkaJs, type KafkaJsOptions } from './client.ts';
import { consumeByKafkaJs } from './consumer.ts';
import { CompressionTypes } from './library.ts';

/*
 * kafkajs 2.2.4 is no longer maintained. What keeps its known defects away here: one partition a send, named in every
 * message, and the answer checked (by the sender); no retries of its own, which would resend behind our back; a client
 * of its own for each use; a producer that failed is put away, with its connections, for a new one.
 */

const COMPRESSION: Record<Compression, number> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
};

export function createKafkaJsDriver(options: KafkaJsOptions): Driver {
  const { topic, sendTimeoutMs } = options;
  const producers = createReplaceable<Producer>({
    open: async () => {
      const producer = createKafkaJs(options, sendTimeoutMs, { retries: 0 }).producer({
        allowAutoTopicCreation: false,
        createPartitioner: () => (args) => args.message.partition ?? 0,
      });
      await producer.connect();
      return producer;
    },
    close: (producer) => producer.disconnect(),
  });
  const admins = createReplaceable<Admin>({
    open: async () => {
      const admin = createKafkaJs(options, sendTimeoutMs, { retries: 0 }).admin();
      await admin.connect();
      return admin;
    },
    close: (admin) => admin.disconnect(),
  });

  async function produce(partition: number, records: readonly OutRecord[]): Promise<Produced> {
    try {
      return await retryNotTaken(() => producers.use((producer) => send(producer, partition, records)), isNotTaken);
    } catch (error) {
      throw isTooLarge(error) ? tooLarge(records, error) : error;
    }
  }

  async function send(producer: Producer, partition: number, records: readonly OutRecord[]): Promise<Produced> {
    const answers = await producer.send({
      topic,
      acks: options.requireAllAcks ? -1 : 1,
      timeout: sendTimeoutMs,
      compression: COMPRESSION[options.compression],
      messages: records.map(({ headers, value }) => ({ partition, value, headers })),
    });
    const [answer] = answers;
    if (answer === undefined || answers.length !== 1 || answer.topicName !== topic || answer.errorCode !== 0) {
      throw new Error(`a send to topic=${topic} partition=${partition} was answered ${JSON.stringify(answers)}`);
    }
    return { partition: answer.partition, baseOffset: BigInt(answer.baseOffset ?? -1) };
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
    consume: (sink) => consumeByKafkaJs({ options, sink, ensureTopic: topicState }),
    close: async () => {
      await Promise.all([producers.close(), admins.close()]);
    },
  };
}

function tooLarge(records: readonly OutRecord[], cause: unknown): BatchTooLargeError {
  const bytes = records.reduce((sum, record) => sum + record.value.length, 0);
  return new BatchTooLargeError('the record batch is larger than the topic takes', { bytes, limit: 0, cause });
}

function isNotTaken(error: unknown): boolean {
  return ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'].includes(typeOf(error) ?? '');
}

function isTooLarge(error: unknown): boolean {
  return ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(typeOf(error) ?? '');
}
