import { writeFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { createAgentMetrics } from '../src/metrics/agent-metrics.ts';
import { createMetrics } from '../src/metrics/metrics.ts';

/** The page that this script writes. */
export const METRICS_DOCS = new URL('../docs/metrics.md', import.meta.url);

const INTRODUCTION = `# Metrics

Made from \`src/metrics/metrics.ts\` by \`scripts/metrics-docs.ts\`; do not edit.

\`GET /metrics\` answers them as Prometheus text, added up over all threads. Everything is counted per batch, not per record. No label
ever carries a path, a user agent, a key or an address. A histogram has the series \`_bucket\`, \`_sum\` and \`_count\`. Version 1 also
has the metrics of version 2; they stay at 0.

[operations.md](operations.md#monitoring) says which to watch and what to do.
`;

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The reference of every metric as Markdown. */
export async function renderMetricsDocs(): Promise<string> {
  const metrics = describeAll(createMetrics({ defaultMetrics: true }).registry);
  const agent = describeAll(createAgentMetrics(() => NO_COUNTS).registry);
  const isDefault = ({ name }: Described) => /^(process|nodejs)_/.test(name);
  const isOurs = ({ name }: Described) => name.startsWith('logforge_');
  return [
    INTRODUCTION,
    ...renderTable(
      'Names that existing dashboards use',
      metrics.filter((metric) => !isDefault(metric) && !isOurs(metric)),
    ),
    ...renderTable('Metrics of logforge', metrics.filter(isOurs)),
    ...renderTable('Metrics of logforge forward and collect', agent.filter(isOurs)),
    ...renderTable('Metrics of the process and of Node.js', metrics.filter(isDefault)),
  ].join('');
}

/** Nobody asks these metrics for their values. */
const NO_COUNTS = {
  stored: 0,
  duplicates: 0,
  refused: 0,
  filtered: 0,
  unreadable: 0,
  retries: 0,
  files: 0,
  lagBytes: 0,
};

function describeAll(registry: Registry): readonly Described[] {
  return registry.getMetricsAsArray().map((metric) => {
    const labels = 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
    return { name: metric.name, help: metric.help, type: String(metric.type), labels };
  });
}

function* renderTable(title: string, metrics: readonly Described[]): Generator<string> {
  yield `\n## ${title}\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n`;
  for (const { name, type, labels, help } of metrics) {
    const named = labels.map((label) => `\`${label}\``).join(', ');
    yield `| \`${name}\` | ${type} | ${named} | ${help.replaceAll('|', '\\|').replace(/\.$/, '')} |\n`;
  }
}

// As a script it writes the page. A test fails while the page differs from the metrics.
if (import.meta.main) writeFileSync(METRICS_DOCS, await renderMetricsDocs());
