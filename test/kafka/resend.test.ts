import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { freePort } from '../support/broker-process.ts';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { type KafkaProxy, startKafkaProxy } from '../support/kafka-proxy.ts';
import { findFaults, openPipeline, startSenders } from '../support/pipeline.ts';
import { eventually } from '../support/storage.ts';
import { awaitStored, createStream } from '../support/version2.ts';

/* A batch that the broker stored without our hearing of it in time is sent again, and recognised where it is stored. */

const CLIENTS = ['kafkajs', 'platformatic'] as const;
const TESTS = 6;

let broker: TestBroker;
/** One for each test: they run at the same time. */
const proxies: KafkaProxy[] = [];

beforeAll(async () => {
  const ports = await Promise.all(Array.from({ length: TESTS }, () => Promise.all([freePort(), freePort()])));
  const listeners = ports.map(([advertisedPort, port], index) => {
    return { name: `PROXIED${index}`, protocol: 'PLAINTEXT', port, advertisedPort } as const;
  });
  broker = await startBroker({ listeners });
  for (const [port, target] of ports) proxies.push(await startKafkaProxy({ port, target }));
});
afterAll(async () => {
  await broker?.dispose();
});

/** A proxy, version 2 behind it on a topic of its own, and what drives it. */
async function openBehindProxy(client: string, { onTestFinished }: TestContext) {
  const proxy = proxies.pop();
  if (proxy === undefined) throw new Error(`there are more than TESTS=${TESTS} tests`);
  const dir = await mkdtemp(join(tmpdir(), 'logforge-resend-'));
  const stream = createStream([`127.0.0.1:${proxy.port}`], {
    LOGFORGE_KAFKA_CLIENT: client,
    LOGFORGE_KAFKA_PARTITIONS: '2',
    LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '300ms',
    // What is not acknowledged in half of it goes to the spool.
    LOGFORGE_SERVER_REQUEST_TIMEOUT: '1s',
  });
  const pipeline = await openPipeline({ dir, env: stream.env });
  onTestFinished(async () => {
    proxy.delayAnswers(0);
    await pipeline.stop(5_000);
    await proxy.close();
    await rm(dir, { recursive: true, force: true });
  });
  return {
    proxy,
    pipeline,
    start: () => {
      const senders = startSenders(pipeline.deliver, { senders: 4, pauseMs: 10 });
      const accept = async (more: number, durability: 'broker' | 'spool') => {
        const count = () => senders.durabilities.get(durability) ?? 0;
        const target = count() + more;
        await eventually(() => expect(count()).toBeGreaterThanOrEqual(target), 60_000);
      };
      /** Stops the senders, and looks at what is stored when all of it is. */
      const stop = async () => {
        await senders.stop();
        const spooled = async () => (await pipeline.metrics.spoolBatches.get()).values[0]?.value;
        await eventually(async () => expect(await spooled()).toBe(0), 60_000);
        await awaitStored({ ...stream, brokers: broker.brokers });
        expect(senders.refused).toEqual([]);
        return findFaults([dir], senders.acknowledged);
      };
      return { accept, stop };
    },
  };
}

describe.concurrent('an acknowledgement', { timeout: 120_000 }, () => {
  it.for([
    ['kafkajs', 'cut'],
    ['kafkajs', 'silent'],
    ['platformatic', 'cut'],
    ['platformatic', 'silent'],
  ] as const)('by %s that is lost, its connection %s: the batch is sent again and stored once', async ([
    client,
    how,
  ], context) => {
    const { proxy, pipeline, start } = await openBehindProxy(client, context);
    const { accept, stop } = start();
    await accept(20, 'broker');
    proxy.loseAnswers(2, how);
    await eventually(() => expect(proxy.lost()).toBe(2), 60_000);
    await accept(20, 'broker');
    expect(await stop()).toEqual([]);
    expect((await pipeline.metrics.consumedDuplicates.get()).values[0]?.value).toBeGreaterThan(0);
  });

  it.for(
    CLIENTS,
  )('by %s that is late: the batch goes to the spool while it still waits to be sent, and is stored once', async (client, context) => {
    const { proxy, start } = await openBehindProxy(client, context);
    proxy.delayAnswers(400);
    const { accept, stop } = start();
    await accept(1, 'spool');
    proxy.delayAnswers(0);
    await accept(20, 'broker');
    expect(await stop()).toEqual([]);
  });
});
