import type { Aggregate, Analytics, HourTotals } from '../analytics/analytics.ts';
import type { Config } from '../config/config.ts';
import { maskSecrets, toListenAddress } from '../config/config.ts';
import { decoders } from '../decode/decoders.ts';
import type { HttpServer, HttpServerOptions, VersionInfo } from '../http/http.ts';
import { createHttpServer } from '../http/server/server.ts';
import type { Live } from '../live/live.ts';
import { readLiveCounts } from '../live/live-counts.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import { createRefusals } from '../live/refusals.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { systemClock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import { type Accounting, createAccounting } from '../service/accounting.ts';
import { createIngest } from '../service/ingest.ts';
import type { CheckReadiness } from '../service/service.ts';

/** What the front needs of the thread that owns the data. */
export interface Core {
  readonly deliver: Deliver;
  readonly checkReadiness: CheckReadiness;
  readonly analytics: Analytics;
  readonly aggregate: Aggregate;
  readonly hourTotals: HourTotals;
  readonly live: Live;
  readonly metricsText: () => Promise<string>;
}

export interface HttpWorker {
  readonly server: HttpServer;
  readonly accounting: Accounting;
  /** What it has seen, for those who watch. */
  look(): Promise<LiveSample>;
}

/** HTTP and decoding: the part of the service that runs once in each thread that reads requests. */
export function createHttpWorker(options: {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly back: Core;
  readonly metrics: Metrics;
  readonly log: Log;
  /** The port that the first thread got, where the configuration says 0. */
  readonly port?: number;
  readonly reusePort: boolean;
  readonly shared?: HttpServerOptions['shared'];
  readonly bodyBuffers?: HttpServerOptions['bodyBuffers'];
}): HttpWorker {
  const { config, version, back, metrics, log, reusePort, shared, bodyBuffers } = options;
  const { ingestion, server, auth } = config;
  const accounting = createAccounting(metrics);
  const refusals = createRefusals();
  const ingest = createIngest({
    decoders,
    decode: {
      maxRecordBytes: ingestion.maxRecordBytes,
      extraFields: ingestion.extraFields,
      invalid: ingestion.invalidRecords,
    },
    deliver: back.deliver,
    delivered: config.version === 1 ? 'stored' : 'handed_over',
    accounting,
    metrics,
    clock: systemClock,
  });
  const address = toListenAddress(server.addr);
  const httpServer = createHttpServer({
    ...(address.host !== undefined && { host: address.host }),
    port: options.port ?? address.port,
    reusePort,
    ...(shared !== undefined && { shared }),
    ...(bodyBuffers !== undefined && { bodyBuffers }),
    limits: {
      maxBodyBytes: server.maxBodyBytes,
      maxInFlightBytes: server.maxInFlightBytes,
      headersTimeoutMs: server.headersTimeout,
      bodyTimeoutMs: server.bodyTimeout,
      keepAliveTimeoutMs: server.keepAliveTimeout,
      // Each thread knows its own; the kernel spreads them evenly, but not exactly so.
      maxConnections: Math.ceil(server.maxConnections / server.threads),
      ...(server.rateLimit !== 'off' && { rateLimit: server.rateLimit }),
    },
    auth,
    version,
    ingest,
    checkReadiness: back.checkReadiness,
    analytics: back.analytics,
    aggregate: back.aggregate,
    dashboard: { live: back.live, hourTotals: back.hourTotals, settings: maskSecrets(config) },
    noteRefusal: refusals.add,
    ...(config.logging.access && { logAccess: (entry) => log.info('request', { ...entry, fold: false }) }),
    metrics,
    metricsText: back.metricsText,
    clock: systemClock,
    log,
  });
  return {
    server: httpServer,
    accounting,
    look: async () => ({
      counts: await readLiveCounts(metrics, accounting.inFlightRecords()),
      refusals: refusals.drain(),
    }),
  };
}
