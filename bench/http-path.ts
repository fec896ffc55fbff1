/**
 * What the ways from a socket to the handler of POST /logs cost: through hono and its node server, straight from
 * node:http with the events of a stream, straight from its parser (src/http/body.ts), and the whole of src/http with
 * all its checks, behind node:http and by the fast path. Nothing is decoded or stored. CPU time of the server process a
 * request, and requests a second with the generator beside it; medians of interleaved rounds. Licenses the fast paths in
 * src/http/logs.ts, body.ts and fast/fast-path.ts.
 *
 *   node bench/http-path.ts [--rounds 3] [--seconds 0.7] [--bytes 170] [--connections 16] [--depth 1]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { BodyCollector, BodyRequest } from '../src/http/logs/body.ts';
import { createBodyBuffers } from '../src/http/logs/body-buffers.ts';
import { createInFlight } from '../src/http/logs/in-flight.ts';
import { createHttpServer } from '../src/http/server/server.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import type { Ingest } from '../src/service/service.ts';
import { createMemoryRegistry } from '../test/support/registry.ts';

const WAYS = ['hono', 'stream', 'parser', 'node', 'fast'] as const;
type Way = (typeof WAYS)[number];

const ingest: Ingest = async () => ({
  kind: 'accepted',
  answer: '{"accepted":1}',
  durability: 'os',
  replayed: false,
  records: 1,
});
const HEADERS = { 'Content-Type': 'application/json', 'Logforge-Durability': 'os', 'X-Request-Id': 'bench-1' };

async function takeIn(body: Buffer, response: Parameters<RequestListener>[1]): Promise<void> {
  const result = await ingest({ stream: 'access', format: 'json', body, source: 'bench' });
  const answer = result.kind === 'accepted' ? result.answer : '';
  response.writeHead(202, { ...HEADERS, 'Content-Length': answer.length });
  response.end(answer);
}

function viaHono(): Server {
  const app = new Hono();
  app.post('/logs', async (context) => {
    const result = await ingest({
      stream: 'access',
      format: 'json',
      body: Buffer.from(await context.req.arrayBuffer()),
      source: 'bench',
    });
    return context.body(result.kind === 'accepted' ? result.answer : '', 202, HEADERS);
  });
  return createServer(getRequestListener(app.fetch));
}

function viaStream(): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void takeIn(Buffer.concat(chunks), response));
    request.on('close', () => undefined);
  });
}

function viaParser(): Server {
  const inFlight = createInFlight({ maxBytes: 1e9, onChange: () => undefined });
  const buffers = createBodyBuffers();
  return createServer({ IncomingMessage: BodyRequest }, (request, response) => {
    const declared = Number(request.headers['content-length']);
    const reservation = inFlight.hasRoom(declared) ? inFlight.reserve(0) : undefined;
    if (reservation === undefined) return;
    const collected = (outcome: Buffer | string) => {
      reservation.release();
      if (typeof outcome !== 'string') void takeIn(outcome, response);
    };
    request.sink = new BodyCollector({ declared, maxBytes: 1e9, reservation, buffers, owner: { collected } });
  });
}

async function listenWhole(): Promise<number> {
  const silent = () => undefined;
  const server = createHttpServer({
    streams: ['access'],
    mappings: [],
    host: '127.0.0.1',
    port: 0,
    limits: {
      maxBodyBytes: 1 << 24,
      maxInFlightBytes: 1 << 28,
      headersTimeoutMs: 2_000,
      bodyTimeoutMs: 10_000,
      requestTimeoutMs: 5_000,
      keepAliveTimeoutMs: 60_000,
      maxConnections: 10_000,
    },
    auth: { enabled: false, headerName: 'X-API-Key', keys: [], readKeys: [], adminKeys: [], metrics: false },
    version: { version: '', commit: '', buildDate: '', pipeline: 1, node: '' },
    listStreams: async () => [],
    ingest,
    checkReadiness: async () => ({}),
    aggregate: () => Promise.reject(new Error('unused')),
    records: {
      open: () => Promise.reject(new Error('unused')),
      next: () => Promise.reject(new Error('unused')),
      close: async () => undefined,
    },
    analytics: {
      ask: async () => ({ kind: 'none' }),
      breakdown: () => Promise.reject(new Error('not here')),
      series: () => Promise.reject(new Error('not here')),
    },
    dashboard: {
      live: { snapshot: () => Promise.reject(new Error('not here')), subscribe: () => silent, tail: () => silent },
      hourTotals: { totals: async () => [], latest: async () => undefined },
      diskUse: () => Promise.reject(new Error('unused')),
      settings: {},
    },
    registry: createMemoryRegistry().registry,
    noteRefusal: silent,
    metrics: createMetrics({ defaultMetrics: false }),
    metricsText: async () => '',
    serviceStats: () => Promise.reject(new Error('unused')),
    clock: Date.now,
    log: { info: silent, warn: silent, error: silent },
  });
  return (await server.listen()).port;
}

async function serve(way: Way): Promise<void> {
  const make = { hono: viaHono, stream: viaStream, parser: viaParser };
  let port = 0;
  if (way === 'node' || way === 'fast') {
    port = await listenWhole();
  } else {
    const server = make[way]().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address === 'object') port = address.port;
  }
  process.on('message', () => process.send?.(cpuMicroseconds()));
  process.on('disconnect', () => process.exit());
  process.send?.(port);
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

interface Load {
  readonly bytes: number;
  readonly connections: number;
  readonly depth: number;
  readonly seconds: number;
}

interface Measured {
  readonly requestsPerSecond: number;
  readonly cpuMicroseconds: number;
}

async function receive(child: ChildProcess): Promise<number> {
  const [message] = await once(child, 'message');
  return Number(message);
}

async function measure(way: Way, load: Load): Promise<Measured> {
  const child = fork(import.meta.filename, ['--serve', way]);
  const port = await receive(child);
  const count = { answers: 0 };
  const sockets = Array.from({ length: load.connections }, () => drive(way, port, load, count));
  const read = async () => {
    child.send('cpu');
    return { cpu: await receive(child), answers: count.answers, time: performance.now() };
  };
  await new Promise((resolve) => setTimeout(resolve, load.seconds * 500));
  const begin = await read();
  await new Promise((resolve) => setTimeout(resolve, load.seconds * 1_000));
  const end = await read();
  for (const socket of sockets) socket.destroy();
  child.disconnect();
  await once(child, 'exit');
  const requests = end.answers - begin.answers;
  return {
    requestsPerSecond: (requests * 1_000) / (end.time - begin.time),
    cpuMicroseconds: (end.cpu - begin.cpu) / requests,
  };
}

/** Keeps `depth` requests out on one connection, and counts answers by their length, which never changes. */
function drive(way: Way, port: number, { bytes, depth }: Load, count: { answers: number }): Socket {
  // The fast path leaves requests with a TE to node:http.
  const te = way === 'node' ? 'TE: trailers\r\n' : '';
  const head = `POST /logs HTTP/1.1\r\nHost: 127.0.0.1\r\n${te}X-Request-Id: bench-1\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
  const request = Buffer.from(head + 'x'.repeat(bytes));
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let answerLength = 0;
  let received = 0;
  socket.on('connect', () => void socket.write(Buffer.concat(Array.from({ length: depth }, () => request))));
  socket.on('data', (chunk: Buffer) => {
    if (answerLength === 0) answerLength = lengthOfAnswer(chunk.toString('latin1'));
    received += chunk.length;
    for (; received >= answerLength; received -= answerLength) {
      count.answers += 1;
      socket.write(request);
    }
  });
  socket.on('error', () => socket.destroy());
  return socket;
}

function lengthOfAnswer(text: string): number {
  return text.indexOf('\r\n\r\n') + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      serve: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '0.7' },
      bytes: { type: 'string', default: '170' },
      connections: { type: 'string', default: '16' },
      depth: { type: 'string', default: '1' },
    },
  });
  const way = WAYS.find((known) => known === values.serve);
  if (way !== undefined) {
    await serve(way);
    return;
  }
  const load = {
    bytes: Number(values.bytes),
    connections: Number(values.connections),
    depth: Number(values.depth),
    seconds: Number(values.seconds),
  };
  const results = new Map<Way, Measured[]>(WAYS.map((name) => [name, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const name of WAYS) results.get(name)?.push(await measure(name, load));
  }
  for (const [name, measured] of results) {
    const cpu = median(measured.map((one) => one.cpuMicroseconds));
    const rate = median(measured.map((one) => one.requestsPerSecond));
    console.log(
      `${name.padEnd(7)} ${cpu.toFixed(1).padStart(6)} us CPU/request ${rate.toFixed(0).padStart(7)} requests/s`,
    );
  }
}

await main();
