import { HONEST_HOUR } from './attack.ts';
import { type HonestReport, RECORDS_A_BATCH } from './honest.ts';

/** What the service must keep while it is attacked. Times in milliseconds. */
export const BOUNDS = { honestP99: 250, healthMax: 1_000, megabytes: 600 } as const;

/** What was seen in one phase. */
export interface Evidence {
  readonly honest: HonestReport;
  readonly peakMegabytes: number;
  /** The lines of the honest hour at the end. */
  readonly lines: readonly string[];
  /** GET /metrics at rest. */
  readonly metrics: string;
  readonly readyStatus: number;
  readonly exitCode: number | null;
}

/** The value below which `share` of the values lie; 0 without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Records that are missing, doubled, or stored without a 202. */
export function checkRecords(honest: HonestReport, lines: readonly string[]): string[] {
  const found = new Map<string, number>();
  for (const line of lines) {
    const path = /"path":"\/honest\/([^"]+)"/.exec(line)?.[1];
    if (path !== undefined) found.set(path, (found.get(path) ?? 0) + 1);
  }
  const problems: string[] = [];
  const expectStored = (batch: string, counts: readonly number[]) => {
    const stored = Array.from({ length: RECORDS_A_BATCH }, (_, i) => found.get(`${batch}/${i}`) ?? 0);
    const isRight = stored.every((count) => count === stored[0]) && counts.includes(stored[0] ?? 0);
    if (!isRight) problems.push(`batch ${batch} of ${HONEST_HOUR}: its records are stored ${stored.join(', ')} times`);
  };
  for (const batch of honest.acknowledged) expectStored(batch, [1]);
  for (const [batch, outcome] of honest.failed) {
    // Without an answer a batch may be stored, whole; so it may after 503, when its time was over.
    if (batch !== 'health') expectStored(batch, /^(?:0|503) /.test(outcome) ? [0, 1] : [0]);
  }
  return problems;
}

/** Every promise that was not kept. `timed`: the bounds of time and memory count, too. */
export function judge(evidence: Evidence, { timed }: { readonly timed: boolean }): string[] {
  const { honest, lines, metrics, readyStatus, exitCode, peakMegabytes } = evidence;
  const problems = checkRecords(honest, lines).slice(0, 10);
  const check = (isKept: boolean, problem: string) => {
    if (!isKept) problems.push(problem);
  };
  const unaccounted = /^logforge_records_unaccounted (\S+)$/m.exec(metrics)?.[1];
  check(unaccounted === '0', `logforge_records_unaccounted is ${unaccounted}`);
  check(readyStatus === 200, `GET /ready answers ${readyStatus}`);
  check(exitCode === 0, `SIGTERM ends with exit code ${exitCode}`);
  check(honest.acknowledged.length > 0, 'no honest batch was acknowledged');
  if (!timed) return problems;
  const [batch, outcome] = honest.failed[0] ?? [];
  check(batch === undefined, `${honest.failed.length} honest requests failed, the first (${batch}) with ${outcome}`);
  const p99 = quantile(honest.latencies, 0.99);
  check(p99 < BOUNDS.honestP99, `honest p99 is ${p99.toFixed(0)} ms, the limit ${BOUNDS.honestP99}`);
  const slowest = Math.max(0, ...honest.health);
  check(slowest < BOUNDS.healthMax, `GET /health took ${slowest.toFixed(0)} ms, the limit is ${BOUNDS.healthMax}`);
  check(peakMegabytes < BOUNDS.megabytes, `memory is ${peakMegabytes.toFixed(0)} MB, the limit ${BOUNDS.megabytes}`);
  return problems;
}
