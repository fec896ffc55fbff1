import { parentPort, workerData } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { HttpServerOptions, VersionInfo } from '../http/http.ts';
import { createBodyBuffers } from '../http/logs/body-buffers.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import { createRemoteLive, type LiveListenerCalls } from '../live/remote-live.ts';
import { createLog, takeDroppedLogLines } from '../log.ts';
import { createMetrics, type MetricCounts, readCounts } from '../metrics/metrics.ts';
import { FirstHours } from '../model/first-hours.ts';
import type { KindSamples } from '../model/record-kinds.ts';
import { type SchemaEvent, SchemaTable } from '../model/schema-table.ts';
import { createChannel } from '../runtime/channel.ts';
import { answerSnapshots } from '../runtime/snapshot.ts';
import { createHttpWorker } from './http-worker.ts';
import { type CoreCalls, createRemoteCore } from './remote-core.ts';
import { streamsOf } from './streams.ts';

/** What an HTTP worker is started with. */
export interface HttpWorkerData {
  readonly config: Config;
  readonly version: VersionInfo;
  /** The port to share; 0 for the first thread where the configuration leaves it to the operating system. */
  readonly port: number;
  readonly shared: NonNullable<HttpServerOptions['shared']>;
  /** What is registered at the start; changes follow as calls. */
  readonly schemas: readonly SchemaEvent[];
  /** Of FirstHours, with the streams of the configuration. */
  readonly firstHours: SharedArrayBuffer;
}

/** The calls that an HTTP worker answers to the main thread. */
export interface HttpWorkerCalls extends LiveListenerCalls {
  listen(): { readonly port: number; readonly address: string };
  /** Drains, for at most so many milliseconds. */
  close(graceMs: number): void;
  sample(): LiveSample;
  /** The last lines that it accepted. */
  lines(): KindSamples;
  /** A change of what is registered. */
  changeSchemas(events: readonly SchemaEvent[]): void;
  metrics(): MetricCounts;
}

/** How long a thread with an uncaught error still answers, in milliseconds, before it makes room for its successor. */
const LAST_ANSWERS_MS = 5_000;

// An HTTP worker, put together: HTTP and decoding here, everything else at the other end of the channel. Started by
// http-workers.ts.
function run(data: HttpWorkerData): void {
  if (parentPort === null) throw new Error('http-worker-entry must be started as a worker thread');
  const { config, version, port, shared } = data;
  const log = createLog({ level: config.logging.level, format: config.logging.format });
  const metrics = createMetrics({ defaultMetrics: false, streams: [...streamsOf(config).keys()] });
  const bodyBuffers = createBodyBuffers();
  const channel = createChannel<CoreCalls>(parentPort);
  answerSnapshots();
  const schemas = new SchemaTable();
  schemas.apply(data.schemas);
  const remoteLive = createRemoteLive(channel.remote);
  const core = createRemoteCore({
    remote: channel.remote,
    schemas,
    firstHours: new FirstHours(streamsOf(config).keys(), data.firstHours),
    live: remoteLive.live,
    log,
    hasLineStore: config.store.enabled,
    reuse: bodyBuffers.adopt,
  });
  const worker = createHttpWorker({
    config,
    version,
    core,
    bodyBuffers,
    metrics,
    log,
    port,
    reusePort: true,
    shared,
  });
  channel.answer<HttpWorkerCalls>({
    ...remoteLive.handlers,
    listen: () => worker.server.listen(),
    close: async (graceMs) => {
      await worker.server.close({ graceMs });
      log.close();
    },
    sample: () => worker.sample(),
    lines: async () => worker.samples(),
    changeSchemas: async (events) => schemas.apply(events),
    metrics: async () => {
      metrics.inFlightRecords.set(worker.accounting.inFlightRecords());
      metrics.unaccounted.set(worker.accounting.unaccounted());
      metrics.logLinesDropped.inc(takeDroppedLogLines());
      return readCounts(metrics);
    },
  });

  process.on('uncaughtException', (err) => {
    log.fatal('an HTTP worker failed; it answers what it has and is replaced', { err });
    void worker.server.close({ graceMs: LAST_ANSWERS_MS }).then(() => process.exit(1));
  });
}

run(workerData as HttpWorkerData);
