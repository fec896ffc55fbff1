import { parentPort, workerData } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { HttpServerOptions, VersionInfo } from '../http/http.ts';
import { createBodyBuffers } from '../http/logs/body-buffers.ts';
import { createRemoteLive } from '../live/remote-live.ts';
import { createLog } from '../log.ts';
import { createMetrics, readCounts } from '../metrics/metrics.ts';
import { type Channel, createChannel } from '../runtime/channel.ts';
import { createHttpWorker, type HttpWorker } from './http-worker.ts';
import { createRemoteCore } from './remote-core.ts';

/** What a thread that reads requests is started with. */
export interface HttpWorkerData {
  readonly config: Config;
  readonly version: VersionInfo;
  /** The port to share; 0 for the first thread where the configuration leaves it to the operating system. */
  readonly port: number;
  readonly shared: NonNullable<HttpServerOptions['shared']>;
}

/** How long a thread in which something broke still answers, in milliseconds, before it makes room for its successor. */
const LAST_ANSWERS_MS = 5_000;

// One of several threads that read requests, put together: HTTP and decoding here, everything else at the other end of
// the channel. Started by http-workers.ts.
function run(data: HttpWorkerData): void {
  if (parentPort === null) throw new Error('http-worker-entry is started as a worker thread');
  const { config, version, port, shared } = data;
  const log = createLog({ level: config.logging.level, format: config.logging.format });
  const metrics = createMetrics({ defaultMetrics: false });
  const bodyBuffers = createBodyBuffers();
  // The calls of each need the other: none is made before this function is done.
  const remoteLive = createRemoteLive({ call: (method, argument) => channel.call(method, argument) });
  const channel: Channel = createChannel(parentPort, {
    ...remoteLive.handlers,
    look: () => front.look(),
    listen: () => front.server.listen(),
    close: async (graceMs: number) => {
      await front.server.close({ graceMs });
      log.close();
    },
    metrics: async () => {
      metrics.inFlightRecords.set(front.accounting.inFlightRecords());
      metrics.unaccounted.set(front.accounting.unaccounted());
      return readCounts(metrics);
    },
  });
  const front: HttpWorker = createHttpWorker({
    config,
    version,
    back: createRemoteCore({ channel, live: remoteLive.live, log, reuse: bodyBuffers.adopt }),
    bodyBuffers,
    metrics,
    log,
    port,
    reusePort: true,
    shared,
  });

  process.on('uncaughtException', (err) => {
    log.fatal('a thread that reads requests broke and is replaced', { err });
    void front.server.close({ graceMs: LAST_ANSWERS_MS }).then(() => process.exit(1));
  });
}

run(workerData as HttpWorkerData);
