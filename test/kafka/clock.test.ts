import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { findFaults, openPipeline, startSenders } from '../support/pipeline.ts';
import { sharedBrokers } from '../support/shared-broker.ts';
import { eventually } from '../support/storage.ts';
import { awaitStored, createStream } from '../support/version2.ts';

/* The clock of the machine is set back under load: for longer than a member of the group may be silent. */

const BACK_MS = 3_600_000;
/** Beyond the session of a member, which is 6 s. */
const LONG_MS = 12_000;

let brokers: readonly string[];
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  brokers = await sharedBrokers();
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(client: string) {
  const dir = await mkdtemp(join(tmpdir(), 'logforge-clock-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const stream = createStream(brokers, { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_PARTITIONS: '2' });
  const pipeline = await openPipeline({ dir, env: stream.env });
  closers.push(() => pipeline.stop(10_000));
  const senders = startSenders(pipeline.deliver, { senders: 2, keyed: true });
  return { dir, stream, pipeline, senders };
}

it('goes on, by either client, when the clock is set back an hour, and stores every batch once', {
  timeout: 120_000,
}, async () => {
  const both = await Promise.all(['kafkajs', 'platformatic'].map(open));
  const progress = async (more: number) => {
    for (const { senders } of both) {
      const target = (senders.durabilities.get('broker') ?? 0) + more;
      await eventually(() => expect(senders.durabilities.get('broker')).toBeGreaterThan(target), 30_000);
    }
  };
  await progress(20);
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() - BACK_MS);
  await progress(20);
  await sleep(LONG_MS);
  await progress(20);
  for (const { dir, stream, pipeline, senders } of both) {
    await senders.stop();
    await awaitStored(stream, 30_000);
    expect(senders.refused).toEqual([]);
    expect(await findFaults([dir], senders.acknowledged)).toEqual([]);
    expect(pipeline.fatal).toEqual([]);
    // What was answered before is still known.
    const [name = ''] = senders.acknowledged;
    const idempotency = { key: name, bodyHash: 'h', answer: '{}', time: Date.now() };
    expect(await pipeline.deliver([], { idempotency })).toMatchObject({ replay: '{}' });
  }
});
