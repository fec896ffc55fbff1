import { type HonestReport, RECORDS_A_BATCH } from '../attack/honest.ts';
import { checkRecords, quantile } from '../attack/judge.ts';
import type { Phase } from './plan.ts';
import type { Place } from './sampler.ts';
import type { Latency } from './verdict.ts';

/** The honest clients' reports, and the stored lines of their hours. */
export function createHonest() {
  const reports: HonestReport[] = [];
  let lines: string[] = [];
  const all = (): HonestReport => ({
    acknowledged: reports.flatMap(({ acknowledged }) => acknowledged),
    failed: reports.flatMap(({ failed }) => failed),
    latencies: [],
    health: [],
  });
  return {
    sent: (report: HonestReport) => void reports.push(report),
    found: (line: string) => void lines.push(line),
    recount: () => {
      lines = [];
    },
    check(): string[] {
      const refused = all().failed.map(([batch, outcome]) => `honest batch ${batch} was answered ${outcome}`);
      return [...checkRecords(all(), lines), ...refused].slice(0, 10);
    },
    records: () => all().acknowledged.length * RECORDS_A_BATCH,
  };
}

/** What the clients of one report felt. */
export function describeLatency(report: HonestReport, phase: Phase, at: Place, began: number): Latency {
  const { latencies, health, acknowledged } = report;
  return {
    seconds: (at.phaseBegan - began) / 1000,
    secondsInStretch: (at.phaseBegan - at.stretchBegan) / 1000,
    stretch: at.stretch,
    phase,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    max: Math.max(0, ...latencies),
    healthP99: quantile(health, 0.99),
    batches: acknowledged.length,
  };
}
