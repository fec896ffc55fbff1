import { createServer } from 'node:http';
import { extname } from 'node:path';
import { setTimeout as setTimeoutAsync } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Config, toListenAddress } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { createSharedLimits, forgetThread } from '../http/logs/shared-limits.ts';
import { listen } from '../http/server/node-server.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import { serveLive } from '../live/remote-live.ts';
import type { Log } from '../log.ts';
import { addCounters, type MetricCounts } from '../metrics/metrics.ts';
import type { KindSamples } from '../model/record-kinds.ts';
import type { SchemaStore } from '../repo/schema-store.ts';
import { createChannel, type Remote } from '../runtime/channel.ts';
import { openServerTls } from './http-tls.ts';
import type { Core } from './http-worker.ts';
import type { HttpWorkerCalls, HttpWorkerData } from './http-worker-entry.ts';
import { type CoreCalls, serveCore } from './remote-core.ts';

export interface HttpWorkers {
  /** Starts all threads. Rejects, with those that run ended, when one cannot listen. */
  start(core: Core): Promise<Listening>;
  /** What each thread counts. A thread that ended keeps what it had counted when it was last asked: no counter goes down. */
  metrics(): Promise<readonly MetricCounts[]>;
  /** The live figures of each thread. */
  samples(): Promise<readonly LiveSample[]>;
  /** The last lines that each thread accepted. */
  lines(): Promise<readonly KindSamples[]>;
  close(options: { readonly graceMs: number }): Promise<void>;
}

interface Listening {
  readonly address: string;
  readonly port: number;
}

export interface HttpWorkersOptions {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly log: Log;
  readonly schemaStore: Pick<SchemaStore, 'table' | 'subscribe'>;
}

/** A thread that ends sooner than this after its start is not replaced at once, but after this long: milliseconds. */
const LEAST_LIFE_MS = 1_000;

interface Thread {
  readonly worker: Worker;
  readonly remote: Remote<HttpWorkerCalls>;
  readonly ended: Promise<void>;
  /** What it counted when it was last asked. */
  counts: MetricCounts;
}

/**
 * Several threads that read requests on one port; the kernel spreads the connections among them (SO_REUSEPORT). A thread
 * that dies is replaced. What it had in flight was not acknowledged.
 */
export function createHttpWorkers(options: HttpWorkersOptions): HttpWorkers {
  const { server } = options.config;
  const { startOne, close, metrics, samples, lines } = createThreads(options);

  async function start(core: Core): Promise<Listening> {
    try {
      const wanted = toListenAddress(server.addr);
      await checkPortIsFree(wanted);
      // Here, so that the start fails with what is wrong. A thread that cannot read the files is started again.
      openServerTls(server, options.log)?.close();
      const first = await startOne(core, 0, wanted.port);
      const others = Array.from({ length: server.threads - 1 }, (_, index) => startOne(core, index + 1, first.port));
      await Promise.all(others);
      return first;
    } catch (error) {
      await close({ graceMs: 0 });
      throw error;
    }
  }

  return { start, close, metrics, samples, lines };
}

/** The threads that run, each with its place among them, and what replaces those that end. */
function createThreads({ config, version, log, schemaStore }: HttpWorkersOptions) {
  const threads = new Set<Thread>();
  const shared = createSharedLimits(config.server.threads);
  /** What the threads that ended had counted. */
  let past: MetricCounts = [];
  let closing = false;

  /** Resolves once the thread listens. */
  async function startOne(core: Core, place: number, port: number): Promise<Listening> {
    const begun = performance.now();
    const thread = startThread({ config, version, port, shared: { ...shared, thread: place } }, core, schemaStore);
    threads.add(thread);
    let taken = port;
    void thread.ended.then(() => {
      threads.delete(thread);
      past = addCounters(past, thread.counts);
      forgetThread(shared, place);
      if (closing) return;
      log.error('an HTTP worker ended unexpectedly; starting another', { thread: place, left: threads.size });
      const early = performance.now() - begun < LEAST_LIFE_MS;
      setTimeout(() => void restart(core, place, taken), early ? LEAST_LIFE_MS : 0);
    });
    const listening = await thread.remote.listen();
    taken = listening.port;
    return listening;
  }

  async function restart(core: Core, place: number, port: number): Promise<void> {
    if (closing) return;
    // A start that fails ends its thread, and its end brings us here again.
    await startOne(core, place, port).catch((err: unknown) =>
      log.error('cannot start an HTTP worker', { thread: place, port, err }),
    );
  }

  async function close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    closing = true;
    await Promise.allSettled(Array.from(threads, ({ remote }) => remote.close(graceMs)));
    await Promise.all(Array.from(threads, ({ worker }) => worker.terminate()));
  }

  /** A thread that dies while it is asked is left out. */
  async function askAll<T>(ask: (remote: Remote<HttpWorkerCalls>) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled(Array.from(threads, ({ remote }) => ask(remote)));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  const samples = () => askAll((remote) => remote.sample());
  const lines = () => askAll((remote) => remote.lines());

  async function metrics(): Promise<MetricCounts[]> {
    const ask = async (thread: Thread): Promise<void> => {
      thread.counts = await thread.remote.metrics();
    };
    await Promise.allSettled(Array.from(threads, ask));
    return [past, ...Array.from(threads, ({ counts }) => counts)];
  }

  return { startOne, close, metrics, samples, lines };
}

/** Threads that share a port would share it with any other process too, without a message. */
async function checkPortIsFree({ host, port }: ReturnType<typeof toListenAddress>): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await listen(probe, { port, ...(host !== undefined && { host }) });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

/** How long a change of schemas waits for a busy thread to know it: milliseconds. */
const SCHEMAS_WAIT_MS = 5_000;

function startThread(
  options: Omit<HttpWorkerData, 'schemas' | 'firstHours'>,
  core: Core,
  schemaStore: HttpWorkersOptions['schemaStore'],
): Thread {
  const schemas = [...schemaStore.table.events()];
  const data: HttpWorkerData = { ...options, schemas, firstHours: core.firstHours.memory };
  // The same ending as this file: .ts from source, .js when built.
  const entry = new URL(`./http-worker-entry${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(entry, { workerData: data, name: 'http-worker' });
  const channel = createChannel<HttpWorkerCalls>(worker);
  const served = serveLive(core.live, channel.remote);
  // In the turn in which the thread got its copy, so that no change is missed.
  const unsubscribe = schemaStore.subscribe(async (events) => {
    const known = channel.remote.changeSchemas(events).catch(() => undefined);
    await Promise.race([known, setTimeoutAsync(SCHEMAS_WAIT_MS, undefined, { ref: false })]);
  });
  channel.answer<CoreCalls>({ ...serveCore(core), ...served.handlers });
  const ended = new Promise<void>((resolve) => {
    // Without a listener an error of the thread would be ours; the exit that follows tells all that matters.
    worker.on('error', (error) => channel.end(`the HTTP worker failed: ${String(error)}`));
    worker.on('exit', (code) => {
      channel.end(`the HTTP worker ended with code=${code}`);
      served.close();
      unsubscribe();
      resolve();
    });
  });
  return { worker, remote: channel.remote, ended, counts: [] };
}
