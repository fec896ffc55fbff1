import type { Config } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { createTails } from '../live/tail.ts';
import type { Log } from '../log.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import { FirstHours } from '../model/first-hours.ts';
import { openRepo } from '../repo/file-repo.ts';
import type { Repo } from '../repo/repo.ts';
import { checkDescriptors, type DescriptorShares } from '../runtime/descriptors.ts';
import { createLifecycle, type Lifecycle } from '../runtime/lifecycle.ts';
import { startAnalytics } from './analytics.ts';
import { startCompaction } from './compaction.ts';
import { fitConnections } from './connections.ts';
import { createDirectPipeline, type Pipeline } from './direct.ts';
import { createDiskWatch, type DiskWatch } from './disk-watch.ts';
import { createGauges } from './gauges.ts';
import { createHttpReaders } from './http-readers.ts';
import { createInputs } from './inputs.ts';
import { startLineStore } from './line-store.ts';
import { startLive } from './live.ts';
import { createQueries } from './query.ts';
import type { QueuedPipelineParts } from './queued.ts';
import { createReadinessCheck } from './readiness.ts';
import { createReadings } from './readings.ts';
import { startRegistry } from './registry.ts';
import { startRetention } from './retention.ts';
import { compressionBy, streamsOf } from './streams.ts';

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
  const { config, descriptors } = fitConnections(options.config, log);
  const metrics = createMetrics({
    defaultMetrics: true,
    streams: [...streamsOf(config).keys()],
    inputs: config.inputs.map(({ name }) => name),
  });
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

async function startParts(common: Common, version: VersionInfo): Promise<Service> {
  const { config, descriptors, metrics, log, lifecycle } = common;
  const started = performance.now();
  const repo = await openStorage(common);
  const registry = await startRegistry({ ...common, registry: config.registry, dir: config.storage.stateDir });
  const { aggregator, analytics, hourTotals } = startAnalytics({ ...common, repo });
  const firstHours = new FirstHours(streamsOf(config).keys());
  const retention = startRetention({ ...common, repo, firstHours });
  startCompaction({ ...common, repo });
  const diskWatch = startDiskWatch(common);
  const records = createQueries({ ...common, repo });
  lifecycle.started('query', () => records.stop());
  const lineStore = config.store.enabled
    ? await startLineStore({ ...common, store: config.store, readOnly: false })
    : undefined;
  const http = createHttpReaders({ config, version, metrics, log, schemaStore: registry.store });
  const tails = createTails();
  const failure = Promise.withResolvers<Error>();
  const schemas = registry.store.table;
  const pipeline = await startPipeline({ ...common, repo, schemas, onFatal: failure.resolve });
  const deliver = tails.tap(pipeline.deliver);
  const positionOf = (source: string) => repo.position(source);
  const inputs = createInputs({ ...common, schemas, firstHours, deliver, positionOf });
  const live = startLive({ ...common, http, inputs, tails });
  const probes = {
    storage: () => repo.checkWritable(),
    descriptors: async () => checkDescriptors(descriptors.limit),
    ...registry.checks,
    ...pipeline.checks,
    ...inputs.checks,
    ...(lineStore !== undefined && { lineStore: () => lineStore.check() }),
  };
  const checkReadiness = createReadinessCheck({ probes, repo, retention });
  const readHealth = createGauges({ config, metrics, checkReadiness });

  const { address, port } = await http.start({
    deliver,
    live: { ...live, tail: tails.tail },
    hourTotals,
    diskUse: diskWatch.read,
    checkReadiness,
    analytics,
    aggregate: () => aggregator.run(),
    records,
    lineStore,
    registry: registry.registry,
    schemas,
    firstHours,
    ...createReadings({ metrics, repo, http, inputs, pipeline, live, readHealth }),
  });
  // Connections are cut a little before the time of this part is over, so that it comes to rest in time.
  lifecycle.started('http', (budgetMs) => http.close({ graceMs: budgetMs - Math.min(1_000, budgetMs / 4) }));

  await inputs.start();

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

function startDiskWatch({ config, metrics, log, lifecycle }: Common): DiskWatch {
  const streams = [...streamsOf(config).keys()];
  const watch = createDiskWatch({ folders: config.storage, streams, metrics, log, clock: systemClock });
  watch.start();
  lifecycle.started('disk use', () => watch.stop());
  return watch;
}

async function startPipeline(parts: QueuedPipelineParts): Promise<Pipeline> {
  if (parts.config.pipeline === 'direct') return createDirectPipeline(parts);
  // Loaded when it is wanted: a Kafka client doubles the time of a start that has no use for it.
  const { startQueuedPipeline } = await import('./queued.ts');
  return startQueuedPipeline(parts);
}
