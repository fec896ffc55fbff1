import { Counter } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { addCounters, createMetrics, OUTCOMES, readCounts, STREAM_KINDS, writeExposition } from './metrics.ts';

function countsOf(batches: number, seconds: readonly number[]) {
  const metrics = createMetrics({ defaultMetrics: false });
  metrics.batchesReceived.inc(batches);
  metrics.records.inc({ outcome: 'stored' }, batches * 10);
  metrics.inFlightBytes.set(1_000);
  for (const value of seconds) metrics.syncDuration.observe(value);
  return readCounts(metrics);
}

async function exposed(...others: Awaited<ReturnType<typeof countsOf>>[]): Promise<string[]> {
  const text = await writeExposition(createMetrics({ defaultMetrics: false }), others);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !/ 0$/.test(line));
}

describe('what several threads counted', () => {
  it('is one exposition', async () => {
    const lines = await exposed(await countsOf(2, [0.001]), await countsOf(3, [0.001, 100]));
    expect(lines).toContain('log_batches_received_total 5');
    expect(lines).toContain('logforge_records_total{outcome="stored"} 50');
    expect(lines).toContain('logforge_http_in_flight_bytes 2000');
  });

  it('adds up to the same, less what is so only at a moment, when it is added before', async () => {
    const [one, other] = [await countsOf(2, [0.001]), await countsOf(3, [0.001, 100])];
    const all = await exposed(one, other);
    const added = await exposed(addCounters(one, other));
    expect(added).toEqual(all.filter((line) => !line.startsWith('logforge_http_in_flight_bytes')));
    expect(added.some((line) => line.endsWith('_bucket{le="+Inf"} 3'))).toBe(true);
  });

  it('begins with nothing', async () => {
    const one = await countsOf(2, [0.001]);
    expect(await exposed(addCounters([], one), addCounters(one, []))).toEqual(await exposed(addCounters(one, one)));
  });
});

describe('a counter with labels', () => {
  it('is 0 for every value of its labels before anything was counted', async () => {
    const metrics = createMetrics({ defaultMetrics: false });
    const lines = (await metrics.registry.metrics()).split('\n');
    for (const outcome of OUTCOMES) expect(lines).toContain(`logforge_records_total{outcome="${outcome}"} 0`);
    for (const kind of STREAM_KINDS)
      expect(lines).toContain(`logforge_http_event_streams_dropped_total{kind="${kind}"} 0`);
  });

  it('names its values where it is declared', async () => {
    const metrics = createMetrics({ defaultMetrics: false, inputs: ['one'] });
    const counters = Object.values(metrics).filter((one) => one instanceof Counter);
    expect(counters.length).toBeGreaterThan(10);
    for (const counter of counters) {
      const { name, values } = await counter.get();
      expect(values.length, `${name} has no child at its start`).toBeGreaterThan(0);
    }
  });
});
