import { setMaxListeners } from 'node:events';
import { get } from 'node:http';
import { firstStatus, head, open, pause, repeat } from '../attack/wire.ts';
import { type Client, createClient } from '../support/client.ts';
import type { Random } from '../support/random.ts';
import type { SentBatches } from '../support/sent-batches.ts';
import type { Workload } from '../support/workload.ts';

/** What clients do all day beside the honest ones whose answers are measured (test/attack/honest.ts). */
export interface Traffic {
  /** Runs until the signal. All connections are closed then. */
  run(port: number, signal: AbortSignal): Promise<void>;
  /** Answers that were not as they should be. */
  problems(): readonly string[];
  /** How often each kind was done. */
  counts(): Readonly<Record<string, number>>;
}

const CLIENTS = 4;
/** Between two batches of a client: some 150 requests a second, which are half of what two busy cores can do beside the harness. */
const PAUSE_MS = 20;
const MAX_PROBLEMS = 20;
const SLOW_PARTS = 10;
const SLOW_PART_MS = 150;

/** Requests that must be refused, with their status. */
const REFUSED = [
  { body: 'not json', headers: {}, status: 400 },
  { body: '[{"timestamp":"yesterday","path":"/","userAgent":"a"}]', headers: {}, status: 400 },
  { body: '[{"path":"/"}]', headers: {}, status: 400 },
  { body: 'a', headers: { 'Content-Type': 'image/png' }, status: 415 },
  { body: 'a', headers: { 'Content-Encoding': 'gzip' }, status: 400 },
  { body: 'a', headers: { 'Content-Encoding': 'rot13' }, status: 415 },
] as const;

export function createTraffic(parts: {
  readonly workload: Workload;
  readonly sent: SentBatches;
  readonly random: Random;
  /** First of the hours that are written now, Unix ms. */
  readonly firstHour: () => number;
}): Traffic {
  const { workload, sent, random, firstHour } = parts;
  const problems: string[] = [];
  const counts: Record<string, number> = {};

  function expectStatus(what: string, status: string | number | undefined, ...allowed: readonly number[]): void {
    counts[what] = (counts[what] ?? 0) + 1;
    if (allowed.includes(Number(status)) || problems.length >= MAX_PROBLEMS) return;
    problems.push(`${what} was answered ${status ?? 'not at all'}, expected ${allowed.join(' or ')}`);
  }

  async function sendRefused(client: Client, draw: Random): Promise<void> {
    const { body, headers, status } = draw.pick(REFUSED);
    expectStatus('a bad request', (await client.post(body, headers)).status, status);
  }

  /** A whole batch, in parts over more than a second. */
  async function sendSlowly(port: number, signal: AbortSignal, draw: Random): Promise<void> {
    const size = draw.int(10, 100);
    const batch = sent.open(size, false);
    const timestamp = new Date(firstHour() + draw.int(0, 3_599_999)).toISOString();
    const records = Array.from({ length: size }, (_, i) => ({
      timestamp,
      path: '/slow',
      userAgent: 'slow',
      b: batch,
      i,
    }));
    const body = JSON.stringify(records);
    // A batch that was begun is sent to its end, also when the phase is over.
    const socket = await open({ port, signal: new AbortController().signal });
    if (socket === undefined) return expectStatus('a slow batch', 'no connection', 202);
    const answer = firstStatus(socket, 20_000);
    socket.write(head('POST /logs', { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }));
    const step = Math.ceil(body.length / SLOW_PARTS);
    for (let at = 0; at < body.length; at += step) {
      socket.write(body.slice(at, at + step));
      await pause(signal, SLOW_PART_MS);
    }
    const status = await answer;
    socket.destroy();
    sent.answered(batch, status === '202' ? 'acknowledged' : 'lost');
    expectStatus('a slow batch', status, 202, 503);
  }

  /** A head that never ends: 408 after server.headersTimeout. */
  async function sendHalfHead(port: number, signal: AbortSignal): Promise<void> {
    const socket = await open({ port, signal });
    if (socket === undefined) return;
    const answer = firstStatus(socket);
    socket.write('POST /logs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ');
    const status = await answer;
    socket.destroy();
    if (!signal.aborted) expectStatus('a half head', status, 408);
  }

  async function ask(client: Client, draw: Random): Promise<void> {
    const from = new Date(firstHour()).toISOString().slice(0, 13);
    const hour = new Date(firstHour() + draw.int(0, 23) * 3_600_000).toISOString().slice(0, 13);
    const to = new Date(firstHour() + 23 * 3_600_000).toISOString().slice(0, 13);
    const path = draw.pick([
      `/analytics?hour=${hour}`,
      `/analytics?from=${from}&to=${to}&top=10`,
      `/api/hours?from=${from}&to=${to}`,
      `/api/breakdown?from=${from}&to=${to}`,
      '/api/overview',
      '/ready',
      '/',
    ]);
    // An hour without a summary yet is 404.
    const allowed = path.startsWith('/analytics') ? [200, 404] : [200];
    expectStatus(`GET ${path.replace(/\?.*/, '')}`, (await client.get(path)).status, ...allowed);
  }

  /** Reads an event stream for a while, and hangs up. */
  async function watch(port: number, signal: AbortSignal, draw: Random): Promise<void> {
    const path = draw.pick(['/events', '/events/tail', '/events/tail?path=page', '/events/tail?q=i=1']);
    const { promise, resolve } = Promise.withResolvers<number>();
    const request = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume();
      response.on('error', () => {});
      resolve(response.statusCode ?? 0);
    });
    request.on('error', () => resolve(0));
    expectStatus(`GET ${path.replace(/\?.*/, '')}`, await promise, 200);
    await pause(signal, draw.int(50, 2_000));
    request.destroy();
  }

  return {
    async run(port, signal) {
      setMaxListeners(0, signal);
      const client = createClient(port, { connections: CLIENTS + 2 });
      const draws = Array.from({ length: 4 }, () => random.fork());
      const [refused = random, slow = random, asking = random, watching = random] = draws;
      await Promise.all([
        workload.run(client, { clients: CLIENTS, isOver: () => signal.aborted, pauseMs: PAUSE_MS }),
        repeat({ signal }, { everyMs: 100, atOnce: 2 }, () => sendRefused(client, refused)),
        repeat({ signal }, { everyMs: 500, atOnce: 4 }, () => sendSlowly(port, signal, slow)),
        repeat({ signal }, { everyMs: 1_000, atOnce: 2 }, () => sendHalfHead(port, signal)),
        repeat({ signal }, { everyMs: 150, atOnce: 2 }, () => ask(client, asking)),
        repeat({ signal }, { everyMs: 300, atOnce: 6 }, () => watch(port, signal, watching)),
      ]).finally(() => client.close());
    },
    problems: () => problems,
    counts: () => counts,
  };
}
