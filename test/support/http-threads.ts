import { MessageChannel, Worker } from 'node:worker_threads';
import { serveCore } from '../../src/app/remote-core.ts';
import { toSource } from '../../src/http/contract/analytics-fixture.case.ts';
import type { CreateServer } from '../../src/http/contract/contract-fixture.case.ts';
import type { HttpServerOptions } from '../../src/http/http.ts';
import { createSharedLimits } from '../../src/http/logs/shared-limits.ts';
import { serveLive } from '../../src/live/remote-live.ts';
import { createChannel } from '../../src/runtime/channel.ts';
import type { ServerData, TestCoreCalls, TestWorkerCalls, Thrown } from './http-thread.ts';

interface HttpThreads {
  readonly create: CreateServer;
  stop(): Promise<void>;
}

/**
 * Threads for servers of src/http. Each server of a test is one server in every thread, on one port, with limits that count
 * for all of them, as in http-workers.ts. Its ingest and its data are those of the test, in this thread.
 */
export function startHttpThreads(count: number): HttpThreads {
  const entry = new URL('./http-thread.ts', import.meta.url);
  const workers = Array.from({ length: count }, () => new Worker(entry));
  return {
    create(options) {
      const shared = createSharedLimits(count);
      const ends = workers.map((worker, thread) => openServer(worker, { ...options, shared: { ...shared, thread } }));
      let closing: Promise<void> | undefined;
      const close = async (graceMs: number): Promise<void> => {
        await Promise.all(ends.map(({ channel }) => channel.remote.close(graceMs)));
        for (const end of ends) end.close();
      };
      return {
        async listen() {
          const [first, ...others] = ends.map(({ channel, open }) => ({ channel, open }));
          if (first === undefined) throw new Error('no threads');
          first.open(options.port);
          const place = await first.channel.remote.listen();
          for (const { channel, open } of others) {
            open(place.port);
            await channel.remote.listen();
          }
          return place;
        },
        drain: () => {
          throw new Error('threads drain when they close, and not before');
        },
        close({ graceMs }) {
          closing ??= close(graceMs);
          return closing;
        },
        counts: () => Promise.all(ends.map(({ channel }) => channel.remote.metrics())),
      };
    },
    stop: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))),
  };
}

/** The part of a server in one thread. `open` starts it, on a port that may be unknown before. */
function openServer(worker: Worker, options: HttpServerOptions) {
  const { port1, port2 } = new MessageChannel();
  const told = new Int32Array(new SharedArrayBuffer(4));
  const channel = createChannel<TestWorkerCalls>(port1);
  const live = serveLive(options.dashboard.live, channel.remote);
  channel.answer<TestCoreCalls>({
    ...serveCore({
      ...options,
      analytics: toSource(options.analytics),
      deliver: () => Promise.reject(new Error('unused')),
      streamTotals: async () => {
        await options.listStreams();
        return new Map();
      },
      ...options.dashboard,
      lineStore: options.lineStore?.store,
    }),
    ...live.handlers,
    async ingest(request) {
      try {
        const { buffer, byteOffset, byteLength } = request.body;
        return await options.ingest({ ...request, body: Buffer.from(buffer, byteOffset, byteLength) });
      } catch (error) {
        return { thrown: toThrown(error) };
      }
    },
    log: ({ level, message, text }) => heard(() => options.log[level](message, JSON.parse(text ?? '{}'))),
    noteRefusal: (refusal) => heard(() => options.noteRefusal(refusal)),
    noteSource: (sent) => heard(() => options.noteSource?.(...sent)),
  });
  const heard = async (act: () => void): Promise<void> => {
    act();
    Atomics.add(told, 0, 1);
    Atomics.notify(told, 0);
  };
  return {
    channel,
    open(port: number): void {
      const { host = '', hosts = [], limits, auth, version, shared, dashboard } = options;
      const { settings } = dashboard;
      const maxReaders = options.lineStore?.maxReaders;
      const data: ServerData = {
        host,
        hosts,
        port,
        limits,
        auth,
        version,
        settings,
        maxReaders,
        told,
        ...(shared && { shared }),
      };
      worker.postMessage({ port: port2, data }, [port2]);
    },
    close(): void {
      live.close();
      port1.close();
    },
  };
}

function toThrown(error: unknown): Thrown {
  if (!(error instanceof Error)) return { name: '', message: String(error), fields: {} };
  return { name: error.constructor.name, message: error.message, fields: { ...error } };
}
