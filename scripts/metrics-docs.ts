import { writeFileSync } from 'node:fs';
import { createMetrics } from '../src/metrics/metrics.ts';

/** Where the reference lies. */
export const METRICS_DOCS = new URL('../docs/metrics.md', import.meta.url);

const INTRODUCTION = `# Metrics

Made from \`src/metrics/metrics.ts\` by \`scripts/metrics-docs.ts\`; do not edit.

\`GET /metrics\` answers them as Prometheus text, those of all threads added up. Everything is counted per batch, not per
record, and no label ever carries a path, a user agent, a key or an address. A histogram has the series \`_bucket\`, \`_sum\` and
\`_count\`. Metrics of version 2 are there in version 1, too, and stay at 0.

What to watch and what to do is in [operations.md](operations.md#watch-it).
`;

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The reference of every metric as Markdown. */
export async function renderMetricsDocs(): Promise<string> {
  const { registry } = createMetrics({ defaultMetrics: true });
  const metrics = registry.getMetricsAsArray().map((metric): Described => {
    const labels = 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
    return { name: metric.name, help: metric.help, type: String(metric.type), labels };
  });
  const isDefault = ({ name }: Described) => /^(process|nodejs)_/.test(name);
  const isOurs = ({ name }: Described) => name.startsWith('logforge_');
  return [
    INTRODUCTION,
    ...renderTable(
      'Names that existing dashboards use',
      metrics.filter((metric) => !isDefault(metric) && !isOurs(metric)),
    ),
    ...renderTable('Of logforge', metrics.filter(isOurs)),
    ...renderTable('Of the process and of Node.js', metrics.filter(isDefault)),
  ].join('');
}

function* renderTable(title: string, metrics: readonly Described[]): Generator<string> {
  yield `\n## ${title}\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n`;
  for (const { name, type, labels, help } of metrics) {
    const named = labels.map((label) => `\`${label}\``).join(', ');
    yield `| \`${name}\` | ${type} | ${named} | ${help.replaceAll('|', '\\|').replace(/\.$/, '')} |\n`;
  }
}

// Run as a script, writes the reference; a test fails while it differs from the metrics.
if (import.meta.main) writeFileSync(METRICS_DOCS, await renderMetricsDocs());
