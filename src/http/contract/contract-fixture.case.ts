import { onTestFinished } from 'vitest';
import { createMemoryRegistry } from '../../../test/support/registry.ts';
import type { Aggregate, Analytics } from '../../analytics/analytics.ts';
import type { ServiceStats } from '../../live/live.ts';
import { createMetrics, type MetricCounts, writeExposition } from '../../metrics/metrics.ts';
import type { LineStore } from '../../model/line-store.ts';
import type { Ingest, IngestRequest, IngestResult } from '../../service/service.ts';
import type { HttpAuth } from '../auth.ts';
import type { DashboardData } from '../dashboard/dashboard.ts';
import type { HttpServer, HttpServerOptions } from '../http.ts';
import type { HttpLimits } from '../server/limits.ts';
import { connectRaw, type RawAnswer, type RawClient } from './raw-client.case.ts';

/** Makes the server under test. `counts`: the metrics of its threads, where it has some. `ca`: it speaks TLS. */
export type CreateServer = (
  options: HttpServerOptions,
) => HttpServer & { readonly counts?: () => Promise<readonly MetricCounts[]>; readonly ca?: string };

/** One of the service's own log lines. */
export interface Logged {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Setup {
  readonly limits?: Partial<HttpLimits>;
  readonly auth?: Partial<HttpAuth>;
  readonly hosts?: readonly string[];
  readonly listStreams?: HttpServerOptions['listStreams'];
  readonly ingest?: Ingest;
  readonly analytics?: Partial<Analytics>;
  readonly aggregate?: Aggregate;
  readonly records?: Partial<HttpServerOptions['records']>;
  readonly checkReadiness?: HttpServerOptions['checkReadiness'];
  readonly metricsText?: HttpServerOptions['metricsText'];
  readonly serviceStats?: HttpServerOptions['serviceStats'];
  readonly dashboard?: Partial<DashboardData>;
  readonly noteRefusal?: HttpServerOptions['noteRefusal'];
  readonly noteSource?: NonNullable<HttpServerOptions['noteSource']>;
  readonly registry?: HttpServerOptions['registry'];
  /** null: the line store is off. */
  readonly lineStore?: Partial<LineStore> | null;
  readonly isStoreReadOnly?: boolean;
  readonly maxReaders?: number;
}

/** The dashboard of an idle service. */
const IDLE: DashboardData = {
  live: {
    snapshot: () => Promise.reject(new Error('unused')),
    subscribe: () => () => undefined,
    tail: () => () => undefined,
  },
  hourTotals: {
    totals: async ({ from, to }) => Array.from({ length: to - from }, () => null),
    latest: async () => undefined,
  },
  diskUse: () => Promise.reject(new Error('unused')),
  settings: {},
};

export interface Fixture {
  readonly server: HttpServer;
  readonly port: number;
  /** The requests that reached ingest. */
  readonly ingested: IngestRequest[];
  readonly logged: readonly Logged[];
  /** A raw connection, destroyed with the test. */
  connect(): Promise<RawClient>;
  /** Sends one request on a connection of its own. */
  ask(request: string | Uint8Array): Promise<RawAnswer>;
  post(options?: PostOptions): Promise<RawAnswer>;
  get(target: string): Promise<RawAnswer>;
  /** One sample of GET /metrics, by its name and labels as written there. */
  metric(sample: string): Promise<number | undefined>;
}

export const ACCEPTED = {
  kind: 'accepted',
  answer: '{"accepted":1}',
  durability: 'disk',
  replayed: false,
  records: 1,
} satisfies IngestResult as IngestResult & { readonly kind: 'accepted' };

/** Every number is different. */
export const SERVICE_STATS: ServiceStats = {
  logs_per_sec: 1,
  mb_per_sec: 2.5,
  latency_us: 3.25,
  queue_length: 4,
  file_rotations: 5,
  dropped: 6,
  json: 7,
  proto: 8,
  avro: 9,
  raw: 10,
  syslog: 11,
  journald: 12,
  samples: { json: ['{"a":1}'], proto: [], avro: [], raw: [], syslog: [], journald: [] },
};

const NO_AUTH: HttpAuth = {
  enabled: false,
  headerName: 'X-API-Key',
  keys: [],
  readKeys: [],
  adminKeys: [],
  metrics: false,
};

const LIMITS: HttpLimits = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxInFlightBytes: 64 * 1024 * 1024,
  headersTimeoutMs: 20_000,
  bodyTimeoutMs: 20_000,
  requestTimeoutMs: 20_000,
  keepAliveTimeoutMs: 20_000,
  maxConnections: 1_000,
};

const EMPTY_STORE: LineStore = {
  append: async () => ({ kind: 'stored', lines: 1 }),
  find: async () => undefined,
  read: () => Promise.reject(new Error('unused')),
  list: async () => [],
  check: async () => undefined,
};

/** Starts a server with a fake ingest. It closes with the test. */
export async function startFixture(create: CreateServer, setup: Setup = {}): Promise<Fixture> {
  const metrics = createMetrics({ defaultMetrics: false });
  const ingested: IngestRequest[] = [];
  const logged: Logged[] = [];
  const logAt =
    (level: Logged['level']) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void logged.push({ level, message, fields });
  const ingest = setup.ingest ?? (async () => ACCEPTED);
  const server = create({
    streams: ['access', 'events'],
    mappings: ['caddy', 'app'],
    host: '127.0.0.1',
    port: 0,
    hosts: setup.hosts ?? ['a', 'localhost', '127.0.0.1'],
    limits: { ...LIMITS, ...setup.limits },
    auth: { ...NO_AUTH, ...setup.auth },
    version: { version: '1.2.3', commit: 'abc', buildDate: '2026-01-02', pipeline: 1, node: 'v26.0.0' },
    listStreams: setup.listStreams ?? (async () => []),
    ingest: (request) => {
      ingested.push(request);
      return ingest(request);
    },
    checkReadiness: setup.checkReadiness ?? (async () => ({ storage: { ok: true, detail: 'writable' } })),
    analytics: {
      ask: async () => ({ kind: 'none' }),
      breakdown: () => Promise.reject(new Error('unused')),
      series: () => Promise.reject(new Error('unused')),
      ...setup.analytics,
    },
    aggregate: setup.aggregate ?? (() => Promise.reject(new Error('unused'))),
    records: {
      open: () => Promise.reject(new Error('unused')),
      next: () => Promise.reject(new Error('unused')),
      close: async () => undefined,
      ...setup.records,
    },
    dashboard: { ...IDLE, ...setup.dashboard },
    registry: setup.registry ?? createMemoryRegistry().registry,
    ...(setup.lineStore !== null && {
      lineStore: {
        store: { ...EMPTY_STORE, ...setup.lineStore },
        isReadOnly: setup.isStoreReadOnly ?? false,
        maxReaders: setup.maxReaders ?? 4,
      },
    }),
    noteRefusal: setup.noteRefusal ?? (() => undefined),
    ...(setup.noteSource !== undefined && { noteSource: setup.noteSource }),
    metrics,
    serviceStats: setup.serviceStats ?? (async () => SERVICE_STATS),
    metricsText: setup.metricsText ?? (async () => writeExposition(metrics, (await server.counts?.()) ?? [])),
    clock: Date.now,
    log: { info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
  });
  const { port } = await server.listen();
  onTestFinished(() => server.close({ graceMs: 0 }));

  const connectClient = async () => {
    const client = await connectRaw(port, { ca: server.ca });
    onTestFinished(() => client.destroy());
    return client;
  };
  const ask = async (request: string | Uint8Array) => {
    const client = await connectClient();
    client.send(request);
    return client.answer();
  };
  const get = (target: string) => ask(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return {
    server,
    port,
    ingested,
    logged,
    connect: connectClient,
    ask,
    get,
    post: (options) => ask(postBytes(options)),
    metric: async (sample) => {
      const { body } = await get('/metrics');
      const line = body.split('\n').find((text) => text.startsWith(`${sample} `));
      return line === undefined ? undefined : Number(line.slice(sample.length));
    },
  };
}

export interface PostOptions {
  readonly target?: string;
  readonly body?: string | Uint8Array;
  /** null: left out. */
  readonly contentType?: string | null;
  readonly headers?: readonly string[];
  /** Without it Content-Length is that of the body; null: left out. */
  readonly contentLength?: number | null;
}

export const BODY = '[{"timestamp":"2025-11-22T15:23:00Z","path":"/","userAgent":"a"}]';

/** The bytes of a POST /logs. */
export function postBytes(options: PostOptions = {}): Buffer {
  const { target = '/logs', body = BODY, contentType = 'application/json', headers = [] } = options;
  const bytes = Buffer.from(body);
  const { contentLength = bytes.length } = options;
  const lines = [`POST ${target} HTTP/1.1`, 'Host: a', ...headers];
  if (contentType !== null) lines.push(`Content-Type: ${contentType}`);
  if (contentLength !== null) lines.push(`Content-Length: ${contentLength}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

/** A body in the chunked transfer coding, `size` bytes a chunk. */
export function chunked(body: Uint8Array, size: number): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += size) {
    const chunk = body.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** The problem in an answer. Throws when it has another shape. */
export function problemOf(answer: RawAnswer): Record<string, unknown> & { readonly detail: string } {
  if (answer.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`no problem: ${answer.status} ${answer.headers.get('content-type')} ${answer.body}`);
  }
  const problem: unknown = JSON.parse(answer.body);
  if (typeof problem !== 'object' || problem === null) throw new Error(`no object: ${answer.body}`);
  const { type, title, status, detail, ...rest } = problem as Record<string, unknown>;
  const isWhole = typeof type === 'string' && typeof title === 'string' && typeof detail === 'string';
  if (!isWhole || status !== answer.status) throw new Error(`no problem: ${answer.status} ${answer.body}`);
  return { ...rest, type, detail };
}

/** A promise that the test settles. */
export function deferred<T>() {
  return Promise.withResolvers<T>();
}
