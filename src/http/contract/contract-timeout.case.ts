import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { UnavailableError } from '../../model/deliver.ts';
import type { IngestResult } from '../../service/service.ts';
import {
  ACCEPTED,
  BODY,
  type CreateServer,
  chunked,
  deferred,
  type Fixture,
  postBytes,
  problemOf,
  startFixture,
} from './contract-fixture.case.ts';

const IN_FLIGHT = 'logforge_http_in_flight_bytes';
const CHUNKED_HEAD = postBytes({ body: '', contentLength: null, headers: ['Transfer-Encoding: chunked'] });

/** One request by each reader: the fast path takes the first, node:http the others. */
const REQUESTS: readonly (readonly [string, Buffer])[] = [
  ['with a Content-Length', postBytes()],
  ['with a chunked body', Buffer.concat([CHUNKED_HEAD, chunked(Buffer.from(BODY), 9)])],
  ['that asks to close', postBytes({ headers: ['Connection: close'] })],
];

async function startSlow(create: CreateServer, requestTimeoutMs = 100) {
  const outcomes: ReturnType<typeof deferred<IngestResult>>[] = [];
  const fixture = await startFixture(create, {
    limits: { requestTimeoutMs },
    ingest: () => {
      const outcome = deferred<IngestResult>();
      outcomes.push(outcome);
      return outcome.promise;
    },
  });
  return { ...fixture, outcomes };
}

const messages = ({ logged }: Fixture) => logged.map(({ level, message }) => `${level} ${message}`);
const TIMED_OUT = 'warn a batch was not stored within server.requestTimeout';

export function describeRequestTimeout(create: CreateServer): void {
  describe('when a batch takes longer than the request timeout', () => {
    test.each(REQUESTS)('answers a request %s with 503 and Retry-After', async (_, bytes) => {
      const { connect, outcomes } = await startSlow(create);
      const client = await connect();
      client.send(bytes);
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      const { type, detail } = problemOf(answer);
      expect(type).toBe('urn:logforge:problem:unavailable');
      expect(detail).toContain('not stored within 100 ms (server.requestTimeout) and may still be stored');
      expect(detail).toContain('sending it again may store it twice');
      expect(outcomes).toHaveLength(1);
    });

    test('tells a client with an Idempotency-Key to send it again with the same', async () => {
      const { post } = await startSlow(create);
      const { detail } = problemOf(await post({ headers: ['Idempotency-Key: k'] }));
      expect(detail).toContain('send it again with the same Idempotency-Key, and it is stored once');
    });

    test('counts its bytes as in flight until its outcome, and logs a late success', async () => {
      const fixture = await startSlow(create);
      const { post, outcomes, metric } = fixture;
      expect((await post({ headers: ['X-Request-Id: late'] })).status).toBe(503);
      expect(await metric(IN_FLIGHT)).toBe(BODY.length);
      expect(messages(fixture)).toEqual([TIMED_OUT]);
      outcomes[0]?.resolve(ACCEPTED);
      await expect.poll(() => metric(IN_FLIGHT)).toBe(0);
      expect(messages(fixture)).toEqual([TIMED_OUT, 'warn a batch was accepted after its request was answered 503']);
      expect(fixture.logged.map(({ fields }) => fields.requestId)).toEqual(['late', 'late']);
    });

    test.each([
      ['of a defect', new Error('broken'), 'error cannot ingest a batch'],
      ['of the storage', new UnavailableError('the disk is full', 1), 'warn cannot store a batch now'],
    ])('logs a late failure %s, and answers once', async (_, error, message) => {
      const fixture = await startSlow(create);
      const client = await fixture.connect();
      client.send(postBytes());
      expect((await client.answer()).status).toBe(503);
      fixture.outcomes[0]?.reject(error);
      await expect.poll(() => messages(fixture)).toEqual([TIMED_OUT, message]);
      expect(await fixture.metric('ingest_errors_total')).toBe(1);
      client.send(postBytes());
      await expect.poll(() => fixture.outcomes.length).toBe(2);
      fixture.outcomes[1]?.resolve(ACCEPTED);
      expect((await client.answer()).status).toBe(202);
    });

    test('keeps the order of pipelined answers', async () => {
      const { connect, outcomes } = await startSlow(create, 300);
      const client = await connect();
      client.send(Buffer.concat(['a', 'b', 'c'].map((id) => postBytes({ headers: [`X-Request-Id: ${id}`] }))));
      await expect.poll(() => outcomes.length).toBe(3);
      outcomes[1]?.resolve(ACCEPTED);
      const answers = [await client.answer(), await client.answer(), await client.answer()];
      expect(answers.map(({ status, headers }) => `${headers.get('x-request-id')} ${status}`)).toEqual([
        'a 503',
        'b 202',
        'c 503',
      ]);
    });

    test('also when it unpacked slowly: its time begins with the whole body', async () => {
      const { post } = await startSlow(create);
      const body = gzipSync('x'.repeat(3_000_000));
      expect((await post({ body, headers: ['Content-Encoding: gzip'] })).status).toBe(503);
    });
  });

  test.each([
    ['with a Content-Length', postBytes()],
    ['with a chunked body', Buffer.concat([CHUNKED_HEAD, chunked(Buffer.from(BODY), 9)])],
  ])('the request timeout does not run while a body arrives, %s', async (_, bytes) => {
    const { connect } = await startFixture(create, { limits: { requestTimeoutMs: 50 } });
    const client = await connect();
    client.send(bytes.subarray(0, -20));
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.send(bytes.subarray(-20));
    expect((await client.answer()).status).toBe(202);
  });
}
