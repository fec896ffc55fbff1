import { join } from 'node:path';
import type { Random } from '../support/random.ts';
import type { Dirs } from '../support/service.ts';
import { makeDirs } from '../support/service.ts';
import { eventually, readDeadLetters } from '../support/storage.ts';
import { configureStreams, STREAMS } from '../support/streams.ts';
import { awaitDrained, awaitStored, createStream, readMetric, startVersion2, topicOf } from '../support/version2.ts';
import type { BrokerUnderTest, Way } from './broker-under-test.ts';
import { createProcessNode } from './process-node.ts';
import type { Deployment, Node } from './reliability.ts';

const STORED_WITHIN_MS = 60_000;

/** What a life of version 2 keeps. */
export interface Layout {
  /** A process that receives and one that stores; otherwise one that does both. */
  readonly isApart: boolean;
  readonly partitions: number;
  readonly hasSpool: boolean;
}

/**
 * Version 2 on topics and groups of its own, one a stream. Each start of a process draws its Kafka client, format, compression and number of
 * consumers.
 */
export async function createDeploymentV2(options: {
  readonly folder: string;
  readonly random: Random;
  readonly broker: BrokerUnderTest;
  /** Absent: drawn. */
  readonly layout?: Layout;
}): Promise<Deployment> {
  const { folder, random, broker } = options;
  const { isApart, partitions, hasSpool } = options.layout ?? drawLayout(random);
  for (const way of Object.values(broker.ways)) way.reseed(random.int(0, 2 ** 31 - 1));
  const stream = createStream(broker.direct, {
    LOGFORGE_KAFKA_PARTITIONS: String(partitions),
    LOGFORGE_QUEUE_SPOOL_ENABLED: String(hasSpool),
    LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '500ms',
    LOGFORGE_QUEUE_CIRCUIT_FAILURES: '2',
    // What the broker does not acknowledge in half of it goes to the spool. The other half is for a busy machine.
    LOGFORGE_SERVER_REQUEST_TIMEOUT: '4s',
    // As in bin/logforge.
    NODE_OPTIONS: '--disable-warning=TimeoutNegativeWarning',
  });

  async function createNode(name: Node['name'], way: Way, consumers: () => number) {
    const dirs = await makeDirs(`${name}-`, folder);
    const args = await configureStreams(dirs);
    const draw = random.fork();
    const brokers = `127.0.0.1:${broker.ways[way].port}`;
    return createProcessNode({
      name,
      dirs,
      launch: (start) => {
        const env = { ...drawEnv(draw), ...start.env, LOGFORGE_KAFKA_BROKERS: brokers };
        return startVersion2(stream, {
          ...start,
          dirs,
          args,
          env: { ...env, LOGFORGE_KAFKA_CONSUMERS: String(consumers()) },
        });
      },
    });
  }

  const oneOrTwo = () => random.int(1, 2);
  const receiver = await createNode(isApart ? 'receiver' : 'service', 'receiver', isApart ? () => 0 : oneOrTwo);
  const store = isApart ? await createNode('store', 'store', oneOrTwo) : receiver;
  const nodes = [...new Set([receiver, store])];

  async function rest(thorough: boolean): Promise<void> {
    for (const node of nodes) await awaitDrained(runningOn(node), STORED_WITHIN_MS);
    for (const name of STREAMS) await awaitStored(topicOf(stream, name), STORED_WITHIN_MS);
    for (const node of nodes) await expectNoDeadLetters(node.dirs);
    if (thorough) await awaitNoLag(store);
  }

  return {
    nodes,
    broker,
    // Between two partitions there is no order.
    keepsOrder: partitions === 1,
    storeDirs: store.dirs,
    receiver: () => runningOn(receiver),
    get started() {
      return nodes.flatMap(({ started }) => started);
    },
    takeEnds: () => nodes.flatMap((node) => node.takeEnds()),
    async start(start) {
      for (const node of nodes) await node.use(start);
      await Promise.all(nodes.map((node) => node.start()));
    },
    async rest({ thorough }) {
      await rest(thorough);
      return 'settled';
    },
    async stop() {
      for (const node of nodes) await node.end('SIGTERM');
    },
    async dispose() {
      await Promise.all(nodes.map((node) => node.dispose()));
    },
  };
}

function drawLayout(random: Random): Layout {
  return { isApart: random.chance(0.6), partitions: random.pick([1, 1, 2, 4]), hasSpool: random.chance(0.85) };
}

/** Every start may use the same data folder and topic with another configuration. */
function drawEnv(random: Random): Record<string, string> {
  return {
    LOGFORGE_KAFKA_CLIENT: random.pick(['kafkajs', 'platformatic']),
    LOGFORGE_KAFKA_FORMAT: random.pick(['ndjson', 'ndjson', 'record']),
    LOGFORGE_KAFKA_COMPRESSION: random.pick(['none', 'none', 'gzip', 'zstd', 'snappy', 'lz4']),
  };
}

function runningOn(node: Node) {
  const service = node.service();
  if (service === undefined) throw new Error(`the ${node.name} is not running`);
  return service;
}

async function expectNoDeadLetters(dirs: Dirs): Promise<void> {
  const letters = (await readDeadLetters(dirs)).filter(({ stage }) => stage === 'consume');
  if (letters.length === 0) return;
  throw new Error(
    `${letters.length} messages were not stored, but put aside in ${join(dirs.root, 'dlq')}: ${JSON.stringify(letters[0])}`,
  );
}

/** The service's own figure: it asks the broker every few seconds. */
async function awaitNoLag(node: Node): Promise<void> {
  await eventually(async () => {
    const lag = await readMetric(runningOn(node), 'logforge_kafka_consumer_lag');
    for (const [partition, messages] of lag) {
      if (messages !== 0) throw new Error(`the ${node.name} says that the lag of ${partition} is ${messages}`);
    }
  }, STORED_WITHIN_MS);
}
