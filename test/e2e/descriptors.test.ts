import { readdirSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Client, createClient } from '../support/client.ts';
import { lineOf, startWithInputs, whereOf } from '../support/input-service.ts';
import { removeDirs, type Service } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

const LIMIT = 300;

let service: Service;
let client: Client;
afterEach(async () => {
  client.close();
  await service.stop('SIGKILL');
  await removeDirs(service.dirs);
});

async function startWithFewDescriptors(inputs: readonly string[] = []): Promise<void> {
  service = await startWithInputs(inputs, { wrapper: ['prlimit', `--nofile=${LIMIT}:${LIMIT}`] });
  client = createClient(service.port);
}

const openDescriptors = (): number => readdirSync(`/proc/${service.pid}/fd`).length;

/** A batch of one record in each of `count` hours from `first` on. */
function hours(first: number, count: number): string {
  const records = Array.from({ length: count }, (_, i) => ({
    timestamp: new Date(Date.UTC(2000, 0, 1, first + i)).toISOString(),
    path: `/${first + i}`,
    userAgent: 'a',
  }));
  return JSON.stringify(records);
}

it('stores batches over more hours than descriptors, says the limit, and keeps some for connections', async () => {
  await startWithFewDescriptors();
  expect(service.logs()).toContain(`"limit":${LIMIT}`);
  expect(service.logs()).toContain('server.maxConnections is more than the limit of file descriptors allows');
  for (const first of [0, 400, 800]) expect((await client.post(hours(first, 400))).status).toBe(202);
  expect((await client.post(hours(0, 1_000))).status).toBe(202);
  expect(openDescriptors()).toBeLessThan(LIMIT - 100);
  expect((await client.get('/ready')).status).toBe(200);
  const paths = (await readRecords(service.dirs)).map(({ path }) => String(path));
  expect(paths).toHaveLength(2_200);
  expect(new Set(paths).size).toBe(1_200);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
});

it('stores new hours while strangers hold as many connections as they get', async () => {
  await startWithFewDescriptors();
  const sockets: Socket[] = Array.from({ length: LIMIT }, () => createConnection(service.port, '127.0.0.1'));
  for (const socket of sockets) socket.on('error', () => undefined);
  try {
    await eventually(async () => expect(service.logs()).toContain('closed a new connection: too many are open'));
    sockets.shift()?.destroy();
    await eventually(async () => expect((await client.post(hours(0, 100))).status).toBe(202));
    expect(openDescriptors()).toBeLessThan(LIMIT);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

it('answers HTTP and stores new hours while strangers hold as many connections of an input as they get', async () => {
  await startWithFewDescriptors(['{name: in, type: tcp, addr: "127.0.0.1:0"}']);
  expect(service.logs()).toContain('maxConnections of an input is more than the limit of file descriptors allows');
  const port = Number((await whereOf(service, 'in')).split(':')[1]);
  const sockets: Socket[] = Array.from({ length: LIMIT }, () => createConnection(port, '127.0.0.1'));
  for (const socket of sockets) socket.on('error', () => undefined);
  try {
    await eventually(() => expect(service.logs()).toContain('closed a new connection of an input: too many are open'));
    expect((await client.get('/ready')).status).toBe(200);
    expect((await client.post(hours(0, 100))).status).toBe(202);
    for (const socket of sockets) if (socket.writable) socket.write(lineOf('s', 1));
    await eventually(async () => expect(await readRecords(service.dirs, 'events')).not.toEqual([]));
    expect(openDescriptors()).toBeLessThan(LIMIT);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});
