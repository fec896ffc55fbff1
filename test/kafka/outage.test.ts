import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { startBroker, type TestBroker } from '../support/kafka-broker.ts';
import { createOutage, type Outage } from '../support/outage.ts';
import { findFaults, openPipeline, startSenders, storedBatches, type TestPipeline } from '../support/pipeline.ts';
import { eventually } from '../support/storage.ts';
import { awaitStored, createStream } from '../support/version2.ts';

/*
 * The broker is killed and comes back, in one process with version 2 and all at once: these tests share the outage. What
 * was acknowledged in between is stored, each batch whole and once, and what one client sent one after the other stays
 * in that order.
 */

const OUTAGE_MS = 5_000;
/** All of it is one process. */
const PAUSE_MS = 20;
const CLIENTS = ['kafkajs', 'platformatic'] as const;

let broker: TestBroker;
let outage: Outage;

beforeAll(async () => {
  broker = await startBroker();
  outage = createOutage({
    stopBroker: () => broker.kill9(),
    restartBroker: () => broker.restart(),
    leastMs: OUTAGE_MS,
  });
});
afterAll(async () => {
  await outage?.over();
  await broker?.dispose();
});

/** A test's part in the outage, and a topic, a group and a data directory of its own; all of it ends with the test. */
async function takePart({ onTestFinished }: TestContext, env: Record<string, string>) {
  const { begin, end, leave } = outage.join();
  onTestFinished(leave);
  const dir = await mkdtemp(join(tmpdir(), 'logforge-outage-'));
  const opened: TestPipeline[] = [];
  const stream = createStream(broker.brokers, {
    // One partition, so that there is one order.
    LOGFORGE_KAFKA_PARTITIONS: '1',
    LOGFORGE_QUEUE_CIRCUIT_COOLDOWN: '300ms',
    LOGFORGE_SERVER_REQUEST_TIMEOUT: '2s',
    ...env,
  });
  onTestFinished(async () => {
    await Promise.all(opened.map((pipeline) => pipeline.stop(5_000)));
    await rm(dir, { recursive: true, force: true });
  });
  return {
    begin,
    end,
    dir,
    open: async () => {
      const pipeline = await openPipeline({ dir, env: stream.env });
      opened.push(pipeline);
      return pipeline;
    },
    /** Until the spool is empty and everything in the topic is stored. */
    atRest: async ({ metrics }: TestPipeline) => {
      await eventually(async () => expect((await metrics.spoolBatches.get()).values[0]?.value).toBe(0), 60_000);
      await awaitStored(stream);
    },
  };
}

/** Waits until the senders were told so often that a batch is as safe as that. */
async function told({ durabilities }: ReturnType<typeof startSenders>, durability: string, more: number) {
  const target = (durabilities.get(durability) ?? 0) + more;
  await eventually(() => expect(durabilities.get(durability)).toBeGreaterThanOrEqual(target), 60_000);
}

/** Sequences of one sender that stand before an earlier one of the same sender. */
function outOfOrder(names: Iterable<string>): string[] {
  const last = new Map<string, number>();
  const wrong: string[] = [];
  for (const name of names) {
    const [sender = '', sequence] = name.split('.');
    if (Number(sequence) < (last.get(sender) ?? -1)) wrong.push(name);
    last.set(sender, Number(sequence));
  }
  return wrong;
}

describe.concurrent('a broker that is killed', { timeout: 180_000 }, () => {
  it.for(
    CLIENTS,
  )('by %s, under load: the spool takes over, in order, and nothing is lost or doubled', async (client, context) => {
    const { begin, end, dir, open, atRest } = await takePart(context, { LOGFORGE_KAFKA_CLIENT: client });
    const pipeline = await open();
    const senders = startSenders(pipeline.deliver, { senders: 4, pauseMs: PAUSE_MS });
    await told(senders, 'broker', 50);
    await begin();
    await told(senders, 'spool', 100);
    expect((await pipeline.metrics.spoolBytes.get()).values[0]?.value).toBeGreaterThan(0);
    await end();
    await told(senders, 'broker', 50);
    await senders.stop();
    await atRest(pipeline);
    expect(senders.refused).toEqual([]);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);
    expect(outOfOrder((await storedBatches(dir)).keys())).toEqual([]);
    expect(pipeline.fatal).toEqual([]);
  });

  it.for(CLIENTS)('by %s, gone at the start: batches are taken, and arrive when it comes', async (client, context) => {
    const { begin, end, dir, open, atRest } = await takePart(context, { LOGFORGE_KAFKA_CLIENT: client });
    await begin();
    const pipeline = await open();
    const senders = startSenders(pipeline.deliver, { senders: 2, pauseMs: PAUSE_MS, keyed: true });
    await told(senders, 'spool', 20);
    expect([...senders.durabilities.keys()]).toEqual(['spool']);
    await end();
    await told(senders, 'broker', 10);
    await senders.stop();
    await atRest(pipeline);
    expect(senders.refused).toEqual([]);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);
  });

  it.for(
    CLIENTS,
  )('by %s, unavailable when the service stops: the stop is in time, and the next start sends what was spooled', async (client, context) => {
    const { begin, end, dir, open, atRest } = await takePart(context, { LOGFORGE_KAFKA_CLIENT: client });
    const first = await open();
    const senders = startSenders(first.deliver, { senders: 2, pauseMs: PAUSE_MS });
    await told(senders, 'broker', 20);
    await begin();
    await told(senders, 'spool', 20);
    await senders.stop();
    expect(await first.stop(15_000)).toBe(true);
    await end();
    const second = await open();
    await atRest(second);
    expect(senders.refused).toEqual([]);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);
  });

  it('while the spool is full, is no reason to lose what it took', async (context) => {
    const { begin, end, dir, open, atRest } = await takePart(context, { LOGFORGE_QUEUE_SPOOL_MAX_BYTES: '1MiB' });
    const pipeline = await open();
    await begin();
    const senders = startSenders(pipeline.deliver, { senders: 4, pauseMs: PAUSE_MS, padding: 'x'.repeat(5_000) });
    await eventually(() => expect(senders.refused.length).toBeGreaterThan(20), 60_000);
    await senders.stop();
    expect(senders.refused.every((error) => /spool is full/.test(error.message))).toBe(true);
    await end();
    await atRest(pipeline);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);
  });
});
