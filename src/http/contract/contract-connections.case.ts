import { describe, expect, test } from 'vitest';
import type { IngestResult } from '../../service/service.ts';
import {
  ACCEPTED,
  BODY,
  type CreateServer,
  deferred,
  postBytes,
  problemOf,
  startFixture,
} from './contract-fixture.case.ts';

const GET_HEALTH = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';

export function describeConnections(create: CreateServer): void {
  describe('refuses bytes that are not HTTP', () => {
    test.each([
      ['rubbish', 'rubbish\r\n\r\n', 400],
      ['an unknown version', 'GET / HTTP/9.9\r\n\r\n', 400],
      ['a header without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n', 400],
      ['two lengths', postBytes({ headers: ['Content-Length: 3'] }), 400],
      ['a length together with chunks', postBytes({ headers: ['Transfer-Encoding: chunked'] }), 400],
      ['a length that is not a number', postBytes({ headers: ['Content-Length: x'], contentLength: null }), 400],
      ['no Host', 'GET /health HTTP/1.1\r\n\r\n', 400],
      ['headers beyond 16 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
      ['headers of a megabyte', `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(1_000_000)}\r\n\r\n`, 431],
      [
        'a chunk without a size',
        `POST /logs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: text/csv\r\n\r\nq`,
        400,
      ],
    ])('%s', async (_, bytes, status) => {
      const { ask, ingested } = await startFixture(create);
      const answer = await ask(bytes);
      expect(answer.status).toBe(status);
      expect(problemOf(answer).detail).not.toBe('');
      expect(ingested).toEqual([]);
    });

    test('and closes the connection', async () => {
      const { connect } = await startFixture(create);
      const client = await connect();
      client.send('rubbish\r\n\r\nGET /health HTTP/1.1\r\n\r\n');
      expect((await client.answer()).headers.get('connection')).toBe('close');
      expect(await client.ended()).toBe('');
    });

    test('but answers 404 or 400 to a target with unusual characters', async () => {
      const { get } = await startFixture(create);
      for (const target of ['/%', '/%ff', '/a%00b', '/a\\b', '/logs/', '//logs', '/LOGS', "/'<>"]) {
        expect([400, 404]).toContain((await get(target)).status);
      }
      for (const target of ['/..', '*', '/?#']) expect((await get(target)).status).toBe(200);
    });
  });

  describe('survives clients that', () => {
    test.each([
      ['a declared body', postBytes({ body: 'x'.repeat(500), contentLength: 1_000 })],
      ['a large declared body', postBytes({ body: 'x'.repeat(400_000), contentLength: 1_000_000 })],
      [
        'a chunked body',
        postBytes({ body: '1f4\r\nxx', contentLength: null, headers: ['Transfer-Encoding: chunked'] }),
      ],
    ])('hang up in the middle of %s', async (_, bytes) => {
      const { connect, ingested, metric, post } = await startFixture(create);
      const client = await connect();
      client.send(bytes);
      await expect.poll(() => metric('logforge_http_in_flight_bytes')).toBeGreaterThan(0);
      client.reset();
      await expect.poll(() => metric('logforge_http_in_flight_bytes')).toBe(0);
      expect(ingested).toEqual([]);
      expect((await post()).status).toBe(202);
    });

    test('end their side in the middle of a body', async () => {
      const { connect, ingested, metric } = await startFixture(create);
      const client = await connect();
      client.send(postBytes({ body: 'x'.repeat(500), contentLength: 1_000 }));
      client.socket.end();
      expect((await client.answer()).status).toBe(400);
      await client.ended();
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test('hang up while their batch is being stored', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested, metric, post, server } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      client.send(postBytes());
      await expect.poll(() => ingested.length).toBe(1);
      client.reset();
      outcome.resolve(ACCEPTED);
      expect((await post()).status).toBe(202);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
      await server.close({ graceMs: 20_000 });
    });

    test('hang up right after their request, or send nothing at all', async () => {
      const { connect, post } = await startFixture(create);
      const silent = await connect();
      const leaving = await connect();
      leaving.send(postBytes());
      leaving.destroy();
      silent.destroy();
      expect((await post()).status).toBe(202);
    });
  });

  describe('limits the time', () => {
    test('for headers: then 408', async () => {
      const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 100 } });
      const client = await connect();
      client.send('POST /logs HTTP/1.1\r\nHost:');
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('connection')]).toEqual([408, 'close']);
      expect(problemOf(answer).detail).toContain('headers');
      await client.ended();
    });

    test('for headers of a second request too', async () => {
      const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 100 } });
      const client = await connect();
      client.send(GET_HEALTH);
      expect((await client.answer()).status).toBe(200);
      client.send('POST /logs');
      expect((await client.answer()).status).toBe(408);
    });

    test.each([
      ['declared', postBytes({ body: 'x', contentLength: 10 })],
      ['chunked', postBytes({ body: '1\r\nx', contentLength: null, headers: ['Transfer-Encoding: chunked'] })],
    ])('for a %s body: then 408, and nothing is stored', async (_, bytes) => {
      const { connect, ingested, metric } = await startFixture(create, { limits: { bodyTimeoutMs: 100 } });
      const client = await connect();
      client.send(bytes);
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('connection')]).toEqual([408, 'close']);
      expect(problemOf(answer)).toMatchObject({ type: 'urn:logforge:problem:timeout' });
      client.send(BODY.repeat(3));
      await client.ended();
      expect(ingested).toEqual([]);
      expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    });

    test('for headers of a second batch too', async () => {
      const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 100 } });
      const client = await connect();
      client.send(postBytes());
      expect((await client.answer()).status).toBe(202);
      client.send('POST /logs');
      expect((await client.answer()).status).toBe(408);
      await client.ended();
    });

    test('of a client that sends nothing: then 408', async () => {
      const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 100 } });
      const client = await connect();
      expect((await client.answer()).status).toBe(408);
    });

    test('for the rest of a refused body: then the connection is cut', async () => {
      const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 100 } });
      const client = await connect();
      client.send(postBytes({ contentType: 'a/b', body: 'x', contentLength: 200_000 }));
      expect((await client.answer()).status).toBe(415);
      expect(await client.ended()).toBe('');
    });

    test('between batches: then the connection is closed', async () => {
      const { connect } = await startFixture(create, { limits: { keepAliveTimeoutMs: 50 } });
      const client = await connect();
      client.send(postBytes());
      expect((await client.answer()).headers.get('connection')).toBe('keep-alive');
      expect(await client.ended()).toBe('');
    });

    test('for a body, but accepts a slow one that is in time', async () => {
      const { connect, ingested } = await startFixture(create);
      const client = await connect();
      const bytes = postBytes();
      for (const byte of bytes) {
        client.send(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      expect((await client.answer()).status).toBe(202);
      expect(ingested[0]?.body.toString()).toBe(BODY);
    });

    test('between requests: then the connection is closed', async () => {
      const { connect } = await startFixture(create, { limits: { keepAliveTimeoutMs: 50 } });
      const client = await connect();
      client.send(GET_HEALTH);
      expect((await client.answer()).headers.get('connection')).toBe('keep-alive');
      expect(await client.ended()).toBe('');
    });
  });

  describe('speaks HTTP', () => {
    test('and keeps a connection for many requests', async () => {
      const { connect } = await startFixture(create);
      const client = await connect();
      for (let i = 0; i < 20; i += 1) {
        client.send(postBytes());
        expect((await client.answer()).status).toBe(202);
      }
    });

    test('and closes it when asked to', async () => {
      const { connect } = await startFixture(create);
      const client = await connect();
      client.send(postBytes({ headers: ['Connection: close'] }));
      expect((await client.answer()).headers.get('connection')).toBe('close');
      expect(await client.ended()).toBe('');
    });

    test('1.0 without a Host', async () => {
      const { connect } = await startFixture(create);
      const client = await connect();
      client.send('GET /health HTTP/1.0\r\n\r\n');
      const answer = await client.answer();
      expect([answer.status, answer.body]).toEqual([200, 'ok']);
      expect(await client.ended()).toBe('');
    });
  });

  describe('names each request', () => {
    const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

    test.each([
      ['X-Request-Id: abc.DEF:1/2', 'abc.DEF:1/2'],
      [`traceparent: 00-${TRACE}-00f067aa0ba902b7-01`, TRACE],
      [`X-Request-Id: mine\r\ntraceparent: 00-${TRACE}-00f067aa0ba902b7-01`, 'mine'],
    ])('by %j', async (header, id) => {
      const { post, ingested } = await startFixture(create);
      const answer = await post({ headers: [header] });
      expect(answer.headers.get('x-request-id')).toBe(id);
      expect(ingested[0]?.source).toBe(id);
    });

    test.each([
      ['X-Request-Id: '],
      ['X-Request-Id: a b'],
      [`X-Request-Id: ${'x'.repeat(129)}`],
      ['X-Request-Id: <script>'],
      [`traceparent: 00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
      [`traceparent: ff-${TRACE}-00f067aa0ba902b7-01`],
      ['traceparent: rubbish'],
    ])('by an id of its own for %j', async (header) => {
      const { post } = await startFixture(create);
      const ids = [await post({ headers: [header] }), await post({ headers: [header] })].map((answer) =>
        answer.headers.get('x-request-id'),
      );
      expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-z]+$/);
      expect(ids[1]).not.toBe(ids[0]);
    });

    test('on every route, refusals included', async () => {
      const { ask } = await startFixture(create);
      for (const target of ['/health', '/logs', '/nowhere']) {
        const answer = await ask(`GET ${target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n`);
        expect(answer.headers.get('x-request-id')).toBe('mine');
      }
    });
  });
}

/** For one thread: several threads divide the configured number. */
export function describeConnectionLimit(create: CreateServer): void {
  test('closes connections beyond the limit', async () => {
    const { connect } = await startFixture(create, { limits: { maxConnections: 2 } });
    const first = await connect();
    first.send(GET_HEALTH);
    await first.answer();
    const second = await connect();
    second.send(GET_HEALTH);
    await second.answer();
    const third = await connect();
    expect(await third.ended()).toBe('');
  });
}
