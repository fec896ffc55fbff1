import { createMetrics } from '../../src/metrics/metrics.ts';

const SUFFIXES = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] } as const;

/** Every series that a service can expose, by name. */
export function knownSeries(): Promise<ReadonlySet<string>> {
  series ??= readSeries();
  return series;
}

/** Once: the default metrics watch the process they are made in. */
let series: Promise<ReadonlySet<string>> | undefined;

async function readSeries(): Promise<ReadonlySet<string>> {
  const { registry } = createMetrics({ defaultMetrics: true });
  const names = new Set<string>();
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    const kind = String(type);
    const suffixes = kind === 'histogram' || kind === 'summary' ? SUFFIXES[kind] : [''];
    for (const suffix of suffixes) names.add(`${name}${suffix}`);
  }
  return names;
}

/** What looks like one of our series, or of the process, in a PromQL expression or a text. */
export function seriesIn(text: string): readonly string[] {
  return [...new Set(text.match(SERIES) ?? [])];
}

const SERIES =
  /\b(?:(?:logforge|kafka|process|nodejs)_[a-z0-9_]*[a-z0-9]|(?:log_batches|logs_ingested|invalid_requests|ingest_errors|aggregation_runs)_[a-z_]*[a-z]|ingestion_work_queue_depth)\b/g;
