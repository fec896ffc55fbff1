import { describe, expect, it } from 'vitest';
import { planSoak } from './plan.ts';
import { findFaults } from './report.ts';
import { LEAK, runSoak, type SoakResult } from './soak.ts';

/** Faults, without those of time: other tests run beside this one. */
function untimedFaults(result: SoakResult): string[] {
  const untimed = ({ unit }: { readonly unit: string }) => unit !== 'ms';
  return findFaults({ ...result, growth: result.growth.filter(untimed), largest: result.largest.filter(untimed) });
}

describe('a short soak', { timeout: 300_000 }, () => {
  it('loses and doubles nothing, comes to rest, and passes its verdict', async () => {
    const result = await runSoak(planSoak({ version: 1, seconds: 12, seed: 5 }));
    expect(untimedFaults(result)).toEqual([]);
    expect(result.starts.map(({ after }) => after)).toEqual(['new folders', result.plan.stretches[0]?.signal]);
    expect(result.records.acknowledged).toBeGreaterThan(1_000);
    expect(result.records.burst).toBeGreaterThan(100_000);
    expect(result.samples.length).toBeGreaterThan(5);
  });

  it('finds a leak of memory and of descriptors', async () => {
    const plan = planSoak({ version: 1, seconds: 32, seed: 5, restarts: false });
    const result = await runSoak(plan, { env: { NODE_OPTIONS: `--import=${LEAK}`, SOAK_LEAK_MB: '20' } });
    const failed = result.growth.filter(({ decision }) => decision === 'fail').map(({ name }) => name);
    expect(failed).toContain('descriptors, idle, without hour files');
    expect(failed).toContain('buffers, idle');
  });
});

describe('the plan', () => {
  it('follows from the seed', () => {
    expect(planSoak({ version: 1, seconds: 1200, seed: 4 })).toEqual(planSoak({ version: 1, seconds: 1200, seed: 4 }));
    const lengths = [1, 2, 3, 4, 5].map((seed) => planSoak({ version: 1, seconds: 1200, seed }).stretches);
    expect(new Set(lengths.map((stretches) => JSON.stringify(stretches))).size).toBe(5);
  });

  it('has twenty cycles of a minute in twenty minutes, and ends by both signals', () => {
    const { stretches, seconds } = planSoak({ version: 1, seconds: 1200, seed: 1 });
    expect(stretches.reduce((sum, { cycles }) => sum + cycles, 0)).toBe(20);
    expect(seconds.steady + seconds.burst + seconds.idle).toBeCloseTo(60);
    expect(new Set(stretches.slice(0, -1).map(({ signal }) => signal))).toEqual(new Set(['SIGTERM', 'SIGKILL']));
    expect(stretches.at(-1)?.signal).toBe('SIGTERM');
  });
});
