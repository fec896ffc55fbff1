import { afterEach, describe, expect, it } from 'vitest';
import { createClient, openSocket } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';
import { eventually } from '../support/storage.ts';

const started: Service[] = [];

async function start(threads: number, env: Record<string, string> = {}) {
  const service = await startService({ env: { LOGFORGE_SERVER_THREADS: String(threads), ...env } });
  started.push(service);
  const client = createClient(service.port);
  const metric = async (name: string) => {
    const { body } = await client.get('/metrics');
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1]);
  };
  return { service, client, metric };
}

afterEach(async () => {
  for (const service of started.splice(0)) {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});

const KIB = 1024;
const MIB = 1024 * KIB;
const RECORD = '[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]';
/** node:http reads requests with this header. */
const BY_NODE = 'TE: trailers\r\n';

function head(length: number, headers = ''): string {
  return `POST /logs HTTP/1.1\r\nHost: x\r\n${headers}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
}

async function openMany(port: number, count: number, first: (place: number) => string) {
  const connections = await Promise.all(Array.from({ length: count }, () => openSocket(port)));
  connections.forEach(({ socket }, place) => void socket.write(first(place)));
  return connections;
}

describe.each([1, 2])('on %i threads', (threads) => {
  it('64 clients that announce 16 MiB each and send nothing turn away no batch', async () => {
    const { service, client, metric } = await start(threads);
    const silent = await openMany(service.port, 64, (place) => head(16 * MIB, place % 2 === 0 ? '' : BY_NODE));
    for (let i = 0; i < 40; i++) expect((await client.post(RECORD)).status).toBe(202);
    expect((await client.post(RECORD.padEnd(15 * MIB))).status).toBe(202);
    expect(await metric('logforge_http_in_flight_bytes')).toBe(0);
    for (const { socket } of silent) socket.destroy();
    client.close();
  });

  it('clients that stop in the middle of their bodies are closed when another needs the room', async () => {
    const { service, client, metric } = await start(threads, {
      LOGFORGE_SERVER_MAX_IN_FLIGHT_BYTES: '16MiB',
      LOGFORGE_SERVER_BODY_TIMEOUT: '60s',
    });
    // Together 15.6 of 16 MiB.
    const part = RECORD.padEnd(400 * KIB);
    const slow = await openMany(
      service.port,
      40,
      (place) => head(part.length + 1, place % 2 === 0 ? '' : BY_NODE) + part,
    );
    const sent = performance.now();
    await eventually(async () => {
      const evictedBytes = (await metric('logforge_http_bodies_evicted_total')) * part.length;
      expect((await metric('logforge_http_in_flight_bytes')) + evictedBytes).toBe(40 * part.length);
    });
    // Younger bodies are not slow. Several threads look for slow ones now and then.
    await eventually(() => expect(performance.now() - sent).toBeGreaterThan(1_200));
    if (threads > 1) {
      await eventually(async () => expect(await metric('logforge_http_bodies_evicted_total')).toBeGreaterThan(0));
    }
    for (let i = 0; i < 20; i++) expect((await client.post(RECORD.padEnd(900 * KIB))).status).toBe(202);
    const evicted = slow.filter(({ received }) => received().startsWith('HTTP/1.1 503 '));
    expect(evicted.length).toBeGreaterThan(0);
    expect(evicted.length).toBeLessThan(20);
    await Promise.all(evicted.map(({ closed }) => closed));
    expect(evicted[0]?.received()).toContain('the body arrived too slowly');
    expect(await metric('logforge_http_bodies_evicted_total')).toBe(evicted.length);
    for (const { socket } of slow) socket.destroy();
    client.close();
  });
});
