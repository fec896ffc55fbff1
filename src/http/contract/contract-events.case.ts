import { describe, expect, test } from 'vitest';
import { type CreateServer, problemOf } from './contract-fixture.case.ts';
import { open, readUntil, refusal, STATS, startLive } from './live-fixture.case.ts';
import type { RawClient } from './raw-client.case.ts';

export function describeEvents(create: CreateServer): void {
  describe('GET /events', () => {
    test('sends the state at once, then each second and each refusal, oldest first', async () => {
      const service = await startLive(create);
      const client = await open(service, '/events');
      const first = await readUntil(client, `data: ${JSON.stringify(STATS)}\n\n`);
      expect(first).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(first).toContain('Content-Type: text/event-stream; charset=utf-8\r\n');
      service.tell({ kind: 'stats', stats: { ...STATS, time: 2 } });
      service.tell({ kind: 'refusals', refusals: [refusal('b'), refusal('<script>')] });
      const then = await readUntil(client, '"reason":"b"');
      expect(then).toContain('event: stats\ndata: {"time":2,');
      expect(then.indexOf('<script>')).toBeLessThan(then.indexOf('"reason":"b"'));
    });

    test('sends at most 20 refusals in a second', async () => {
      const service = await startLive(create);
      const client = await open(service, '/events');
      await readUntil(client, '"time":1');
      service.tell({ kind: 'refusals', refusals: Array.from({ length: 100 }, (_, i) => refusal(`no ${i}.`)) });
      const told = await readUntil(client, 'no 0.');
      expect(told.match(/event: refusal\n/g)).toHaveLength(20);
    });

    test('does not count as a slow request, however long it is read', async () => {
      const service = await startLive(create);
      const count = 'logforge_http_request_duration_seconds_count';
      for (const target of ['/events', '/events/tail']) {
        const client = await open(service, target);
        await readUntil(client, 'retry');
        client.destroy();
        const kind = target === '/events' ? 'stats' : 'tail';
        await expect.poll(() => service.metric(`logforge_http_event_streams{kind="${kind}"}`)).toBe(0);
        expect((await service.metric(`${count}{route="${target}",status="2xx"}`)) ?? 0).toBe(0);
      }
      expect((await service.get('/events/tail?q=1&q=2')).status).toBe(400);
      await expect.poll(() => service.metric(`${count}{route="/events/tail",status="4xx"}`)).toBe(1);
    });

    test('answers HEAD without a stream, and other methods with what is allowed', async () => {
      const { ask, listeners } = await startLive(create);
      for (const target of ['/events', '/events/tail']) {
        const head = await ask(`HEAD ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
        const post = await ask(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
        expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      }
      expect(listeners.size).toBe(0);
    });

    test('ends with the service', async () => {
      const service = await startLive(create);
      const clients = [await open(service, '/events'), await open(service, '/events/tail')];
      await readUntil(clients[0] as RawClient, 'stats');
      await readUntil(clients[1] as RawClient, 'retry');
      const begun = performance.now();
      await service.server.close({ graceMs: 10_000 });
      expect(performance.now() - begun).toBeLessThan(5_000);
      for (const client of clients) expect(await client.ended()).toMatch(/0\r\n\r\n$/);
    });
  });

  describe('GET /events/tail', () => {
    test('sends accepted records, and how many were left out', async () => {
      const service = await startLive(create);
      const client = await open(service, '/events/tail?path=%2Fa&userAgent=&q=status%3D5');
      await readUntil(client, 'retry');
      await expect.poll(() => [...service.tails.values()]).toEqual([{ path: '/a', q: 'status=5' }]);
      service.show({ lines: ['{"a":1}', '{"b":"é\\n"}'], leftOut: 0 });
      expect(await readUntil(client, '\\n')).toContain('event: records\ndata: {"a":1}\ndata: {"b":"é\\n"}\n\n');
      service.show({ lines: [], leftOut: 7 });
      expect(await readUntil(client, 'left-out')).toContain('event: left-out\ndata: 7\n\n');
      client.destroy();
      await expect.poll(() => service.tails.size).toBe(0);
    });

    test.each([
      ['?path=a&path=b', 'the parameter path is given 2 times'],
      [`?q=${'x'.repeat(257)}`, 'the parameter q is longer than 256 characters'],
    ])('refuses %s', async (query, detail) => {
      const { get, tails } = await startLive(create);
      const answer = await get(`/events/tail${query}`);
      expect([answer.status, problemOf(answer).detail, tails.size]).toEqual([400, detail, 0]);
    });

    test('leaves out records that a client does not read, tells their number afterwards, and keeps a limited amount', async () => {
      const service = await startLive(create);
      const client = await open(service, '/events/tail');
      await readUntil(client, 'retry');
      await expect.poll(() => service.tails.size).toBe(1);
      client.socket.pause();
      const line = `{"path":"/${'x'.repeat(100_000)}"}`;
      // More than the kernel and we together would keep.
      const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
      for (let i = 0; i < 500; i++) {
        service.show({ lines: [line], leftOut: 1 });
        await new Promise(setImmediate);
      }
      expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(40e6);
      client.socket.resume();
      // Each piece is seen once: shown, or counted among those left out, as is the record that each says was left out before.
      const seen = () => {
        service.show({ lines: [], leftOut: 0 });
        const told = [...client.received().matchAll(/event: left-out\ndata: (\d+)\n/g)];
        const shown = client.received().match(/event: records\n/g)?.length ?? 0;
        return told.reduce((sum, [, count]) => sum + Number(count), shown);
      };
      await expect.poll(seen, { timeout: 20_000 }).toBe(1_000);
    });
  });
}

/** For one thread: with several, each counts its own streams, and drains only when it closes. */
export function describeEventsOfOneThread(create: CreateServer): void {
  describe('event streams', () => {
    test('subscribe only while a client reads', async () => {
      const service = await startLive(create);
      const clients = [await open(service, '/events'), await open(service, '/events')];
      await Promise.all(clients.map((client) => readUntil(client, 'stats')));
      expect(service.listeners.size).toBe(1);
      for (const client of clients) client.destroy();
      await expect.poll(() => service.listeners.size).toBe(0);
      expect(await service.metric('logforge_http_event_streams{kind="stats"}')).toBe(0);
    });

    test('are refused while the service drains', async () => {
      const { get, server } = await startLive(create);
      server.drain();
      expect((await get('/events')).status).toBe(503);
    });

    test('of records are limited in number', async () => {
      const service = await startLive(create);
      const clients = await Promise.all(Array.from({ length: 64 }, () => open(service, '/events/tail')));
      await Promise.all(clients.map((client) => readUntil(client, 'retry')));
      const answer = await service.get('/events/tail');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
      expect(problemOf(answer).detail).toBe('too many tails are open (limit 64)');
      clients[0]?.destroy();
      await expect.poll(() => service.tails.size).toBe(63);
      await readUntil(await open(service, '/events/tail'), 'retry');
    });
  });

  test('a thousand clients that have stopped reading delay no other client', async () => {
    const service = await startLive(create, { limits: { maxConnections: 3_000 } });
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => open(service, '/events')));
    await expect
      .poll(() => service.metric('logforge_http_event_streams{kind="stats"}'), { timeout: 20_000 })
      .toBe(1_000);
    for (const { socket } of clients) socket.pause();
    let longest = 0;
    for (let second = 0; second < 5; second++) {
      const begun = performance.now();
      service.tell({ kind: 'stats', stats: STATS });
      expect((await service.post()).status).toBe(202);
      longest = Math.max(longest, performance.now() - begun);
    }
    // A thousand writes; generous, as the machine may be busy with other tests.
    expect(longest).toBeLessThan(2_000);
    const more = await Promise.all(Array.from({ length: 30 }, () => open(service, '/events')));
    const heads = await Promise.all(more.map((client) => readUntil(client, '\r\n\r\n')));
    expect(heads.filter((head) => head.startsWith('HTTP/1.1 503 '))).toHaveLength(6);
  });
}
