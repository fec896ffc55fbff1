import type { Metrics } from '../metrics/metrics.ts';
import { mapKinds, type RecordKind } from '../model/record-kinds.ts';
import type { StreamName } from '../model/stream.ts';

/** The counts of one thread that the live figures need. They can be cloned, and added to those of other threads. */
export interface LiveCounts {
  readonly values: Readonly<Record<LiveValue, number>>;
  readonly requests: Buckets;
  readonly syncs: Buckets;
  readonly breaker: string;
  readonly streams: Readonly<Record<StreamName, StreamCounts>>;
  readonly kinds: Readonly<Record<RecordKind, number>>;
  /** By name. Only the main thread has inputs. */
  readonly inputs: Readonly<Record<string, InputCounts>>;
}

export interface InputCounts {
  readonly records: number;
  readonly bytes: number;
  readonly dropped: number;
  readonly refused: number;
  readonly connections: number;
  readonly inFlightBytes: number;
  readonly maxInFlightBytes: number;
}

/** What one stream has stored. */
export interface StreamCounts {
  readonly stored: number;
  readonly bytes: number;
}

/** A histogram: how many were at most `bounds[i]` seconds, and more than the bound before; the last bound is Infinity. */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

const LIVE_VALUES = [
  'batches',
  'refusedBatches',
  'failedBatches',
  'bytes',
  'accepted',
  'stored',
  'rejected',
  'deadLettered',
  'duplicate',
  'latencySeconds',
  'dropped',
  'inFlightRecords',
  'inFlightBytes',
  'openFiles',
  'brokersUp',
  'lagMessages',
  'lagSeconds',
  'spoolBytes',
  'spoolBatches',
  'spoolAgeSeconds',
] as const;
export type LiveValue = (typeof LIVE_VALUES)[number];

/** The part of a prom-client metric that is read here. */
interface Readable {
  get(): Promise<{ readonly values: readonly MetricValue[] }>;
}

interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly metricName?: string;
}

/** Reads the counts from the metrics, in 0.1 ms. `inFlightRecords` comes from the accounting: no metric has it. */
export async function readLiveCounts(metrics: Metrics, inFlightRecords: number): Promise<LiveCounts> {
  const outcomes = await byLabel(metrics.records, 'outcome');
  const values: Record<LiveValue, number> = {
    batches: await total(metrics.batchesReceived),
    refusedBatches: await total(metrics.invalidRequests),
    failedBatches: await total(metrics.ingestErrors),
    bytes: (await total(metrics.receivedBytes)) + (await total(metrics.inputBytes)),
    accepted: await total(metrics.logsIngested),
    stored: outcomes.get('stored') ?? 0,
    rejected: outcomes.get('rejected') ?? 0,
    deadLettered: outcomes.get('dead_lettered') ?? 0,
    duplicate: outcomes.get('duplicate') ?? 0,
    latencySeconds: await total(metrics.recordLatency),
    dropped: await total(metrics.inputDropped),
    inFlightRecords,
    inFlightBytes: (await total(metrics.inFlightBytes)) + (await total(metrics.inputInFlightBytes)),
    openFiles: await total(metrics.openFiles),
    brokersUp: await total(metrics.kafkaUp),
    lagMessages: await total(metrics.consumerLag),
    lagSeconds: await largest(metrics.consumerLagSeconds),
    spoolBytes: await total(metrics.spoolBytes),
    spoolBatches: await total(metrics.spoolBatches),
    spoolAgeSeconds: await total(metrics.spoolAge),
  };
  const states = await byLabel(metrics.breakerState, 'state');
  return {
    values,
    requests: await buckets(metrics.requestDuration, ({ route }) => route === '/logs'),
    syncs: await buckets(metrics.syncDuration, () => true),
    streams: await readStreams(metrics),
    kinds: await readKinds(metrics),
    inputs: await readInputs(metrics),
    breaker: [...states].find(([, value]) => value === 1)?.[0] ?? '',
  };
}

async function readStreams({ streamRecords, streamBytes }: Metrics): Promise<LiveCounts['streams']> {
  const bytes = await byLabel(streamBytes, 'stream');
  const { values } = await streamRecords.get();
  const stored = values.filter(({ labels }) => labels.outcome === 'stored');
  return Object.fromEntries(
    stored.map(({ labels: { stream = '' }, value }) => [
      String(stream),
      { stored: value, bytes: bytes.get(String(stream)) ?? 0 },
    ]),
  );
}

async function readKinds({ kindRecords }: Metrics): Promise<LiveCounts['kinds']> {
  const counts = await byLabel(kindRecords, 'kind');
  return mapKinds((kind) => counts.get(kind) ?? 0);
}

async function readInputs(metrics: Metrics): Promise<LiveCounts['inputs']> {
  const records = await byLabel(metrics.inputRecords, 'input');
  if (records.size === 0) return {};
  const columns = {
    bytes: await byLabel(metrics.inputBytes, 'input'),
    dropped: await byLabel(metrics.inputDropped, 'input'),
    refused: await byLabel(metrics.inputRefused, 'input'),
    connections: await byLabel(metrics.inputConnections, 'input'),
    inFlightBytes: await byLabel(metrics.inputInFlightBytes, 'input'),
    maxInFlightBytes: await byLabel(metrics.inputMaxInFlightBytes, 'input'),
  };
  const of = (name: string, column: keyof typeof columns) => columns[column].get(name) ?? 0;
  return Object.fromEntries(
    Array.from(records, ([name, count]): [string, InputCounts] => [
      name,
      {
        records: count,
        bytes: of(name, 'bytes'),
        dropped: of(name, 'dropped'),
        refused: of(name, 'refused'),
        connections: of(name, 'connections'),
        inFlightBytes: of(name, 'inFlightBytes'),
        maxInFlightBytes: of(name, 'maxInFlightBytes'),
      },
    ]),
  );
}

async function total(metric: Readable): Promise<number> {
  const { values } = await metric.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

async function largest(metric: Readable): Promise<number> {
  const { values } = await metric.get();
  return Math.max(0, ...values.map(({ value }) => value));
}

/** The sum of the values that have the same value of the label. */
async function byLabel(metric: Readable, label: string): Promise<Map<string, number>> {
  const { values } = await metric.get();
  const sums = new Map<string, number>();
  for (const { labels, value } of values) {
    const of = String(labels[label]);
    sums.set(of, (sums.get(of) ?? 0) + value);
  }
  return sums;
}

async function buckets(metric: Readable, isWanted: (labels: MetricValue['labels']) => boolean): Promise<Buckets> {
  const cumulative = new Map<number, number>();
  for (const { metricName = '', labels, value } of (await metric.get()).values) {
    if (!metricName.endsWith('_bucket') || !isWanted(labels)) continue;
    const bound = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);
    cumulative.set(bound, (cumulative.get(bound) ?? 0) + value);
  }
  const bounds = [...cumulative.keys()].sort((a, b) => a - b);
  const sums = bounds.map((bound) => cumulative.get(bound) ?? 0);
  return { bounds, counts: sums.map((sum, i) => sum - (sums[i - 1] ?? 0)) };
}

/** All threads together. At least one. */
export function addLiveCounts([first, ...others]: readonly [LiveCounts, ...LiveCounts[]]): LiveCounts {
  return others.reduce((sum, one) => {
    const values = { ...sum.values };
    for (const name of LIVE_VALUES) values[name] += one.values[name];
    return {
      values,
      requests: combine(sum.requests, one.requests, 1),
      syncs: combine(sum.syncs, one.syncs, 1),
      breaker: sum.breaker || one.breaker,
      streams: addStreams(sum.streams, one.streams),
      kinds: mapKinds((kind) => sum.kinds[kind] + one.kinds[kind]),
      inputs: { ...sum.inputs, ...one.inputs },
    };
  }, first);
}

function addStreams(sum: LiveCounts['streams'], one: LiveCounts['streams']): LiveCounts['streams'] {
  const streams = { ...sum };
  for (const [name, { stored, bytes }] of Object.entries(one)) {
    const before = Object.hasOwn(streams, name) ? streams[name] : undefined;
    streams[name] = { stored: stored + (before?.stored ?? 0), bytes: bytes + (before?.bytes ?? 0) };
  }
  return streams;
}

/** What came between two samples. Never below zero, though a thread that was replaced counts from zero. */
export function subtractBuckets(now: Buckets, before: Buckets): Buckets {
  const { bounds, counts } = combine(now, before, -1);
  return { bounds, counts: counts.map((count) => Math.max(0, count)) };
}

/** A histogram without any observation has no bounds yet. */
function combine(a: Buckets, b: Buckets, sign: 1 | -1): Buckets {
  if (b.bounds.length === 0) return a;
  const counts = b.bounds.map((_, i) => (a.counts[i] ?? 0) + sign * (b.counts[i] ?? 0));
  return { bounds: b.bounds, counts };
}

/**
 * The value that a share of the observations does not exceed, evenly spread within a bucket, as Prometheus'
 * histogram_quantile has it; undefined without observations. In the last bucket: its lower bound.
 */
export function quantile({ bounds, counts }: Buckets, share: number): number | undefined {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return undefined;
  const rank = share * all;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    const lower = bounds[i - 1] ?? 0;
    const upper = bounds[i] ?? Number.POSITIVE_INFINITY;
    if (count > 0 && below + count >= rank) {
      return upper === Number.POSITIVE_INFINITY ? lower : lower + (upper - lower) * ((rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-2);
}
