import type { Admin, Producer } from 'kafkajs';
import {
  type Compression,
  type Driver,
  type OutRecord,
  type Produced,
  recordBatchTooLarge,
  retryNotTaken,
  type TopicState,
} from '../driver.ts';
import { createReplaceable } from '../replaceable.ts';
import { createTopic, maxMessageBytesOf, partitionsOf, readEnds, typeOf } from './admin.ts';
import { createKafkaJs, type KafkaJsOptions } from './client.ts';
import { consumeByKafkaJs } from './consumer.ts';
import { CompressionTypes } from './library.ts';

/*
 * kafkajs 2.2.4 is no longer maintained. These rules keep its known defects away: one partition a send, named in every
 * message, and the answer checked (by the sender); no retries of its own, which would resend without our knowing; a client
 * of its own for each use; a producer that failed is replaced, with its connections.
 */

const COMPRESSION: Record<Compression, number> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
};

export function createKafkaJsDriver(options: KafkaJsOptions): Driver {
  const { topic } = options;
  const producers = createReplaceable<Producer>({
    open: () => openProducer(options),
    close: (producer) => producer.disconnect(),
  });
  const admins = createReplaceable<Admin>({
    open: () => openAdmin(options),
    close: (admin) => admin.disconnect(),
  });

  async function produce(partition: number, records: readonly OutRecord[]): Promise<Produced> {
    const send = () => producers.use((producer) => sendRecords(producer, partition, records, options));
    try {
      return await retryNotTaken(send, isNotTaken);
    } catch (error) {
      throw isTooLarge(error) ? recordBatchTooLarge(options, records, error) : error;
    }
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

async function openProducer(options: KafkaJsOptions): Promise<Producer> {
  const producer = createKafkaJs(options, options.sendTimeoutMs, { retries: 0 }).producer({
    allowAutoTopicCreation: false,
    createPartitioner: () => (args) => args.message.partition ?? 0,
  });
  await producer.connect();
  return producer;
}

async function openAdmin(options: KafkaJsOptions): Promise<Admin> {
  const admin = createKafkaJs(options, options.sendTimeoutMs, { retries: 0 }).admin();
  await admin.connect();
  return admin;
}

async function sendRecords(
  producer: Producer,
  partition: number,
  records: readonly OutRecord[],
  { topic, requireAllAcks, sendTimeoutMs, compression }: KafkaJsOptions,
): Promise<Produced> {
  const answers = await producer.send({
    topic,
    acks: requireAllAcks ? -1 : 1,
    timeout: sendTimeoutMs,
    compression: COMPRESSION[compression],
    messages: records.map(({ headers, value }) => ({ partition, value, headers })),
  });
  const [answer] = answers;
  // kafkajs leaves out, without a word, what goes to a partition that was added after it asked for the topic.
  if (answers.length === 0) throw new NotSentError(`nothing was sent to topic=${topic} partition=${partition}`);
  if (answer === undefined || answers.length !== 1 || answer.topicName !== topic || answer.errorCode !== 0) {
    throw new Error(`a send to topic=${topic} partition=${partition} was answered ${JSON.stringify(answers)}`);
  }
  return { partition: answer.partition, baseOffset: BigInt(answer.baseOffset ?? -1) };
}

/** The producer does not know the partition yet: a new producer asks for the topic again. */
class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

function isNotTaken(error: unknown): boolean {
  if (error instanceof NotSentError) return true;
  return ['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'].includes(typeOf(error) ?? '');
}

function isTooLarge(error: unknown): boolean {
  return ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(typeOf(error) ?? '');
}
