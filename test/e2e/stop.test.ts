import { afterEach, describe, expect, it } from 'vitest';
import { createClient, openSocket } from '../support/client.ts';
import { makeDirs, removeDirs, type Service, startService } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

const started: Service[] = [];

async function start(env: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ env });
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const service of started.splice(0)) {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});

function body(id: number): string {
  const record = { timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: 'a', id };
  return JSON.stringify(Array.from({ length: 20 }, (_, i) => ({ ...record, i })));
}

const LENGTH = 1000;
const BEGINNING = '[{"timestamp"';

/** A request of which only the head and the beginning of the body are sent. */
async function sendHalf(port: number) {
  const connection = await openSocket(port);
  const head = ['POST /logs HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Expect: 100-continue'];
  connection.socket.write(`${head.join('\r\n')}\r\nContent-Length: ${LENGTH}\r\n\r\n`);
  // The service is reading the request when it asks for the body.
  await eventually(() => expect(connection.received()).toContain('100 Continue'));
  connection.socket.write(BEGINNING);
  return connection;
}

describe('SIGTERM', () => {
  it.each([1, 1, 2, 2])('gives every client under load a true 202 or a 503, on %i threads', async (threads) => {
    const service = await start({ LOGFORGE_SERVER_THREADS: String(threads) });
    const client = createClient(service.port, { connections: 24 });
    const outcomes = new Map<number, { status: number; body: string }>();
    let nextId = 0;
    let isOver = false;
    const work = async () => {
      while (!isOver) {
        const id = nextId++;
        const outcome = await client.post(body(id));
        outcomes.set(id, outcome);
        // Nobody listens any more.
        if (outcome.status === 0) return;
      }
    };
    const load = Promise.all(Array.from({ length: 24 }, work));
    await eventually(() => expect(outcomes.size).toBeGreaterThan(200));
    const exit = await service.stop();
    isOver = true;
    await load;
    client.close();

    expect(exit).toEqual({ code: 0, signal: null });
    const stored = new Map<unknown, number>();
    for (const { id } of await readRecords(service.dirs)) stored.set(id, (stored.get(id) ?? 0) + 1);
    const untrue = [...outcomes].filter(([id, { status }]) => (stored.get(id) ?? 0) !== (status === 202 ? 20 : 0));
    expect(untrue).toEqual([]);
    const others = [...outcomes.values()].filter(({ status }) => status !== 202 && status !== 503);
    expect(others.filter(({ status, body }) => status !== 0 || !/ECONNREFUSED|ECONNRESET/.test(body))).toEqual([]);
  });

  it.each([1, 2])('waits for a request that is under way, and answers it, on %i threads', async (threads) => {
    const service = await start({ LOGFORGE_SERVER_THREADS: String(threads) });
    const { socket, received, closed } = await sendHalf(service.port);
    service.signal('SIGTERM');
    await eventually(() => expect(service.logs()).toContain('"stopping"'));
    socket.write(':"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]'.padEnd(LENGTH - BEGINNING.length));
    await closed;
    expect(received()).toMatch(/HTTP\/1\.1 (202|503) /);
    expect(await service.exited).toEqual({ code: 0, signal: null });
    const records = await readRecords(service.dirs);
    expect(records).toHaveLength(received().includes(' 202 ') ? 1 : 0);
  });

  it('is not held up longer than it may be by a client that stalls', async () => {
    const service = await start({ LOGFORGE_SERVER_SHUTDOWN_TIMEOUT: '1s', LOGFORGE_SERVER_BODY_TIMEOUT: '60s' });
    const { closed } = await sendHalf(service.port);
    const begin = performance.now();
    await service.stop();
    await closed;
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(await readRecords(service.dirs)).toEqual([]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('a second time ends it at once: %s', async (signal) => {
    const service = await start({ LOGFORGE_SERVER_SHUTDOWN_TIMEOUT: '60s', LOGFORGE_SERVER_BODY_TIMEOUT: '60s' });
    const { closed } = await sendHalf(service.port);
    service.signal(signal);
    await eventually(() => expect(service.logs()).toContain('"stopping"'));
    const begin = performance.now();
    expect(await service.stop(signal)).toEqual({ code: signal === 'SIGINT' ? 130 : 143, signal: null });
    expect(performance.now() - begin).toBeLessThan(10_000);
    await closed;
  });
});

describe('a start', () => {
  it('is refused with status 1 where another process has the data, which goes on', async () => {
    const first = await start();
    await expect(startService({ dirs: first.dirs })).rejects.toThrow(/ended with 1\n.*another logforge process owns/s);
    const client = createClient(first.port);
    expect((await client.post(body(1))).status).toBe(202);
    client.close();
  });

  it('goes through where the owner was killed', async () => {
    const first = await start();
    const client = createClient(first.port);
    expect((await client.post(body(1))).status).toBe(202);
    client.close();
    await first.stop('SIGKILL');
    const second = await startService({ dirs: first.dirs });
    await second.stop();
    expect(await readRecords(first.dirs)).toHaveLength(20);
  });

  it.each([1, 2])('is refused with status 1 where the port is taken, on %i threads', async (threads) => {
    const env = { LOGFORGE_SERVER_THREADS: String(threads) };
    const first = await start(env);
    const dirs = await makeDirs();
    const second = startService({ dirs, env, args: ['--addr', `127.0.0.1:${first.port}`] });
    await expect(second).rejects.toThrow(/ended with 1\n.*EADDRINUSE/s);
    await removeDirs(dirs);
  });
});
