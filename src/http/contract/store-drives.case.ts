import type { LineStore } from '../../model/line-store.ts';
import type { Drive } from './contract-drives.case.ts';
import { type PostOptions, postBytes, type Setup } from './contract-fixture.case.ts';

// How to get each documented answer of the line store.

const BATCH = '{"batch":[{"host":"h","file":"/f","line-num":0,"content":"c"}],"size":1}';
const OFF: Setup = { lineStore: null };

function posting(options: PostOptions, setup: Setup = {}): Drive {
  return { setup, ask: ({ ask }) => ask(postBytes({ target: '/store/batch', body: BATCH, ...options })) };
}

function getting(target: string, setup: Setup = {}): Drive {
  return { setup, ask: ({ get }) => get(target) };
}

function appending(append: LineStore['append']): Drive {
  return posting({}, { lineStore: { append } });
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

const BROKEN = () => Promise.reject(new Error('EIO'));
const LOG = { id: 1, host: 'h', file: '/f', generation: 'g', lines: 2, last: 2 };
const GET_LOG = '/store/log?host=h&file=/f';

const FOUND: Partial<LineStore> = {
  find: async () => LOG,
  read: async ({ from }) => ({
    bytes: new Uint8Array(Buffer.from(`${from}\n`)),
    lines: 1,
    missing: 0,
    next: from === 0 ? 1 : undefined,
  }),
};

export const STORE_DRIVES: Readonly<Record<string, readonly Drive[]>> = {
  'post /store/batch 200': [posting({}), posting({ contentType: 'application/json; charset=utf-8' })],
  'post /store/batch 400': [
    appending(async () => ({ kind: 'malformed', reason: 'the body is not JSON' })),
    appending(async () => ({ kind: 'invalid', index: 1, field: 'host', reason: 'batch[1].host must be a text' })),
    posting({ headers: ['Content-Encoding: gzip'] }),
  ],
  'post /store/batch 403': [{ ...posting({}, { isStoreReadOnly: true }), onOneThread: true }],
  'post /store/batch 404': [posting({}, OFF)],
  'post /store/batch 408': [posting({ contentLength: BATCH.length + 1 }, { limits: { bodyTimeoutMs: 50 } })],
  'post /store/batch 413': [posting({}, { limits: { maxBodyBytes: 10 } })],
  'post /store/batch 415': [
    posting({ contentType: 'text/plain' }),
    posting({ contentType: null }),
    posting({ headers: ['Content-Encoding: compress'] }),
  ],
  'post /store/batch 417': [posting({ headers: ['Expect: tea'] })],
  'post /store/batch 429': [
    {
      setup: { limits: { rateLimit: { requestsPerSecond: 0.1, burst: 1 } } },
      ask: async ({ ask }) => {
        const bytes = postBytes({ target: '/store/batch', body: BATCH });
        await ask(bytes);
        return ask(bytes);
      },
    },
  ],
  'post /store/batch 501': [posting({ contentLength: null, headers: ['Transfer-Encoding: gzip, chunked'] })],
  'post /store/batch 503': [
    appending(async () => ({ kind: 'unavailable', reason: 'the disk is full' })),
    appending(BROKEN),
    posting({}, { limits: { maxInFlightBytes: 10 } }),
    posting({}, { limits: { requestTimeoutMs: 50 }, lineStore: { append: () => new Promise(() => undefined) } }),
  ],
  'get /store/log 200': [getting(GET_LOG, { lineStore: FOUND }), getting(`${GET_LOG}&from=9`, { lineStore: FOUND })],
  'get /store/log 400': [
    '/store/log',
    '/store/log?host=h',
    `${GET_LOG}&host=i`,
    `${GET_LOG}&from=-1`,
    `${GET_LOG}&from=x`,
    `${GET_LOG}&to=9007199254740993`,
    `${GET_LOG}&from=2&to=2`,
  ].map((target) => getting(target)),
  'get /store/log 404': [getting(GET_LOG), getting(GET_LOG, OFF)],
  'get /store/log 503': [
    getting(GET_LOG, { lineStore: { find: BROKEN } }),
    getting(GET_LOG, { lineStore: { ...FOUND, read: BROKEN } }),
    getting(GET_LOG, { lineStore: FOUND, maxReaders: 0 }),
    draining(GET_LOG),
  ],
  'get /store/files 200': [
    getting('/store/files'),
    getting('/store/files', {
      lineStore: { list: async (after) => (after === undefined ? [LOG, { ...LOG, generation: '' }] : []) },
    }),
  ],
  'get /store/files 404': [getting('/store/files', OFF)],
  'get /store/files 503': [getting('/store/files', { lineStore: { list: BROKEN } }), draining('/store/files')],
  'get /ruok 200': [
    getting('/ruok'),
    { ask: ({ ask }) => ask('GET /ruok HTTP/1.1\r\nHost: other\r\nAccept: application/edn\r\n\r\n') },
  ],
  'get /ruok 404': [getting('/ruok', OFF)],
};
