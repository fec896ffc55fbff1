/**
 * `make recovery GB=10`: how long a start takes after kill -9 under load, with GB gigabytes of history and with 0.1 in turn. A start should
 * cost what is new, and nothing for what is old.
 *
 *   node bench/recovery.ts [--gb 10] [--runs 5] [--dir PATH] [--out PATH]
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readProcess } from '../test/attack/process-memory.ts';
import { inBatches, makeRecords, toNdjson } from '../test/support/access-records.ts';
import { type Client, createClient } from '../test/support/client.ts';
import { runLogforge } from '../test/support/run.ts';
import {
  type Dirs,
  launch,
  makeDirs,
  removeDirs,
  type Service,
  serviceEnv,
  startService,
  waitForAddress,
} from '../test/support/service.ts';
import { readSummaries } from '../test/support/storage.ts';
import { readMetric } from '../test/support/version2.ts';
import { runLoad } from './load.ts';
import { median } from './statistics.ts';
import { makeRequests } from './workload.ts';

const { values: flags } = parseArgs({
  options: {
    gb: { type: 'string', default: '10' },
    runs: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
    out: { type: 'string', default: '' },
  },
});
const SMALL_GB = 0.1;
const HOUR_MS = 3_600_000;
const HOUR_BYTES = 25e6;
/** Idempotency keys belong to history, too: some for each gigabyte. */
const KEYS_A_GB = 10_000;
const KEYED_CLIENTS = 64;
/** The load goes to the newest hours of the history, as late records do, and to the present one. */
const LOADED_HOURS = 4;
const LOADED_RECORDS = 200_000;
const LOAD_BATCH = 100;
/** A second, on a fixed schedule. */
const LOAD_REQUESTS = 500;
const POLL_MS = 2;
const ENV = { LOGFORGE_AGGREGATION_INTERVAL: '1s', LOGFORGE_LOGGING_LEVEL: 'info' };
/** The prefix of a stored line up to the hour: `{"timestamp":"2015-05-17T10`. */
const TIMESTAMP_AT = '{"timestamp":"'.length;
const HOUR_LENGTH = '2015-05-17T10'.length;

interface History {
  readonly name: string;
  readonly dirs: Dirs;
  readonly bytes: number;
  readonly hours: number;
  readonly keys: number;
}

/** Milliseconds from the start of the process, and MB. */
interface Recovery {
  readonly listening: number;
  readonly ready: number;
  readonly first202: number;
  /** The journal is replayed and each summary is up to date. */
  readonly caughtUp: number;
  /** Seconds of the process until then: they depend less on what else runs on the machine. */
  readonly cpu: number;
  readonly readyMemory: number;
  readonly peakMemory: number;
  readonly journal: number;
}

const COLUMNS: readonly (readonly [key: keyof Recovery, title: string, unit: string])[] = [
  ['listening', 'listening', 'ms'],
  ['ready', 'GET /ready 200', 'ms'],
  ['first202', 'first 202', 'ms'],
  ['caughtUp', 'caught up', 'ms'],
  ['cpu', 'CPU until then', 's'],
  ['readyMemory', 'memory when ready', 'MB'],
  ['peakMemory', 'peak memory', 'MB'],
  ['journal', 'journal to read', 'MB'],
];

/** `2015-05-17T10` */
function hourName(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString().slice(0, HOUR_LENGTH);
}

/** Writes one hour through the service, copies it to the hours before, and has the summaries counted while the service is stopped. */
async function makeHistory(gb: number, lastHour: number): Promise<History> {
  const dirs = await makeDirs(`logforge-recovery-${gb}-`, flags.dir);
  const keys = Math.round(gb * KEYS_A_GB);
  const service = await startService({ dirs, env: ENV });
  try {
    await writeHour(service, lastHour);
    await writeKeys(service, keys, lastHour);
  } finally {
    await stopWell(service);
  }
  const [day = '', number = ''] = hourName(lastHour).split('T');
  const source = await readFile(join(dirs.logs, day, `${number}.log.json`));
  const hours = Math.max(LOADED_HOURS, Math.round((gb * 1e9) / source.length));
  for (let i = 1; i < hours; i++) await copyHour(dirs, source, hourName(lastHour - i));
  const counted = await runLogforge(['aggregate', '--all'], { env: serviceEnv(dirs) });
  if (counted.code !== 0) throw new Error(`cannot count the summaries: ${counted.stderr}`);
  const summaries = (await readSummaries(dirs)).size;
  if (summaries !== hours) throw new Error(`cannot make the history: ${summaries} summaries of ${hours} hours`);
  return { name: `${gb} GB`, dirs, bytes: source.length * hours, hours, keys };
}

async function writeHour(service: Service, hour: number): Promise<void> {
  const client = createClient(service.port, { connections: 4 });
  let bytes = 0;
  for (let seed = 1; bytes < HOUR_BYTES; seed++) {
    for (const records of inBatches(makeRecords(20_000, { lastHour: hour, seed }), 5_000)) {
      const body = toNdjson(records);
      await mustAccept(client, body, {});
      bytes += body.length;
    }
  }
  client.close();
}

async function writeKeys(service: Service, keys: number, hour: number): Promise<void> {
  const client = createClient(service.port, { connections: KEYED_CLIENTS });
  const body = toNdjson(makeRecords(1, { lastHour: hour }));
  let next = 0;
  const work = async () => {
    while (next < keys) await mustAccept(client, body, { 'Idempotency-Key': `recovery-${next++}` });
  };
  await Promise.all(Array.from({ length: KEYED_CLIENTS }, work));
  client.close();
}

async function mustAccept(client: Client, body: Buffer, headers: Record<string, string>): Promise<void> {
  const answer = await client.post(body, { 'Content-Type': 'application/x-ndjson', ...headers });
  if (answer.status !== 202) throw new Error(`cannot make the history: ${answer.status} ${answer.body}`);
}

/** The lines of `source` with the timestamps of another hour. */
async function copyHour(dirs: Dirs, source: Buffer, hour: string): Promise<void> {
  const copy = Buffer.from(source);
  for (let at = 0; at < copy.length; at = copy.indexOf(10, at) + 1) copy.write(hour, at + TIMESTAMP_AT, 'latin1');
  const [day = '', number = ''] = hour.split('T');
  await mkdir(join(dirs.logs, day), { recursive: true });
  await writeFile(join(dirs.logs, day, `${number}.log.json`), copy);
}

async function stopWell(service: Service): Promise<void> {
  const { code, signal } = await service.stop();
  if (code !== 0) throw new Error(`the service ended with ${code ?? signal}:\n${service.logs().slice(-2_000)}`);
}

/** Kills the service under load after as many records each time, starts it, and waits until all is as it was. */
async function recover({ dirs }: History, requests: readonly Buffer[]): Promise<Recovery> {
  const journal = await killUnderLoad(dirs, requests);
  const began = performance.now();
  const since = () => performance.now() - began;
  const launched = launch({ dirs, env: ENV });
  try {
    const address = await waitForAddress(launched);
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    const listening = since();
    const client = createClient(port, { connections: 2 });
    const url = `http://127.0.0.1:${port}`;
    await until(async () => (await client.get('/ready')).status === 200);
    const ready = since();
    const pid = launched.child.pid ?? 0;
    const readyMemory = readMemory(pid, 'VmRSS');
    const body = toNdjson(makeRecords(10));
    await until(async () => (await client.post(body, { 'Content-Type': 'application/x-ndjson' })).status === 202);
    const first202 = since();
    const metric = async (name: string) => (await readMetric({ url }, name)).get('') ?? 0;
    await until(
      async () =>
        (await metric('aggregation_runs_total')) > 0 && (await metric('logforge_aggregation_lag_bytes')) === 0,
      20,
    );
    const caughtUp = since();
    const cpu = (await readProcess(pid)).cpuSeconds;
    const peakMemory = readMemory(pid, 'VmHWM');
    const damage = await metric('logforge_storage_damage_total');
    if (damage > 0) throw new Error(`the start found damage: logforge_storage_damage_total is ${damage}`);
    client.close();
    return { listening, ready, first202, caughtUp, cpu, readyMemory, peakMemory, journal };
  } finally {
    launched.child.kill('SIGTERM');
    await launched.exited;
  }
}

/** Resolves with the MB of journal that the kill left. */
async function killUnderLoad(dirs: Dirs, requests: readonly Buffer[]): Promise<number> {
  const service = await startService({ dirs, env: ENV });
  const options = { port: service.port, connections: 16, pipelining: 16, warmUpMs: 0, durationMs: 120_000 };
  let isKilled = false;
  const load = runLoad(requests, { ...options, requestsPerSecond: LOAD_REQUESTS }).catch((error: unknown) => {
    if (!isKilled) throw error;
  });
  const reach = until(
    async () => ((await readMetric(service, 'logs_ingested_total')).get('') ?? 0) >= LOADED_RECORDS,
    20,
  );
  await Promise.race([reach, load]);
  const journal = ((await readMetric(service, 'logforge_journal_bytes')).get('') ?? 0) / 1e6;
  isKilled = true;
  await service.stop('SIGKILL');
  await load;
  return journal;
}

async function until(isTrue: () => Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  for (const deadline = Date.now() + 120_000; !(await isTrue()); await sleep(pollMs)) {
    if (Date.now() > deadline) throw new Error('cannot measure: not reached within two minutes');
  }
}

/** MB. Source: proc(5), /proc/PID/status. */
function readMemory(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  return (
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1000
  );
}

function render(histories: readonly History[], measured: ReadonlyMap<History, readonly Recovery[]>): string {
  const rows = COLUMNS.map(([key, title, unit]) => {
    const cells = histories.map((history) => {
      const values = (measured.get(history) ?? []).map((recovery) => recovery[key]);
      const [low, high] = [Math.min(...values), Math.max(...values)].map(figure);
      return `${figure(median(values))} ${unit} (${low} to ${high})`;
    });
    return [title, ...cells];
  });
  const table = [['after kill -9', ...histories.map(({ name }) => name)], ...rows];
  return table
    .map((row) =>
      row
        .map((text, i) => text.padEnd(i === 0 ? 18 : 28))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

function figure(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0);
}

const lastHour = Math.floor(Date.now() / HOUR_MS) - 1;
const requests = makeRequests({
  stream: 'access',
  batch: LOAD_BATCH,
  format: 'json',
  encoding: 'plain',
  hours: LOADED_HOURS,
});
const histories: History[] = [];
try {
  for (const gb of [Number(flags.gb), SMALL_GB]) {
    const history = await makeHistory(gb, lastHour);
    histories.push(history);
    console.log(
      `${history.name}: ${(history.bytes / 1e9).toFixed(2)} GB in ${history.hours} hours, ${history.keys} keys`,
    );
  }
  // What was written just now must not be flushed while the starts are measured.
  spawnSync('sync');
  const measured = new Map<History, Recovery[]>(histories.map((history) => [history, []]));
  for (let run = 1; run <= Number(flags.runs); run++) {
    for (const history of histories) {
      const recovery = await recover(history, requests);
      measured.get(history)?.push(recovery);
      const figures = COLUMNS.map(([key, title, unit]) => `${title} ${figure(recovery[key])} ${unit}`).join(', ');
      console.log(`run ${run}, ${history.name}: ${figures}`);
    }
  }
  console.log(`\n${render(histories, measured)}`);
  const machine = `${cpus().length} × ${cpus()[0]?.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  console.log(`\nmedian (least to most) of ${flags.runs} starts in turn, on ${machine}; files in the page cache`);
  const runs = histories.map((history) => ({ ...history, dirs: undefined, runs: measured.get(history) }));
  if (flags.out !== '') await writeFile(flags.out, JSON.stringify({ machine, histories: runs }, undefined, 2));
} finally {
  for (const { dirs } of histories) await removeDirs(dirs);
}
