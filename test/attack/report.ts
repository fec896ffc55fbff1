import type { Tallies } from './attack.ts';
import { quantile } from './judge.ts';
import type { PhaseResult } from './run-attack.ts';

interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The figures of a phase, which the report as JSON holds. Times in milliseconds. */
export interface PhaseSummary {
  readonly phase: string;
  readonly acknowledged: number;
  readonly failed: number;
  readonly latencyMs: Times;
  readonly healthMs: Times;
  readonly peakMegabytes: number;
  readonly cpuSeconds: PhaseResult['cpuSeconds'];
  readonly tallies: Tallies;
  /** Promises that were not kept. */
  readonly problems: readonly string[];
}

export function summarisePhase(phase: string, result: PhaseResult, problems: readonly string[]): PhaseSummary {
  const { evidence, tallies, cpuSeconds } = result;
  const { latencies, health, acknowledged, failed } = evidence.honest;
  return {
    phase,
    acknowledged: acknowledged.length,
    failed: failed.length,
    latencyMs: timesOf(latencies),
    healthMs: timesOf(health),
    peakMegabytes: evidence.peakMegabytes,
    cpuSeconds,
    tallies,
    problems,
  };
}

function timesOf(values: readonly number[]): Times {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: Math.max(0, ...values) };
}

/** The result of a phase as text. */
export function renderPhase(summary: PhaseSummary): string {
  const { phase, acknowledged, failed, latencyMs, healthMs, peakMegabytes, cpuSeconds, tallies, problems } = summary;
  const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const rows = [
    ['honest batches', `${acknowledged} acknowledged, ${failed} failed`],
    ['honest latency', `p50 ${ms(latencyMs.p50)}, p99 ${ms(latencyMs.p99)}, max ${ms(latencyMs.max)}`],
    ['GET /health', `p99 ${ms(healthMs.p99)}, max ${ms(healthMs.max)}`],
    ['memory', `${peakMegabytes.toFixed(0)} MB at most`],
    ['CPU', `service ${cpuSeconds.service.toFixed(1)} s, hostile clients ${cpuSeconds.hostile.toFixed(1)} s`],
    ...Object.entries(tallies).map(([name, tally]) => [name, renderTally(tally)] as const),
  ] as const;
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n');
  const verdict =
    problems.length === 0 ? '  every promise was kept' : problems.map((text) => `  BROKEN: ${text}`).join('\n');
  return `\nphase ${phase}\n${table}\n${verdict}`;
}

function renderTally(tally: Readonly<Record<string, number>>): string {
  const parts = Object.entries(tally).map(([outcome, count]) => `${outcome} × ${count}`);
  return parts.length === 0 ? 'no request ended' : parts.join(', ');
}
