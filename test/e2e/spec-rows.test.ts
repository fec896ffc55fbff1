import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBalancedAccounting } from '../support/accounting.ts';
import { type Client, createClient, type Outcome } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { readDeadLetters, readRecords } from '../support/storage.ts';

const KEY = { 'X-API-Key': 'secret' };
const record = (id: number) => `{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a","id":${id}}`;

let service: Service;

/** Many clients with a connection each, so that every thread has some of them. */
let clients: Client[] = [];
const client = (): Client => clients[0] ?? createClient(service.port);
const everywhere = (ask: (client: Client, i: number) => Promise<Outcome>) => Promise.all(clients.map(ask));

describe.each([1, 2])('the same answers on %i threads, whichever has the connection', (threads) => {
  beforeAll(async () => {
    service = await startService({
      env: {
        LOGFORGE_SERVER_THREADS: String(threads),
        LOGFORGE_AUTH_ENABLED: 'true',
        LOGFORGE_AUTH_KEYS: 'secret',
        LOGFORGE_AGGREGATION_INTERVAL: '1h',
      },
    });
    clients = Array.from({ length: 16 }, () => createClient(service.port, { connections: 1 }));
  });
  afterAll(async () => {
    for (const each of clients) each.close();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await removeDirs(service.dirs);
  });

  const idsStored = async () => (await readRecords(service.dirs)).map(({ id }) => Number(id));

  it('202 with how durable a batch is, in every format', async () => {
    const bodies = [
      ['application/json', `[${record(1)}]`],
      ['application/x-ndjson; charset=utf-8', `${record(1)}\n\n`],
      ['TEXT/CSV', 'timestamp,path,userAgent,id\n2015-05-17T10:00:00Z,/,a,1\n'],
    ] as const;
    const answers = await everywhere((each, i) => {
      const [type, body] = bodies[i % 3] ?? bodies[0];
      return each.post(body, { ...KEY, 'Content-Type': type });
    });
    for (const { status, body, headers } of answers) {
      expect([status, body]).toEqual([202, '{"accepted":1}']);
      expect([headers['logforge-durability'], headers['x-request-id']]).toEqual(['disk', expect.stringMatching(/./)]);
    }
    expect(await idsStored()).toHaveLength(clients.length);
  });

  it('one batch under one Idempotency-Key, however many send it at once; 422 for another body', async () => {
    const headers = { ...KEY, 'Idempotency-Key': 'one' };
    const answers = await everywhere((each) => each.post(`[${record(2)}]`, headers));
    expect(answers.map(({ status, body }) => [status, body])).toEqual(clients.map(() => [202, '{"accepted":1}']));
    const replayed = answers.filter((answer) => answer.headers['idempotency-replayed'] === 'true');
    expect(replayed).toHaveLength(clients.length - 1);
    expect((await idsStored()).filter((id) => id === 2)).toHaveLength(1);
    const others = await everywhere((each) => each.post(`[${record(3)}]`, headers));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([422]));
  });

  it('400 for an invalid record, with which; with skip the others are stored, and the dead letters have it', async () => {
    const batch = `[${record(4)},{"timestamp":"2015-05-17T10:00:00Z","userAgent":"a"}]`;
    const refused = await everywhere((each) => each.post(batch, KEY));
    for (const { status, body } of refused) {
      expect(status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({ detail: 'record 1 missing path', errorCount: 1 });
    }
    const skipped = await everywhere((each) => each.post(batch, KEY, '/logs?invalid=skip'));
    for (const { status, body } of skipped) {
      expect(status).toBe(202);
      expect(JSON.parse(body)).toMatchObject({ accepted: 1, rejected: 1, errors: [{ index: 1, field: 'path' }] });
    }
    expect((await idsStored()).filter((id) => id === 4)).toHaveLength(clients.length);
    expect(await readDeadLetters(service.dirs)).toHaveLength(clients.length);
  });

  it.each<[string, number, (each: Client) => Promise<Outcome>]>([
    ['no key', 401, (each) => each.post(`[${record(5)}]`)],
    ['another key', 401, (each) => each.post(`[${record(5)}]`, { Authorization: 'Bearer other' })],
    ['no such type', 415, (each) => each.post(`[${record(5)}]`, { ...KEY, 'Content-Type': 'text/plain' })],
    ['no such coding', 415, (each) => each.post(`[${record(5)}]`, { ...KEY, 'Content-Encoding': 'rot13' })],
    ['another method', 405, (each) => each.get('/logs')],
    ['no such path', 404, (each) => each.get('/nothing')],
    ['a line store that is off', 404, (each) => each.post('{}', KEY, '/store/batch')],
    ['no key for lines of the line store', 401, (each) => each.get('/store/log?host=h&file=f')],
    ['an hour without a summary', 404, (each) => each.get('/analytics?hour=2001-01-01T00', KEY)],
    ['a range the wrong way round', 400, (each) => each.get('/analytics?from=2015-05-18T00&to=2015-05-17T00', KEY)],
    ['records in no order that there is', 400, (each) => each.get('/records?order=up', KEY)],
    ['records of no stream that there is', 404, (each) => each.get('/records?stream=evnts', KEY)],
    ['no key for records', 401, (each) => each.get('/records')],
    ['no key for a summary', 401, (each) => each.get('/analytics?hour=2015-05-17T10')],
    ['no key for a run of the aggregator', 401, (each) => each.post('', {}, '/admin/aggregate')],
  ])('%s: %i', async (_name, status, ask) => {
    for (const answer of await everywhere(ask)) {
      expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
      expect(JSON.parse(answer.body)).toMatchObject({ status, type: expect.any(String), detail: expect.any(String) });
    }
    expect(await idsStored()).not.toContain(5);
  });

  it('summaries as of now after POST /admin/aggregate, on every thread', async () => {
    const total = (await idsStored()).length;
    const [first, second] = [
      await client().post('', KEY, '/admin/aggregate'),
      await client().post('', KEY, '/admin/aggregate'),
    ];
    expect(JSON.parse(first.body)).toMatchObject({ written: 1, failed: 0, records: total, skippedLines: 0 });
    expect(JSON.parse(second.body)).toMatchObject({ written: 0, bytes: 0, records: 0 });
    for (const answer of await everywhere((each) => each.get('/analytics?hour=2015-05-17T10', KEY))) {
      expect(JSON.parse(answer.body)).toMatchObject({ totalRequests: total, requestsPerPath: { '/': total } });
    }
    const range = await everywhere((each) => each.get('/analytics?from=2015-05-17T00&to=2015-05-18T00&top=1', KEY));
    for (const { body } of range) expect(JSON.parse(body)).toMatchObject({ hours: 1, totalRequests: total });
  });

  it('records as they are stored, on every thread', async () => {
    const ids = await idsStored();
    for (const { status, body, headers } of await everywhere((each) =>
      each.get('/records?limit=all&to=2015-05-18', KEY),
    )) {
      expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson']);
      expect(
        body
          .split('\n')
          .slice(0, -1)
          .map((line) => Number(JSON.parse(line).id)),
      ).toEqual(ids);
    }
    const newest = await client().get(`/records?where=id=${ids.at(-1)}&order=desc&limit=1&fields=id`, KEY);
    expect(newest.body).toBe(`{"id":${ids.at(-1)}}\n`);
  });

  it.each([
    ['/health', 'ok'],
    ['/ready', '"status":"ready"'],
    ['/version', '"pipeline":1'],
    ['/openapi.json', '/admin/aggregate'],
    ['/docs', '<html'],
    ['/', '<html'],
  ])('%s', async (path, text) => {
    for (const answer of await everywhere((each) => each.get(path))) {
      expect(answer.status).toBe(200);
      expect(answer.body).toContain(text);
    }
  });

  it('accounting of all threads together', async () => {
    const accounting = await readBalancedAccounting(client());
    const n = clients.length;
    expect(accounting).toEqual({
      received: 7 * n,
      stored: n + 1 + n,
      rejected: 2 * n + n,
      deadLettered: n,
      duplicate: n - 1,
    });
    expect(accounting.stored).toBe((await idsStored()).length);
  });
});
