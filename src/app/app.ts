import { extname } from 'node:path';
import { createAggregator } from '../analytics/aggregate.ts';
import { createAnalytics } from '../analytics/analytics-thread.ts';
import { createRecount } from '../analytics/recount.ts';
import { createSummariserThread } from '../analytics/summarise-thread.ts';
import type { Config } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { createLive, type LiveWatch } from '../live/live-sampler.ts';
import { createTails, type Tails } from '../live/tail.ts';
import { type Log, takeDroppedLogLines } from '../log.ts';
import { createMetrics, type Metrics, readStreamTotals, writeExposition } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import { FirstHours } from '../model/first-hours.ts';
import type { Stream, StreamName } from '../model/stream.ts';
import { MAX_KEY_BYTES, mapLimits } from '../model/summary.ts';
import { createDimensionNotes } from '../repo/dimension-notes.ts';
import { openRepo } from '../repo/file-repo.ts';
import { listHours } from '../repo/hour-file.ts';
import type { Repo } from '../repo/repo.ts';
import { createSummaryTotals } from '../repo/summary-totals.ts';
import {
  checkDescriptors,
  type DescriptorShares,
  readDescriptorLimit,
  shareDescriptors,
} from '../runtime/descriptors.ts';
import { createLifecycle, type Lifecycle } from '../runtime/lifecycle.ts';
import { shareWork } from '../runtime/share-work.ts';
import type { Accounting } from '../service/accounting.ts';
import type { RetentionRunner } from '../service/retention.ts';
import type { AnalyticsWorkerData } from './analytics-worker.ts';
import { startCompaction } from './compaction.ts';
import { createDirectPipeline, type Pipeline } from './direct.ts';
import { createDiskWatch, type DiskWatch } from './disk-watch.ts';
import { createGauges } from './gauges.ts';
import { createHttpReaders, type HttpReaders } from './http-readers.ts';
import { createQueries } from './query.ts';
import type { QueuedPipelineParts } from './queued.ts';
import { startRegistry } from './registry.ts';
import { startRetention } from './retention.ts';
import { compressionBy, streamsOf } from './streams.ts';

/** The same ending as this file: .ts from source, .js when built. */
const analyticsWorker = new URL(`./analytics-worker${extname(import.meta.url)}`, import.meta.url);

export interface Service {
  /** `127.0.0.1:8082` */
  readonly addr: string;
  /** Resolves when a part failed permanently: the service should be stopped and started again. */
  readonly failed: Promise<Error>;
  /** Drains within the budget, in milliseconds. Resolves true when everything came to rest in time. */
  stop(budgetMs: number): Promise<boolean>;
}

/**
 * Puts the service together, in the order in which the data flows backwards: storage first, HTTP last, so that nothing is
 * accepted before the next stage can take it. The stop goes the other way. Rejects, with everything stopped again, when a
 * part cannot start.
 */
export async function startService(options: {
  readonly config: Config;
  readonly build: Omit<VersionInfo, 'pipeline'>;
  readonly log: Log;
}): Promise<Service> {
  const { build, log } = options;
  const descriptors = divideDescriptors(options.config, log);
  const config = withConnections(options.config, descriptors);
  const metrics = createMetrics({ defaultMetrics: true, streams: [...streamsOf(config).keys()] });
  metrics.buildInfo.labels(build.version, build.commit, build.node).set(1);
  const lifecycle = createLifecycle(log);
  try {
    return await startParts({ config, descriptors, metrics, log, lifecycle }, { ...build, pipeline: config.version });
  } catch (error) {
    await lifecycle.stop(config.server.shutdownTimeout);
    throw error;
  }
}

/** What every part is made with. */
interface Common {
  readonly config: Config;
  readonly descriptors: DescriptorShares;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** Says at the start how many descriptors there are, and whether fewer connections fit than are configured. */
function divideDescriptors({ server }: Config, log: Log): DescriptorShares {
  const { maxConnections, threads } = server;
  const shares = shareDescriptors({ limit: readDescriptorLimit(), maxConnections, threads });
  log.info('file descriptors', { ...shares });
  if (shares.connections < maxConnections)
    log.warn('server.maxConnections is more than the limit of file descriptors allows; fewer are accepted', {
      maxConnections,
      allowed: shares.connections,
      limit: shares.limit,
    });
  return shares;
}

/** Between two readings of all metrics, each of which takes some ms: many scrapes at once share one. */
const METRICS_PAUSE_MS = 50;

function withConnections(config: Config, { connections }: DescriptorShares): Config {
  return { ...config, server: { ...config.server, maxConnections: connections } };
}

async function startParts(common: Common, version: VersionInfo): Promise<Service> {
  const { config, descriptors, metrics, log, lifecycle } = common;
  const started = performance.now();
  const repo = await openStorage(common);
  const registry = await startRegistry({ ...common, registry: config.registry, dir: config.storage.stateDir });
  const { aggregator, analytics, hourTotals } = startAnalytics(common, repo);
  const firstHours = new FirstHours(streamsOf(config).keys());
  const retention = startRetention({ ...common, repo, firstHours });
  startCompaction({ ...common, repo });
  const diskWatch = startDiskWatch(common);
  const records = createQueries({ ...common, repo });
  lifecycle.started('query', () => records.stop());
  const http = createHttpReaders({ config, version, metrics, log, schemaStore: registry.store });
  const tails = createTails();
  const live = startLive(common, http, tails);
  const failure = Promise.withResolvers<Error>();
  const pipeline = await startPipeline({ ...common, repo, schemas: registry.store.table, onFatal: failure.resolve });
  const checkReadiness = async () => ({
    ...(await checkAll({
      storage: () => repo.checkWritable(),
      descriptors: async () => checkDescriptors(descriptors.limit),
      ...registry.checks,
      ...pipeline.checks,
    })),
    ...(await checkDamage(repo)),
    ...describeRetention(retention),
  });
  const readHealth = createGauges({ config, metrics, checkReadiness });

  const { address, port } = await http.start({
    deliver: tails.tap(pipeline.deliver),
    live: { ...live, tail: tails.tail },
    hourTotals,
    diskUse: diskWatch.read,
    checkReadiness,
    analytics,
    aggregate: () => aggregator.run(),
    records,
    registry: registry.registry,
    schemas: registry.store.table,
    firstHours,
    metricsText: shareWork(async () => {
      readGauges(metrics, repo, [...http.accountings(), ...pipeline.accountings]);
      metrics.logLinesDropped.inc(takeDroppedLogLines());
      await readHealth();
      return writeExposition(metrics, await http.counts());
    }, METRICS_PAUSE_MS),
    streamTotals: shareWork(async () => readStreamTotals(metrics, await http.counts()), METRICS_PAUSE_MS),
  });
  // Connections are cut a little before the time of this part is over, so that it comes to rest in time.
  lifecycle.started('http', (budgetMs) => http.close({ graceMs: budgetMs - Math.min(1_000, budgetMs / 4) }));

  const addr = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  log.info('listening', { addr, pipeline: config.version, startMs: Math.round(performance.now() - started) });
  return { addr, failed: failure.promise, stop: (budgetMs) => lifecycle.stop(budgetMs) };
}

async function openStorage({ config, descriptors, metrics, log, lifecycle }: Common): Promise<Repo> {
  const { storage, ingestion, server } = config;
  const repo = await openRepo({
    logsDir: storage.logsDir,
    dlqDir: storage.dlqDir,
    stateDir: storage.stateDir,
    alsoOwn: [storage.analyticsDir],
    maxOpenFiles: descriptors.files,
    durability: storage.durability,
    idempotency: { windowMs: ingestion.idempotencyWindow, maxKeys: ingestion.idempotencyMaxKeys },
    // Behind the broker no client waits: a consumer that slept, frozen with its machine, goes on with what it has.
    maxWaitMs: config.pipeline === 'direct' ? server.requestTimeout : Number.POSITIVE_INFINITY,
    maxBatchBytes: ingestion.maxBatchBytes,
    compressionOf: compressionBy(config),
    metrics,
    log,
  });
  lifecycle.started('storage', () => repo.close());
  return repo;
}

/** The aggregator that writes summaries, and analytics that reads them, each with a thread of its own. */
function startAnalytics({ config, metrics, log, lifecycle }: Common, repo: Repo) {
  const { analyticsDir, durability } = config.storage;
  const { maxKeys } = config.aggregation;
  const settles = durability === 'disk';
  const all = streamsOf(config);
  const streams = [...all.values()];
  const workerData: AnalyticsWorkerData = {
    analyticsDir,
    durability: settles ? 'later' : durability,
    maxKeys,
    streams,
  };
  const worker = { entry: analyticsWorker, workerData, heapMiB: heapForKeys(maxKeys, streams) };
  const thread = createSummariserThread({ ...worker, settles });
  const { interval } = config.aggregation;
  const hoursOf = (stream: StreamName) => listHours(config.storage.logsDir, stream);
  const { read } = createDimensionNotes({ analyticsDir, durable: settles });
  const notes = { read, write: thread.writeNote };
  const recount = createRecount({ streams, repo, thread, notes, listHours: hoursOf, metrics, log });
  const aggregator = createAggregator({ repo, thread, streams: all.keys(), recount, interval, metrics, log });
  if (config.aggregation.enabled) aggregator.start();
  lifecycle.started('aggregator', () => aggregator.stop());

  const analytics = createAnalytics({ ...worker, onDamaged: aggregator.countAgain, metrics, log });
  lifecycle.started('analytics', () => analytics.stop());
  const hourTotals = createSummaryTotals({ analyticsDir, onDamaged: aggregator.countAgain });
  return { aggregator, analytics, hourTotals };
}

/** Memory for one summary, MiB: its maps, full, and what it takes to sort them. */
function heapForKeys(maxKeys: number, streams: readonly Stream[]): number {
  const maps = Math.max(...streams.map(({ countBy }) => countBy.length));
  const mapsMiB = (maps * 2 * MAX_KEY_BYTES) / 2 ** 20;
  return Math.ceil(512 + mapsMiB + (mapLimits(maxKeys).maxKeys * maps * 250) / 2 ** 20);
}

function startDiskWatch({ config, metrics, log, lifecycle }: Common): DiskWatch {
  const streams = [...streamsOf(config).keys()];
  const watch = createDiskWatch({ folders: config.storage, streams, metrics, log, clock: systemClock });
  watch.start();
  lifecycle.started('disk use', () => watch.stop());
  return watch;
}

function startLive({ config, lifecycle }: Common, http: HttpReaders, tails: Tails): LiveWatch {
  const live = createLive({
    sample: http.samples,
    pipeline: config.pipeline,
    clock: systemClock,
    now: () => performance.now(),
  });
  live.start();
  lifecycle.started('live', async () => {
    live.stop();
    tails.stop();
  });
  return live;
}

async function startPipeline(parts: QueuedPipelineParts): Promise<Pipeline> {
  if (parts.config.pipeline === 'direct') return createDirectPipeline(parts);
  // Loaded when it is wanted: a Kafka client doubles the time of a start that has no use for it.
  const { startQueuedPipeline } = await import('./queued.ts');
  return startQueuedPipeline(parts);
}

async function checkAll(
  probes: Readonly<Record<string, () => Promise<void>>>,
): Promise<Record<string, { ok: boolean; detail: string }>> {
  const checks = Object.entries(probes).map(async ([name, probe]) => {
    try {
      await probe();
      return [name, { ok: true, detail: 'ok' }] as const;
    } catch (error) {
      return [name, { ok: false, detail: error instanceof Error ? error.message : String(error) }] as const;
    }
  });
  return Object.fromEntries(await Promise.all(checks));
}

/** Damage is named, and does not fail the check: what can be served is served. */
async function checkDamage(repo: Repo): Promise<Record<string, { ok: boolean; detail: string }>> {
  const detail = await repo.damage();
  return detail === undefined ? {} : { damage: { ok: true, detail } };
}

/** What retention cannot do is named, and does not fail the check: records are stored. */
function describeRetention(retention: RetentionRunner): Record<string, { ok: boolean; detail: string }> {
  const detail = retention.status();
  return detail === undefined ? {} : { retention: { ok: true, detail } };
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
