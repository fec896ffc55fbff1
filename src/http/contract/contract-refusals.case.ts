import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { MalformedBodyError } from '../../decode/decode.ts';
import type { IngestResult } from '../../service/service.ts';
import { WRONG_KEYS } from '../auth.ts';
import {
  ACCEPTED,
  BODY,
  type CreateServer,
  deferred,
  postBytes,
  problemOf,
  startFixture,
} from './contract-fixture.case.ts';

const KEYS = { enabled: true, keys: ['first-key', 'second-key'] };

/** The fast path reads the first, node:http the second. */
const HEADS: readonly (readonly [string, readonly string[]])[] = [
  ['on the fast path', []],
  ['by node:http', ['TE: trailers']],
];

export function describeRefusals(create: CreateServer): void {
  describe('refuses before it reads the body', () => {
    test.each([
      'invalid=no',
      'invalid=',
      'invalid=Skip',
      'invalid=skip&invalid=reject',
      'a=1&invalid=1',
    ])('the query %s', async (query) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ target: `/logs?${query}` });
      expect(answer.status).toBe(400);
      expect(problemOf(answer).detail).toContain('invalid');
      expect(ingested).toEqual([]);
    });

    test.each([
      ['an empty one', ''],
      ['one with a space', 'a b'],
      ['one that is not ASCII', 'ä'],
      ['one of 256 characters', 'k'.repeat(256)],
      ['two', 'a\r\nIdempotency-Key: b'],
    ])('an Idempotency-Key that is not 1 to 255 visible ASCII characters: %s', async (_, key) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ headers: [`Idempotency-Key: ${key}`] });
      expect(answer.status).toBe(400);
      expect(problemOf(answer).detail).toContain('Idempotency-Key');
      expect(ingested).toEqual([]);
    });

    test('a transfer coding beside chunked', async () => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ contentLength: null, headers: ['Transfer-Encoding: gzip, chunked'] });
      expect(answer.status).toBe(501);
      expect(problemOf(answer).detail).toContain('chunked');
      expect(ingested).toEqual([]);
    });

    test('an unknown expectation', async () => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ headers: ['Expect: coffee'] });
      expect(answer.status).toBe(417);
      expect(problemOf(answer).detail).toContain('100-continue');
      expect(ingested).toEqual([]);
    });

    test.each([
      ['no key', { headers: ['Expect: 100-continue'] }, 401],
      ['another type', { headers: ['Expect: 100-continue', 'X-API-Key: first-key'], contentType: 'a/b' }, 415],
      ['a large body', { headers: ['Expect: 100-continue', 'X-API-Key: first-key'], contentLength: 1e9 }, 413],
    ])('%s, without 100 Continue', async (_, options, status) => {
      const { connect, ingested } = await startFixture(create, { auth: KEYS });
      const client = await connect();
      client.send(postBytes({ body: '', contentLength: 10, ...options }));
      expect((await client.answer()).status).toBe(status);
      expect(await client.ended()).toBe('');
      expect(ingested).toEqual([]);
    });
  });

  describe('with auth', () => {
    test.each([
      ['X-API-Key: first-key'],
      ['x-api-key: second-key'],
      ['Authorization: Bearer second-key'],
      ['authorization: bearer first-key'],
      ['X-API-Key: wrong\r\nAuthorization: Bearer first-key'],
    ])('accepts %j', async (header) => {
      const { post, ingested } = await startFixture(create, { auth: KEYS });
      expect((await post({ headers: [header] })).status).toBe(202);
      expect(ingested).toHaveLength(1);
    });

    test.each([
      ['Accept: a'],
      ['X-API-Key: '],
      ['X-API-Key: first-ke'],
      ['X-API-Key: first-key2'],
      ['X-API-Key: first-key, second-key'],
      ['X-API-Key: first-key\r\nX-API-Key: second-key'],
      ['Authorization: first-key'],
      ['Authorization: Basic first-key'],
      ['Authorization: Bearer'],
      ['Authorization: Bearer first-key second-key'],
    ])('refuses %j', async (header) => {
      const { post, ingested } = await startFixture(create, { auth: KEYS });
      const answer = await post({ headers: [header] });
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="logforge"']);
      expect(problemOf(answer)).toMatchObject({ type: 'urn:logforge:problem:unauthorized' });
      expect(ingested).toEqual([]);
    });

    test('reads the key from the configured header', async () => {
      const { post } = await startFixture(create, { auth: { ...KEYS, headerName: 'X-Token' } });
      expect((await post({ headers: ['x-token: first-key'] })).status).toBe(202);
      const refused = await post({ headers: ['X-API-Key: first-key'] });
      expect(refused.status).toBe(401);
      expect(problemOf(refused).detail).toBe('the request has no valid API key in X-Token or Authorization: Bearer');
    });

    test.each(
      HEADS,
    )('answers 429 to many wrong keys from one address, and never to a right one, %s', async (_, more) => {
      const fixture = await startFixture(create, { auth: KEYS });
      const send = async (key: string) => (await fixture.post({ headers: [key, ...more] })).status;
      const wrong = [];
      for (let i = 0; i < WRONG_KEYS.burst; i++) wrong.push(await send(`X-API-Key: guess-${i}`));
      expect(new Set(wrong)).toEqual(new Set([401]));
      const answer = await fixture.post({ headers: ['Authorization: Bearer guess', ...more] });
      expect(answer.status).toBe(429);
      expect(problemOf(answer)).toMatchObject({
        type: 'urn:logforge:problem:rate-limited',
        detail: 'too many requests with a wrong API key from 127.0.0.1; those with a valid key are answered',
      });
      const wait = Number(answer.headers.get('retry-after'));
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(6);
      for (let i = 0; i < 20; i++) expect(await send('X-API-Key: first-key')).toBe(202);
      // Nothing is guessed without a key.
      expect(await send('Accept: a')).toBe(401);
      expect(await fixture.metric('logforge_http_auth_failures_total')).toBe(WRONG_KEYS.burst + 2);
      expect(await fixture.metric('logforge_http_auth_slowed_total')).toBe(1);
      expect(fixture.logged.map(({ message, fields }) => [message, fields])).toEqual([
        ['a client address sends many wrong API keys; they are answered 429', { client: '127.0.0.1' }],
      ]);
    });

    test('counts wrong keys on all routes together', async () => {
      const { ask, post } = await startFixture(create, { auth: KEYS });
      const wrong = 'Host: a\r\nX-API-Key: wrong\r\nContent-Length: 0\r\n\r\n';
      const lines = ['GET /events', 'GET /events/tail', 'GET /api/overview', 'GET /api/hours', 'POST /admin/aggregate'];
      const all = Array.from({ length: WRONG_KEYS.burst }, (_, i) => lines[i % lines.length]);
      for (const line of all) expect((await ask(`${line} HTTP/1.1\r\n${wrong}`)).status).toBe(401);
      expect((await post({ headers: ['X-API-Key: wrong'] })).status).toBe(429);
      for (const line of lines) expect((await ask(`${line} HTTP/1.1\r\n${wrong}`)).status).toBe(429);
    });

    test('needs no key for the other routes', async () => {
      const { get } = await startFixture(create, { auth: KEYS });
      expect((await get('/health')).status).toBe(200);
    });
  });

  describe('with a rate limit', () => {
    const limits = { rateLimit: { requestsPerSecond: 0.001, burst: 2 } };

    test('answers 429 with Retry-After beyond the burst of an address', async () => {
      const { post, ingested } = await startFixture(create, { limits });
      const answers = [await post(), await post(), await post()];
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 429]);
      expect(answers[2]?.body).toContain('too many requests from 127.0.0.1 (server.rateLimit); nothing was stored');
      const wait = Number(answers[2]?.headers.get('retry-after'));
      expect(wait).toBeGreaterThan(900);
      expect(wait).toBeLessThanOrEqual(1_000);
      expect(ingested).toHaveLength(2);
    });

    test('counts each key separately, and refused keys not at all', async () => {
      const { post } = await startFixture(create, { limits, auth: KEYS });
      const statuses = [];
      for (const key of ['first-key', 'first-key', 'first-key', 'wrong', 'second-key']) {
        statuses.push((await post({ headers: [`X-API-Key: ${key}`] })).status);
      }
      expect(statuses).toEqual([202, 202, 429, 401, 202]);
    });
  });

  describe('with too many bytes in flight', () => {
    const limits = { maxBodyBytes: 1_000, maxInFlightBytes: 1_000 };

    test('answers 503 with Retry-After before it reads the body, until there is room', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, post, ingested, metric } = await startFixture(create, { limits, ingest: () => outcome.promise });
      const first = await connect();
      first.send(postBytes({ body: 'x'.repeat(900) }));
      await expect.poll(() => ingested.length).toBe(1);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(900);

      const second = await connect();
      second.send(postBytes({ body: '', contentLength: 101 }));
      const refused = await second.answer();
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(problemOf(refused)).toMatchObject({
        type: 'urn:logforge:problem:overloaded',
        detail: 'too many request bytes in flight (limit 1000 bytes); nothing was stored',
      });
      expect(ingested).toHaveLength(1);

      outcome.resolve(ACCEPTED);
      expect((await first.answer()).status).toBe(202);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
      expect((await post()).status).toBe(202);
    });

    test.each([
      ['in place', 20_000],
      ['in zlib threads', 3_000_000],
    ])('counts the unpacked bytes of a packed body, %s', async (_, bytes) => {
      const { post, ingested, metric } = await startFixture(create, {
        limits: { maxBodyBytes: 10_000_000, maxInFlightBytes: 10_000 },
      });
      const answer = await post({ body: gzipSync('x'.repeat(bytes)), headers: ['Content-Encoding: gzip'] });
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test.each(HEADS)('heads that announce much and send nothing hold nothing, %s', async (_, headers) => {
      const { connect, post, ingested, metric } = await startFixture(create, { limits });
      for (let i = 0; i < 20; i++) (await connect()).send(postBytes({ body: '', contentLength: 1_000, headers }));
      for (let i = 0; i < 5; i++) expect((await post({ body: 'x'.repeat(1_000) })).status).toBe(202);
      expect(ingested).toHaveLength(5);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test.each(HEADS)('the slowest body under way is answered 503 and closed, %s', async (_, headers) => {
      const { connect, post, metric } = await startFixture(create, { limits });
      const slow = await connect();
      slow.send(postBytes({ body: 'x'.repeat(600), contentLength: 900, headers }));
      await expect.poll(() => metric('logforge_http_in_flight_bytes')).toBe(600);
      await expect.poll(async () => (await post({ body: 'x'.repeat(500) })).status, { timeout: 5_000 }).toBe(202);
      const answer = await slow.answer();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect(answer.headers.get('connection')).toBe('close');
      expect(problemOf(answer)).toMatchObject({
        type: 'urn:logforge:problem:overloaded',
        detail:
          'the body arrived too slowly while too many request bytes were in flight (limit 1000 bytes); nothing was stored',
      });
      expect(await slow.ended()).toBe('');
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
      expect(await metric('logforge_http_bodies_evicted_total')).toBe(1);
    });

    test('counts the bytes of a chunked body while they arrive', async () => {
      const { connect, ingested, metric } = await startFixture(create, {
        limits: { maxBodyBytes: 5_000, maxInFlightBytes: 1_000 },
      });
      const client = await connect();
      client.send(postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] }));
      client.send(`258\r\n${'x'.repeat(600)}\r\n`);
      await expect.poll(() => metric('logforge_http_in_flight_bytes')).toBe(600);
      client.send(`258\r\n${'x'.repeat(600)}\r\n`);
      expect((await client.answer()).status).toBe(503);
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });
  });

  describe('counts', () => {
    test('batches, refusals, failures, bytes and durations, by route and status class', async () => {
      const failures = [new MalformedBodyError('bad'), new Error('broken')].map((error) => () => Promise.reject(error));
      const results = [async () => ACCEPTED, ...failures];
      const { post, get, metric } = await startFixture(create, {
        ingest: () => results.shift()?.() ?? Promise.reject(new Error('unused')),
      });
      for (let i = 0; i < 3; i += 1) await post();
      await post({ contentType: 'a/b' });
      await get('/version?x=1');
      await get('/nowhere/at/all');
      const count = (route: string, status: string) =>
        metric(`logforge_http_request_duration_seconds_count{route="${route}",status="${status}"}`);

      expect(await metric('log_batches_received_total')).toBe(4);
      expect(await metric('invalid_requests_total')).toBe(2);
      expect(await metric('ingest_errors_total')).toBe(1);
      expect(await metric('logforge_received_bytes_total')).toBe(3 * BODY.length);
      expect(await count('/logs', '2xx')).toBe(1);
      expect(await count('/logs', '4xx')).toBe(2);
      expect(await count('/logs', '5xx')).toBe(1);
      expect(await count('/version', '2xx')).toBe(1);
      expect(await count('other', '4xx')).toBe(1);
    });
  });
}
