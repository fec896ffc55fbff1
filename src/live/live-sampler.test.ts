import { describe, expect, test } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import { type KindSamples, mapKinds } from '../model/record-kinds.ts';
import type { LiveEvent, Refusal } from './live.ts';
import { readLiveCounts } from './live-counts.ts';
import { createLive, type LiveSample } from './live-sampler.ts';
import { createRefusals } from './refusals.ts';

const NO_LINES: KindSamples = mapKinds(() => []);
const START = Date.parse('2026-01-01T00:00:00Z');

function refusal(reason: string, time = START): Refusal {
  return { time, status: 400, reason, requestId: 'r' };
}

/** A service whose seconds pass when the test says so. */
function createService({ pipeline = 'direct' as 'direct' | 'queued' } = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const refusals = createRefusals();
  let lines = (): KindSamples => NO_LINES;
  const others: LiveSample[] = [];
  const events: LiveEvent[] = [];
  let ms = 0;
  let failing = false;
  const live = createLive({
    sample: async () => {
      if (failing) throw new Error('a thread died');
      return [
        { counts: await readLiveCounts(metrics, 0), refusals: refusals.drain(), lines: lines() },
        ...others.splice(0),
      ];
    },
    pipeline,
    clock: () => START + ms,
    now: () => ms,
  });
  return {
    metrics,
    refusals,
    others,
    events,
    live,
    show: (samples: Partial<KindSamples>) => {
      lines = () => ({ ...NO_LINES, ...samples });
    },
    fail: (now: boolean) => {
      failing = now;
    },
    listen: () => live.subscribe((event) => void events.push(event)),
    second: async (length = 1_000) => {
      ms += length;
      await live.tick();
    },
  };
}

describe('rates', () => {
  test('are what came since the last sample, by the time that passed', async () => {
    const { live, metrics, second } = createService();
    metrics.logsIngested.inc(1_000);
    await second();
    expect((await live.snapshot()).stats).toMatchObject({ rates: { accepted: 0 }, totals: { accepted: 1_000 } });
    metrics.logsIngested.inc(300);
    metrics.receivedBytes.inc(4_000);
    await second(2_000);
    const { stats } = await live.snapshot();
    expect(stats).toMatchObject({ uptimeSeconds: 3, rates: { accepted: 150, bytes: 2_000, batches: 0 } });
    expect(stats.time).toBe(START + 3_000);
  });

  test('fall back to nothing when nothing comes', async () => {
    const { live, metrics, second } = createService();
    await second();
    metrics.batchesReceived.inc();
    await second();
    await second();
    expect((await live.snapshot()).stats.rates.batches).toBe(0);
  });
});

test('each stream has its own rates', async () => {
  const { live, metrics, second } = createService();
  metrics.streamRecords.labels('events', 'stored').inc(10);
  await second();
  metrics.streamRecords.labels('events', 'stored').inc(30);
  metrics.streamBytes.labels('events').inc(900);
  await second(2_000);
  expect((await live.snapshot()).stats.streams).toEqual([
    { name: 'access', rates: { stored: 0, bytes: 0 }, totals: { stored: 0, bytes: 0 } },
    { name: 'events', rates: { stored: 15, bytes: 450 }, totals: { stored: 40, bytes: 900 } },
  ]);
});

describe('times', () => {
  test('are those of the last ten seconds', async () => {
    const { live, metrics, second } = createService();
    await second();
    metrics.requestDuration.labels('/logs', '2xx').observe(4);
    metrics.syncDuration.observe(0.004);
    await second();
    const { latency, sync } = (await live.snapshot()).stats;
    expect(latency?.p99).toBeGreaterThan(2.5);
    expect(sync?.p50).toBeCloseTo(0.00375);
    for (let i = 0; i < 10; i++) await second();
    expect((await live.snapshot()).stats).toMatchObject({ latency: null, sync: null });
  });
});

describe('the past', () => {
  test('is kept by the second and by ten seconds, as much as there is room for', async () => {
    const { live, metrics, second } = createService();
    await second();
    for (let i = 1; i <= 4_000; i++) {
      metrics.logsIngested.inc(i);
      await second();
    }
    const [fine, coarse] = (await live.snapshot()).history;
    expect([fine?.stepSeconds, fine?.time.length, coarse?.stepSeconds, coarse?.time.length]).toEqual([1, 300, 10, 360]);
    expect(fine?.accepted.slice(-2)).toEqual([3_999, 4_000]);
    expect(fine?.time.at(-1)).toBe(START / 1_000 + 4_001);
    // 4,001 samples: the last whole ten seconds end with the sample before the last.
    expect(coarse?.accepted.at(-1)).toBeCloseTo((3_990 + 3_999) / 2);
    expect(fine?.p99.every((value) => value === null)).toBe(true);
  });

  test('has the worst p99 of each step', async () => {
    const { live, metrics, second } = createService();
    await second();
    metrics.requestDuration.labels('/logs', '2xx').observe(0.2);
    for (let i = 0; i < 9; i++) await second();
    const [, coarse] = (await live.snapshot()).history;
    expect(coarse?.p99).toEqual([expect.closeTo(0.2485)]);
  });
});

describe('refusals', () => {
  test('are the last hundred, newest first, told as they come', async () => {
    const { live, refusals, others, metrics, second, events, listen } = createService();
    listen();
    for (let i = 0; i < 150; i++) refusals.add(refusal(`first ${i}`, START + i));
    await second();
    others.push({
      counts: await readLiveCounts(metrics, 0),
      refusals: [refusal('elsewhere', START + 1_000)],
      lines: NO_LINES,
    });
    refusals.add(refusal('here', START + 2_000));
    await second();
    const { refusals: kept } = await live.snapshot();
    expect(kept).toHaveLength(100);
    expect(kept.slice(0, 3).map(({ reason }) => reason)).toEqual(['here', 'elsewhere', 'first 149']);
    const told = events.filter((event) => event.kind === 'refusals');
    expect(told.map((event) => event.refusals.length)).toEqual([100, 2]);
  });

  test('are cut to a length, never within a character', () => {
    const refusals = createRefusals();
    refusals.add(refusal(`${'a'.repeat(299)}😀 and more`));
    refusals.add(refusal('short'));
    expect(refusals.drain().map(({ reason }) => reason)).toEqual(['short', `${'a'.repeat(299)}…`]);
    expect(refusals.drain()).toEqual([]);
  });
});

describe('listeners', () => {
  test('hear each second until they leave', async () => {
    const { second, events, listen } = createService();
    const leave = listen();
    await second();
    await second();
    leave();
    await second();
    expect(events.map(({ kind }) => kind)).toEqual(['stats', 'stats']);
  });

  test('miss only the second whose sample failed', async () => {
    const { live, second, events, listen, fail } = createService();
    listen();
    await second();
    fail(true);
    await expect(second()).rejects.toThrow('a thread died');
    fail(false);
    await second();
    expect(events).toHaveLength(2);
    expect((await live.snapshot()).history[0]?.time).toHaveLength(2);
  });

  test('are served by one timer, which ends', async () => {
    const { live, events, listen } = createService();
    listen();
    live.start();
    await expect.poll(() => events.length).toBeGreaterThan(0);
    live.stop();
    expect((await live.snapshot()).stats.rates.accepted).toBe(0);
  });
});

test('the queue is shown in version 2 only', async () => {
  const one = createService();
  expect((await one.live.snapshot()).stats.queue).toBeNull();
  const two = createService({ pipeline: 'queued' });
  two.metrics.kafkaUp.set(1);
  two.metrics.consumerLag.labels('logs', '3').set(9);
  two.metrics.spoolBytes.set(77);
  two.metrics.breakerState.labels('closed').set(1);
  expect((await two.live.snapshot()).stats.queue).toEqual({
    up: true,
    lagMessages: 9,
    lagSeconds: 0,
    breaker: 'closed',
    spoolBytes: 77,
    spoolBatches: 0,
    spoolAgeSeconds: 0,
  });
});

describe('samples of lines', () => {
  test('are merged over threads, and told only when there is a new one', async () => {
    const { live, show, others, metrics, second, events, listen } = createService();
    listen();
    await second();
    show({ json: [{ time: START + 5, line: 'b' }] });
    const counts = await readLiveCounts(metrics, 0);
    others.push({ counts, refusals: [], lines: { ...NO_LINES, json: [{ time: START, line: 'a' }] } });
    await second();
    expect((await live.snapshot()).samples.json.map(({ line }) => line)).toEqual(['b', 'a']);
    await second();
    const told = events.filter((event) => event.kind === 'samples');
    expect(told.map((event) => event.samples.json.length)).toEqual([2]);
  });
});

test('records have the mean latency of the last ten seconds, by kind and by input their own rates', async () => {
  const metrics = createMetrics({ defaultMetrics: false, inputs: ['lines', 'other'] });
  let ms = 0;
  const live = createLive({
    sample: async () => [{ counts: await readLiveCounts(metrics, 0), refusals: [], lines: NO_LINES }],
    pipeline: 'direct',
    clock: () => START + ms,
    now: () => ms,
  });
  const second = async () => {
    ms += 1_000;
    await live.tick();
    return (await live.snapshot()).stats;
  };
  expect(await second()).toMatchObject({ recordLatency: null, dropped: 0 });
  metrics.logsIngested.inc(10);
  metrics.recordLatency.inc(0.02);
  metrics.kindRecords.labels('syslog').inc(10);
  metrics.inputRecords.labels('lines').inc(10);
  metrics.inputDropped.labels('lines', 'full').inc(2);
  metrics.inputDropped.labels('other', 'kernel').inc(3);
  metrics.inputConnections.labels('lines').set(4);
  metrics.inputInFlightBytes.labels('lines').set(6);
  const stats = await second();
  expect(stats).toMatchObject({ dropped: 5, inFlightBytes: 6 });
  expect(stats.recordLatency).toBeCloseTo(0.002);
  expect(stats.kinds.filter(({ total }) => total > 0)).toEqual([{ kind: 'syslog', rate: 10, total: 10 }]);
  expect(stats.inputs[0]).toEqual({
    name: 'lines',
    rates: { records: 10, bytes: 0, dropped: 2, refused: 0 },
    totals: { records: 10, bytes: 0, dropped: 2, refused: 0 },
    connections: 4,
    inFlightBytes: 6,
    maxInFlightBytes: 0,
  });
  for (let i = 0; i < 9; i++) await second();
  expect((await second()).recordLatency).toBeNull();
});

test('sources are the clients of all threads and the inputs, where they are counted', async () => {
  const metrics = createMetrics({ defaultMetrics: false, inputs: ['syslog'] });
  const client = (records: number, seen: number) => ({ source: '192.0.2.1', records, bytes: 100, rate: 1, seen });
  const make = (hasSources: boolean) => {
    const counts = () => readLiveCounts(metrics, 0);
    return createLive({
      sample: async () => {
        const sample = { counts: await counts(), refusals: [], lines: NO_LINES };
        return [sample, { ...sample, sources: [client(2, START)] }, { ...sample, sources: [client(3, START + 1)] }];
      },
      pipeline: 'direct',
      hasSources,
      clock: () => START,
      now: () => 0,
    });
  };
  const [on, off] = [make(true), make(false)];
  metrics.inputRecords.labels('syslog').inc(10);
  metrics.inputBytes.labels('syslog').inc(500);
  await on.tick();
  await on.tick();
  await off.tick();
  expect(off.sources()).toBeUndefined();
  expect(on.sources()).toMatchObject([
    { source: 'syslog', records: 10, bytes: 500 },
    { source: '192.0.2.1', records: 5, bytes: 200, rate: 2, last_seen: '2026-01-01T00:00:00.001Z' },
  ]);
});
