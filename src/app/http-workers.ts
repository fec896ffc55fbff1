import { createServer } from 'node:http';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Config, toListenAddress } from '../config/config.ts';
import type { VersionInfo } from '../http/http.ts';
import { createSharedLimits, forgetThread } from '../http/logs/shared-limits.ts';
import { listen } from '../http/server/server.ts';
import type { LiveSample } from '../live/live-sampler.ts';
import { serveLive } from '../live/remote-live.ts';
import type { Log } from '../log.ts';
import { addCounters, type MetricCounts } from '../metrics/metrics.ts';
import { type Channel, createChannel } from '../runtime/channel.ts';
import type { Core } from './http-worker.ts';
import type { HttpWorkerData } from './http-worker-entry.ts';
import { serveCore } from './remote-core.ts';

export interface HttpWorkers {
  readonly address: string;
  readonly port: number;
  /** What each thread counts, and what those that are gone had counted when they were last asked: no counter goes down. */
  metrics(): Promise<readonly MetricCounts[]>;
  /** What each thread has seen. */
  looks(): Promise<readonly LiveSample[]>;
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** A thread that dies sooner than this after its start is not replaced at once, but after this long: milliseconds. */
const LEAST_LIFE_MS = 1_000;

interface Thread {
  readonly worker: Worker;
  readonly channel: Channel;
  readonly gone: Promise<void>;
  /** What it counted when it was last asked. */
  counts: MetricCounts;
}

/**
 * Several threads that read requests on one port, the kernel spreading the connections among them (SO_REUSEPORT). A
 * thread that dies is replaced; what it had in hand was not acknowledged. Rejects when one cannot listen.
 */
export async function startHttpWorkers(options: {
  readonly config: Config;
  readonly version: VersionInfo;
  readonly back: Core;
  readonly log: Log;
}): Promise<HttpWorkers> {
  const { config, version, back, log } = options;
  const threads = new Set<Thread>();
  let ofTheGone: MetricCounts = [];
  let closing = false;
  let { port } = toListenAddress(config.server.addr);

  const shared = createSharedLimits(config.server.threads);

  const start = async (place: number): Promise<{ port: number; address: string }> => {
    const begun = performance.now();
    const thread = startThread({ config, version, port, shared: { ...shared, thread: place } }, back);
    threads.add(thread);
    void thread.gone.then(() => {
      threads.delete(thread);
      ofTheGone = addCounters(ofTheGone, thread.counts);
      forgetThread(shared, place);
      if (closing) return;
      const early = performance.now() - begun < LEAST_LIFE_MS;
      log.error('a thread that reads requests is gone; starting another', { threads: threads.size });
      setTimeout(() => void restart(place), early ? LEAST_LIFE_MS : 0);
    });
    return (await thread.channel.call('listen')) as { port: number; address: string };
  };
  const restart = async (place: number): Promise<void> => {
    if (closing) return;
    // A start that fails ends its thread, and its end brings us here again.
    await start(place).catch((err: unknown) => log.error('cannot start a thread that reads requests', { err }));
  };
  const close = async ({ graceMs }: { readonly graceMs: number }): Promise<void> => {
    closing = true;
    await Promise.allSettled([...threads].map(({ channel }) => channel.call('close', graceMs)));
    await Promise.all([...threads].map(({ worker }) => worker.terminate()));
  };

  // A thread that dies while it is asked has nothing more to say.
  const looks = async (): Promise<LiveSample[]> => {
    const answers = await Promise.allSettled([...threads].map(({ channel }) => channel.call('look')));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value as LiveSample] : []));
  };
  const metrics = async (): Promise<MetricCounts[]> => {
    const ask = async (thread: Thread): Promise<void> => {
      thread.counts = (await thread.channel.call('metrics')) as MetricCounts;
    };
    await Promise.allSettled([...threads].map(ask));
    return [ofTheGone, ...[...threads].map(({ counts }) => counts)];
  };

  try {
    await checkPortIsFree(toListenAddress(config.server.addr));
    const { address, port: taken } = await start(0);
    port = taken;
    await Promise.all(Array.from({ length: config.server.threads - 1 }, (_, i) => start(i + 1)));
    return { address, port, close, metrics, looks };
  } catch (error) {
    await close({ graceMs: 0 });
    throw error;
  }
}

/** Threads that share a port would share it with any other process too, without a word. */
async function checkPortIsFree({ host, port }: ReturnType<typeof toListenAddress>): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await listen(probe, { port, ...(host !== undefined && { host }) });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

function startThread(data: HttpWorkerData, back: Core): Thread {
  // The same ending as this file: .ts from source, .js when built.
  const entry = new URL(`./http-worker-entry${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(entry, { workerData: data, name: 'front' });
  const served = serveLive(back.live, (method, argument) => channel.call(method, argument));
  const channel: Channel = createChannel(worker, { ...serveCore(back), ...served.handlers });
  const gone = new Promise<void>((resolve) => {
    // Without a listener an error of the thread would be ours; the exit that follows tells all that matters.
    worker.on('error', (error) => channel.end(`the thread failed: ${String(error)}`));
    worker.on('exit', (code) => {
      channel.end(`the thread ended with code=${code}`);
      served.close();
      resolve();
    });
  });
  return { worker, channel, gone, counts: [] };
}
