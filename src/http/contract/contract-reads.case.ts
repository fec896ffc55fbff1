// Long: one table of what each read route answers.

import { describe, expect, test } from 'vitest';
import type { AnalyticsQuestion } from '../../analytics/analytics.ts';
import { openBytes } from '../../disk/open-file.ts';
import { parseHour } from '../../model/hour.ts';
import { answering, sumOf } from './analytics-fixture.case.ts';
import { type CreateServer, problemOf, SERVICE_STATS, startFixture } from './contract-fixture.case.ts';

const ODD = ['__proto__', 'constructor', '123', 'toString', '', '"\n\u2028\ud800', 'other'];

export function describeReads(create: CreateServer): void {
  describe('GET', () => {
    test('/health says ok', async () => {
      const { get } = await startFixture(create);
      const answer = await get('/health');
      expect([answer.status, answer.body]).toEqual([200, 'ok']);
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    });

    test('/ready answers the checks when all pass', async () => {
      const { get } = await startFixture(create);
      const answer = await get('/ready');
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toEqual({
        status: 'ready',
        checks: { storage: { ok: true, detail: 'writable' } },
      });
    });

    test('/ready answers 503 with the failing checks', async () => {
      const { get } = await startFixture(create, {
        checkReadiness: async () => ({
          storage: { ok: false, detail: 'the disk is full' },
          broker: { ok: true, detail: 'reachable' },
        }),
      });
      const answer = await get('/ready');
      expect(answer.status).toBe(503);
      expect(problemOf(answer)).toMatchObject({
        detail: 'storage: the disk is full',
        checks: { storage: { ok: false, detail: 'the disk is full' } },
      });
      expect(answer.body).not.toContain('broker');
    });

    test('/ready answers 503 when the checks fail unexpectedly, without the internal error', async () => {
      const { get, logged } = await startFixture(create, { checkReadiness: () => Promise.reject(new Error('secret')) });
      const answer = await get('/ready');
      expect(answer.status).toBe(503);
      expect(problemOf(answer).detail).toBe('internal error');
      const requestId = answer.headers.get('x-request-id');
      expect(logged).toMatchObject([{ level: 'error', message: 'cannot answer a request', fields: { requestId } }]);
    });

    test('/records on HTTP/1.1 in chunks with a trailer, on HTTP/1.0 as it is; HEAD asks for nothing', async () => {
      let opened = 0;
      const damaged = [{ stream: 'access', hour: 397_714, offset: 1, bytes: 2, reason: 'bad checksum' }];
      const { ask, connect } = await startFixture(create, {
        records: {
          open: async () => ({ kind: 'open', id: ++opened }),
          next: async () => ({
            kind: 'piece',
            bytes: new Uint8Array([123, 125, 10]),
            isLast: true,
            damaged,
            moreDamaged: 0,
          }),
        },
      });
      const newer = await ask('GET /records HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      expect([newer.status, newer.body]).toEqual([200, '{}\n']);
      expect(newer.headers.get('trailer')).toBe('X-Logforge-Damaged');
      expect(newer.headers.get('cache-control')).toBe('no-store');
      const older = await connect();
      older.send('GET /records HTTP/1.0\r\n\r\n');
      const answer = await older.ended();
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n.*\r\n\r\n\{\}\n$/s);
      expect(answer.toLowerCase()).not.toMatch(/\r\n(?:trailer|transfer-encoding):/);
      const head = await ask('HEAD /records HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      expect([head.status, head.headers.get('content-type'), head.body]).toEqual([200, 'application/x-ndjson', '']);
      expect(opened).toBe(2);
    });

    test('/version', async () => {
      const { get } = await startFixture(create);
      expect(JSON.parse((await get('/version')).body)).toEqual({
        version: '1.2.3',
        commit: 'abc',
        buildDate: '2026-01-02',
        pipeline: 1,
        node: 'v26.0.0',
      });
    });

    test('/metrics answers the metrics in the Prometheus text format', async () => {
      const { get } = await startFixture(create, { metricsText: async () => 'one 1\n' });
      const answer = await get('/metrics');
      expect([answer.status, answer.body]).toEqual([200, 'one 1\n']);
      expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    });

    test('/stats answers the figures in the order of older programs, and /metrics does where JSON is asked for', async () => {
      const { get, ask } = await startFixture(create, { metricsText: async () => 'one 1\n' });
      const answer = await get('/stats');
      expect([answer.status, answer.body]).toEqual([200, JSON.stringify(SERVICE_STATS)]);
      expect([answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([
        'application/json',
        'no-store',
      ]);
      const asking = (accept: string) => ask(`GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: ${accept}\r\n\r\n`);
      const asJson = await asking('application/json');
      expect([asJson.status, asJson.body]).toEqual([200, JSON.stringify(SERVICE_STATS)]);
      expect(asJson.headers.get('vary')).toBe('Accept');
      expect((await asking('*/*')).body).toBe('one 1\n');
    });

    test('/metrics as JSON shows no records to who has no key', async () => {
      const auth = { enabled: true, keys: ['k'] };
      const asking = 'GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n';
      const open = await startFixture(create, { auth });
      expect(JSON.parse((await open.ask(`${asking}\r\n`)).body)).toMatchObject({ json: 7, samples: { json: [] } });
      const keyed = await startFixture(create, { auth: { ...auth, metrics: true } });
      expect((await keyed.ask(`${asking}\r\n`)).status).toBe(401);
      const { body } = await keyed.ask(`${asking}X-API-Key: k\r\n\r\n`);
      expect(JSON.parse(body)).toMatchObject({ json: 7, samples: { json: ['{"a":1}'] } });
    });

    test('answers HEAD like GET, without a body', async () => {
      const { connect } = await startFixture(create);
      for (const path of ['/health', '/ready', '/version', '/metrics', '/stats']) {
        const client = await connect();
        client.send(`HEAD ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
        const answer = await client.ended();
        expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
        expect(answer).toMatch(/\r\n\r\n$/);
      }
    });

    test.each([
      ['/nowhere', 404],
      ['/analytics/', 404],
      ['/logs', 405],
    ])('%s is answered with a problem, %i', async (target, status) => {
      const { get } = await startFixture(create);
      const answer = await get(target);
      expect(answer.status).toBe(status);
      const detail =
        status === 404 ? `no such route: ${target}` : `method GET is not allowed on ${target}; allowed: POST`;
      expect(problemOf(answer).detail).toBe(detail);
    });

    test.each([
      ['GET', '/logs', 'POST'],
      ['PUT', '/logs', 'POST'],
      ['DELETE', '/logs?x=1', 'POST'],
      ['PATCH', '/logs', 'POST'],
      ['OPTIONS', '/logs', 'POST'],
      ['POST', '/health', 'GET, HEAD'],
      ['DELETE', '/analytics', 'GET, HEAD'],
      ['PUT', '/metrics', 'GET, HEAD'],
      ['TRACE', '/version', 'GET, HEAD'],
    ])('%s %s is answered 405 with what is allowed', async (method, target, allow) => {
      const { ask, ingested } = await startFixture(create);
      const answer = await ask(`${method} ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]`);
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
      const [path] = target.split('?');
      expect(problemOf(answer).detail).toBe(`method ${method} is not allowed on ${path}; allowed: ${allow}`);
      expect(ingested).toEqual([]);
    });
  });

  describe('GET /analytics', () => {
    test('answers an hour with its summary, byte for byte', async () => {
      const stored = Buffer.from('{\n  "hour": "2015-05-17T10:00:00Z" }\n');
      const hours: number[] = [];
      const { get } = await startFixture(create, {
        analytics: {
          ask: async ({ kind, from, to, top, format }) => {
            expect({ kind, to, top, format }).toEqual({ kind: 'hour', to: from + 1, top: undefined, format: 'json' });
            hours.push(from);
            return { kind: 'text', text: openBytes(stored) };
          },
        },
      });
      for (const hour of ['2015-05-17T10', '2015-05-17T10:00:00Z']) {
        const answer = await get(`/analytics?hour=${hour}`);
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
        expect(answer.body).toBe(stored.toString());
      }
      expect(hours).toEqual([parseHour('2015-05-17T10'), parseHour('2015-05-17T10')]);
    });

    test('answers 404 where there is none', async () => {
      const { get } = await startFixture(create, { analytics: { ask: async () => ({ kind: 'none' }) } });
      for (const target of ['/analytics?hour=2015-05-17T10', '/analytics?hour=2015-05-17T10&top=3']) {
        const answer = await get(target);
        expect(answer.status).toBe(404);
        expect(problemOf(answer).detail).toBe('no summary for hour 2015-05-17T10:00:00Z');
      }
    });

    test('adds up a range, with keys of any kind', async () => {
      const counts = new Map(ODD.map((key, index) => [key, index + 1]));
      const asked: AnalyticsQuestion[] = [];
      const { get } = await startFixture(create, {
        analytics: answering(sumOf(counts, new Map([['curl/8', 28]]), { hours: 2 }), asked),
      });
      const { status, body } = await get('/analytics?from=2015-05-17T10&to=2015-05-17T13');
      expect(status).toBe(200);
      expect(asked).toMatchObject([
        { kind: 'range', from: parseHour('2015-05-17T10'), to: parseHour('2015-05-17T13') },
      ]);
      const answer = JSON.parse(body);
      expect(answer).toMatchObject({
        from: '2015-05-17T10:00:00Z',
        to: '2015-05-17T13:00:00Z',
        hours: 2,
        totalRequests: 28,
        requestsPerUserAgent: { 'curl/8': 28 },
        source: { bytes: 12_345, records: 28, skippedLines: 1 },
      });
      const given = new Map(Object.entries(answer.requestsPerPath));
      expect(ODD.map((key) => given.get(key))).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(body.indexOf('"__proto__"')).toBeLessThan(body.indexOf('"123"'));
    });

    test('answers CSV when the client prefers it', async () => {
      const paths = new Map([
        ['/a,b', 2],
        ['=1+1', 1],
      ]);
      const { ask } = await startFixture(create, {
        analytics: {
          ask: (question) => {
            const others = question.top === undefined ? ([0, 0] as const) : ([1, 0] as const);
            return answering(sumOf(paths, new Map([['curl/8', 3]]), { others })).ask(question);
          },
        },
      });
      const asCsv = (target: string) => ask(`GET ${target} HTTP/1.1\r\nHost: a\r\nAccept: text/csv\r\n\r\n`);
      const answer = await asCsv('/analytics?hour=2015-05-17T10');
      expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
      expect(answer.headers.get('vary')).toContain('Accept');
      expect(answer.body).toBe('dimension,value,requests\r\npath,"/a,b",2\r\npath,\'=1+1,1\r\nuserAgent,curl/8,3\r\n');
      const top = await asCsv('/analytics?from=2015-05-17T10&to=2015-05-17T12&top=1');
      expect(top.body).toContain('\r\notherPaths,,1\r\n');
      const refused = await asCsv('/analytics');
      expect([refused.status, refused.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
    });

    test('answers for a stream by its dimensions, and 404 for one that there is not', async () => {
      const asked: AnalyticsQuestion[] = [];
      const dimensions = [
        { name: 'level', counts: new Map([['INFO', 2]]), other: 1 },
        { name: 'service', counts: new Map(), other: 3 },
      ];
      const sum = { ...sumOf(new Map([['', 3]]), new Map()), dimensions };
      const { get, ask } = await startFixture(create, { analytics: answering(sum, asked) });
      const { body } = await get('/analytics?stream=events&hour=2015-05-17T10&top=1');
      expect(JSON.parse(body)).toEqual({
        hour: '2015-05-17T10:00:00Z',
        totalRecords: 3,
        counts: { level: { INFO: 2 }, service: {} },
        other: { level: 1, service: 3 },
        source: { bytes: 12_345, records: 3, skippedLines: 1 },
      });
      const target = '/analytics?stream=events&hour=2015-05-17T10';
      const csv = await ask(`GET ${target} HTTP/1.1\r\nHost: a\r\nAccept: text/csv\r\n\r\n`);
      expect(csv.body).toBe('dimension,value,records\r\nlevel,INFO,2\r\nother level,,1\r\nother service,,3\r\n');
      expect(asked.map(({ stream }) => stream)).toEqual(['events', 'events']);
      for (const [name, detail] of [
        ['evnts', 'there is no stream "evnts"; did you mean events?'],
        ['../x', 'there is no stream "../x"; there are access, events'],
        ['', 'there is no stream ""; '],
      ] as const) {
        const answer = await get(`/analytics?hour=2015-05-17T10&stream=${name}`);
        expect(answer.status).toBe(404);
        expect(problemOf(answer).detail).toContain(detail);
      }
      expect((await get('/analytics?hour=2015-05-17T10&stream=events&stream=access')).status).toBe(400);
      expect(asked).toHaveLength(2);
    });

    test('answers only the largest with top, and the sum of the others', async () => {
      const asked: AnalyticsQuestion[] = [];
      const { get } = await startFixture(create, {
        analytics: answering(sumOf(new Map([['/', 3]]), new Map([['curl/8', 10]]), { others: [7, 0] }), asked),
      });
      const { body } = await get('/analytics?hour=2015-05-17T10&top=1');
      expect(asked).toMatchObject([{ kind: 'hour', top: 1, format: 'json' }]);
      expect(JSON.parse(body)).toMatchObject({
        hour: '2015-05-17T10:00:00Z',
        requestsPerPath: { '/': 3 },
        other: { requestsPerPath: 7, requestsPerUserAgent: 0 },
      });
    });

    test('streams a range with a hundred thousand paths', async () => {
      const paths = new Map(Array.from({ length: 100_000 }, (_, index) => [`/path/${index}`, 1]));
      const { get } = await startFixture(create, { analytics: answering(sumOf(paths, new Map())) });
      const { body, headers } = await get('/analytics?from=2015-05-17T10&to=2015-05-17T11');
      expect(Object.keys(JSON.parse(body).requestsPerPath)).toHaveLength(100_000);
      expect(headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
    });

    test('compresses where the client takes gzip, and says the length where it asks for the head', async () => {
      const paths = new Map(Array.from({ length: 10_000 }, (_, index) => [`/path/${index}`, 1]));
      const { port, connect } = await startFixture(create, { analytics: answering(sumOf(paths, new Map())) });
      const url = `http://127.0.0.1:${port}/analytics?from=2015-05-17T10&to=2015-05-17T11`;
      const plain = await fetch(url, { headers: { 'Accept-Encoding': 'gzip;q=0, *;q=0' } });
      const packed = await fetch(url, { headers: { 'Accept-Encoding': 'br;q=0, gzip' } });
      expect([plain, packed].map(({ headers }) => headers.get('content-encoding'))).toEqual([null, 'gzip']);
      const text = await plain.text();
      expect(await packed.text()).toBe(text);
      const client = await connect();
      client.send(`HEAD ${url.slice(url.indexOf('/analytics'))} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      const head = await client.ended();
      expect(head).toMatch(new RegExp(`^content-length: ${Buffer.byteLength(text)}\r$`, 'im'));
      expect(head).toMatch(/\r\n\r\n$/);
    });

    test('never answers from a damaged summary, and says when it will be right again', async () => {
      const hours = [10, 11].map((hh) => parseHour(`2015-05-17T${hh}`) ?? 0);
      const { get } = await startFixture(create, {
        analytics: { ask: async () => ({ kind: 'damaged', stream: 'access', hours }) },
      });
      for (const target of ['?hour=2015-05-17T10', '?from=2015-05-17T00&to=2015-05-18T00&top=3']) {
        const answer = await get(`/analytics${target}`);
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '30']);
        expect(problemOf(answer).detail).toBe(
          'the summary of 2015-05-17T10:00:00Z, 2015-05-17T11:00:00Z is damaged; the next run of the aggregator counts the hour again from its records',
        );
      }
    });

    test('answers 503 where too many ask', async () => {
      const { get } = await startFixture(create, { analytics: { ask: async () => ({ kind: 'busy' }) } });
      const answer = await get('/analytics?hour=2015-05-17T10');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    });

    test.each([
      ['', 'ask for hour, or for from and to'],
      ['?hour=', 'the parameter hour must be an hour'],
      ['?hour=yesterday', 'the parameter hour must be an hour'],
      ['?hour=2015-02-29T10', 'the parameter hour must be an hour'],
      ['?hour=2015-05-17T24', 'the parameter hour must be an hour'],
      ['?hour=2015-05-17T10:30', 'the parameter hour must be an hour'],
      ['?hour=2015-05-17T10&hour=2015-05-17T11', 'the parameter hour is given 2 times'],
      ['?hour=2015-05-17T10&from=2015-05-17T10', 'not for both'],
      ['?from=2015-05-17T10', 'from and to must be given together'],
      ['?to=2015-05-17T10', 'from and to must be given together'],
      ['?from=2015-05-17T10&to=2015-05-17T10', 'to must be later than from'],
      ['?from=2015-05-17T11&to=2015-05-17T10', 'to must be later than from'],
      ['?from=2015-05-01T00&to=2015-06-01T01', 'at most 744 hours'],
      ['?hour=2015-05-17T10&top=0', 'the parameter top must be a whole number'],
      ['?hour=2015-05-17T10&top=-1', 'the parameter top must be a whole number'],
      ['?hour=2015-05-17T10&top=1.5', 'the parameter top must be a whole number'],
      ['?hour=2015-05-17T10&top=10001', 'the parameter top must be a whole number'],
      ['?hour=2015-05-17T10&top=x', 'the parameter top must be a whole number'],
    ])('refuses %s', async (query, detail) => {
      const { get } = await startFixture(create);
      const answer = await get(`/analytics${query}`);
      expect(answer.status).toBe(400);
      expect(problemOf(answer).detail).toContain(detail);
    });

    test('takes a range of 31 days', async () => {
      const { get } = await startFixture(create, {
        analytics: answering(sumOf(new Map(), new Map(), { hours: 0 })),
      });
      const answer = await get('/analytics?from=2015-05-01T00&to=2015-06-01T00');
      expect([answer.status, JSON.parse(answer.body).requestsPerPath]).toEqual([200, {}]);
    });

    test('answers 503 when summaries cannot be read', async () => {
      const { get, logged } = await startFixture(create, {
        analytics: { ask: () => Promise.reject(new Error('EIO')) },
      });
      const answer = await get('/analytics?hour=2015-05-17T10');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(logged).toHaveLength(1);
    });
  });
}
