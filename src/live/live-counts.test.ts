import { describe, expect, test } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import { addLiveCounts, quantile, readLiveCounts, subtractBuckets } from './live-counts.ts';

describe('readLiveCounts', () => {
  test('reads what the metrics have counted', async () => {
    const metrics = createMetrics({ defaultMetrics: false });
    metrics.batchesReceived.inc(3);
    metrics.records.labels('stored').inc(10);
    metrics.records.labels('dead_lettered').inc(2);
    metrics.requestDuration.labels('/logs', '2xx').observe(0.003);
    metrics.requestDuration.labels('/logs', '4xx').observe(0.003);
    metrics.requestDuration.labels('/health', '2xx').observe(9);
    metrics.consumerLag.labels('logs', '0').set(5);
    metrics.consumerLag.labels('logs', '1').set(7);
    metrics.consumerLagSeconds.labels('logs', '0').set(4);
    metrics.consumerLagSeconds.labels('logs-events', '0').set(1);
    metrics.breakerState.labels('closed').set(0);
    metrics.breakerState.labels('half-open').set(1);
    const { values, requests, syncs, breaker } = await readLiveCounts(metrics, 4);
    expect(values).toMatchObject({ batches: 3, stored: 10, deadLettered: 2, rejected: 0, inFlightRecords: 4 });
    expect([values.lagMessages, values.lagSeconds, breaker]).toEqual([12, 4, 'half-open']);
    expect(requests.counts.reduce((sum, count) => sum + count)).toBe(2);
    expect(requests.counts[requests.bounds.indexOf(0.005)]).toBe(2);
    expect(syncs.counts.every((count) => count === 0)).toBe(true);
  });

  test('adds up threads, of which some have counted nothing yet', async () => {
    const [one, two] = [createMetrics({ defaultMetrics: false }), createMetrics({ defaultMetrics: false })];
    two.requestDuration.labels('/logs', '2xx').observe(0.02);
    two.logsIngested.inc(8);
    one.logsIngested.inc(1);
    one.breakerState.labels('open').set(1);
    const samples = [await readLiveCounts(one, 1), await readLiveCounts(two, 2)] as const;
    for (const sum of [addLiveCounts(samples), addLiveCounts([samples[1], samples[0]])]) {
      expect(sum.values).toMatchObject({ accepted: 9, inFlightRecords: 3 });
      expect(quantile(sum.requests, 0.5)).toBeCloseTo(0.0175);
      expect(sum.breaker).toBe('open');
    }
  });
});

test('adds up what each thread has stored of each stream', async () => {
  const [one, two] = [
    createMetrics({ defaultMetrics: false, streams: ['access', 'events'] }),
    createMetrics({ defaultMetrics: false }),
  ];
  one.streamRecords.labels('events', 'stored').inc(3);
  one.streamRecords.labels('events', 'rejected').inc(100);
  one.streamBytes.labels('events').inc(300);
  two.streamRecords.labels('events', 'stored').inc(4);
  const sum = addLiveCounts([await readLiveCounts(one, 0), await readLiveCounts(two, 0)]);
  expect(sum.streams).toEqual({ access: { stored: 0, bytes: 0 }, events: { stored: 7, bytes: 300 } });
});

describe('quantile', () => {
  const bounds = [1, 2, 4, Number.POSITIVE_INFINITY];
  test.each([
    [[0, 0, 0, 0], 0.5, undefined],
    [[4, 0, 0, 0], 0.5, 0.5],
    [[2, 2, 0, 0], 0.5, 1],
    [[0, 0, 4, 0], 0.25, 2.5],
    [[0, 0, 0, 3], 0.99, 4],
    [[1, 0, 1, 0], 1, 4],
  ])('of %j at %d is %s', (counts, share, expected) => {
    expect(quantile({ bounds, counts }, share)).toBe(expected);
  });
});

test('a thread that counts from zero never makes a difference below zero', () => {
  const bounds = [1, Number.POSITIVE_INFINITY];
  const before = { bounds, counts: [5, 1] };
  expect(subtractBuckets({ bounds, counts: [2, 3] }, before).counts).toEqual([0, 2]);
  expect(subtractBuckets({ bounds, counts: [2, 3] }, { bounds: [], counts: [] }).counts).toEqual([2, 3]);
});
