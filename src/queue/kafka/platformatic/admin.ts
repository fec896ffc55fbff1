import type { Admin } from '@platformatic/kafka';
import { DEFAULT_MAX_MESSAGE_BYTES, type DriverOptions, type PartitionEnds, untilSeen } from '../driver.ts';
import { hasApiId, type PlatformaticOptions } from './client.ts';

const TOPIC_CONFIG = 2;
const EARLIEST = -2n;
const LATEST = -1n;

export async function readEnds(
  admin: Admin,
  { topic, groupId }: Pick<DriverOptions, 'topic' | 'groupId'>,
): Promise<PartitionEnds[]> {
  const count = await partitionsOf(admin, topic);
  if (count === undefined) throw new Error(`topic=${topic} does not exist`);
  const indexes = Array.from({ length: count }, (_, index) => index);
  const offsetsAt = async (timestamp: bigint): Promise<Map<number, bigint>> => {
    const partitions = indexes.map((partitionIndex) => ({ partitionIndex, timestamp }));
    const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    return new Map(listed?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, offset]));
  };
  const [low, high, [group]] = await Promise.all([
    offsetsAt(EARLIEST),
    offsetsAt(LATEST),
    admin.listConsumerGroupOffsets({ groups: [{ groupId, topics: [{ name: topic, partitionIndexes: indexes }] }] }),
  ]);
  const committed = new Map<number, bigint>();
  for (const { partitionIndex, committedOffset } of group?.topics.find(({ name }) => name === topic)?.partitions ??
    []) {
    if (committedOffset >= 0n) committed.set(partitionIndex, committedOffset);
  }
  return indexes.map((partition) => {
    const ends = { partition, low: low.get(partition) ?? 0n, high: high.get(partition) ?? 0n };
    return { ...ends, committed: committed.get(partition) };
  });
}

/** The number of partitions; undefined when there is no such topic. */
export async function partitionsOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    return topics.get(topic)?.partitionsCount;
  } catch (error) {
    // The library turns the broker's answer into a sentence of its own.
    if (error instanceof Error && error.message === `Unknown topic ${topic}.`) return undefined;
    throw error;
  }
}

export async function createTopic(admin: Admin, options: PlatformaticOptions): Promise<number> {
  const { topic, partitions, replication, maxMessageBytes, log } = options;
  const configs = [{ name: 'max.message.bytes', value: String(maxMessageBytes) }];
  try {
    await admin.createTopics({ topics: [topic], partitions, replicas: replication, configs });
    log.info('created the topic', { topic, partitions, replication });
  } catch (error) {
    if (!hasApiId(error, 'TOPIC_ALREADY_EXISTS')) throw error;
  }
  return untilSeen(topic, () => partitionsOf(admin, topic));
}

export async function maxMessageBytesOf(admin: Admin, { topic, log }: PlatformaticOptions): Promise<number> {
  try {
    const configurationKeys = ['max.message.bytes'];
    const resource = { resourceType: TOPIC_CONFIG, resourceName: topic, configurationKeys } as const;
    const [described] = await admin.describeConfigs({ resources: [resource] });
    const value = Number(described?.configs[0]?.value);
    return Number.isSafeInteger(value) && value > 0 ? value : DEFAULT_MAX_MESSAGE_BYTES;
  } catch (error) {
    if (!hasApiId(error, 'TOPIC_AUTHORIZATION_FAILED')) throw error;
    log.warn('not allowed to read max.message.bytes of the topic; using the default', {
      topic,
      bytes: DEFAULT_MAX_MESSAGE_BYTES,
    });
    return DEFAULT_MAX_MESSAGE_BYTES;
  }
}
