import { basename, isAbsolute } from 'node:path';
import type { Aggregate, HourTotals } from '../analytics/analytics.ts';
import { type AnalyticsSource, openAnalytics } from '../analytics/analytics-thread.ts';
import type { Config } from '../config/config.ts';
import { maskSecrets, toListenAddress } from '../config/config.ts';
import type { HttpServer, HttpServerOptions, VersionInfo } from '../http/http.ts';
import { createHttpServer } from '../http/server/server.ts';
import type { Live, ServiceStats } from '../live/live.ts';
import { readLiveCounts } from '../live/live-counts.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import { createRefusals } from '../live/refusals.ts';
import { SourceTable } from '../live/source-table.ts';
import type { Log } from '../log.ts';
import type { Metrics, StreamTotals } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import type { ReadDiskUse } from '../model/disk-use.ts';
import type { FirstHours } from '../model/first-hours.ts';
import type { LineStore } from '../model/line-store.ts';
import type { KindSamples } from '../model/record-kinds.ts';
import type { Registry } from '../model/registry.ts';
import type { Schemas } from '../model/schema.ts';
import type { StreamName } from '../model/stream.ts';
import type { Records } from '../query/query.ts';
import { type Accounting, createAccounting } from '../service/accounting.ts';
import { createIngest } from '../service/ingest.ts';
import { createKindTally, type KindTally } from '../service/kind-tally.ts';
import type { CheckReadiness, Ingest } from '../service/service.ts';
import { openServerTls } from './http-tls.ts';
import { createDecodersOf, createStreamList, decodeLimits, mapsOf, maxFutureOf, streamsOf } from './streams.ts';

/** What an HTTP worker needs of the thread that owns the data. */
export interface Core {
  readonly deliver: Deliver;
  readonly checkReadiness: CheckReadiness;
  readonly analytics: AnalyticsSource;
  readonly aggregate: Aggregate;
  readonly records: Records;
  /** Where store.enabled is set. */
  readonly lineStore: LineStore | undefined;
  readonly hourTotals: HourTotals;
  readonly diskUse: ReadDiskUse;
  readonly live: Live;
  readonly metricsText: () => Promise<string>;
  readonly serviceStats: () => Promise<ServiceStats>;
  /** What all threads have counted of each stream. */
  readonly streamTotals: () => Promise<ReadonlyMap<StreamName, StreamTotals>>;
  readonly registry: Registry;
  /** What is registered, known in this thread. */
  readonly schemas: Schemas;
  /** What retention left, known in this thread. */
  readonly firstHours: FirstHours;
}

export interface HttpWorker {
  readonly server: HttpServer;
  readonly accounting: Accounting;
  /** The live figures of this thread. */
  sample(): Promise<LiveSample>;
  /** The last lines that this thread accepted. */
  samples(): KindSamples;
}

export interface HttpWorkerOptions {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly core: Core;
  readonly metrics: Metrics;
  readonly log: Log;
  /** The port that the first thread got, where the configuration says 0. */
  readonly port?: number;
  readonly reusePort: boolean;
  readonly shared?: HttpServerOptions['shared'];
  readonly bodyBuffers?: HttpServerOptions['bodyBuffers'];
}

/** HTTP and decoding: the part of the service that runs once in each thread that reads requests. */
export function createHttpWorker(options: HttpWorkerOptions): HttpWorker {
  const { config, version, core, metrics, log, reusePort, shared, bodyBuffers } = options;
  const accounting = createAccounting(metrics);
  const refusals = createRefusals();
  const tally = createKindTally({ metrics, clock: systemClock });
  const sources = config.logging.sources ? new SourceTable({ clock: systemClock }) : undefined;
  const address = toListenAddress(config.server.addr);
  // Every thread follows the files; one of them says it.
  const isFirst = shared === undefined || shared.thread === 0;
  const tls = openServerTls(config.server, { error: log.error, info: isFirst ? log.info : log.debug });
  const server = createHttpServer({
    ...(address.host !== undefined && { host: address.host }),
    port: options.port ?? address.port,
    reusePort,
    ...(shared !== undefined && { shared }),
    ...(bodyBuffers !== undefined && { bodyBuffers }),
    ...(tls !== undefined && { tls }),
    hosts: config.server.hosts,
    limits: toHttpLimits(config.server),
    auth: config.auth,
    version,
    streams: [...streamsOf(config).keys()],
    mappings: config.mappings.map(({ name }) => name),
    listStreams: createStreamList({ config, schemas: core.schemas, totals: core.streamTotals }),
    ingest: createWorkerIngest(options, accounting, tally),
    checkReadiness: core.checkReadiness,
    analytics: openAnalytics(core.analytics),
    aggregate: core.aggregate,
    records: core.records,
    dashboard: {
      live: core.live,
      hourTotals: core.hourTotals,
      diskUse: core.diskUse,
      settings: hideFolders(maskSecrets(config)),
    },
    registry: core.registry,
    ...(core.lineStore !== undefined && {
      lineStore: { store: core.lineStore, isReadOnly: false, maxReaders: config.store.maxReaders },
    }),
    noteRefusal: refusals.add,
    ...(sources !== undefined && { noteSource: (...sent) => sources.note(...sent) }),
    ...(config.logging.access && { logAccess: (entry) => log.info('request', { ...entry, fold: false }) }),
    metrics,
    metricsText: core.metricsText,
    serviceStats: core.serviceStats,
    clock: systemClock,
    log,
  });
  return {
    server,
    accounting,
    sample: async () => ({
      counts: await readLiveCounts(metrics, accounting.inFlightRecords()),
      refusals: refusals.drain(),
      lines: tally.samples(),
      sources: sources?.read(),
    }),
    samples: tally.samples,
  };
}

function createWorkerIngest(
  { config, core, metrics }: HttpWorkerOptions,
  accounting: Accounting,
  tally: KindTally,
): Ingest {
  return createIngest({
    decodersOf: createDecodersOf(config, core.schemas),
    maps: mapsOf(config),
    maxFutureMs: maxFutureOf(config),
    firstHour: core.firstHours.of,
    decode: { ...decodeLimits(config), invalid: config.ingestion.invalidRecords },
    deliver: core.deliver,
    delivered: config.pipeline === 'direct' ? 'stored' : 'handed_over',
    accounting,
    tally,
    metrics,
    clock: systemClock,
  });
}

/** The effective configuration as the page shows it: of an absolute path only its last name, since anybody may read the page. */
function hideFolders(settings: object): Record<string, unknown> {
  const hide = (value: unknown): unknown => {
    if (typeof value === 'string') return isAbsolute(value) ? `…/${basename(value)}` : value;
    if (Array.isArray(value)) return value.map(hide);
    return typeof value === 'object' && value !== null ? hideFolders(value) : value;
  };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, hide(value)]));
}

export function toHttpLimits(server: Config['server']): HttpServerOptions['limits'] {
  return {
    maxBodyBytes: server.maxBodyBytes,
    maxInFlightBytes: server.maxInFlightBytes,
    headersTimeoutMs: server.headersTimeout,
    bodyTimeoutMs: server.bodyTimeout,
    requestTimeoutMs: server.requestTimeout,
    keepAliveTimeoutMs: server.keepAliveTimeout,
    // Each thread counts its own connections; the kernel spreads them evenly, but not exactly.
    maxConnections: Math.ceil(server.maxConnections / server.threads),
    ...(server.rateLimit !== 'off' && { rateLimit: server.rateLimit }),
  };
}
