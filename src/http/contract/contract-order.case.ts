import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { IngestResult } from '../../service/service.ts';
import {
  ACCEPTED,
  BODY,
  type CreateServer,
  chunked,
  deferred,
  postBytes,
  problemOf,
  startFixture,
} from './contract-fixture.case.ts';

const CHUNKED_HEAD = postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] });
const GET_HEALTH = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';

export function describeOrder(create: CreateServer): void {
  describe('answers in order', () => {
    test('pipelined requests, in whatever order their outcomes come', async () => {
      const outcomes = new Map<string, ReturnType<typeof deferred<IngestResult>>>();
      const { connect, ingested } = await startFixture(create, {
        ingest: ({ source }) => {
          const result = deferred<IngestResult>();
          outcomes.set(source, result);
          return result.promise;
        },
      });
      const client = await connect();
      const ids = ['a', 'b', 'c', 'd'];
      client.send(Buffer.concat(ids.map((id) => postBytes({ body: id.repeat(50), headers: [`X-Request-Id: ${id}`] }))));
      client.send(GET_HEALTH);
      await expect.poll(() => ingested.length).toBe(4);
      expect(ingested.map(({ body }) => body.toString())).toEqual(ids.map((id) => id.repeat(50)));
      for (const id of ids.toReversed()) outcomes.get(id)?.resolve({ ...ACCEPTED, answer: `{"id":"${id}"}` });
      for (const id of ids) {
        const answer = await client.answer();
        expect([answer.headers.get('x-request-id'), answer.body]).toEqual([id, `{"id":"${id}"}`]);
      }
      expect((await client.answer()).body).toBe('ok');
    });

    test.each([
      ['plain requests', ''],
      ['requests that only node:http reads', 'X: 1\r\nX: 2'],
    ])('all of them before it closes because of bytes that are no request: %s', async (_, header) => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      const headers = header === '' ? [] : [header];
      const refused = postBytes({ headers, contentType: 'text/plain' });
      client.send(Buffer.concat([postBytes({ headers }), refused, refused, refused, Buffer.from('rubbish\r\n\r\n')]));
      await expect.poll(() => ingested.length).toBe(1);
      outcome.resolve(ACCEPTED);
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push((await client.answer()).status);
      expect(statuses).toEqual([202, 415, 415, 415]);
      await client.ended();
    });

    test('all of them before the answer to bytes that are no request', async () => {
      const { connect } = await startFixture(create);
      const client = await connect();
      const refused = postBytes({ headers: ['X: 1\r\nX: 2'], contentType: 'text/plain' });
      client.send(Buffer.concat([refused, refused, refused, Buffer.from('rubbish\r\n\r\n')]));
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push((await client.answer()).status);
      expect(statuses).toEqual([415, 415, 415, 400]);
      await client.ended();
    });

    test('hundreds of requests pipelined in one piece, with another kind of request between them', async () => {
      const { connect, ingested } = await startFixture(create, {
        ingest: async ({ source }) => {
          await new Promise(setImmediate);
          return { ...ACCEPTED, answer: `{"id":"${source}"}` };
        },
      });
      const client = await connect();
      const ids = Array.from({ length: 300 }, (_, i) => `r${i}`);
      const posts = ids.map((id) =>
        postBytes({ body: id.repeat(1 + (ids.length % 7)), headers: [`X-Request-Id: ${id}`] }),
      );
      client.send(Buffer.concat([...posts, Buffer.from(GET_HEALTH), ...posts]));
      for (const id of ids) expect((await client.answer()).body).toBe(`{"id":"${id}"}`);
      expect((await client.answer()).body).toBe('ok');
      for (const id of ids) expect((await client.answer()).body).toBe(`{"id":"${id}"}`);
      expect(ingested).toHaveLength(600);
    });

    test('bodies that use the same memory one after the other, each complete', async () => {
      const { connect, ingested } = await startFixture(create, {
        ingest: async ({ body }) => ({ ...ACCEPTED, answer: JSON.stringify(body.toString('latin1', 0, 1)) }),
      });
      const client = await connect();
      for (const letter of 'abcdefgh') {
        const body = letter.repeat(50_000 + 1_000 * (letter.charCodeAt(0) % 5));
        client.send(postBytes({ body }));
        expect((await client.answer()).body).toBe(JSON.stringify(letter));
        expect(ingested.at(-1)?.body.length).toBe(body.length);
      }
    });

    test('requests of a client that ended its side after them', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      client.send(Buffer.concat([postBytes(), postBytes()]));
      client.socket.end();
      await expect.poll(() => ingested.length).toBe(2);
      outcome.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
      expect((await client.answer()).status).toBe(202);
      expect(await client.ended()).toBe('');
    });

    test('requests that come while those before them are read in turns of their own', async () => {
      const { connect } = await startFixture(create);
      const realNow = performance.now.bind(performance);
      let calls = 0;
      const now = vi.spyOn(performance, 'now').mockImplementation(() => realNow() + 3 * calls++);
      onTestFinished(() => now.mockRestore());
      for (let wait = 0; wait < 6; wait += 1) {
        const client = await connect();
        const third = postBytes();
        client.send(Buffer.concat([postBytes(), postBytes(), third.subarray(0, 20)]));
        for (let turns = 0; turns < wait; turns += 1) await new Promise(setImmediate);
        client.send(third.subarray(20));
        for (let answers = 0; answers < 3; answers += 1) expect((await client.answer()).status).toBe(202);
        client.send(postBytes());
        expect((await client.answer()).status).toBe(202);
        client.destroy();
      }
    });

    test('requests of all kinds, however their bytes are split', async () => {
      const { connect, ingested } = await startFixture(create);
      const requests: readonly (readonly [Uint8Array, number])[] = [
        [postBytes(), 202],
        [postBytes({ body: '', headers: ['X-Request-Id: empty'] }), 202],
        [postBytes({ contentType: 'a/b' }), 415],
        [Buffer.concat([CHUNKED_HEAD, chunked(Buffer.from(BODY), 7)]), 202],
        [Buffer.from(GET_HEALTH), 200],
        [postBytes({ body: gzipSync(BODY), headers: ['Content-Encoding: gzip'] }), 202],
        [Buffer.from('PUT /logs HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'), 405],
        [postBytes({ target: '/logs?invalid=maybe' }), 400],
      ];
      const order = fc.array(fc.nat(requests.length - 1), { minLength: 1, maxLength: 12 });
      const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(order, cuts, async (places, sizes) => {
          const chosen = places.flatMap((place) => requests[place] ?? []);
          const bytes = Buffer.concat(chosen.filter((part) => typeof part !== 'number'));
          ingested.length = 0;
          const client = await connect();
          for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
            const size = sizes[cut % sizes.length] ?? 1;
            client.send(bytes.subarray(at, at + size));
            at += size;
            await new Promise(setImmediate);
          }
          const expected = chosen.filter((part) => typeof part === 'number');
          const statuses = [];
          for (const _ of expected) statuses.push((await client.answer()).status);
          client.destroy();
          expect(statuses).toEqual(expected);
          const bodies = ingested.map(({ body }) => body.toString());
          expect(bodies.filter((body) => body !== BODY && body !== '')).toEqual([]);
          expect(bodies).toHaveLength(expected.filter((status) => status === 202).length);
        }),
        { numRuns: 40 },
      );
    });

    test('a request of another kind that arrives in two parts while the batch before it is being stored', async () => {
      const stored = deferred<IngestResult>();
      const { connect, get, ingested } = await startFixture(create, { ingest: () => stored.promise });
      const client = await connect();
      client.send(Buffer.concat([postBytes(), Buffer.from(GET_HEALTH.slice(0, 9))]));
      await expect.poll(() => ingested.length).toBe(1);
      client.send(GET_HEALTH.slice(9));
      // When the server has answered another client, it has read these bytes too.
      await get('/health');
      stored.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
      expect((await client.answer()).body).toBe('ok');
    });

    test('a refusal after a batch that is still being stored', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      client.send(postBytes());
      client.send(postBytes({ contentType: 'a/b' }));
      await expect.poll(() => ingested.length).toBe(1);
      outcome.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
      expect((await client.answer()).status).toBe(415);
    });

    test('a batch before bytes that are not HTTP, then answers 400 and closes', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      client.send(postBytes());
      client.send('rubbish\r\n\r\n');
      await expect.poll(() => ingested.length).toBe(1);
      outcome.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
      const refused = await client.answer();
      expect([refused.status, refused.headers.get('connection')]).toEqual([400, 'close']);
      expect(await client.ended()).toBe('');
    });

    test('a batch before a malformed chunked body, then answers 400 and closes', async () => {
      const outcome = deferred<IngestResult>();
      const { connect, ingested } = await startFixture(create, { ingest: () => outcome.promise });
      const client = await connect();
      client.send(postBytes());
      client.send(postBytes({ body: 'zz\r\n', contentLength: null, headers: ['Transfer-Encoding: chunked'] }));
      await expect.poll(() => ingested.length).toBe(1);
      outcome.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
      const refused = await client.answer();
      expect([refused.status, refused.headers.get('connection')]).toEqual([400, 'close']);
      expect(problemOf(refused)).toMatchObject({ type: 'urn:logforge:problem:malformed-body' });
      expect(await client.ended()).toBe('');
      expect(ingested).toHaveLength(1);
    });

    // The answer closes the connection: a batch that was stored after it would have no answer.
    test.each([
      [
        'another method',
        'DELETE /logs HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n[]',
        405,
      ],
      ['another route', 'GET /health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n', 200],
      ['no body', 'POST /logs HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Type: a/b\r\n\r\n', 415],
    ])('and stores nothing behind a request that expects 100 Continue and does not get it: %s', async (_, request, status) => {
      const { connect, ingested } = await startFixture(create);
      const client = await connect();
      client.send(Buffer.concat([Buffer.from(request), postBytes()]));
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('connection')]).toEqual([status, 'close']);
      expect(await client.ended()).toBe('');
      expect(ingested).toEqual([]);
    });
  });
}
