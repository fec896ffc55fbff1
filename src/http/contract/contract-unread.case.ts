import { describe, expect, test } from 'vitest';
import { ACCEPTED, type CreateServer, postBytes, startFixture } from './contract-fixture.case.ts';

/** By each reader of requests: the fast path, and node:http. */
const READERS: readonly (readonly [string, readonly string[]])[] = [
  ['the fast path', []],
  ['node:http', ['TE: trailers']],
];
/** More than the buffers of both sockets hold, in a few answers. */
const ANSWER = JSON.stringify({ accepted: 1, note: 'x'.repeat(20_000) });
const REQUESTS = 3_000;
const CUT = 'a client does not read its answers; its connection is closed';

const ingest = async () => ({ ...ACCEPTED, answer: ANSWER });
const cuts = 'logforge_http_connections_cut_total{reason="unread"}';

/** Waits until a count has begun and grows no more. */
async function atRest(count: () => number): Promise<void> {
  let last = 0;
  const rests = () => {
    const before = last;
    last = count();
    return before > 0 && before === last;
  };
  await expect.poll(rests, { interval: 200, timeout: 10_000 }).toBe(true);
}

/** A client that does not read its answers. */
export function describeUnread(create: CreateServer): void {
  describe('when a client does not read its answers', () => {
    test.each(READERS)(
      '%s stops reading its requests, and goes on when it reads',
      async (_, headers) => {
        const { connect, ingested } = await startFixture(create, { ingest });
        const client = await connect();
        client.socket.pause();
        client.send(Buffer.concat(Array.from({ length: REQUESTS }, () => postBytes({ headers }))));
        await atRest(() => ingested.length);
        expect(ingested.length).toBeLessThan(REQUESTS / 2);
        client.socket.resume();
        for (let i = 0; i < REQUESTS; i += 1) expect((await client.answer()).status).toBe(202);
        expect(ingested).toHaveLength(REQUESTS);
      },
      30_000,
    );

    test.each(READERS)('%s cuts the connection after a while, and says so', async (_, headers) => {
      const { connect, metric, logged, post } = await startFixture(create, {
        ingest,
        limits: { unreadTimeoutMs: 200 },
      });
      const client = await connect();
      client.socket.pause();
      client.send(Buffer.concat(Array.from({ length: REQUESTS }, () => postBytes({ headers }))));
      await expect.poll(() => metric(cuts)).toBe(1);
      expect(logged.map(({ level, message }) => `${level} ${message}`)).toContain(`warn ${CUT}`);
      client.socket.resume();
      await client.ended();
      expect((await post()).status).toBe(202);
    });

    test('cuts a connection with a long answer to a read too', async () => {
      const { connect, logged } = await startFixture(create, {
        metricsText: async () => 'x'.repeat(30_000_000),
        limits: { unreadTimeoutMs: 200 },
      });
      const client = await connect();
      client.socket.pause();
      client.send('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
      await expect.poll(() => logged.map(({ message }) => message)).toContain(CUT);
      client.socket.resume();
      expect((await client.ended()).length).toBeLessThan(30_000_000);
    }, 30_000);

    test('makes the answers to pipelined reads one after the other', async () => {
      let asked = 0;
      const { connect } = await startFixture(create, {
        metricsText: async () => {
          asked += 1;
          return 'x'.repeat(200_000);
        },
      });
      const client = await connect();
      client.socket.pause();
      client.send('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000));
      await atRest(() => asked);
      expect(asked).toBeLessThan(200);
      client.socket.resume();
      for (let i = 0; i < 1_000; i += 1) await client.answer();
      expect(asked).toBe(1_000);
    }, 30_000);

    test.each(READERS)('closes in time, on %s', async (_, headers) => {
      const { connect, server, ingested } = await startFixture(create, { ingest });
      const client = await connect();
      client.socket.pause();
      client.send(Buffer.concat(Array.from({ length: REQUESTS }, () => postBytes({ headers }))));
      await expect.poll(() => ingested.length).toBeGreaterThan(0);
      const begun = performance.now();
      await server.close({ graceMs: 500 });
      expect(performance.now() - begun).toBeLessThan(2_500);
      client.destroy();
    });
  });
}
