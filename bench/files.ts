import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ForwarderProcess, startForward } from '../test/support/forwarding.ts';
import { cleanEnv, type Dirs, makeDirs, removeDirs, type Service, startService } from '../test/support/service.ts';
import { readMetric } from '../test/support/version2.ts';
import { readCpuSeconds, residentBytes } from './processes.ts';
import { median } from './statistics.ts';

/*
 * Measures what reads log files, with the service that it sends to on the same two cores, which syncs each batch:
 *
 *   node bench/files.ts [--case replay|json|forward|latency|idle] [--lines 2000000] [--rounds 3]
 *
 * replay, json: `logforge replay --concurrency 4` of lines of the combined format, and of JSON with a map. forward: `logforge forward` of a file
 * that is there. latency: from the append of a line to the moment when it is stored, at 10,000 lines a second. idle: memory and CPU of a
 * forwarder of 10,000 files of which none grows.
 */
const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: ['replay', 'json', 'forward', 'latency', 'idle'] },
    lines: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
  },
});
const LINES = Number(values.lines);
const ROUNDS = Number(values.rounds);
/** As users start it: it sets what the processes have of memory and threads. */
const COMMAND = join(import.meta.dirname, '../bin/logforge');
const IDLE_FILES = 10_000;
const IDLE_SECONDS = 30;
const MIB = 1024 * 1024;
const MAP =
  'timestamp=ts,path=request.uri,userAgent=request.headers.User-Agent[0],status=status,client=request.remote_ip';

const time = (i: number) => new Date(Date.UTC(2026, 2, 5, 10) + i * 2);

const CASES: Readonly<Record<string, () => Promise<void>>> = {
  replay: () => measureReplay('replay, combined', combinedLine, []),
  json: () => measureReplay('replay, JSON with a map', jsonLine, ['--map', MAP]),
  forward: measureForward,
  latency: measureLatency,
  idle: measureIdle,
};

for (const name of values.case) {
  const measure = CASES[name];
  if (measure === undefined) throw new Error(`there is no case ${name}; there are ${Object.keys(CASES).join(', ')}`);
  await measure();
}

function combinedLine(i: number): string {
  const [, day, month, year, clock] = /, (\d\d) (\w+) (\d+) ([\d:]+)/.exec(time(i).toUTCString()) ?? [];
  return `192.0.2.${i % 250} - - [${day}/${month}/${year}:${clock} +0000] "GET /presentations/images/${i % 5_000}.png HTTP/1.1" 200 ${i % 90_000} "http://www.example.com/page/${i % 700}" "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0"\n`;
}

function jsonLine(i: number): string {
  return `{"level":"info","ts":${time(i).getTime() / 1_000},"request":{"remote_ip":"192.0.2.${i % 250}","method":"GET","host":"example.com","uri":"/presentations/images/${i % 5_000}.png","headers":{"User-Agent":["Mozilla/5.0 (X11; Linux x86_64; rv:124.0)"]}},"duration":0.0013,"size":${i % 90_000},"status":200}\n`;
}

function writeLog(path: string, lineOf: (i: number) => string, lines: number): void {
  writeFileSync(path, '');
  for (let from = 0; from < lines; from += 10_000) {
    appendFileSync(path, Array.from({ length: Math.min(10_000, lines - from) }, (_, i) => lineOf(from + i)).join(''));
  }
}

async function measureReplay(name: string, lineOf: (i: number) => string, args: readonly string[]): Promise<void> {
  const rates: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await withService(async (service, dirs) => {
      const log = join(dirs.root, 'log');
      writeLog(log, lineOf, LINES);
      const words = ['replay', '--url', service.url, '--concurrency', '4', ...args, log];
      const started = performance.now();
      const child = spawn(COMMAND, words, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'] });
      child.stdout.on('data', (text: Buffer) => process.stderr.write(text));
      let seconds = 0;
      const reading = setInterval(() => {
        if (child.exitCode === null) seconds = readCpuSeconds(child.pid ?? 0);
      }, 50);
      await once(child, 'exit');
      clearInterval(reading);
      rates.push(LINES / ((performance.now() - started) / 1_000));
      cpu.push(seconds / (LINES / 1e6));
    });
  }
  row(name, rates, 'lines/s');
  row(`${name}: CPU of the command`, cpu, 's a million lines');
}

async function measureForward(): Promise<void> {
  const rates: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await withService(async (service, dirs) => {
      const log = join(dirs.root, 'log');
      writeLog(log, combinedLine, LINES);
      const started = performance.now();
      await withForwarder([service.url, log], dirs, async ({ child }) => {
        await untilStored(service, LINES);
        rates.push(LINES / ((performance.now() - started) / 1_000));
        cpu.push(readCpuSeconds(child.pid ?? 0) / (LINES / 1e6));
      });
    });
  }
  row('forward, combined', rates, 'lines/s');
  row('forward, combined: CPU of the forwarder', cpu, 's a million lines');
}

/** 100 lines are appended each 10 ms; the last of them is looked for in the file of its hour. */
async function measureLatency(): Promise<void> {
  await withService(async (service, dirs) => {
    const log = join(dirs.root, 'log');
    writeFileSync(log, '');
    await withForwarder([service.url, log], dirs, async () => {
      const latencies: number[] = [];
      let written = 0;
      const pending: { readonly lines: number; readonly at: number }[] = [];
      const ends = performance.now() + 20_000;
      const looking = look(service, pending, latencies, () => performance.now() < ends + 2_000);
      for (let next = performance.now(); next < ends; next += 10) {
        appendFileSync(log, Array.from({ length: 100 }, (_, i) => combinedLine(written + i)).join(''));
        written += 100;
        pending.push({ lines: written, at: performance.now() });
        await pause(Math.max(0, next + 10 - performance.now()));
      }
      await looking;
      latencies.sort((a, b) => a - b);
      const quantile = (q: number) => (latencies[Math.floor(latencies.length * q)] ?? Number.NaN).toFixed(1);
      console.log(
        `forward, from append to stored: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms of ${latencies.length}`,
      );
    });
  });
}

async function look(
  service: Service,
  pending: { readonly lines: number; readonly at: number }[],
  latencies: number[],
  isOn: () => boolean,
): Promise<void> {
  while (isOn()) {
    const stored = await storedRecords(service);
    const now = performance.now();
    while (pending[0] !== undefined && pending[0].lines <= stored) latencies.push(now - (pending.shift()?.at ?? now));
    await pause(5);
  }
}

async function measureIdle(): Promise<void> {
  await withService(async (service, dirs) => {
    const folder = join(dirs.root, 'many');
    for (let i = 0; i < IDLE_FILES; i++) {
      const within = join(folder, String(i % 100));
      if (i < 100) mkdirSync(within, { recursive: true });
      writeFileSync(join(within, `${i}.log`), combinedLine(i));
    }
    await withForwarder([service.url, join(folder, '*/*.log')], dirs, async ({ child }) => {
      const pid = child.pid ?? 0;
      await untilStored(service, IDLE_FILES);
      await pause(15_000);
      const before = readCpuSeconds(pid);
      await pause(IDLE_SECONDS * 1_000);
      const share = ((readCpuSeconds(pid) - before) / IDLE_SECONDS) * 100;
      console.log(
        `forward, ${IDLE_FILES} idle files: ${share.toFixed(2)} % CPU, ${(residentBytes(pid) / MIB).toFixed(0)} MiB`,
      );
    });
  });
}

async function withService(work: (service: Service, dirs: Dirs) => Promise<void>): Promise<void> {
  const dirs = await makeDirs('logforge-bench-');
  const service = await startService({ dirs });
  try {
    await work(service, dirs);
  } finally {
    await service.stop();
    await removeDirs(dirs);
  }
}

async function withForwarder(
  args: readonly string[],
  dirs: Dirs,
  work: (forwarder: ForwarderProcess) => Promise<void>,
): Promise<void> {
  const words = ['--checkpoint', join(dirs.root, 'checkpoint'), ...args];
  const forwarder = await startForward(words, { cwd: dirs.root, command: COMMAND });
  try {
    await work(forwarder);
  } finally {
    await forwarder.stop();
  }
}

async function storedRecords(service: Service): Promise<number> {
  return (await readMetric(service, 'logforge_records_total')).get('{outcome="stored"}') ?? 0;
}

async function untilStored(service: Service, records: number): Promise<void> {
  while ((await storedRecords(service)) < records) await pause(10);
}

function row(name: string, results: readonly number[], unit: string): void {
  const write = (value: number) => (value < 1_000 ? value.toFixed(2) : String(Math.round(value)));
  const range = `${write(Math.min(...results))} to ${write(Math.max(...results))}`;
  console.log(name.padEnd(44), `${write(median(results))} ${unit} (${range})`);
}
