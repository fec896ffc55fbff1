import type { Admin } from 'kafkajs';
import { DEFAULT_MAX_MESSAGE_BYTES, type PartitionEnds, untilSeen } from '../driver.ts';
import type { KafkaJsOptions } from './client.ts';
import { ConfigResourceTypes } from './library.ts';

export async function readEnds(
  admin: Admin,
  { topic, groupId }: Pick<KafkaJsOptions, 'topic' | 'groupId'>,
): Promise<PartitionEnds[]> {
  const offsets = await admin.fetchTopicOffsets(topic);
  // Without resolveOffsets, which would write to the group.
  const groups = await admin.fetchOffsets({ groupId, topics: [topic] });
  const committed = new Map<number, bigint>();
  for (const { partition, offset } of groups.find((group) => group.topic === topic)?.partitions ?? []) {
    if (!offset.startsWith('-')) committed.set(partition, BigInt(offset));
  }
  return offsets
    .map(({ partition, low, high }) => {
      return { partition, low: BigInt(low), high: BigInt(high), committed: committed.get(partition) };
    })
    .sort((a, b) => a.partition - b.partition);
}

/** The number of partitions; undefined when there is no such topic. */
export async function partitionsOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics.find(({ name }) => name === topic)?.partitions.length;
  } catch (error) {
    if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
    throw error;
  }
}

export async function createTopic(admin: Admin, options: KafkaJsOptions): Promise<number> {
  const { topic, partitions, replication, maxMessageBytes, log } = options;
  const configEntries = [{ name: 'max.message.bytes', value: String(maxMessageBytes) }];
  const created = await admin.createTopics({
    // Waiting would fail when the first check comes too early.
    waitForLeaders: false,
    topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }],
  });
  if (created) log.info('created the topic', { topic, partitions, replication });
  return untilSeen(topic, () => partitionsOf(admin, topic));
}

export async function maxMessageBytesOf(admin: Admin, { topic, log }: KafkaJsOptions): Promise<number> {
  try {
    const type = ConfigResourceTypes.TOPIC;
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type, name: topic, configNames: ['max.message.bytes'] }],
    });
    const value = Number(resources[0]?.configEntries[0]?.configValue);
    return Number.isSafeInteger(value) && value > 0 ? value : DEFAULT_MAX_MESSAGE_BYTES;
  } catch (error) {
    if (typeOf(error) !== 'TOPIC_AUTHORIZATION_FAILED') throw error;
    log.warn('not allowed to read max.message.bytes of the topic; using the default', {
      topic,
      bytes: DEFAULT_MAX_MESSAGE_BYTES,
    });
    return DEFAULT_MAX_MESSAGE_BYTES;
  }
}

/** The protocol's name for an error, also if the library wrapped it. */
export function typeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('type' in error && typeof error.type === 'string') return error.type;
  if ('errors' in error && Array.isArray(error.errors)) return typeOf(error.errors[0]);
  return typeOf(error.cause);
}
