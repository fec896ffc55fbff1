import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startService } from '../../src/app/app.ts';
import type { Core } from '../../src/app/http-worker.ts';
import { createHttpWorkers } from '../../src/app/http-workers.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Receipt } from '../../src/model/deliver.ts';
import { FirstHours } from '../../src/model/first-hours.ts';
import { createClient, openSocket } from '../support/client.ts';
import { createTestLog } from '../support/queues.ts';
import { createMemoryRegistry } from '../support/registry.ts';
import { makeDirs, removeDirs, serviceEnv } from '../support/service.ts';
import { eventually, readRecords } from '../support/storage.ts';

/** The threads that read requests, in the order of their start. */
let threads: Worker[] = [];
const note = (worker: Worker): void => {
  if (worker.threadName === 'http-worker') threads.push(worker);
};
beforeEach(() => {
  threads = [];
  process.on('worker', note);
});
afterEach(() => void process.off('worker', note));

const BUILD = { version: '1.0.0', commit: '', buildDate: '', node: process.version };
const BATCH = 20;

function body(id: number): string {
  const record = { timestamp: '2015-05-17T10:00:00Z', path: '/', userAgent: 'a', id };
  return JSON.stringify(Array.from({ length: BATCH }, (_, i) => ({ ...record, i })));
}

/** The service in this process, so that its threads can be got at. */
async function start(env: Readonly<Record<string, string>> = {}) {
  const dirs = await makeDirs();
  const two = { LOGFORGE_SERVER_THREADS: '2', LOGFORGE_SERVER_ADDR: '127.0.0.1:0', LOGFORGE_LOGGING_LEVEL: 'fatal' };
  const { config } = loadConfig({ env: serviceEnv(dirs, { ...two, ...env }) });
  const log = createTestLog();
  const service = await startService({ config, build: BUILD, log });
  let stopping: Promise<boolean> | undefined;
  const stop = () => {
    stopping ??= service.stop(10_000);
    return stopping;
  };
  onTestFinished(async () => {
    await stop();
    await removeDirs(dirs);
  });
  return { dirs, log, port: Number(service.addr.split(':')[1]), stop };
}

const unused = () => Promise.reject(new Error('unused'));

/** What only ever grows on GET /metrics. */
async function readCounters(port: number): Promise<Map<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: 'close' } });
  const text = await answer.text();
  const growing = new Set([...text.matchAll(/^# TYPE (\w+) (?:counter|histogram)$/gm)].map(([, name]) => name));
  const samples = [...text.matchAll(/^((\w+?)(?:_bucket|_count|_sum)?(?:\{[^}]*\})?) (\S+)$/gm)];
  const grown = samples.filter(([, , name = '']) => growing.has(name));
  return new Map(grown.map(([, sample = '', , value]) => [sample, Number(value)]));
}

/** Two threads in front of a store that is in the hands of the test. */
async function startBefore(deliver: Core['deliver']) {
  const { config } = loadConfig({
    env: { LOGFORGE_SERVER_THREADS: '2', LOGFORGE_SERVER_ADDR: '127.0.0.1:0', LOGFORGE_LOGGING_LEVEL: 'fatal' },
  });
  const log = createTestLog();
  const schemaStore = createMemoryRegistry();
  const core: Core = {
    deliver,
    checkReadiness: async () => ({}),
    analytics: { ask: unused, breakdown: unused, series: unused },
    aggregate: unused,
    records: { open: unused, next: unused, close: unused },
    lineStore: undefined,
    hourTotals: { totals: async () => [], latest: async () => undefined },
    diskUse: unused,
    live: { snapshot: unused, subscribe: () => () => undefined, tail: () => () => undefined },
    metricsText: async () => '',
    serviceStats: unused,
    streamTotals: async () => new Map(),
    registry: schemaStore.registry,
    schemas: schemaStore.table,
    firstHours: new FirstHours(['access', 'events']),
  };
  const workers = createHttpWorkers({ config, version: { ...BUILD, pipeline: 1 }, log, schemaStore });
  const listening = await workers.start(core);
  onTestFinished(() => workers.close({ graceMs: 0 }));
  return { log, ...workers, ...listening };
}

describe('an HTTP worker', () => {
  it('is replaced when it dies under load: nothing acknowledged is lost, no batch is there in part or twice', async () => {
    const { dirs, log, port, stop } = await start();
    const client = createClient(port, { connections: 24 });
    const outcomes = new Map<number, number>();
    let nextId = 0;
    let isOver = false;
    const work = async () => {
      while (!isOver) {
        const id = nextId++;
        outcomes.set(id, (await client.post(body(id))).status);
      }
    };
    const load = Promise.all(Array.from({ length: 24 }, work));
    const more = async (count: number) => {
      const goal = outcomes.size + count;
      await eventually(() => expect(outcomes.size).toBeGreaterThan(goal));
    };
    await more(200);
    const firstDeath = nextId;
    const before = await readCounters(port);
    expect(before.get('log_batches_received_total')).toBeGreaterThan(0);
    await threads[0]?.terminate();
    await eventually(() => expect(threads).toHaveLength(3));
    const after = await readCounters(port);
    expect([...before].filter(([sample, value]) => (after.get(sample) ?? 0) < value)).toEqual([]);
    await more(200);
    await threads[1]?.terminate();
    await eventually(() => expect(threads).toHaveLength(4));
    await more(200);
    isOver = true;
    await load;
    client.close();
    expect(log.entries.filter((line) => line.includes('starting another'))).toHaveLength(2);
    expect(await stop()).toBe(true);

    const stored = new Map<unknown, number>();
    for (const { id } of await readRecords(dirs)) stored.set(id, (stored.get(id) ?? 0) + 1);
    const acknowledged = [...outcomes].filter(([, status]) => status === 202);
    expect(acknowledged.filter(([id]) => stored.get(id) !== BATCH)).toEqual([]);
    expect([...stored.values()].filter((records) => records !== BATCH)).toEqual([]);
    expect([...outcomes.values()].filter((status) => ![202, 503, 0].includes(status))).toEqual([]);
    // A thread is not all there is: the others went on. How many connections the kernel still hands to a thread while it
    // dies, to be cut with it, depends on how busy the machine is.
    expect(acknowledged.filter(([id]) => id >= firstDeath).length).toBeGreaterThan(100);
  });

  it('that fails answers the requests that it has, 503 to new ones, and is replaced', async () => {
    const held = Promise.withResolvers<Receipt>();
    const waiting: unknown[] = [];
    const { log, port } = await startBefore((batch) => {
      waiting.push(batch);
      return held.promise;
    });
    // As many connections as it takes for the kernel to give some to each.
    const open = () => Promise.all(Array.from({ length: 24 }, () => openSocket(port)));
    const connections = await open();
    const idle = await open();
    const text = '[{"timestamp":"2015-05-17T10:00:00Z","path":"/","userAgent":"a"}]';
    const head = 'POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json';
    const post = `${head}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    for (const { socket } of connections) socket.write(post);
    await eventually(() => expect(waiting).toHaveLength(connections.length));

    // No message of ours: the thread throws where it reads it.
    threads[0]?.postMessage(null);
    await eventually(() => {
      for (const { socket } of idle) if (socket.writable) socket.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
      expect(idle.some(({ received }) => received().includes('HTTP/1.1 503 '))).toBe(true);
    });
    for (const { socket } of connections) socket.write(post);
    await eventually(() => expect(waiting.length).toBeGreaterThan(connections.length));
    held.resolve({ durability: 'disk' });
    const answers = () =>
      connections.map(({ received }) => (received().match(/HTTP\/1.1 \d+|Connection: close/g) ?? []).join());
    // The last is what a client gets whose second request had not been read when the first was answered.
    const whole = [
      'HTTP/1.1 202,HTTP/1.1 202',
      'HTTP/1.1 202,HTTP/1.1 503,Connection: close',
      'HTTP/1.1 202,Connection: close',
    ];
    await eventually(() => expect(answers().filter((answer) => !whole.includes(answer))).toEqual([]));
    expect(new Set(answers()).size).toBeGreaterThan(1);
    await eventually(() => expect(threads).toHaveLength(3));
    expect(log.entries.join('\n')).toContain('an HTTP worker ended unexpectedly; starting another');
    for (const { socket } of [...connections, ...idle]) socket.destroy();
  });
});
