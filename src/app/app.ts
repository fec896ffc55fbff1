import { extname } from 'node:path';
import { type Aggregator, createAggregator } from '../analytics/aggregate.ts';
import { createAnalytics } from '../analytics/analytics-thread.ts';
import { createSummariserThread } from '../analytics/summarise-thread.ts';
import type { Config } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { readLiveCounts } from '../live/live-counts.ts';
import { createLive, type LiveSample } from '../live/live-sampler.ts';
import { createTails } from '../live/tail.ts';
import type { Log } from '../log.ts';
import { createMetrics, type MetricCounts, type Metrics, writeExposition } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import { openRepo } from '../repo/file-repo.ts';
import type { Repo } from '../repo/repo.ts';
import { createSummaryFiles, type SummaryFilesOptions } from '../repo/summaries.ts';
import { createSummaryTotals } from '../repo/summary-totals.ts';
import { createLifecycle } from '../runtime/lifecycle.ts';
import type { Accounting } from '../service/accounting.ts';
import { createDirectPipeline, type Pipeline } from './direct.ts';
import { createGauges } from './gauges.ts';
import { type Core, createHttpWorker } from './http-worker.ts';
import { type HttpWorkers, startHttpWorkers } from './http-workers.ts';
import type { QueuedPipelineParts } from './queued.ts';

/** The same ending as this file: .ts from source, .js when built. */
const aggregateWorker = new URL(`./analytics-worker${extname(import.meta.url)}`, import.meta.url);

export interface Service {
  /** `127.0.0.1:8082` */
  readonly addr: string;
  /** Resolves when a part is over for good, so that the service should be stopped and started anew. */
  readonly failed: Promise<Error>;
  /** Drains within the budget, in milliseconds. Resolves true when everything came to rest in time. */
  stop(budgetMs: number): Promise<boolean>;
}

/**
 * Puts the service together, in the order in which the data flows backwards: storage first, the front that takes
 * requests last, so that nothing is taken before there is someone to hand it to. The stop goes the other way.
 * Rejects, with everything stopped again, when a part cannot start.
 */
export async function startService(options: {
  readonly config: Config;
  readonly build: Omit<VersionInfo, 'pipeline'>;
  readonly log: Log;
}): Promise<Service> {
  const { config, build, log } = options;
  const metrics = createMetrics({ defaultMetrics: true });
  metrics.buildInfo.labels(build.version, build.commit, build.node).set(1);
  const lifecycle = createLifecycle(log);
  const started = performance.now();
  try {
    const repo = await openStorage(config, metrics, log);
    lifecycle.started('storage', () => repo.close());

    const { analyticsDir, durability } = config.storage;
    const summaries = { analyticsDir, durability: durability === 'disk' ? 'later' : durability } as const;
    const aggregator = createAggregation({ config, summaries, repo, metrics, log });
    if (config.aggregation.enabled) aggregator.start();
    lifecycle.started('aggregator', () => aggregator.stop());

    const { readBytes } = createSummaryFiles(summaries);
    const analytics = createAnalytics({ readBytes, entry: aggregateWorker, workerData: summaries, log });
    lifecycle.started('analytics', () => analytics.stop());

    const fronts: Fronts = { accountings: [], counts: async () => [], look: async () => [await lookAt(metrics)] };
    const tails = createTails();
    const live = createLive({
      sample: () => fronts.look(),
      pipeline: config.version,
      clock: systemClock,
      now: () => performance.now(),
    });
    live.start();
    lifecycle.started('live', async () => {
      live.stop();
      tails.stop();
    });
    const failure = Promise.withResolvers<Error>();
    const parts = { config, repo, metrics, log, lifecycle, onFatal: failure.resolve };
    const pipeline = config.version === 1 ? createDirectPipeline(parts) : await startQueuedPipeline(parts);
    const checkReadiness = () => checkAll({ storage: () => repo.checkWritable(), ...pipeline.checks });
    const readHealth = createGauges({ config, metrics, checkReadiness });
    const back: Core = {
      deliver: tails.tap(pipeline.deliver),
      live: { ...live, tail: tails.tail },
      hourTotals: createSummaryTotals(summaries),
      checkReadiness,
      analytics,
      aggregate: () => aggregator.run(),
      metricsText: async () => {
        readGauges(metrics, repo, [...fronts.accountings, ...pipeline.accountings]);
        await readHealth();
        return writeExposition(metrics, await fronts.counts());
      },
    };
    const version = { ...build, pipeline: config.version };
    const { address, port, close } = await startFronts({ config, version, back, metrics, log, fronts });
    lifecycle.started('http', (graceMs) => close({ graceMs }));

    const addr = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    log.info('listening', { addr, pipeline: config.version, startMs: Math.round(performance.now() - started) });
    return { addr, failed: failure.promise, stop: (budgetMs) => lifecycle.stop(budgetMs) };
  } catch (error) {
    await lifecycle.stop(config.server.shutdownTimeout);
    throw error;
  }
}

/** What is counted where requests are read: here, or in threads of their own. */
interface Fronts {
  accountings: Accounting[];
  counts: () => Promise<readonly MetricCounts[]>;
  look: () => Promise<readonly [LiveSample, ...LiveSample[]]>;
}

/** With one thread requests are read here; with more, each in a thread of its own, and this one stores. */
async function startFronts(parts: {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly back: Core;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly fronts: Fronts;
}): Promise<Pick<HttpWorkers, 'address' | 'port' | 'close'>> {
  const { config, fronts } = parts;
  if (config.server.threads > 1) {
    const threads = await startHttpWorkers(parts);
    fronts.counts = threads.metrics;
    fronts.look = async () => [await lookAt(parts.metrics), ...(await threads.looks())];
    return threads;
  }
  const { server, accounting, look } = createHttpWorker({ ...parts, reusePort: false });
  fronts.accountings = [accounting];
  fronts.look = async () => [await look()];
  return { ...(await server.listen()), close: server.close };
}

/** What this thread has counted beside those that read requests. */
async function lookAt(metrics: Metrics): Promise<LiveSample> {
  return { counts: await readLiveCounts(metrics, 0), refusals: [] };
}

function openStorage(config: Config, metrics: Metrics, log: Log): Promise<Repo> {
  const { storage, ingestion, server } = config;
  return openRepo({
    logsDir: storage.logsDir,
    dlqDir: storage.dlqDir,
    stateDir: storage.stateDir,
    durability: storage.durability,
    idempotency: { windowMs: ingestion.idempotencyWindow, maxKeys: ingestion.idempotencyMaxKeys },
    maxWaitMs: server.requestTimeout,
    metrics,
    log,
  });
}

function createAggregation(parts: {
  readonly config: Config;
  readonly summaries: SummaryFilesOptions;
  readonly repo: Repo;
  readonly metrics: Metrics;
  readonly log: Log;
}): Aggregator {
  const { config, summaries, repo, metrics, log } = parts;
  const settles = summaries.durability === 'later';
  const thread = createSummariserThread({ entry: aggregateWorker, workerData: summaries, settles });
  return createAggregator({ repo, thread, interval: config.aggregation.interval, metrics, log });
}

/** Loaded when it is wanted: a Kafka client doubles the time of a start that has no use for it. */
async function startQueuedPipeline(parts: QueuedPipelineParts): Promise<Pipeline> {
  const queued = await import('./queued.ts');
  return queued.startQueuedPipeline(parts);
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

/** What is looked up when asked for, not counted as it happens. */
function readGauges(metrics: Metrics, repo: Repo, accountings: readonly Accounting[]): void {
  const sum = (read: (accounting: Accounting) => number): number =>
    accountings.reduce((total, accounting) => total + read(accounting), 0);
  metrics.inFlightRecords.set(sum((accounting) => accounting.inFlightRecords()));
  metrics.unaccounted.set(sum((accounting) => accounting.unaccounted()));
  const oldest = repo.idempotency.oldest();
  metrics.idempotencyKeys.set(repo.idempotency.size());
  metrics.idempotencyReach.set(oldest === undefined ? 0 : (Date.now() - oldest) / 1000);
}
