import { randomUUID } from 'node:crypto';
import { Admin as GroupAdmin } from '@platformatic/kafka';
import type { Admin } from 'kafkajs';
import { readEnds } from '../../src/queue/kafka/kafkajs/admin.ts';
import { Kafka, logLevel } from '../../src/queue/kafka/kafkajs/library.ts';
import { type Service, type ServiceOptions, startService } from './service.ts';
import { eventually } from './storage.ts';

/** The topic and the group of one test on a broker, for the services that use them. */
export interface Stream {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  /** The environment that points a service at them. A test may add to it. */
  readonly env: Readonly<Record<string, string>>;
}

export function createStream(brokers: readonly string[], env: Readonly<Record<string, string>> = {}): Stream {
  const name = randomUUID();
  const [topic, groupId] = [`logs-${name}`, `group-${name}`];
  return {
    brokers,
    topic,
    groupId,
    env: {
      LOGFORGE_KAFKA_BROKERS: brokers.join(','),
      LOGFORGE_KAFKA_TOPIC: topic,
      LOGFORGE_KAFKA_GROUP_ID: groupId,
      LOGFORGE_AGGREGATION_INTERVAL: '100ms',
      LOGFORGE_CONSUMER_FLUSH_INTERVAL: '100ms',
      ...env,
    },
  };
}

/** The topic and the group of another stream of records: its name stands behind theirs. */
export function topicOf(stream: Stream, name: string): Stream {
  if (name === 'access') return stream;
  return { ...stream, topic: `${stream.topic}-${name}`, groupId: `${stream.groupId}-${name}` };
}

/** Starts `logforge serve --version 2` as a separate process. */
export function startVersion2({ env }: Stream, options: ServiceOptions = {}): Promise<Service> {
  return startService({
    ...options,
    args: ['--version', '2', ...(options.args ?? [])],
    env: { ...env, ...options.env },
  });
}

/** Asks a broker directly, and not through the service under test. */
export async function withAdmin<T>(brokers: readonly string[], ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin();
  try {
    await admin.connect();
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Records of the topic that the group has not stored yet; undefined while a partition has no offset committed. */
export async function readLag(
  admin: Admin,
  { topic, groupId }: Pick<Stream, 'topic' | 'groupId'>,
): Promise<number | undefined> {
  const ends = await readEnds(admin, { topic, groupId });
  let lag = 0;
  for (const { committed, high } of ends) {
    if (committed === undefined) return undefined;
    lag += Number(high - committed);
  }
  return lag;
}

/** Waits until the group has stored the whole topic. Only for topics that get no more messages. */
export async function awaitStored(stream: Stream, timeoutMs = 60_000): Promise<void> {
  const read = () => withAdmin(stream.brokers, (admin) => readLag(admin, stream));
  await eventually(async () => {
    const lag = await read();
    if (lag !== 0) throw new Error(`the lag of the group is ${lag ?? 'unknown: a partition has no offset'}`);
  }, timeoutMs);
}

/** The samples of one metric: its labels as written, `{partition="0"}`, to its value. */
export async function readMetric(service: Pick<Service, 'url'>, name: string): Promise<Map<string, number>> {
  const response = await fetch(`${service.url}/metrics`);
  const samples = new Map<string, number>();
  for (const line of (await response.text()).split('\n')) {
    if (!line.startsWith(name)) continue;
    const match = /^\w+(\{[^}]*\})? (\S+)$/.exec(line);
    if (match === null || line.slice(0, line.search(/[{ ]/)) !== name) continue;
    samples.set(match[1] ?? '', Number(match[2]));
  }
  return samples;
}

/** Waits until a service has nothing in flight or in its spool, so that the broker has all its batches. */
export async function awaitDrained(service: Pick<Service, 'url'>, timeoutMs = 60_000): Promise<void> {
  await eventually(async () => {
    for (const name of ['logforge_spool_batches', 'logforge_queue_waiting_batches', 'logforge_records_in_flight']) {
      const value = (await readMetric(service, name)).get('');
      if (value !== 0) throw new Error(`${name} is ${value}`);
    }
  }, timeoutMs);
}

/**
 * Removes the killed members from the group. Otherwise the group waits until their sessions expire. A broker that has just
 * started is asked again until it knows the group.
 */
export async function buryMembers(stream: Stream): Promise<void> {
  await eventually(() => removeMembers(stream), 30_000);
}

async function removeMembers({ brokers, groupId }: Stream): Promise<void> {
  const dead = await withAdmin(brokers, (admin) => admin.describeGroups([groupId]));
  const members = dead.groups.flatMap((group) => group.members.map(({ memberId }) => ({ memberId })));
  if (members.length === 0) return;
  const admin = new GroupAdmin({ clientId: 'test', bootstrapBrokers: [...brokers] });
  try {
    await admin.removeMembersFromConsumerGroup({ groupId, members });
  } finally {
    await admin.close();
  }
}
