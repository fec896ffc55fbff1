import type { LiveWatch } from '../live/live-sampler.ts';
import { toServiceStats } from '../live/service-stats.ts';
import { takeDroppedLogLines } from '../log.ts';
import { type Metrics, readKindTotals, readStreamTotals, writeExposition } from '../metrics/metrics.ts';
import { mergeSamples } from '../model/record-kinds.ts';
import type { Repo } from '../repo/repo.ts';
import { shareWork } from '../runtime/share-work.ts';
import type { Accounting } from '../service/accounting.ts';
import type { Pipeline } from './direct.ts';
import type { HttpReaders } from './http-readers.ts';
import type { Core } from './http-worker.ts';
import type { Inputs } from './inputs.ts';

/** Between two readings of all metrics, each of which takes some ms: many scrapes at once share one. */
const METRICS_PAUSE_MS = 50;

/** What is read of all threads when somebody asks. */
export function createReadings(parts: {
  readonly metrics: Metrics;
  readonly repo: Repo;
  readonly http: Pick<HttpReaders, 'accountings' | 'counts' | 'lines'>;
  readonly inputs: Pick<Inputs, 'accountings' | 'lines' | 'refresh'>;
  readonly pipeline: Pick<Pipeline, 'accountings'>;
  readonly live: Pick<LiveWatch, 'snapshot' | 'sources'>;
  /** Sets the gauges of readiness and disks. */
  readonly readHealth: () => Promise<void>;
}): Pick<Core, 'metricsText' | 'streamTotals' | 'serviceStats'> {
  const { metrics, repo, http, inputs, pipeline, live, readHealth } = parts;
  return {
    metricsText: shareWork(async () => {
      readGauges(metrics, repo, [...http.accountings(), ...inputs.accountings, ...pipeline.accountings]);
      metrics.logLinesDropped.inc(takeDroppedLogLines());
      await Promise.all([readHealth(), inputs.refresh()]);
      return writeExposition(metrics, await http.counts());
    }, METRICS_PAUSE_MS),
    streamTotals: shareWork(async () => readStreamTotals(metrics, await http.counts()), METRICS_PAUSE_MS),
    serviceStats: shareWork(async () => {
      const [{ stats }, counts, lines] = await Promise.all([
        live.snapshot(),
        http.counts(),
        http.lines(),
        inputs.refresh(),
      ]);
      const kinds = await readKindTotals(metrics, counts);
      const samples = mergeSamples([...lines, inputs.lines()]);
      return toServiceStats(stats, { kinds, samples, sources: live.sources() });
    }, METRICS_PAUSE_MS),
  };
}

/** Sets the gauges that are read when a scrape asks, not counted as things happen. */
function readGauges(metrics: Metrics, repo: Repo, accountings: readonly Accounting[]): void {
  const sum = (read: (accounting: Accounting) => number): number =>
    accountings.reduce((total, accounting) => total + read(accounting), 0);
  metrics.inFlightRecords.set(sum((accounting) => accounting.inFlightRecords()));
  metrics.unaccounted.set(sum((accounting) => accounting.unaccounted()));
  const oldest = repo.idempotency.oldest();
  metrics.idempotencyKeys.set(repo.idempotency.size());
  metrics.idempotencyBytes.set(repo.idempotency.bytes());
  metrics.idempotencyReach.set(oldest === undefined ? 0 : (repo.idempotency.now() - oldest) / 1000);
}
