import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createClient } from '../support/client.ts';
import { removeDirs, type Service, startService } from '../support/service.ts';

const CLIENTS = 40;
const started: Service[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const service of started.splice(0)) {
    await service.stop('SIGKILL');
    await removeDirs(service.dirs);
  }
});

/** Refused with a long answer: one line for each of the 100 records. */
const BODY = `[${Array.from({ length: 100 }, () => 1).join()}]`;
const post = (header: string) =>
  `POST /logs HTTP/1.1\r\nHost: a\r\n${header}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** Sends for as long as the service reads, and reads nothing. */
function flood(port: number, request: string): void {
  const socket = connect(port, '127.0.0.1').pause();
  sockets.push(socket);
  socket.on('error', () => undefined);
  const bytes = Buffer.from(request.repeat(200));
  const send = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', send);
  send();
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

it.each([
  ['POST /logs on the fast path', post('')],
  ['POST /logs on node:http', post('TE: trailers\r\n')],
  ['GET /metrics', 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'],
])(
  'clients that send %s and do not read cost limited memory, and do not hold up a stop',
  async (_, request) => {
    const service = await startService({ env: { LOGFORGE_SERVER_SHUTDOWN_TIMEOUT: '4s' } });
    started.push(service);
    const before = await residentMb(service.pid);
    for (let i = 0; i < CLIENTS; i += 1) flood(service.port, request);
    const client = createClient(service.port);
    let most = 0;
    for (let i = 0; i < 15; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      most = Math.max(most, await residentMb(service.pid));
      expect((await client.get('/health')).status).toBe(200);
    }
    client.close();
    expect(most - before).toBeLessThan(350);
    const begun = performance.now();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - begun).toBeLessThan(8_000);
    expect(service.logs()).toContain('"clean":true');
  },
  180_000,
);
