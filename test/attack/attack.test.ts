import { describe, expect, it } from 'vitest';
import { checkRecords, judge, quantile } from './judge.ts';
import { renderPhase, summarisePhase } from './report.ts';
import { runPhase } from './run-attack.ts';

describe('a short attack', () => {
  it('loses, doubles and forgets no honest record, while all hostile clients run', async () => {
    const { evidence, tallies } = await runPhase('open', { seconds: 4, seed: 7, widePaths: 20_000 });
    expect(judge(evidence, { timed: false })).toEqual([]);
    expect(Object.keys(tallies).length).toBeGreaterThan(10);
  });

  it('keeps the promises with API keys, and when nobody reads the log', async () => {
    const { evidence } = await runPhase('keyed', { seconds: 3, seed: 7, widePaths: 0 });
    expect(judge(evidence, { timed: false })).toEqual([]);
  });
});

describe('the report', () => {
  it('has the same figures as text and as JSON', () => {
    const honest = { acknowledged: ['0-0'], failed: [['0-1', '503 no']] as const, latencies: [2, 40], health: [1] };
    const evidence = { honest, peakMegabytes: 321.4, lines: [], metrics: '', readyStatus: 200, exitCode: 0 };
    const tallies = { nesting: { 400: 7 } };
    const result = { evidence, tallies, cpuSeconds: { service: 1.5, hostile: 2 } };
    const summary = summarisePhase('open', result, ['a promise']);
    expect(JSON.parse(JSON.stringify(summary))).toEqual({
      phase: 'open',
      acknowledged: 1,
      failed: 1,
      latencyMs: { p50: 40, p99: 40, max: 40 },
      healthMs: { p50: 1, p99: 1, max: 1 },
      peakMegabytes: 321.4,
      cpuSeconds: { service: 1.5, hostile: 2 },
      tallies,
      problems: ['a promise'],
    });
    const text = renderPhase(summary);
    for (const part of ['1 acknowledged, 1 failed', 'p99 40 ms', '321 MB', '400 × 7', 'BROKEN: a promise']) {
      expect(text).toContain(part);
    }
  });
});

describe('the judgement', () => {
  const lines = (batch: string, count: number) =>
    Array.from({ length: count }, (_, i) => `{"timestamp":"t","path":"/honest/${batch}/${i}","userAgent":"honest"}`);
  const report = { acknowledged: ['0-0'], failed: [], latencies: [1], health: [1] };

  it('finds a missing record, a doubled one, and one that was refused and stored', () => {
    expect(checkRecords(report, lines('0-0', 10))).toEqual([]);
    expect(checkRecords(report, lines('0-0', 9))).toHaveLength(1);
    expect(checkRecords(report, [...lines('0-0', 10), ...lines('0-0', 10)])).toHaveLength(1);
    const refused = { ...report, acknowledged: [], failed: [['0-0', '400 no']] as const };
    expect(checkRecords(refused, lines('0-0', 10))).toHaveLength(1);
    expect(checkRecords({ ...refused, failed: [['0-0', '0 cut off']] }, lines('0-0', 10))).toEqual([]);
  });

  it('takes the value below which a share of the values lie', () => {
    expect(quantile([3, 1, 2, 4], 0.5)).toBe(3);
    expect(quantile([5], 0.99)).toBe(5);
    expect(quantile([], 0.99)).toBe(0);
  });
});
