// Long: one table of what the page is served and told.
import { gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import type { Refusal } from '../../live/live.ts';
import { parseHour, type StreamRange } from '../../model/hour.ts';
import { type CreateServer, type Fixture, problemOf, type Setup, startFixture } from './contract-fixture.case.ts';
import { open, readUntil, refusal, STATS, startLive } from './live-fixture.case.ts';

const HOUR = parseHour('2015-05-17T10') ?? 0;

export function describeDashboard(create: CreateServer): void {
  describe('with auth', () => {
    const auth = { enabled: true, keys: ['secret'] };
    const TARGETS = [
      '/events',
      '/events/tail',
      '/api/overview',
      '/api/hours?from=2015-05-17T10&to=2015-05-17T11',
      '/api/breakdown?from=2015-05-17T10&to=2015-05-17T11',
      '/api/disk',
    ];

    test.each(TARGETS)('%s needs a key', async (target) => {
      const service = await startLive(create, { auth });
      const answer = await service.get(target);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="logforge"']);
      const wrong = await service.ask(`GET ${target} HTTP/1.1\r\nHost: a\r\nX-API-Key: secrets\r\n\r\n`);
      expect(wrong.status).toBe(401);
    });

    test('and the page and its files do not', async () => {
      const { get } = await startLive(create, { auth });
      expect((await get('/')).status).toBe(200);
      expect((await get('/assets/app.js')).status).toBe(200);
    });

    test('events come with one', async () => {
      const service = await startLive(create, { auth });
      const client = await open(service, '/events', 'Authorization: Bearer secret\r\n');
      expect(await readUntil(client, 'stats')).toMatch(/^HTTP\/1\.1 200/);
    });
  });

  describe('the page', () => {
    test('and its files come packed, with what the browser needs to know', async () => {
      const { get, ask } = await startLive(create);
      const page = await get('/');
      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      const files = [...page.body.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)].map(([, path]) => path);
      expect(files.length).toBeGreaterThan(4);
      for (const path of new Set(files)) {
        const whole = await get(`/${path}`);
        expect([path, whole.status]).toEqual([path, 200]);
        const unchanged = await ask(
          `GET /${path} HTTP/1.1\r\nHost: a\r\nIf-None-Match: ${whole.headers.get('etag')}\r\n\r\n`,
        );
        expect([unchanged.status, unchanged.body]).toEqual([304, '']);
      }
    });

    test('comes to less than 100 KB', async () => {
      const { port } = await startLive(create);
      const load = async (path: string) => {
        const response = await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { 'Accept-Encoding': 'gzip' } });
        expect(response.headers.get('content-encoding')).toBe('gzip');
        return { text: await response.text(), bytes: Number(response.headers.get('content-length')) };
      };
      const seen = new Map<string, number>();
      const follow = async (path: string): Promise<void> => {
        if (seen.has(path)) return;
        const { text, bytes } = await load(path);
        seen.set(path, bytes);
        const found = [...text.matchAll(/(?:src|href)="(assets\/[^"]+)"|from"?\s*'\.\/([\w.-]+)'/g)];
        for (const [, asset, module] of found) await follow(asset ?? `assets/${module}`);
      };
      await follow('');
      expect(seen.size).toBeGreaterThan(10);
      expect([...seen.values()].reduce((sum, bytes) => sum + bytes)).toBeLessThan(100_000);
    });

    test('sends a file packed as it is unpacked', async () => {
      const { port, get } = await startLive(create);
      const { body } = await get('/assets/format.js');
      const { request } = await import('node:http');
      const packed = await new Promise<Buffer>((resolve, reject) => {
        const options = {
          port,
          host: '127.0.0.1',
          path: '/assets/format.js',
          headers: { 'Accept-Encoding': 'gzip, br' },
        };
        const asking = request(options, async (response) => resolve(Buffer.concat(await response.toArray())));
        asking.on('error', reject).end();
      });
      expect(gunzipSync(packed).toString()).toBe(body);
    });

    test.each([
      '/assets/nothing.js',
      '/assets/',
      '/assets/..%2fhttp.ts',
      '/assets/__proto__',
    ])('%s is not there', async (path) => {
      const { get } = await startLive(create);
      expect((await get(path)).status).toBe(404);
    });
  });

  describe('GET /api', () => {
    test('/overview has all data that the page starts with', async () => {
      const settings = { auth: { keys: ['********'] } };
      const hourTotals = { totals: async () => [], latest: async () => HOUR };
      const { get } = await startLive(create, { dashboard: { settings, hourTotals } });
      const answer = await get('/api/overview');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(JSON.parse(answer.body)).toMatchObject({
        version: { version: '1.2.3', pipeline: 1 },
        settings,
        latestHour: '2015-05-17T10:00:00Z',
        stats: STATS,
        refusals: [refusal('old')],
      });
    });

    test('/hours has the total of each hour', async () => {
      const hourTotals = {
        totals: async ({ from, to }: StreamRange) => [from - HOUR, null, to - HOUR],
        latest: async () => undefined,
      };
      const { get } = await startLive(create, { dashboard: { hourTotals } });
      const { body } = await get('/api/hours?from=2015-05-17T10&to=2015-05-17T13');
      expect(JSON.parse(body)).toEqual({
        from: '2015-05-17T10:00:00Z',
        to: '2015-05-17T13:00:00Z',
        totals: [0, null, 3],
      });
      expect(JSON.parse((await get('/api/overview')).body).latestHour).toBeNull();
    });

    test('/hours has the records of each hour by the values of a dimension', async () => {
      const asked: unknown[] = [];
      const { get } = await startLive(create, {
        analytics: {
          series: async (question) => {
            asked.push(question);
            if (question.dimension !== 'level') return { kind: 'no-dimension', dimensions: ['level', 'service'] };
            return { kind: 'series', values: ['INFO'], records: [[5, 0]], other: [1, 0], totals: [6, null] };
          },
        },
      });
      const range = 'from=2015-05-17T10&to=2015-05-17T12&stream=events';
      expect(JSON.parse((await get(`/api/hours?${range}&by=level`)).body)).toEqual({
        from: '2015-05-17T10:00:00Z',
        to: '2015-05-17T12:00:00Z',
        totals: [6, null],
        by: { dimension: 'level', values: ['INFO'], records: [[5, 0]], other: [1, 0] },
      });
      expect(asked).toEqual([{ stream: 'events', from: HOUR, to: HOUR + 2, dimension: 'level', rows: 12 }]);
      const refused = await get(`/api/hours?${range}&by=path`);
      expect([refused.status, problemOf(refused).detail]).toEqual([
        400,
        'the parameter by is "path"; the stream events is counted by level, service',
      ]);
    });

    test('/breakdown keeps the order and any name', async () => {
      const asked: unknown[] = [];
      const tables = {
        hours: 1,
        total: 9,
        skippedLines: 2,
        dimensions: [
          {
            name: 'path',
            largest: [['/a', 5] as const, ['123', 3] as const, ['__proto__', 1] as const],
            distinct: 1_000_000,
          },
          { name: 'userAgent', largest: [['Googlebot', 8] as const, ['x', 1] as const], distinct: 2 },
        ],
        audience: { people: 1, bots: 8, unknown: 0, botUserAgents: ['Googlebot'] },
      };
      const { get } = await startLive(create, {
        analytics: {
          breakdown: async (question) => {
            asked.push(question);
            return { kind: 'breakdown', ...tables };
          },
        },
      });
      const { body } = await get('/api/breakdown?from=2015-05-17T10&to=2015-05-17T11&search=%3Cb%3E');
      expect(asked).toEqual([{ stream: 'access', from: HOUR, to: HOUR + 1, rows: 100, search: '<b>' }]);
      expect(JSON.parse(body)).toEqual({ from: '2015-05-17T10:00:00Z', to: '2015-05-17T11:00:00Z', ...tables });
    });

    test('/disk has the bytes of all streams, and the days of one', async () => {
      const asked: string[] = [];
      const use = {
        streams: [{ name: 'access', plain: 5, zstd: 0, days: 1 }],
        days: [{ day: '2015-05-17', plain: 5, zstd: 0 }],
        other: { summaries: 1, journal: 2, keys: 3, dead_letters: 4, removed_streams: 5 },
      };
      const diskUse = async (stream: string) => {
        asked.push(stream);
        return { ...use, walkedAt: asked.length === 1 ? undefined : Date.UTC(2015, 4, 17) };
      };
      const { get } = await startLive(create, { dashboard: { diskUse } });
      const first = await get('/api/disk');
      expect(first.headers.get('cache-control')).toBe('no-store');
      expect(JSON.parse(first.body)).toEqual({ ...use, stream: 'access', walkedAt: null });
      const { body } = await get('/api/disk?stream=events');
      expect(JSON.parse(body)).toEqual({ ...use, stream: 'events', walkedAt: '2015-05-17T00:00:00.000Z' });
      expect(asked).toEqual(['access', 'events']);
    });

    test('/breakdown says that a summary is damaged, or that too much is asked', async () => {
      const answers = [{ kind: 'damaged' as const, stream: 'access', hours: [HOUR] }, { kind: 'busy' as const }];
      const { get } = await startLive(create, {
        analytics: { breakdown: async () => answers.shift() ?? { kind: 'busy' } },
      });
      for (const detail of ['the summary of 2015-05-17T10:00:00Z is damaged', 'too many questions']) {
        const answer = await get('/api/breakdown?from=2015-05-17T10&to=2015-05-17T11');
        expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true]);
        expect(problemOf(answer).detail).toContain(detail);
      }
    });

    test.each([
      ['', 'the parameter from must be an hour such as 2015-05-17T10, and is not given'],
      ['?from=2015-05-17T10', 'the parameter to must be an hour such as 2015-05-17T10, and is not given'],
      ['?from=yesterday&to=2015-05-17T10', 'the parameter from must be an hour such as 2015-05-17T10, is "yesterday"'],
      ['?from=2015-05-17T10&from=2015-05-17T11&to=2015-05-17T12', 'the parameter from is given 2 times'],
      ['?from=2015-05-17T10&to=2015-05-17T10', 'to must be later than from'],
      ['?from=2015-05-17T11&to=2015-05-17T10', 'to must be later than from'],
      ['?from=2015-05-01T00&to=2015-06-01T01', 'at most 744 hours'],
    ])('/hours and /breakdown refuse %s', async (query, detail) => {
      const { get } = await startLive(create);
      for (const path of ['/api/hours', '/api/breakdown']) {
        const answer = await get(`${path}${query}`);
        expect(answer.status).toBe(400);
        expect(problemOf(answer).detail).toContain(detail);
      }
    });
  });

  test('a source is told with its address, its records and the bytes of its body, of what is stored now', async () => {
    const told: unknown[] = [];
    let replayed = false;
    let kind: 'accepted' | 'invalid' = 'accepted';
    const { post } = await startFixture(create, {
      noteSource: (...sent) => void told.push(sent),
      ingest: async () =>
        kind === 'accepted'
          ? { kind, answer: '{}', durability: 'disk', replayed, records: 2 }
          : { kind, rejections: [], rejected: 1 },
    });
    const body = '[{"a":1}]';
    await post({ body });
    replayed = true;
    await post({ body });
    kind = 'invalid';
    await post({ body });
    // From another thread it comes a moment later.
    await vi.waitFor(() => expect(told).toEqual([['127.0.0.1', 2, body.length]]), 10_000);
  });

  describe('a refusal is reported', () => {
    async function note(create: CreateServer, setup: Setup, act: (fixture: Fixture) => Promise<unknown>) {
      const noted: Refusal[] = [];
      const fixture = await startFixture(create, { ...setup, noteRefusal: (one) => void noted.push(one) });
      await act(fixture);
      return noted;
    }

    test('with the answer to the client, without the data of its request', async () => {
      const rejections = [{ index: 3, field: 'path', reason: 'record 3 missing path', raw: '{"secret":1}' }];
      const noted = await note(
        create,
        { ingest: async () => ({ kind: 'invalid', rejections, rejected: 12 }) },
        ({ post }) => post({ headers: ['X-Request-Id: mine'] }),
      );
      const expected = { status: 400, reason: 'record 3 missing path', field: 'path', records: 12, requestId: 'mine' };
      expect(noted).toEqual([{ ...expected, time: expect.any(Number) }]);
    });

    test('also for records in a batch that was accepted', async () => {
      const rejections = [{ index: 0, field: '', reason: 'record 0 is not an object', raw: '1' }];
      const answer = { kind: 'accepted', answer: '{}', durability: 'disk', replayed: false, records: 2 } as const;
      const noted = await note(
        create,
        { ingest: async () => ({ ...answer, refused: { rejections, rejected: 1 } }) },
        ({ post }) => post(),
      );
      expect(noted).toMatchObject([{ status: 202, reason: 'record 0 is not an object', records: 1 }]);
      expect(noted[0]).not.toHaveProperty('field');
    });

    test('and for everything else that POST /logs answers with a problem', async () => {
      const noted = await note(create, { auth: { enabled: true, keys: ['k'] } }, async ({ post }) => {
        await post();
        await post({ headers: ['X-API-Key: k'], contentType: 'text/plain' });
        await post({ headers: ['X-API-Key: k'] });
      });
      expect(noted.map(({ status }) => status)).toEqual([401, 415]);
    });
  });
}
