import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readProcess } from '../attack/process-memory.ts';
import { type Client, createClient } from '../support/client.ts';
import type { Dirs, Service } from '../support/service.ts';
import type { Phase } from './plan.ts';

/** One reading of the service, once a second. Sizes in MB. */
export interface Sample {
  /** Since the soak began. */
  readonly seconds: number;
  readonly stretch: number;
  /** Counted over the whole soak. */
  readonly cycle: number;
  readonly phase: Phase;
  readonly secondsInPhase: number;
  readonly secondsInStretch: number;
  readonly rss: number;
  readonly heapUsed: number;
  /** Buffers and other memory beside the heap. */
  readonly external: number;
  readonly descriptors: number;
  readonly openHourFiles: number;
  readonly threads: number;
  /** Connections of clients, without the one of this sampler. */
  readonly connections: number;
  readonly eventLoopP99Ms: number;
  readonly healthMs: number;
  readonly journal: number;
  readonly keys: number;
  readonly answers: number;
  readonly spool: number;
  /** Everything in the state folder. */
  readonly state: number;
  readonly logs: number;
  readonly idempotencyKeys: number;
}

/** What the figures of GET /metrics are called there, and here. Each must be 0 while nobody sends. */
export const GAUGES_AT_REST = [
  'logforge_records_in_flight',
  'logforge_http_in_flight_bytes',
  'ingestion_work_queue_depth',
  'logforge_queue_waiting_batches',
  'logforge_spool_batches',
  'logforge_http_event_streams',
  'logforge_records_unaccounted',
] as const;

/** Where the soak is. It moves on while the sampler runs. */
export interface Place {
  readonly stretch: number;
  readonly cycle: number;
  readonly phase: Phase;
  /** performance.now() at the begin of each. */
  readonly phaseBegan: number;
  readonly stretchBegan: number;
}

const EVERY_MS = 1_000;
const MEGABYTE = 1e6;

/** Samples a service until `stop`, which rejects when the service could not be sampled. */
export function startSampler(options: {
  readonly service: Service;
  /** performance.now() at the begin of the soak. */
  readonly began: number;
  readonly place: () => Place;
  readonly onSample: (sample: Sample) => void;
}): { stop(): Promise<void> } {
  const { service, began, place, onSample } = options;
  const client = createClient(service.port, { connections: 1 });
  const stopping = new AbortController();
  const loop = async () => {
    for (let due = performance.now(); !stopping.signal.aborted; due = Math.max(due + EVERY_MS, performance.now())) {
      await pauseUntil(due, stopping.signal);
      if (stopping.signal.aborted) return;
      const at = performance.now();
      const here = place();
      onSample({
        seconds: (at - began) / 1000,
        stretch: here.stretch,
        cycle: here.cycle,
        phase: here.phase,
        secondsInPhase: (at - here.phaseBegan) / 1000,
        secondsInStretch: (at - here.stretchBegan) / 1000,
        ...(await readService(service, client)),
      });
    }
  };
  const running = loop();
  // Reported by stop.
  running.catch(() => {});
  return {
    stop: async () => {
      stopping.abort();
      await running;
      client.close();
    },
  };
}

async function pauseUntil(due: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, due - performance.now()));
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}

async function readService({ pid, port, dirs }: Service, client: Client) {
  const asked = performance.now();
  const health = await client.get('/health');
  const healthMs = performance.now() - asked;
  const { status, body } = await client.get('/metrics');
  if (health.status !== 200 || status !== 200) {
    throw new Error(`cannot sample: GET /health answers ${health.status}, GET /metrics ${status}`);
  }
  const [memory, descriptors, threads, connections, disk] = await Promise.all([
    readProcess(pid),
    readdir(`/proc/${pid}/fd`).then((names) => names.length),
    readdir(`/proc/${pid}/task`).then((names) => names.length),
    countConnections(pid, port),
    readDisk(dirs),
  ]);
  return {
    rss: memory.megabytes,
    heapUsed: sumOf(body, 'nodejs_heap_size_used_bytes') / MEGABYTE,
    external: sumOf(body, 'nodejs_external_memory_bytes') / MEGABYTE,
    descriptors,
    openHourFiles: sumOf(body, 'logforge_open_hour_files'),
    threads,
    connections: connections - 1,
    eventLoopP99Ms: sumOf(body, 'nodejs_eventloop_lag_p99_seconds') * 1000,
    healthMs,
    idempotencyKeys: sumOf(body, 'logforge_idempotency_keys'),
    ...disk,
  };
}

/** The sum of the samples of a metric; 0 when it has none. */
export function sumOf(metrics: string, name: string): number {
  let sum = 0;
  for (const match of metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))) sum += Number(match[1]);
  return sum;
}

/** Established connections that the service accepted. Source: proc_net_tcp, state 01, the address in hexadecimal. */
export async function countConnections(pid: number, port: number): Promise<number> {
  const table = await readFile(`/proc/${pid}/net/tcp`, 'utf8');
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return table.split('\n').filter((row) => row.slice(0, 22).includes(local) && / 01 /.test(row.slice(30, 40))).length;
}

async function readDisk(dirs: Dirs) {
  const state = await sizes(dirs.state);
  const sum = (belongs: (name: string) => boolean) =>
    state.reduce((total, [name, bytes]) => total + (belongs(name) ? bytes : 0), 0) / MEGABYTE;
  const logs = await sizes(dirs.logs);
  return {
    journal: sum((name) => name.startsWith('journal-')),
    keys: sum((name) => name.startsWith('keys-')),
    answers: sum((name) => name.startsWith('answers-')),
    spool: sum((name) => name.includes('spool')),
    state: sum(() => true),
    logs: logs.reduce((total, [, bytes]) => total + bytes, 0) / MEGABYTE,
  };
}

/** Every file below a folder, by its name from there. */
async function sizes(folder: string): Promise<[name: string, bytes: number][]> {
  const found: [string, number][] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    // It may be deleted by now.
    const size = await stat(path).then(
      (status) => status.size,
      () => 0,
    );
    found.push([path.slice(folder.length + 1), size]);
  }
  return found;
}
