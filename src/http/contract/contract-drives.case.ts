// Long: one drive for each status of each operation.

import type { Breakdown, RangeSum, Series } from '../../analytics/analytics.ts';
import { MalformedBodyError } from '../../decode/decode.ts';
import { openBytes } from '../../disk/open-file.ts';
import type { Live } from '../../live/live.ts';
import { IdempotencyConflict, UnavailableError } from '../../model/deliver.ts';
import type { DiskUse } from '../../model/disk-use.ts';
import type { IngestResult } from '../../service/service.ts';
import { WRONG_KEYS } from '../auth.ts';
import { examplePath, type OperationDoc } from '../docs/api-operation.ts';
import { OPERATIONS } from '../docs/operations.ts';
import type { StreamInfo } from '../http.ts';
import { answering, sumOf } from './analytics-fixture.case.ts';
import { ACCEPTED, BODY, type Fixture, type PostOptions, type Setup } from './contract-fixture.case.ts';
import { HISTORY, open, readUntil, refusal, SAMPLES, STATS } from './live-fixture.case.ts';
import type { RawAnswer } from './raw-client.case.ts';
import { REGISTRY_DRIVES } from './registry-drives.case.ts';
import { STORE_DRIVES } from './store-drives.case.ts';

export interface Drive {
  /** For one thread only: it drains before it closes, and its limits are not divided. */
  readonly onOneThread?: true;
  readonly setup?: Setup;
  readonly ask: (fixture: Fixture) => Promise<RawAnswer>;
}

const SUM: RangeSum = sumOf(
  new Map([
    ['/a', 2],
    ['__proto__', 1],
  ]),
  new Map([['curl/8', 3]]),
);
const EVENTS_SUM: RangeSum = {
  ...SUM,
  dimensions: [
    { name: 'level', counts: new Map([['INFO', 3]]), other: 0 },
    { name: 'service', counts: new Map(), other: 3 },
  ],
};
const TABLES: Breakdown = {
  kind: 'breakdown',
  hours: 2,
  total: 3,
  skippedLines: 0,
  dimensions: [
    { name: 'path', largest: [['/', 3]], distinct: 9 },
    { name: 'userAgent', largest: [['curl/8', 3]], distinct: 1 },
  ],
  audience: { people: 1, bots: 2, unknown: 0, botUserAgents: ['curl/8'] },
};
const SERIES: Series = {
  kind: 'series',
  values: ['INFO', 'ERROR'],
  records: [
    [5, 0],
    [1, 0],
  ],
  other: [1, 0],
  totals: [7, null],
};
const DISK_USE: DiskUse = {
  streams: [{ name: 'events', plain: 100, zstd: 7, days: 1 }],
  days: [{ day: '2015-05-17', plain: 100, zstd: 7 }],
  other: { summaries: 1, journal: 2, keys: 3, dead_letters: 4, removed_streams: 5 },
  walkedAt: Date.UTC(2015, 4, 17),
};
const STORED_SUMMARY = JSON.stringify({
  hour: '2015-05-17T10:00:00Z',
  totalRequests: 1,
  requestsPerPath: { '/': 1 },
  requestsPerUserAgent: { 'curl/8': 1 },
  source: { bytes: 80, records: 1, skippedLines: 0 },
});
const REJECTION = { index: 0, field: 'path', reason: 'record 0 missing path', raw: '{}' };
const ERRORS = [{ index: 0, field: 'path', reason: 'record 0 missing path' }];

/** Every number is different. */
const RUN = { written: 1, unchanged: 2, missing: 3, failed: 4, bytes: 5, records: 6, skippedLines: 7, seconds: 0.8 };

function aggregating(headers: readonly string[], setup: Setup = {}): Drive {
  const auth = { enabled: true, keys: ['k'] };
  const head = ['POST /admin/aggregate HTTP/1.1', 'Host: a', 'Content-Length: 2', ...headers];
  return {
    setup: { auth, aggregate: async () => RUN, ...setup },
    ask: ({ ask }) => ask(`${head.join('\r\n')}\r\n\r\n{}`),
  };
}

function posting(options: PostOptions, setup: Setup = {}): Drive {
  return { setup, ask: ({ post }) => post(options) };
}

function ingesting(ingest: () => Promise<IngestResult>): Drive {
  return posting({}, { ingest });
}

function getting(target: string, setup: Setup = {}): Drive {
  return { setup, ask: ({ get }) => get(target) };
}

const AUTH = { enabled: true, keys: ['k'], metrics: true };
const CLASSES = { ...AUTH, keys: ['sender'], readKeys: ['reader'], adminKeys: ['admin'] };
const HOURS = 'from=2015-05-17T10&to=2015-05-17T12';
const BROKEN = () => Promise.reject(new Error('EIO'));

const EVENTS: StreamInfo = {
  name: 'events',
  fields: ['timestamp', 'level', 'message', 'service'],
  levelField: 'level',
  countBy: ['level', 'service'],
  schemas: [{ subject: 'events-avro', type: 'AVRO', version: 1, id: 2 }],
  records: { stored: 1, rejected: 2, deadLettered: 3, duplicate: 4 },
  bytes: 5,
};

/** A Live that sends an event to every new reader. */
const LIVE: Live = {
  snapshot: async () => ({ stats: STATS, history: [HISTORY], refusals: [refusal('a')], samples: SAMPLES }),
  subscribe: (listener) => {
    setImmediate(() => {
      listener({ kind: 'samples', samples: SAMPLES });
      listener({ kind: 'refusals', refusals: [refusal('b')] });
    });
    return () => undefined;
  },
  tail: (_filter, listener) => {
    setImmediate(() => listener({ lines: RECORDS, leftOut: 1 }));
    return () => undefined;
  },
};
const RECORDS = BODY.slice(1, -1).split('\n');

/** A stream that the service ends after the last event. */
function streaming(target: string, last: string, setup: Setup = {}, headers = ''): Drive {
  return {
    setup: { dashboard: { live: LIVE }, ...setup },
    ask: async (fixture) => {
      const client = await open(fixture, target, headers);
      await readUntil(client, `event: ${last}\n`);
      await fixture.server.close({ graceMs: 5_000 });
      return client.answer();
    },
  };
}

/** Sends one wrong key more than an address may. */
function guessing(line: string): Drive {
  return {
    setup: { auth: AUTH, dashboard: { live: LIVE } },
    ask: async ({ ask }) => {
      const wrong = () => ask(`${line} HTTP/1.1\r\nHost: a\r\nX-API-Key: wrong\r\nContent-Length: 0\r\n\r\n`);
      for (let i = 0; i < WRONG_KEYS.burst; i++) await wrong();
      return wrong();
    },
  };
}

function draining(target: string): Drive {
  return {
    onOneThread: true,
    ask: ({ server, get }) => {
      server.drain();
      return get(target);
    },
  };
}

/** Opens one stream more than the limit. */
function crowding(target: string, streams: number): Drive {
  return {
    onOneThread: true,
    ask: async (fixture) => {
      const clients = await Promise.all(Array.from({ length: streams }, () => open(fixture, target)));
      await Promise.all(clients.map((client) => readUntil(client, 'retry')));
      return fixture.get(target);
    },
    setup: { dashboard: { live: LIVE }, limits: { maxConnections: streams + 10 } },
  };
}

/** Answers a query with these pieces, and then fails if there is no last one. */
function querying(...pieces: readonly string[]): Setup {
  let at = 0;
  return {
    records: {
      open: async () => ({ kind: 'open', id: 1 }),
      next: async () => {
        const text = pieces[at++];
        if (text === undefined) return { kind: 'failed', why: 'timeout', detail: 'too long' };
        return {
          kind: 'piece',
          bytes: new Uint8Array(Buffer.from(text)),
          isLast: at === pieces.length,
          damaged: [],
          moreDamaged: 0,
        };
      },
    },
  };
}

const OWN_DRIVES: Readonly<Record<string, readonly Drive[]>> = {
  'post /logs 202': [
    posting({}),
    ...bodyExamples().map(([contentType, body]) => posting({ contentType, body })),
    ingesting(async () => ({ ...ACCEPTED, replayed: true })),
    ingesting(async () => ({
      ...ACCEPTED,
      answer: JSON.stringify({ accepted: 1, rejected: 1, errors: ERRORS }),
    })),
  ],
  'post /logs 400': [
    posting({ target: '/logs?invalid=no' }),
    posting({ headers: ['Idempotency-Key: a b'] }),
    posting({ headers: ['Content-Encoding: gzip'] }),
    ingesting(() => Promise.reject(new MalformedBodyError('no log records provided'))),
    ingesting(async () => ({ kind: 'invalid', rejections: [REJECTION], rejected: 1 })),
  ],
  'post /logs 408': [posting({ contentLength: BODY.length + 1 }, { limits: { bodyTimeoutMs: 50 } })],
  'post /logs 413': [posting({}, { limits: { maxBodyBytes: 10 } })],
  'post /logs 415': [posting({ contentType: 'text/plain' }), posting({ headers: ['Content-Encoding: compress'] })],
  'post /logs 417': [posting({ headers: ['Expect: tea'] })],
  'post /logs 422': [ingesting(() => Promise.reject(new IdempotencyConflict('k')))],
  'post /logs 429': [
    {
      setup: { limits: { rateLimit: { requestsPerSecond: 0.1, burst: 1 } } },
      ask: async ({ post }) => {
        await post();
        return post();
      },
    },
  ],
  'post /logs 501': [posting({ contentLength: null, headers: ['Transfer-Encoding: gzip, chunked'] })],
  'post /logs 503': [
    ingesting(() => Promise.reject(new UnavailableError('the disk is full', 1))),
    ingesting(() => Promise.reject(new Error('broken'))),
    posting({}, { limits: { maxInFlightBytes: 10 } }),
    {
      onOneThread: true,
      ask: ({ server, post }) => {
        server.drain();
        return post();
      },
    },
  ],
  'get /analytics 200': [
    getting('/analytics?hour=2015-05-17T10', {
      analytics: { ask: async () => ({ kind: 'text', text: openBytes(Buffer.from(STORED_SUMMARY)) }) },
    }),
    getting('/analytics?from=2015-05-17T10&to=2015-05-17T12', {
      analytics: answering({ ...SUM, hours: 2 }),
    }),
    getting('/analytics?hour=2015-05-17T10&top=1', {
      analytics: answering(SUM),
    }),
    getting('/analytics?stream=events&hour=2015-05-17T10&top=1', { analytics: answering(EVENTS_SUM) }),
    getting('/analytics?stream=events&from=2015-05-17T10&to=2015-05-17T12', { analytics: answering(EVENTS_SUM) }),
    {
      setup: { analytics: answering(SUM) },
      ask: ({ ask }) => ask('GET /analytics?hour=2015-05-17T10 HTTP/1.1\r\nHost: a\r\nAccept: text/csv\r\n\r\n'),
    },
  ],
  'get /analytics 400': [getting('/analytics')],
  'get /analytics 404': [
    getting('/analytics?hour=2015-05-17T10'),
    getting('/analytics?hour=2015-05-17T10&stream=evnts'),
  ],
  'get /analytics 503': [
    getting('/analytics?hour=2015-05-17T10', { analytics: { ask: () => Promise.reject(new Error('EIO')) } }),
    getting('/analytics?hour=2015-05-17T10', {
      analytics: { ask: async () => ({ kind: 'damaged', stream: 'access', hours: [397_714] }) },
    }),
    getting('/analytics?hour=2015-05-17T10', { analytics: { ask: async () => ({ kind: 'busy' }) } }),
  ],
  'get /records 200': [
    getting(
      '/records?stream=events&where=level%3E%3DWARN&where=!x&limit=1',
      querying('{"timestamp":"2015-05-17T10:00:00Z"}\n'),
    ),
    getting('/records?fields=status', querying('{"status":200}\n')),
    getting('/records?format=csv', querying('timestamp,path,userAgent\r\n', '2015-05-17T10:00:00Z,/,a\r\n')),
    {
      setup: querying('timestamp\r\n'),
      ask: ({ ask }) => ask('GET /records HTTP/1.1\r\nHost: a\r\nAccept: text/csv\r\n\r\n'),
    },
  ],
  'get /records 400': [
    ...['limit=0', 'order=up', 'where==', 'from=now', 'fields=a,,b', 'format=xml', 'limit=1&limit=2'].map((query) =>
      getting(`/records?${query}`),
    ),
    getting('/records?matches=(', {
      records: { open: async () => ({ kind: 'refused', parameter: 'matches', rule: 'must be a regular expression' }) },
    }),
  ],
  'get /records 404': [getting('/records?stream=evnts')],
  'get /records 503': [
    getting('/records', { records: { open: BROKEN } }),
    getting('/records', { records: { open: async () => ({ kind: 'busy', detail: 'too many' }) } }),
    getting('/records', querying()),
    draining('/records'),
  ],
  'get /streams 200': [
    getting('/streams'),
    getting('/streams', { listStreams: async () => [EVENTS] }),
    {
      setup: { auth: CLASSES },
      ask: ({ ask }) => ask('GET /streams HTTP/1.1\r\nHost: a\r\nX-API-Key: reader\r\n\r\n'),
    },
  ],
  'get /streams 503': [getting('/streams', { listStreams: BROKEN })],
  'get /stats 200': [
    getting('/stats'),
    {
      setup: { auth: CLASSES },
      ask: ({ ask }) => ask('GET /stats HTTP/1.1\r\nHost: a\r\nX-API-Key: reader\r\n\r\n'),
    },
  ],
  'get /stats 503': [getting('/stats', { serviceStats: BROKEN })],
  'get /health 200': [getting('/health')],
  'get /ready 200': [getting('/ready')],
  'get /ready 503': [
    getting('/ready', { checkReadiness: async () => ({ storage: { ok: false, detail: 'the disk is full' } }) }),
    getting('/ready', { checkReadiness: () => Promise.reject(new Error('broken')) }),
  ],
  'get /version 200': [getting('/version')],
  'get /metrics 200': [
    getting('/metrics'),
    { ask: ({ ask }) => ask('GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n') },
  ],
  'get /metrics 503': [getting('/metrics', { metricsText: BROKEN })],
  'get /openapi.json 200': [getting('/openapi.json')],
  'get /docs 200': [getting('/docs')],
  'get / 200': [getting('/')],
  'get / 304': [
    {
      ask: async ({ ask, get }) => {
        const { headers } = await get('/');
        return ask(`GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: ${headers.get('etag')}\r\n\r\n`);
      },
    },
  ],
  'get /events 200': [
    streaming('/events', 'stats'),
    streaming('/events', 'refusal', { auth: AUTH }, 'X-API-Key: k\r\n'),
  ],
  'get /events 503': [crowding('/events', 1_024), draining('/events')],
  'get /events/tail 200': [streaming('/events/tail', 'left-out')],
  'get /events/tail 400': [getting('/events/tail?q=1&q=2'), getting(`/events/tail?path=${'x'.repeat(257)}`)],
  'get /events/tail 404': [getting('/events/tail?stream=event')],
  'get /events/tail 503': [crowding('/events/tail', 64), draining('/events/tail')],
  'get /api/overview 200': [
    getting('/api/overview', { dashboard: { live: LIVE, settings: { server: { threads: 1 } } } }),
    getting('/api/overview', {
      dashboard: { live: LIVE, hourTotals: { totals: BROKEN, latest: async () => 397_714 } },
    }),
  ],
  'get /api/overview 400': [getting('/api/overview?stream=events&stream=events')],
  'get /api/overview 404': [getting('/api/overview?stream=evnts')],
  'get /api/overview 503': [getting('/api/overview')],
  'get /api/hours 200': [
    getting(`/api/hours?${HOURS}`),
    getting(`/api/hours?${HOURS}`, {
      dashboard: { hourTotals: { totals: async () => [7, null], latest: async () => undefined } },
    }),
    getting(`/api/hours?${HOURS}&stream=events&by=level`, { analytics: { series: async () => SERIES } }),
  ],
  'get /api/hours 400': [
    getting('/api/hours'),
    getting('/api/hours?from=2015-05-17T10&to=2015-05-17T10'),
    getting(`/api/hours?${HOURS}&by=x`, {
      analytics: { series: async () => ({ kind: 'no-dimension', dimensions: ['path'] }) },
    }),
  ],
  'get /api/hours 404': [getting(`/api/hours?${HOURS}&stream=evnts`)],
  'get /api/hours 503': [
    getting(`/api/hours?${HOURS}`, { dashboard: { hourTotals: { totals: BROKEN, latest: BROKEN } } }),
    getting(`/api/hours?${HOURS}&by=path`, { analytics: { series: async () => ({ kind: 'busy' }) } }),
  ],
  'get /api/breakdown 200': [
    getting(`/api/breakdown?${HOURS}&search=A`, { analytics: { breakdown: async () => TABLES } }),
  ],
  'get /api/breakdown 404': [getting(`/api/breakdown?${HOURS}&stream=evnts`)],
  'get /api/breakdown 400': [getting('/api/breakdown'), getting(`/api/breakdown?${HOURS}&search=${'x'.repeat(257)}`)],
  'get /api/disk 200': [
    getting('/api/disk?stream=events', { dashboard: { diskUse: async () => DISK_USE } }),
    getting('/api/disk', { dashboard: { diskUse: async () => ({ ...DISK_USE, days: [], walkedAt: undefined }) } }),
  ],
  'get /api/disk 400': [getting('/api/disk?stream=events&stream=events')],
  'get /api/disk 404': [getting('/api/disk?stream=evnts')],
  'get /api/disk 503': [getting('/api/disk')],
  'get /api/breakdown 503': [getting(`/api/breakdown?${HOURS}`, { analytics: { breakdown: BROKEN } })],
  'post /admin/aggregate 200': [aggregating(['X-API-Key: k']), aggregating(['Authorization: Bearer k'])],
  'post /admin/aggregate 403': [aggregating([], { auth: { enabled: false, keys: ['k'] } })],
  'post /admin/aggregate 503': [aggregating(['X-API-Key: k'], { aggregate: () => Promise.reject(new Error('EIO')) })],
};

/** How a route that needs a key answers a request without one, with a wrong one, with one of another class, and after many guesses. */
function keyDrives({ method, path, answers }: OperationDoc): Readonly<Record<string, readonly Drive[]>> {
  if (answers[401] === undefined) return {};
  const line = `${method.toUpperCase()} ${examplePath(path)}`;
  const sending = (key: string): Drive => ({
    setup: { auth: CLASSES },
    ask: ({ ask }) => ask(`${line} HTTP/1.1\r\nHost: a\r\n${key}Content-Length: 0\r\n\r\n`),
  });
  const other = path === '/logs' || path === '/store/batch' ? 'reader' : 'sender';
  return {
    [`${method} ${path} 401`]: [sending(''), sending('X-API-Key: wrong\r\n')],
    [`${method} ${path} 403`]: [sending(`X-API-Key: ${other}\r\n`), sending(`Authorization: Bearer ${other}\r\n`)],
    [`${method} ${path} 429`]: [guessing(line)],
  };
}

/** How to get each documented answer, in every form. */
export const DRIVES: Readonly<Record<string, readonly Drive[]>> = joinDrives([
  OWN_DRIVES,
  REGISTRY_DRIVES,
  STORE_DRIVES,
  ...OPERATIONS.map(keyDrives),
]);

function joinDrives(tables: readonly Readonly<Record<string, readonly Drive[]>>[]) {
  const all: Record<string, readonly Drive[]> = {};
  for (const [name, drives] of tables.flatMap(Object.entries<readonly Drive[]>)) {
    all[name] = [...(all[name] ?? []), ...drives];
  }
  return all;
}

function bodyExamples(): (readonly [string, string])[] {
  return OPERATIONS.filter(({ path }) => path === '/logs').flatMap(({ requestBody }) =>
    Object.entries(requestBody ?? {}).map(([type, { example }]) => [type, example] as const),
  );
}
