import type { Config } from '../config/config.ts';
import type { HttpServer, VersionInfo } from '../http/http.ts';
import { readLiveCounts } from '../live/live-counts.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import type { Log } from '../log.ts';
import type { MetricCounts, Metrics } from '../metrics/metrics.ts';
import { type KindSamples, mapKinds } from '../model/record-kinds.ts';
import type { SchemaStore } from '../repo/schema-store.ts';
import type { Accounting } from '../service/accounting.ts';
import { type Core, createHttpWorker, type HttpWorker } from './http-worker.ts';
import { createHttpWorkers } from './http-workers.ts';

/** Where requests are read: in the main thread, or in threads of their own. Made first, started last. */
export interface HttpReaders {
  /** Starts accepting. Rejects when the address cannot be had. */
  start(core: Core): ReturnType<HttpServer['listen']>;
  /** The accounting of requests that the main thread reads. */
  accountings(): readonly Accounting[];
  /** What other threads count. */
  counts(): Promise<readonly MetricCounts[]>;
  /** The live figures of every thread, the main thread's first. */
  samples(): Promise<readonly [LiveSample, ...LiveSample[]]>;
  /** The last lines that each thread accepted. */
  lines(): Promise<readonly KindSamples[]>;
  close(options: { readonly graceMs: number }): Promise<void>;
}

interface ReadersOptions {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly schemaStore: Pick<SchemaStore, 'table' | 'subscribe'>;
}

/** With one thread requests are read in the main thread; with more, in threads of their own, and the main thread stores. */
export function createHttpReaders(options: ReadersOptions): HttpReaders {
  return options.config.server.threads === 1 ? readInMainThread(options) : readInWorkers(options);
}

function readInMainThread(options: ReadersOptions): HttpReaders {
  let worker: HttpWorker | undefined;
  return {
    start(core) {
      worker = createHttpWorker({ ...options, core, reusePort: false });
      return worker.server.listen();
    },
    accountings: () => (worker === undefined ? [] : [worker.accounting]),
    counts: async () => [],
    samples: async () => [await (worker === undefined ? sampleMain(options.metrics) : worker.sample())],
    lines: async () => (worker === undefined ? [] : [worker.samples()]),
    close: async ({ graceMs }) => worker?.server.close({ graceMs }),
  };
}

function readInWorkers(options: ReadersOptions): HttpReaders {
  const workers = createHttpWorkers(options);
  return {
    start: workers.start,
    accountings: () => [],
    counts: workers.metrics,
    samples: async () => [await sampleMain(options.metrics), ...(await workers.samples())],
    lines: workers.lines,
    close: workers.close,
  };
}

/** The live figures of a main thread that reads no requests. */
async function sampleMain(metrics: Metrics): Promise<LiveSample> {
  return { counts: await readLiveCounts(metrics, 0), refusals: [], lines: mapKinds(() => []) };
}
