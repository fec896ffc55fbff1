import { type MessagePort, parentPort } from 'node:worker_threads';
import { openAnalytics } from '../../src/analytics/analytics-thread.ts';
import type { HttpWorkerCalls } from '../../src/app/http-worker-entry.ts';
import { type CoreCalls, createRemoteCore } from '../../src/app/remote-core.ts';
import { MalformedBodyError } from '../../src/decode/decode.ts';
import type { HttpServerOptions } from '../../src/http/http.ts';
import { createHttpServer } from '../../src/http/server/server.ts';
import { NoRoomError, TooManyHoursError } from '../../src/lines/batch-limits.ts';
import { createRemoteLive } from '../../src/live/remote-live.ts';
import { createMetrics, readCounts } from '../../src/metrics/metrics.ts';
import { BatchTooLargeError, IdempotencyConflict, PermanentError, UnavailableError } from '../../src/model/deliver.ts';
import { FirstHours } from '../../src/model/first-hours.ts';
import { SchemaTable } from '../../src/model/schema-table.ts';
import { createChannel } from '../../src/runtime/channel.ts';
import type { IngestRequest, IngestResult } from '../../src/service/service.ts';
import { createTestLog } from './queues.ts';

/** What a server in a thread is made with. Everything else is at the other end of the port. */
export type ServerData = Pick<
  HttpServerOptions,
  'host' | 'hosts' | 'port' | 'limits' | 'auth' | 'version' | 'shared'
> & {
  readonly settings: HttpServerOptions['dashboard']['settings'];
  /** Of the line store, where there is one. */
  readonly maxReaders: number | undefined;
  /** Counts the messages that the other end has handled. */
  readonly told: Int32Array;
};

/** The calls that the test's thread answers. */
export interface TestCoreCalls extends CoreCalls {
  ingest(request: IngestRequest): IngestResult | { readonly thrown: Thrown };
  log(entry: { readonly level: 'info' | 'warn' | 'error'; readonly message: string; readonly text?: string }): void;
  noteRefusal(refusal: Parameters<HttpServerOptions['noteRefusal']>[0]): void;
  noteSource(sent: Parameters<NonNullable<HttpServerOptions['noteSource']>>): void;
}

/** The calls that a server's thread answers. */
export type TestWorkerCalls = Omit<HttpWorkerCalls, 'sample' | 'lines'>;

/** An error in a form that survives being cloned. */
export interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly fields: object;
}

const ERRORS = [
  MalformedBodyError,
  BatchTooLargeError,
  TooManyHoursError,
  NoRoomError,
  IdempotencyConflict,
  PermanentError,
  UnavailableError,
];

function revive({ name, message, fields }: Thrown): Error {
  const known = ERRORS.find((one) => one.name === name);
  if (known === undefined) return new Error(message);
  return Object.assign(Object.create(known.prototype) as Error, { message, ...fields });
}

/** A server of src/http in this thread. Its ingest, data and log are at the other end of the port. */
function serve(port: MessagePort, data: ServerData): void {
  const { settings, told, maxReaders = 0, ...options } = data;
  const metrics = createMetrics({ defaultMetrics: false });
  const channel = createChannel<TestCoreCalls>(port);
  const { remote } = channel;
  const remoteLive = createRemoteLive(remote);
  /** Returns when the other end has handled the message, so that a test with the answer can check it at once. */
  const tell = (send: () => Promise<void>): void => {
    const before = Atomics.load(told, 0);
    void send();
    Atomics.wait(told, 0, before, 5_000);
  };
  const logAt = (level: 'info' | 'warn' | 'error') => (message: string, fields?: object) =>
    tell(() => remote.log({ level, message, text: JSON.stringify(fields) }));
  const { live, lineStore, ...core } = createRemoteCore({
    remote,
    schemas: new SchemaTable(),
    firstHours: new FirstHours(['access', 'events']),
    live: remoteLive.live,
    log: createTestLog(),
    hasLineStore: data.maxReaders !== undefined,
    reuse: () => undefined,
  });
  const server = createHttpServer({
    streams: ['access', 'events'],
    mappings: ['caddy', 'app'],
    ...options,
    ...core,
    analytics: openAnalytics(core.analytics),
    ...(lineStore !== undefined && { lineStore: { store: lineStore, isReadOnly: false, maxReaders } }),
    reusePort: true,
    listStreams: async () => {
      await core.streamTotals();
      return [];
    },
    async ingest({ memory: _, ...request }) {
      const result = await remote.ingest(request);
      if ('thrown' in result) throw revive(result.thrown);
      return result;
    },
    dashboard: { live, hourTotals: core.hourTotals, diskUse: core.diskUse, settings },
    noteRefusal: (refusal) => tell(() => remote.noteRefusal(refusal)),
    noteSource: (...sent) => tell(() => remote.noteSource(sent)),
    metrics,
    clock: Date.now,
    log: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
  });
  channel.answer<TestWorkerCalls>({
    ...remoteLive.handlers,
    changeSchemas: async () => undefined,
    listen: () => server.listen(),
    close: (graceMs) => server.close({ graceMs }),
    metrics: () => readCounts(metrics),
  });
}

parentPort?.on('message', ({ port, data }: { port: MessagePort; data: ServerData }) => serve(port, data));
