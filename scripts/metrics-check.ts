/**
 * `make metrics-check`: looks at what a running service exposes. Its form, by promtool where there is one; the names that
 * dashboards and alerts rely on; and that the books balance.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { knownSeries } from '../test/support/metric-names.ts';

/** Names that a library chose, and promtool would not have. */
const NOT_OURS = /^nodejs_active_/;
const OUTCOMES = ['stored', 'rejected', 'dead_lettered', 'duplicate'] as const;
/** Other programs rely on these, whatever a newer taste would call them. */
const PROMISED = [
  'log_batches_received_total',
  'invalid_requests_total',
  'logs_ingested_total',
  'ingest_errors_total',
  'aggregation_runs_total',
  'ingestion_work_queue_depth',
  'kafka_up',
  'kafka_consumer_errors_total',
  'kafka_writer_errors_total',
];

/** What is wrong with an exposition, one line each. `lint` has what promtool says. */
export async function checkExposition(text: string, lint: string): Promise<string[]> {
  const samples = readSamples(text);
  const known = await knownSeries();
  const names = new Set([...samples.keys()].map((series) => series.replace(/\{.*/, '')));
  return [
    ...lint.split('\n').filter((line) => line !== '' && !NOT_OURS.test(line)),
    ...PROMISED.filter((name) => !names.has(name)).map((name) => `${name}: it is not there`),
    ...[...names].filter((name) => !known.has(name)).map((name) => `${name}: it is not declared in src/metrics`),
    ...checkBooks(samples),
  ];
}

/** In version 2 two stages keep books, so only the difference that the service itself computes tells there. */
function* checkBooks(samples: ReadonlyMap<string, number>): Generator<string> {
  const read = (series: string): number => samples.get(series) ?? 0;
  const unaccounted = read('logforge_records_unaccounted');
  if (unaccounted !== 0) yield `logforge_records_unaccounted: ${unaccounted} records`;
  if (read('logforge_pipeline') !== 1) return;
  const settled = OUTCOMES.reduce((sum, outcome) => sum + read(`logforge_records_total{outcome="${outcome}"}`), 0);
  const received = read('logforge_records_received_total');
  const flying = read('logforge_records_in_flight');
  if (received !== settled + flying) {
    yield `the books do not balance: ${received} records received, ${settled} settled, ${flying} in flight`;
  }
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
function readSamples(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, series, value] = /^([^#\s{]+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (series !== undefined) samples.set(series, Number(value));
  }
  return samples;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { url: { type: 'string', default: 'http://127.0.0.1:8082' } } });
  const answer = await fetch(new URL('/metrics', values.url)).catch(() => undefined);
  if (answer?.ok !== true) {
    process.stderr.write(`there is no service at ${values.url}: start one, by make run-v1 or make run-v2\n`);
    return 1;
  }
  const text = await answer.text();
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (lint.error !== undefined) process.stderr.write('without promtool, the form is not checked\n');
  const problems = await checkExposition(text, lint.stderr ?? '');
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length === 0) process.stdout.write('the metrics are in form, and the books balance\n');
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
