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

export function describeDrain(create: CreateServer): void {
  describe('while the server drains', () => {
    test('refuses batches with 503 and Retry-After, and closes the connection', async () => {
      const { server, connect, ingested } = await startFixture(create);
      const client = await connect();
      client.send(postBytes());
      expect((await client.answer()).headers.get('connection')).toBe('keep-alive');
      server.drain();
      client.send(postBytes());
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      expect(answer.headers.get('connection')).toBe('close');
      expect(problemOf(answer)).toMatchObject({ type: 'urn:logforge:problem:draining' });
      expect(await client.ended()).toBe('');
      expect(ingested).toHaveLength(1);
    });

    test('answers 503 on /ready and 200 on /health', async () => {
      const { server, get } = await startFixture(create);
      server.drain();
      const ready = await get('/ready');
      expect(ready.status).toBe(503);
      expect(problemOf(ready).checks).toEqual({ draining: { ok: false, detail: 'the service is shutting down' } });
      const health = await get('/health');
      expect([health.status, health.headers.get('connection')]).toEqual([200, 'close']);
    });
  });
}

/** How a server listens and closes. */
export function describeClose(create: CreateServer): void {
  describe('when the server closes', () => {
    test('answers requests under way, pipelined and half-sent ones too, and then closes', async () => {
      const outcome = deferred<IngestResult>();
      const { server, connect, ingested, metric } = await startFixture(create, { ingest: () => outcome.promise });
      const pipelining = await connect();
      pipelining.send(Buffer.concat([postBytes(), postBytes()]));
      const sending = await connect();
      const bytes = postBytes();
      sending.send(bytes.subarray(0, -10));
      await expect.poll(() => metric('logforge_http_in_flight_bytes')).toBe(3 * BODY.length - 10);

      const closed = server.close({ graceMs: 20_000 });
      sending.send(bytes.subarray(-10));
      await expect.poll(() => ingested.length).toBe(3);
      outcome.resolve(ACCEPTED);
      expect((await pipelining.answer()).headers.get('connection')).toBe('keep-alive');
      const last = await pipelining.answer();
      expect([last.status, last.headers.get('connection')]).toEqual([202, 'close']);
      const sent = await sending.answer();
      expect([sent.status, sent.headers.get('connection')]).toEqual([202, 'close']);
      await closed;
    });

    test('tells a client between two requests with its next answer, and does not cut it', async () => {
      const { server, connect, ingested } = await startFixture(create);
      const client = await connect();
      client.send(postBytes());
      await client.answer();
      const closed = server.close({ graceMs: 20_000 });
      client.send(postBytes());
      const answer = await client.answer();
      expect([answer.status, answer.headers.get('connection')]).toEqual([503, 'close']);
      await closed;
      expect(ingested).toHaveLength(1);
    });

    test('closes connections that are idle or were never used', async () => {
      const { server, connect } = await startFixture(create);
      const idle = await connect();
      idle.send(postBytes());
      await idle.answer();
      const unused = await connect();
      await server.close({ graceMs: 400 });
      expect(await idle.ended()).toBe('');
      expect(await unused.ended()).toBe('');
    });

    test('cuts the remaining connections when its time is over', async () => {
      const { server, connect, ingested } = await startFixture(create, {
        ingest: () => deferred<IngestResult>().promise,
      });
      const client = await connect();
      client.send(postBytes());
      await expect.poll(() => ingested.length).toBe(1);
      await server.close({ graceMs: 100 });
      expect(await client.ended()).toBe('');
    });

    test('answers every request under load with a true 202 or a 503', async () => {
      const { server, connect, ingested } = await startFixture(create);
      const statuses: number[] = [];
      const clients = await Promise.all(Array.from({ length: 16 }, () => connect()));
      const loops = clients.map(async (client) => {
        for (let last = false; !last; ) {
          client.send(postBytes());
          const answer = await client.answer();
          statuses.push(answer.status);
          last = answer.headers.get('connection') === 'close';
        }
        expect(await client.ended()).toBe('');
      });
      await expect.poll(() => statuses.length).toBeGreaterThan(200);
      await Promise.all([server.close({ graceMs: 20_000 }), ...loops]);
      // Whether a request still comes in time for a 503 is chance.
      expect(statuses.filter((status) => status !== 202 && status !== 503)).toEqual([]);
      expect(statuses.filter((status) => status === 202)).toHaveLength(ingested.length);
    });

    test('accepts no more connections', async () => {
      const { server, connect } = await startFixture(create);
      await server.close({ graceMs: 100 });
      await expect(connect()).rejects.toThrow('ECONNREFUSED');
    });

    test('closes once, however often close is called', async () => {
      const { server } = await startFixture(create);
      await Promise.all([server.close({ graceMs: 100 }), server.close({ graceMs: 0 })]);
    });
  });

  test('rejects with the reason when it cannot listen', async () => {
    const { port } = await startFixture(create);
    const second = startFixture((options) => create({ ...options, port }));
    await expect(second).rejects.toThrow(`cannot listen on address=127.0.0.1:${port}: listen EADDRINUSE`);
  });
}

export function describeSharing(create: CreateServer): void {
  test('shares its port when both servers ask for it', async () => {
    const reusing: CreateServer = (options) => create({ ...options, reusePort: true });
    const { port } = await startFixture(reusing);
    const second = await startFixture((options) => create({ ...options, reusePort: true, port }));
    expect(second.port).toBe(port);
  });
}
