import { quantile } from './judge.ts';
import type { PhaseResult } from './run-attack.ts';

/** The result of a phase as text. */
export function renderPhase(phase: string, result: PhaseResult, problems: readonly string[]): string {
  const { evidence, tallies, cpuSeconds } = result;
  const { latencies, health, acknowledged, failed } = evidence.honest;
  const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const rows = [
    ['honest batches', `${acknowledged.length} acknowledged, ${failed.length} failed`],
    [
      'honest latency',
      `p50 ${ms(quantile(latencies, 0.5))}, p99 ${ms(quantile(latencies, 0.99))}, max ${ms(Math.max(...latencies))}`,
    ],
    ['GET /health', `p99 ${ms(quantile(health, 0.99))}, max ${ms(Math.max(...health))}`],
    ['memory', `${evidence.peakMegabytes.toFixed(0)} MB at most`],
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
