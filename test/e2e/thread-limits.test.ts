import { afterEach, describe, expect, it } from 'vitest';
import { createClient, openSocket } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

const started: Service[] = [];

async function start(threads: number, env: Record<string, string>): Promise<Service> {
  const service = await startService({ env: { LOGFORGE_SERVER_THREADS: String(threads), ...env } });
  started.push(service);
  return service;
}

afterEach(async () => {
  for (const service of started.splice(0)) {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});

const RECORD = '[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]';

// 40 connections: that the kernel gives all of them to one of two threads does not happen.
const CLIENTS = 40;

describe.each([1, 2])('on %i threads together', (threads) => {
  it('no more requests of a client pass than server.rateLimit says', async () => {
    const service = await start(threads, { LOGFORGE_SERVER_RATE_LIMIT: '1/s burst 10' });
    const begun = performance.now();
    const clients = Array.from({ length: CLIENTS }, () => createClient(service.port));
    const answers = await Promise.all(clients.map((client) => client.post(RECORD)));
    const seconds = (performance.now() - begun) / 1000;
    for (const client of clients) client.close();
    const passed = answers.filter(({ status }) => status === 202).length;
    expect(passed).toBeGreaterThanOrEqual(10);
    expect(passed).toBeLessThanOrEqual(10 + Math.ceil(seconds));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(CLIENTS - passed);
    expect(refused.every(({ headers }) => Number(headers['retry-after']) >= 1)).toBe(true);
  });

  it('the bytes in flight stay within server.maxInFlightBytes', async () => {
    const service = await start(threads, {
      LOGFORGE_SERVER_MAX_BODY_BYTES: '100KiB',
      LOGFORGE_SERVER_MAX_IN_FLIGHT_BYTES: '250KiB',
    });
    const bytes = 80 * 1024;
    const body = RECORD.padEnd(bytes);
    const head = `POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
    const connections = await Promise.all(Array.from({ length: CLIENTS }, () => openSocket(service.port)));
    // All but the last byte: the bodies count and are not stored.
    for (const { socket } of connections) socket.write(head + body.slice(0, -1));
    const refused = () => connections.filter(({ received }) => received().startsWith('HTTP/1.1 503 '));
    await eventually(() => expect(refused().length).toBeGreaterThanOrEqual(CLIENTS - 3));
    const client = createClient(service.port);
    const inFlight = async () =>
      Number((await client.get('/metrics')).body.match(/^logforge_http_in_flight_bytes (\d+)$/m)?.[1]);
    expect(await inFlight()).toBeLessThanOrEqual(250 * 1024);

    for (const { socket } of connections) if (socket.writable) socket.write(body.slice(-1));
    await eventually(async () => expect(await inFlight()).toBe(0));
    expect((await client.post(body)).status).toBe(202);
    client.close();
    for (const { socket } of connections) socket.destroy();
  });

  it('no more connections are open than server.maxConnections says', async () => {
    const service = await start(threads, { LOGFORGE_SERVER_MAX_CONNECTIONS: '8' });
    const connections = await Promise.all(Array.from({ length: CLIENTS }, () => openSocket(service.port)));
    let closed = 0;
    for (const connection of connections) void connection.closed.then(() => closed++);
    for (const { socket } of connections) socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    const answered = () => connections.filter(({ received }) => received().startsWith('HTTP/1.1 200 ')).length;
    await eventually(() => expect(answered() + closed).toBe(CLIENTS));
    expect(answered()).toBe(8);
    for (const { socket } of connections) socket.destroy();
  });
});
