import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { BatchTooLargeError, type CommitNote, type Deliver, UnavailableError } from '../model/deliver.ts';
import { until } from '../queue/collect.case.ts';
import { batchOf } from '../queue/queue-contract.case.ts';
import { openSpool, type Spool } from '../queue/spool/spool.ts';
import { createBreaker } from './breaker.ts';
import { withBatchId } from './retry.ts';
import { type Spooling, startSpooling } from './spooling.ts';

let dir: string;
const cleanUp: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'logforge-spooling-'));
});
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
  await rm(dir, { recursive: true, force: true });
});

/** A broker that can be unavailable, with the breaker before it and the spool beside it. */
async function setUp(options: { maxBytes?: number; cooldownMs?: number; clock?: () => number } = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const spool: Spool = await openSpool({ dir, maxBytes: options.maxBytes ?? 1_000_000, metrics, log });
  cleanUp.push(() => spool.close());
  const broker = { unavailable: false, tooLarge: new Set<string>(), hold: undefined as Promise<void> | undefined };
  const taken: string[] = [];
  const notes: (CommitNote | undefined)[] = [];
  const tried: string[] = [];
  const destination: Deliver = async (batch, note) => {
    const id = note?.batchIds?.[0] ?? '';
    tried.push(id);
    await broker.hold;
    await new Promise(setImmediate);
    if (broker.unavailable) throw new UnavailableError('the broker is unavailable', 1);
    if (broker.tooLarge.has(id)) throw new BatchTooLargeError('too large', { bytes: 2, limit: 1 });
    taken.push(id);
    notes.push(note);
    expect(batch[0]?.lines.length).toBeGreaterThan(0);
    return { durability: 'broker' };
  };
  const { cooldownMs = 5, clock = Date.now } = options;
  const breaker = createBreaker({ failures: 2, cooldownMs, clock, metrics });
  const undeliverable: string[] = [];
  const spooling: Spooling = startSpooling({
    deliver: breaker.wrap(destination),
    redeliver: breaker.wrap(destination),
    spool,
    log,
    backoff: { firstMs: 1, maxMs: 5 },
    undeliverable: async ({ id }, reason) => void undeliverable.push(`${id} ${reason}`),
  });
  cleanUp.push(() => spooling.stop());
  const deliver = withBatchId(spooling.deliver, () => 'p');
  const put = () => deliver(batchOf([1, '{"a":1}'])).then(({ durability }) => durability);
  return { spool, broker, taken, tried, notes, breaker, undeliverable, spooling, put, deliver, log };
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `p:${from + index}`);

describe('spooling', () => {
  it('leaves batches to the broker while it is there', async () => {
    const { put, taken, spool } = await setUp();
    expect(await Promise.all([put(), put()])).toEqual(['broker', 'broker']);
    expect(taken).toEqual(['p:0', 'p:1']);
    expect(spool.bytes()).toBe(0);
  });

  it('takes what the broker does not, in order, and sends it when the broker is back', async () => {
    const { put, broker, taken, spool } = await setUp();
    await put();
    broker.unavailable = true;
    for (let index = 1; index < 20; index++) expect(await put()).toBe('spool');
    expect(taken).toEqual(['p:0']);
    broker.unavailable = false;
    await until(() => taken.length === 20, 'the spool is drained');
    expect(taken).toEqual(ids(0, 20));
    await until(() => spool.waiting() === 0, 'the spool is empty');
    expect(await put()).toBe('broker');
  });

  it('lets batches follow directly after the spool, once all of it is on its way', async () => {
    const { put, broker, taken, tried } = await setUp();
    broker.unavailable = true;
    await put();
    const hold = Promise.withResolvers<void>();
    broker.hold = hold.promise;
    broker.unavailable = false;
    const before = tried.length;
    await until(() => tried.length > before && tried.at(-1) === 'p:0', 'the drain tries');
    const following = put();
    await until(() => tried.at(-1) === 'p:1', 'the next follows');
    hold.resolve();
    expect(await following).toBe('broker');
    await until(() => taken.length === 2, 'both arrive');
    expect(taken).toEqual(['p:0', 'p:1']);
  });

  it('puts batches after those that could not be sent, in their order', async () => {
    const { put, broker, taken, tried } = await setUp();
    broker.unavailable = true;
    expect(await put()).toBe('spool');
    const before = tried.length;
    await until(() => tried.length > before, 'the drain has failed');
    for (let index = 1; index < 10; index++) {
      expect(await put()).toBe('spool');
      await until(() => !tried.includes(`p:${index}`), 'it is not tried before its turn');
    }
    broker.unavailable = false;
    await until(() => taken.length === 10, 'all arrive');
    expect(taken).toEqual(ids(0, 10));
  });

  it('probes with the first batch, also when the cool-down of the breaker ends in the middle of them', async () => {
    const first = await setUp();
    first.broker.unavailable = true;
    for (let index = 0; index < 30; index++) await first.put();
    for (const step of cleanUp.splice(0).reverse()) await step();

    // The clock moves on whenever the breaker asks whether a batch may go.
    let now = 0;
    const { broker, breaker, taken } = await setUp({ cooldownMs: 10, clock: () => now++ });
    broker.unavailable = true;
    await until(() => breaker.state() === 'open', 'the drain fails');
    broker.unavailable = false;
    await until(() => taken.length === 30, 'all arrive');
    expect(taken).toEqual(ids(0, 30));
  });

  it('sends nothing while the breaker is open', async () => {
    const { put, broker, tried } = await setUp({ cooldownMs: 60_000 });
    broker.unavailable = true;
    for (let index = 0; index < 50; index++) await put();
    expect(tried.length).toBeLessThanOrEqual(3);
  });

  it('refuses only when the spool is full', async () => {
    const { put, broker, taken } = await setUp({ maxBytes: 2_000 });
    broker.unavailable = true;
    const results = await Promise.allSettled(Array.from({ length: 60 }, put));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.every(({ reason }) => reason instanceof UnavailableError)).toBe(true);
    broker.unavailable = false;
    await until(() => taken.length === 60 - refused.length, 'what was accepted arrives');
  });

  it('goes on after a restart with what the last run left', async () => {
    const first = await setUp();
    first.broker.unavailable = true;
    for (let index = 0; index < 5; index++) await first.put();
    await first.spooling.stop();
    await first.spool.close();
    const second = await setUp();
    await until(() => second.taken.length === 5, 'it is drained');
    expect(second.taken).toEqual(ids(0, 5));
  });

  it('carries the key and the dead letters of a batch through the spool', async () => {
    const { deliver, broker, notes } = await setUp();
    const idempotency = { key: 'k', bodyHash: 'h', answer: '{}', time: 1 };
    const deadLetters = [{ time: 1, stage: 'ingest', reason: 'r', raw: '{', source: 's' }] as const;
    broker.unavailable = true;
    await deliver(batchOf([1, '{}']), { idempotency, deadLetters });
    broker.unavailable = false;
    await until(() => notes.length === 1, 'it arrives');
    expect(notes).toEqual([{ batchIds: ['p:0'], idempotency, deadLetters }]);
  });

  it('keeps elsewhere what was accepted and can never be sent, and goes on', async () => {
    const { put, broker, taken, undeliverable } = await setUp();
    broker.unavailable = true;
    for (let index = 0; index < 3; index++) await put();
    broker.tooLarge.add('p:1');
    broker.unavailable = false;
    await until(() => taken.length === 2 && undeliverable.length === 1, 'the rest arrives');
    expect(taken).toEqual(['p:0', 'p:2']);
    expect(undeliverable).toEqual(['p:1 too large']);
  });

  it('tells a client at once that its batch will never fit', async () => {
    const { put, broker, spool } = await setUp();
    broker.tooLarge.add('p:0');
    await expect(put()).rejects.toThrow(BatchTooLargeError);
    expect(spool.waiting()).toBe(0);
  });

  it('stops while the broker is unavailable, and loses nothing', async () => {
    const { put, broker, spooling, spool, taken } = await setUp();
    broker.unavailable = true;
    for (let index = 0; index < 5; index++) await put();
    await spooling.stop();
    expect(spool.waiting()).toBe(5);
    expect(taken).toEqual([]);
  });
});
