/**
 * Helpers to measure version 2: a broker on the same cores, and a watch on the files. A record counts when it is stored; a 202
 * only says that the broker has it.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startBrokerProcess, stopBrokerProcess } from '../test/support/broker-process.ts';
import { createClient } from '../test/support/client.ts';
import type { Service } from '../test/support/service.ts';
import { readMetric } from '../test/support/version2.ts';
import { median } from './statistics.ts';

export const CLIENTS = ['kafkajs', 'platformatic'] as const;
export const MESSAGE_FORMATS = ['ndjson', 'record'] as const;

export interface BenchBroker {
  readonly brokers: readonly string[];
  /** The process of a broker that this benchmark started, so that its CPU time is known. */
  readonly pid?: number;
  stop(): Promise<void>;
}

/** An empty broker in a new folder; KAFKA_BROKERS names a running one instead. */
export async function startBenchBroker(): Promise<BenchBroker> {
  const configured = process.env.KAFKA_BROKERS;
  if (configured !== undefined && configured !== '') {
    return { brokers: configured.split(','), stop: async () => undefined };
  }
  const dir = await mkdtemp(join(tmpdir(), 'logforge-bench-broker-'));
  const port = await freePort();
  const pid = await startBrokerProcess({ dir, port, properties: { 'log.segment.delete.delay.ms': '1000' } });
  return {
    brokers: [`127.0.0.1:${port}`],
    pid,
    stop: async () => {
      await stopBrokerProcess(dir, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** How long a probe waited to be stored, and when the wait began, Unix ms. */
interface Wait {
  readonly since: number;
  readonly ms: number;
}

/** How much was stored at a time. */
interface Sample {
  /** Unix ms. */
  readonly time: number;
  /** Of all hour files, without the file of the probes. */
  readonly bytes: number;
  /** CPU seconds of the service since its start. */
  readonly cpu: number;
  /** CPU seconds of the broker; 0 when this benchmark did not start it. */
  readonly brokerCpu: number;
}

export interface Stored {
  /** Records stored per second, from the start of the measured time to the last record. */
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  /** CPU seconds of the broker in the measured time; 0 when this benchmark did not start it. */
  readonly brokerCpuSeconds: number;
  /** From the end of the load until all was stored. */
  readonly drainSeconds: number;
  /** From the 202 of a probe, a record sent beside the load, until it is in its file. Its sync follows. */
  readonly toFileMs: { readonly p50: number; readonly p99: number };
  readonly probes: number;
}

const SAMPLE_MS = 20;
const PROBE_MS = 20;
const LOOK_MS = 2;
const DRAINED_WITHIN_MS = 120_000;
const PROBE_DAY = '2001-01-01';
const PROBE_TIME = `${PROBE_DAY}T00:00:00Z`;
/** Clock ticks a second in /proc: USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS = 100;

/** Watches a service from now on until `finish`. */
export function watchStoring(service: Service, broker: BenchBroker) {
  const samples: Sample[] = [];
  const waits: Wait[] = [];
  const stopping = new AbortController();
  const sampling = every(SAMPLE_MS, stopping.signal, async () => void samples.push(await takeSample(service, broker)));
  const probing = probe(service, waits, stopping.signal);

  return {
    /**
     * Waits until all accepted records are stored. `from`: when the measured time began, `to`: when the load ended,
     * Unix ms.
     */
    async finish({ from, to }: { readonly from: number; readonly to: number }): Promise<Stored> {
      const stored = await allStored(service);
      stopping.abort();
      await Promise.all([sampling, probing]);
      const first = samples.find(({ time }) => time >= from);
      const last = samples.find(({ bytes }) => bytes === samples.at(-1)?.bytes);
      if (first === undefined || last === undefined || last.time <= first.time) throw new Error('nothing was stored');
      const loaded = samples.findLast(({ time }) => time <= to) ?? last;
      const share = (last.bytes - first.bytes) / last.bytes;
      const records = (stored - waits.length) * share;
      // Earlier probes waited for the consumers to join the group.
      const inTime = waits.filter(({ since }) => since >= from);
      const measured = inTime.map(({ ms }) => ms).toSorted((a, b) => a - b);
      return {
        recordsPerSecond: (records / (last.time - first.time)) * 1000,
        cpuSecondsPerMillion: ((last.cpu - first.cpu) / records) * 1e6,
        brokerCpuSeconds: loaded.brokerCpu - first.brokerCpu,
        drainSeconds: Math.max(0, last.time - to) / 1000,
        toFileMs: { p50: median(measured), p99: measured[Math.ceil(measured.length * 0.99) - 1] ?? Number.NaN },
        probes: measured.length,
      };
    },
  };
}

async function takeSample({ dirs, pid }: Service, broker: BenchBroker): Promise<Sample> {
  let bytes = 0;
  for (const day of await readdir(dirs.logs)) {
    if (!/^\d{4}-/.test(day) || day === PROBE_DAY) continue;
    for (const name of await readdir(join(dirs.logs, day))) bytes += (await stat(join(dirs.logs, day, name))).size;
  }
  const brokerCpu = broker.pid === undefined ? 0 : readCpuSeconds(broker.pid);
  return { time: Date.now(), bytes, cpu: readCpuSeconds(pid), brokerCpu };
}

/** CPU seconds that a process has used, from fields 14 and 15 of /proc/<pid>/stat (proc_pid_stat(5)). */
function readCpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Sends one record after the other, and waits until each is in its file. Probes have their own hour, so that they are found fast. */
async function probe({ port, dirs }: Service, waits: Wait[], signal: AbortSignal): Promise<void> {
  const client = createClient(port, { connections: 1 });
  const path = join(dirs.logs, PROBE_DAY, '00.log.json');
  let sent = 0;
  await every(PROBE_MS, signal, async () => {
    const record = { timestamp: PROBE_TIME, path: '/probe', userAgent: 'probe' };
    const { status } = await client.post(JSON.stringify([record]));
    const answered = performance.now();
    const since = Date.now();
    if (status !== 202) return;
    const expected = (JSON.stringify(record).length + 1) * ++sent;
    while (((await readFile(path).catch(() => undefined))?.length ?? 0) < expected) {
      if (performance.now() - answered > DRAINED_WITHIN_MS) throw new Error('a probe was not stored');
      await sleep(LOOK_MS);
    }
    waits.push({ since, ms: performance.now() - answered });
  });
  client.close();
}

/** Waits until the number of stored records reaches the accepted ones. */
async function allStored(service: Service): Promise<number> {
  const total = async (name: string, labels = '') => (await readMetric(service, name)).get(labels) ?? 0;
  for (const deadline = Date.now() + DRAINED_WITHIN_MS; ; await sleep(SAMPLE_MS)) {
    const accepted = await total('logs_ingested_total');
    const stored = await total('logforge_records_total', '{outcome="stored"}');
    // The probes go on, so that some are always in flight.
    if (stored >= accepted - 1 && (await total('logforge_spool_batches')) === 0) return stored;
    if (Date.now() > deadline) throw new Error(`cannot measure: ${accepted} accepted, ${stored} stored`);
  }
}

async function every(ms: number, signal: AbortSignal, action: () => Promise<void>): Promise<void> {
  for (let due = Date.now(); !signal.aborted; due = Math.max(due + ms, Date.now())) {
    await sleep(due - Date.now());
    await action();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
