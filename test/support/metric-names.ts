import type { Registry } from 'prom-client';
import { createAgentMetrics } from '../../src/metrics/agent-metrics.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';

const SUFFIXES = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] } as const;

/** Every series that a service can expose, by name. */
export function knownSeries(): Promise<ReadonlySet<string>> {
  series ??= readSeries(createMetrics({ defaultMetrics: true }).registry);
  return series;
}

/** Made once, because the default metrics watch their process. */
let series: Promise<ReadonlySet<string>> | undefined;

/** Every series that a program which sends logs can expose. */
export function agentSeries(): Promise<ReadonlySet<string>> {
  const metrics = createAgentMetrics(() => {
    throw new Error('nobody asks for the values');
  });
  return readSeries(metrics.registry);
}

async function readSeries(registry: Registry): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    const kind = String(type);
    const suffixes = kind === 'histogram' || kind === 'summary' ? SUFFIXES[kind] : [''];
    for (const suffix of suffixes) names.add(`${name}${suffix}`);
  }
  return names;
}

/** The names in a PromQL expression or a text that look like series of logforge or of the process. */
export function seriesIn(text: string): readonly string[] {
  return [...new Set(text.match(SERIES) ?? [])];
}

const SERIES =
  /\b(?:(?:logforge|kafka|process|nodejs)_[a-z0-9_]*[a-z0-9]|(?:log_batches|logs_ingested|invalid_requests|ingest_errors|aggregation_runs)_[a-z_]*[a-z]|ingestion_work_queue_depth)\b/g;
