import { expect } from 'vitest';
import { createClient } from './client.ts';
import type { TestBroker } from './kafka-broker.ts';
import type { Random } from './random.ts';
import type { Dirs, Service } from './service.ts';
import { eventually } from './storage.ts';
import { configureStreams, STREAMS } from './streams.ts';
import {
  awaitDrained,
  awaitStored,
  buryMembers,
  createStream,
  readMetric,
  startVersion2,
  topicOf,
} from './version2.ts';
import type { Workload } from './workload.ts';

export type Part = 'receiver' | 'store' | 'broker';

/** The parts that are killed at the same moment. */
export const KILLS = [
  ['receiver'],
  ['store'],
  ['broker'],
  ['receiver', 'store'],
  ['store', 'broker'],
  ['receiver', 'store', 'broker'],
] as const;

/** A broker with either one service, or one that receives batches and another that stores them. */
export interface Fleet {
  /** Starts the missing parts. When they run in the other way, it first stops them in order. */
  start(way: 'apart' | 'together'): Promise<void>;
  /** The service that receives batches. */
  receiver(): Service;
  /** Whether the receiver still runs when these are killed. */
  receiverSurvives(victims: readonly Part[]): boolean;
  /** Resolves when the service that stores has stored something since it started. */
  firstStored(): Promise<void>;
  kill(...parts: readonly Part[]): Promise<void>;
  /** Sends the remaining batches, and waits until all are stored. */
  rest(workload: Workload): Promise<void>;
  /** Stops the services in order. */
  stop(): Promise<void>;
  /** The last part of the logs. */
  lastWords(): string;
  /** Ends all parts. Every later call fails. */
  dispose(): Promise<void>;
}

const STORED_WITHIN_MS = 30_000;
const LAST_WORDS = 4_000;

export function createFleet(options: {
  readonly broker: TestBroker;
  readonly receiverDirs: Dirs;
  readonly storeDirs: Dirs;
  readonly random: Random;
}): Fleet {
  const { broker, receiverDirs, storeDirs, random } = options;
  const stream = createStream(broker.brokers, { LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '500ms' });
  let [receiver, store]: (Service | undefined)[] = [];
  let isBrokerUp = true;
  let hasDead = false;
  let logs: () => string = () => '';
  let isOver = false;
  const launched: Promise<unknown>[] = [];
  const alive = new Set<Service>();

  /** Remembers what is being started, so that it can be ended even if it comes up later. */
  function launch<T>(starting: () => Promise<T>): Promise<T> {
    if (isOver) throw new Error('the fleet is disposed of');
    const promise = starting();
    launched.push(promise);
    return promise;
  }

  const launchService = (dirs: Dirs, consumers: number) =>
    launch(async () => {
      const args = await configureStreams(dirs);
      const service = await startVersion2(stream, { dirs, args, env: chooseEnv(random, consumers) });
      alive.add(service);
      void service.exited.then(() => alive.delete(service));
      return service;
    });

  async function start(way: 'apart' | 'together'): Promise<void> {
    const wanted = way === 'apart' ? receiver !== store : receiver === store;
    if (!wanted) await stop();
    const broken = isBrokerUp ? undefined : launch(() => broker.restart());
    // Sometimes the services must wait for the broker.
    if (isBrokerUp || random.chance(0.5)) {
      await broken;
      await buryDead();
    }
    const storing = store ?? launchService(storeDirs, random.int(1, 2));
    const receiving = receiver ?? (way === 'apart' ? launchService(receiverDirs, 0) : storing);
    [store, receiver] = await Promise.all([storing, receiving]);
    const both = [receiver, store];
    logs = () => both.map((service) => service.logs().slice(-LAST_WORDS)).join('\n--\n');
    await broken;
    isBrokerUp = true;
  }

  async function kill(...parts: readonly Part[]): Promise<void> {
    const together = receiver === store;
    const services = [
      ...(parts.includes('receiver') || (together && parts.includes('store')) ? [receiver] : []),
      ...(parts.includes('store') || (together && parts.includes('receiver')) ? [store] : []),
    ];
    const storeDies = services.includes(store) && store !== undefined;
    await Promise.all([
      ...[...new Set(services)].map((service) => service?.stop('SIGKILL')),
      ...(parts.includes('broker') ? [broker.kill9()] : []),
    ]);
    if (parts.includes('broker')) isBrokerUp = false;
    if (services.includes(receiver)) receiver = undefined;
    if (storeDies) {
      store = undefined;
      hasDead = true;
    }
  }

  async function stop(): Promise<void> {
    for (const service of new Set([receiver, store])) {
      const exit = await service?.stop();
      if (exit !== undefined) expect(exit, service?.logs().slice(-LAST_WORDS)).toEqual({ code: 0, signal: null });
    }
    [receiver, store] = [undefined, undefined];
  }

  async function rest(workload: Workload): Promise<void> {
    await start('apart');
    const client = createClient(current(receiver).port);
    await workload.settle(client);
    client.close();
    await awaitDrained(current(receiver));
    await awaitDrained(current(store));
    await buryDead();
    for (const name of STREAMS) await awaitStored(topicOf(stream, name));
  }

  /** Otherwise the group waits for the sessions of killed members to expire, and nothing is stored meanwhile. */
  async function buryDead(): Promise<void> {
    if (!hasDead) return;
    for (const name of STREAMS) await buryMembers(topicOf(stream, name));
    hasDead = false;
  }

  async function firstStored(): Promise<void> {
    const service = current(store);
    await buryDead();
    await eventually(async () => {
      const stored = (await readMetric(service, 'logforge_records_total')).get('{outcome="stored"}') ?? 0;
      if (stored === 0) throw new Error('nothing was stored since the start');
    }, STORED_WITHIN_MS);
  }

  async function dispose(): Promise<void> {
    isOver = true;
    await Promise.allSettled(launched);
    await Promise.all(Array.from(alive, (service) => service.stop('SIGKILL')));
    await broker.dispose();
  }

  return {
    start,
    firstStored,
    kill,
    rest,
    stop,
    dispose,
    receiver: () => current(receiver),
    receiverSurvives: (victims) => !victims.includes('receiver') && !(receiver === store && victims.includes('store')),
    lastWords: () => logs(),
  };
}

function current(service: Service | undefined): Service {
  if (service === undefined) throw new Error('the service is not running');
  return service;
}

/** Every start may use the same data folder and topic with another configuration. */
function chooseEnv(random: Random, consumers: number): Record<string, string> {
  return {
    LOGFORGE_KAFKA_CONSUMERS: String(consumers),
    LOGFORGE_KAFKA_CLIENT: random.pick(['kafkajs', 'platformatic']),
    LOGFORGE_KAFKA_FORMAT: random.pick(['ndjson', 'ndjson', 'record']),
    LOGFORGE_KAFKA_COMPRESSION: random.pick(['none', 'none', 'gzip', 'zstd', 'snappy', 'lz4']),
    LOGFORGE_STORAGE_DURABILITY: random.pick(['disk', 'os']),
    LOGFORGE_SERVER_THREADS: random.pick(['1', '1', '2']),
  };
}
