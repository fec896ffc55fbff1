import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { createClient } from '../support/client.ts';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { createOutage, type Outage } from '../support/outage.ts';
import { makeDirs, removeDirs, type Service } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';
import { awaitDrained, awaitStored, createStream, readMetric, startVersion2 } from '../support/version2.ts';

/*
 * Two brokers become unavailable under load and available again: one is stopped for a minute, one is killed for a moment.
 * All tests of one broker run at the same time and share the outage, so that they wait for it together.
 */

const OUTAGE_MS = { stopped: 60_000, killed: 3_000 } as const;
type How = keyof typeof OUTAGE_MS;
const HOWS = ['stopped', 'killed'] as const;
const TIMEOUT_MS = 240_000;
/** Seven services start at once beside two brokers: the first batch may take long to arrive. */
const FIRST_BATCH_MS = 60_000;

const places = new Map<How, { readonly broker: TestBroker; readonly outage: Outage }>();

beforeAll(async () => {
  await Promise.all(
    HOWS.map(async (how) => {
      const broker = await startBroker();
      const stopBroker = () => (how === 'stopped' ? broker.stop() : broker.kill9());
      const outage = createOutage({ stopBroker, restartBroker: () => broker.restart(), leastMs: OUTAGE_MS[how] });
      places.set(how, { broker, outage });
    }),
  );
});
afterAll(async () => {
  for (const { broker, outage } of places.values()) {
    await outage.over();
    await broker.dispose();
  }
}, TIMEOUT_MS);

/** Joins a test to an outage, with its own service and data directory. All of it ends with the test. */
async function takePart(how: How, { onTestFinished, onTestFailed }: TestContext, env: Record<string, string> = {}) {
  const place = places.get(how);
  if (place === undefined) throw new Error('the broker was not started');
  const outage = place.outage.join();
  onTestFinished(outage.leave);
  const dirs = await makeDirs();
  const started: Service[] = [];
  const stream = createStream(place.broker.brokers, {
    // One partition, so that what is stored has one order.
    LOGFORGE_KAFKA_PARTITIONS: '1',
    LOGFORGE_QUEUE_CIRCUIT_FAILURES: '2',
    LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '1s',
    ...env,
  });
  onTestFailed(() => {
    for (const service of started) process.stderr.write(service.logs().slice(-20_000));
  });
  onTestFinished(async () => {
    await Promise.all(started.map((service) => service.stop('SIGKILL')));
    await removeDirs(dirs);
  });
  const start = async () => {
    const service = await startVersion2(stream, { dirs });
    started.push(service);
    return service;
  };
  /** Waits until no batch waits to be sent, and all sent batches are stored. */
  const atRest = async (service: Service) => {
    await awaitDrained(service);
    await awaitStored(stream);
  };
  return { outage, start, atRest };
}

function body(id: number, padding = ''): string {
  const record = { timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: `a${padding}`, id };
  return JSON.stringify(Array.from({ length: 5 }, (_, i) => ({ ...record, i })));
}

/** `id/i` of all stored records, in the order in which they stand in the one hour file. */
async function readOrder({ dirs }: Service): Promise<string[]> {
  return (await readRecords(dirs)).map(({ id, i }) => `${id}/${i}`);
}

function inOrder(ids: Iterable<number>): string[] {
  return Array.from(ids).flatMap((id) => [0, 1, 2, 3, 4].map((i) => `${id}/${i}`));
}

const PAUSE_MS = 5;

/** One client that sends batch after batch, so that the order of its acknowledgements is the order it sent them in. */
function startSender(service: Service, firstId = 0) {
  const client = createClient(service.port, { connections: 1 });
  const durabilities: unknown[] = [];
  const acknowledged: number[] = [];
  const refused: string[] = [];
  let isOver = false;
  const load = (async () => {
    for (let id = firstId; !isOver; id++) {
      const { status, headers, body: answer } = await client.post(body(id));
      if (status !== 202) refused.push(`${status} ${answer}`);
      else acknowledged.push(id);
      if (status === 202) durabilities.push(headers['logforge-durability']);
      if (status === 0) return;
      await sleep(PAUSE_MS);
    }
  })();
  return {
    acknowledged,
    refused,
    durabilities,
    latest: () => durabilities.at(-1),
    stop: async () => {
      isOver = true;
      await load;
      client.close();
    },
  };
}

async function readiness(service: Service) {
  const response = await fetch(`${service.url}/ready`);
  const { checks } = (await response.json()) as { checks: { kafka: { ok: boolean } } };
  return { status: response.status, kafka: checks.kafka.ok };
}

describe.concurrent('an outage of the broker', { timeout: TIMEOUT_MS }, () => {
  it.for([
    ['kafkajs', 'stopped'],
    ['platformatic', 'stopped'],
    ['kafkajs', 'killed'],
    ['platformatic', 'killed'],
  ] as const)('by %s, %s under load: batches go to the spool and follow in order', async ([client, how], context) => {
    const { outage, start, atRest } = await takePart(how, context, { LOGFORGE_KAFKA_CLIENT: client });
    const service = await start();
    const sender = startSender(service);
    await eventually(async () => expect((await readOrder(service)).length).toBeGreaterThan(0), FIRST_BATCH_MS);
    await outage.begin();
    await eventually(() => expect(sender.latest()).toBe('spool'), 30_000);
    const since = sender.acknowledged.length;
    await eventually(() => expect(sender.acknowledged.length).toBeGreaterThan(since + 100), 30_000);
    expect(await readiness(service)).toEqual({ status: 503, kafka: false });
    expect((await readMetric(service, 'logforge_spool_batches')).get('')).toBeGreaterThan(0);
    expect((await readMetric(service, 'kafka_up')).get('')).toBe(0);

    await outage.end();
    await eventually(() => expect(sender.latest()).toBe('broker'), 60_000);
    await sender.stop();
    await atRest(service);
    expect(sender.refused).toEqual([]);
    expect(await readOrder(service)).toEqual(inOrder(sender.acknowledged));
    await eventually(async () => expect(await readiness(service)).toEqual({ status: 200, kafka: true }));
  });

  it('at the start, is waited for: what comes meanwhile is spooled and follows', async (context) => {
    const { outage, start, atRest } = await takePart('stopped', context);
    await outage.begin();
    const service = await start();
    expect(await readiness(service)).toEqual({ status: 503, kafka: false });
    const sender = startSender(service);
    await eventually(() => expect(sender.acknowledged.length).toBeGreaterThan(100), 30_000);
    expect(new Set(sender.durabilities)).toEqual(new Set(['spool']));
    await outage.end();
    await eventually(() => expect(sender.latest()).toBe('broker'), 60_000);
    await sender.stop();
    await atRest(service);
    expect(sender.refused).toEqual([]);
    expect(await readOrder(service)).toEqual(inOrder(sender.acknowledged));
  });

  it.for([
    'kafkajs',
    'platformatic',
  ])('by %s, does not keep the service from stopping in time, and a later start sends what was spooled', async (client, context) => {
    const { outage, start, atRest } = await takePart('stopped', context, {
      LOGFORGE_KAFKA_CLIENT: client,
      LOGFORGE_SERVER_SHUTDOWN_TIMEOUT: '8s',
    });
    const first = await start();
    const sender = startSender(first);
    await eventually(() => expect(sender.latest()).toBe('broker'), FIRST_BATCH_MS);
    await outage.begin();
    await eventually(() => expect(sender.latest()).toBe('spool'), 30_000);
    const begin = performance.now();
    const exit = await first.stop();
    const seconds = (performance.now() - begin) / 1000;
    await sender.stop();
    expect(exit).toEqual({ code: 0, signal: null });
    expect(seconds).toBeLessThan(10);

    // The broker is still unavailable.
    const next = await start();
    const later = startSender(next, 1_000_000);
    await eventually(() => expect(later.acknowledged.length).toBeGreaterThan(20), 30_000);
    await later.stop();
    await outage.end();
    await atRest(next);
    const stored = await readOrder(next);
    expect(stored.slice(0, sender.acknowledged.length * 5)).toEqual(inOrder(sender.acknowledged));
    expect(stored.slice(-later.acknowledged.length * 5)).toEqual(inOrder(later.acknowledged));
  });

  it('is answered 503 with Retry-After when the spool is full, and nothing of what went in is lost', async (context) => {
    const { outage, start, atRest } = await takePart('stopped', context, { LOGFORGE_QUEUE_SPOOL_MAX_BYTES: '1MiB' });
    await outage.begin();
    const service = await start();
    const http = createClient(service.port);
    const accepted: number[] = [];
    const padding = 'x'.repeat(10_000);
    const refused = await eventually(async () => {
      const id = accepted.length;
      const outcome = await http.post(body(id, padding));
      if (outcome.status === 202) accepted.push(id);
      expect(outcome.status).toBe(503);
      return outcome;
    }, 30_000);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse(refused.body).detail).toContain('the spool is full');
    expect(accepted.length).toBeGreaterThan(10);

    await outage.end();
    await atRest(service);
    expect(await readOrder(service)).toEqual(inOrder(accepted));
    expect((await http.post(body(9_999))).status).toBe(202);
    http.close();
  });

  it('is answered 503 without a spool, at once while the breaker is open, until the broker is available again', async (context) => {
    const { outage, start } = await takePart('stopped', context, {
      LOGFORGE_QUEUE_SPOOL_ENABLED: 'false',
      LOGFORGE_QUEUE_RETRIES: '0',
      LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '10s',
    });
    const service = await start();
    const http = createClient(service.port);
    const post = async (id: number) => (await http.post(body(id))).status;
    // Nothing is tried again here, and a topic that was just made may not be there yet.
    await eventually(async () => expect(await post(1)).toBe(202), 30_000);
    await outage.begin();
    const open = async () => (await readMetric(service, 'logforge_breaker_state')).get('{state="open"}');
    await eventually(async () => {
      expect(await post(2)).toBe(503);
      expect(await open()).toBe(1);
    }, 60_000);
    const begin = performance.now();
    const refused = await http.post(body(3));
    expect(performance.now() - begin).toBeLessThan(3_000);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
    await outage.end();
    await eventually(async () => expect(await post(4)).toBe(202), 60_000);
    http.close();
  });
});
