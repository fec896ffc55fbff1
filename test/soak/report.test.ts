import { describe, expect, it } from 'vitest';
import { planSoak } from './plan.ts';
import { findFaults, renderSoak } from './report.ts';
import type { SoakResult } from './soak.ts';

const result: SoakResult = {
  plan: planSoak({ version: 1, seconds: 60, seed: 1 }),
  growth: [],
  largest: [],
  problems: [],
  records: { acknowledged: 10, burst: 20, honest: 30 },
  unknownBatches: 1,
  burstRecordsPerSecond: 1_000,
  requests: {},
  starts: [],
  others: 0.1,
  latencies: [],
  samples: [],
};
const slope = { perHour: 900, low: 700, high: 1_100, points: 9 };
const growth = { name: 'memory', unit: 'MB', median: 200, slope, limit: 120, decision: 'fail' } as const;
const slow = { name: 'honest p99', unit: 'ms', value: 400, limit: 250 };

describe('the verdict', () => {
  it('is PASS without a fault', () => {
    expect(findFaults(result)).toEqual([]);
    expect(renderSoak(result)).toMatch(/\nPASS$/);
  });

  it('names a growth, a value that is too large, and a promise that was not kept', () => {
    const faults = findFaults({ ...result, growth: [growth], largest: [slow], problems: ['a record is missing'] });
    expect(faults).toEqual([
      'a record is missing',
      'memory grows by 700 MB an hour at least (limit 120)',
      'honest p99 reached 400 ms (limit 250)',
    ]);
    expect(renderSoak({ ...result, growth: [growth] })).toMatch(/\+700 to \+1100 .* FAIL\n(?:.*\n)*FAIL$/);
  });

  it('does not judge times while other programs take the machine', () => {
    const busy = { ...result, growth: [growth], largest: [slow], others: 0.6 };
    expect(findFaults(busy)).toEqual(['memory grows by 700 MB an hour at least (limit 120)']);
    expect(renderSoak(busy)).toContain('not judged');
  });
});
