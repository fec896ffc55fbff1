/**
 * `make metrics-check`: checks the metrics of a running service: the form, by promtool if it is installed; the names that
 * dashboards and alerts rely on; and the accounting.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { knownSeries } from '../test/support/metric-names.ts';

/** Names that a library chose, and that promtool does not accept. */
const FROM_LIBRARIES = /^nodejs_active_/;
const OUTCOMES = ['stored', 'rejected', 'dead_lettered', 'duplicate'] as const;
/** Other programs rely on these names, so they never change. */
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

/** The problems of an exposition, one line each. `lint` is the output of promtool. */
export async function checkExposition(text: string, lint: string): Promise<string[]> {
  const samples = readSamples(text);
  const known = await knownSeries();
  const names = new Set([...samples.keys()].map((series) => series.replace(/\{.*/, '')));
  return [
    ...lint.split('\n').filter((line) => line !== '' && !FROM_LIBRARIES.test(line)),
    ...PROMISED.filter((name) => !names.has(name)).map((name) => `${name}: missing`),
    ...[...names].filter((name) => !known.has(name)).map((name) => `${name}: not declared in src/metrics`),
    ...checkAccounting(samples),
  ];
}

/** Version 2 has two stages, each with its own accounting, so there only the difference that the service computes is checked. */
function* checkAccounting(samples: ReadonlyMap<string, number>): Generator<string> {
  const read = (series: string): number => samples.get(series) ?? 0;
  const unaccounted = read('logforge_records_unaccounted');
  if (unaccounted !== 0) yield `logforge_records_unaccounted: ${unaccounted} records`;
  if (read('logforge_pipeline') !== 1) return;
  const settled = OUTCOMES.reduce((sum, outcome) => sum + read(`logforge_records_total{outcome="${outcome}"}`), 0);
  const received = read('logforge_records_received_total');
  const inFlight = read('logforge_records_in_flight');
  if (received !== settled + inFlight) {
    yield `the accounting does not balance: ${received} records received, ${settled} settled, ${inFlight} in flight`;
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
    process.stderr.write(`no service answers at ${values.url}: start one with make run-v1 or make run-v2\n`);
    return 1;
  }
  const text = await answer.text();
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (lint.error !== undefined) process.stderr.write('promtool is not installed: the form is not checked\n');
  const problems = await checkExposition(text, lint.stderr ?? '');
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length === 0) process.stdout.write('the form of the metrics is valid, and the accounting balances\n');
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
