/**
 * `make bench`: starts the real service, drives it with the load generator, prints a table and writes
 * bench/results/<date>.json. Each row is the median of interleaved runs, each against a new service on an empty disk.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { makeDirs, removeDirs, type ServiceOptions, startService } from '../test/support/service.ts';
import { createStream, startVersion2, withAdmin } from '../test/support/version2.ts';
import type { GeneratorInput, GeneratorOutput } from './generator.ts';
import { median } from './statistics.ts';
import { type BenchBroker, CLIENTS, MESSAGE_FORMATS, type Stored, startBenchBroker, watchStoring } from './version2.ts';
import { ENCODINGS, FORMATS, type Workload } from './workload.ts';

const DURABILITIES = ['disk', 'os'] as const;

/** One row of the table. */
interface Cell extends Workload {
  readonly durability: (typeof DURABILITIES)[number];
  readonly threads: number;
  /** Records a second on a fixed schedule; as fast as answers come when absent. */
  readonly rate?: number;
  readonly version: 1 | 2;
  /** Version 2 only. */
  readonly client?: (typeof CLIENTS)[number];
  readonly kafkaFormat?: (typeof MESSAGE_FORMATS)[number];
}

interface Run extends GeneratorOutput {
  /** In version 2: stored ones, and CPU seconds of all that the service does until they are. */
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMegabytes: number;
  /** Version 2 only. */
  readonly stored?: Stored;
}

const USAGE = `Usage: node bench/suite.ts [OPTIONS]

  --full                 every combination, not only the rows that tell most
  --batch 100,1000       only these batch sizes          --format json,csv      only these formats
  --encoding plain,gzip  only these encodings            --hours 1,84           only these spreads
  --durability disk,os   only these                      --threads 1,2          only these
  --version 1,2          only these                      --client kafkajs        only these drivers of version 2
  --kafka-format record  only these kinds of messages
  --rate 100000          records a second on a fixed schedule, in place of as fast as it goes
  --runs 5               interleaved runs of each row    --seconds 2            measured time of a run
  --warm-up 1.5          seconds before it               --connections 16       connections
  --pipelining 1         requests outstanding on each    --ceiling              the generator alone, against a server
  --spin                 the generator does not sleep                           that does nothing
  --dir PATH             where the data lies; the system's temporary folder when absent
  --out PATH             the results as JSON; bench/results/<date>.json when absent
`;

const { values: flags } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    ceiling: { type: 'boolean', default: false },
    spin: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    batch: { type: 'string' },
    format: { type: 'string' },
    encoding: { type: 'string' },
    hours: { type: 'string' },
    durability: { type: 'string' },
    threads: { type: 'string' },
    version: { type: 'string' },
    client: { type: 'string' },
    'kafka-format': { type: 'string' },
    rate: { type: 'string' },
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    'warm-up': { type: 'string', default: '1.5' },
    connections: { type: 'string', default: '16' },
    pipelining: { type: 'string', default: '1' },
    dir: { type: 'string', default: tmpdir() },
    out: { type: 'string' },
  },
});

const STEADY_PIPELINING = 64;
/** A run in which other programs took more of the machine than this is marked. */
const DISTURBED = 0.1;
const GENERATOR = join(import.meta.dirname, 'generator.ts');
const TRIVIAL_SERVER = join(import.meta.dirname, 'trivial-server.ts');

const V2 = { version: 2, format: 'json', encoding: 'plain', hours: 1, durability: 'disk', threads: 1 } as const;

/** The rows that tell most: each batch size with and without syncs, then one thing changed at a time. */
function defaultCells(): Cell[] {
  const plain = { ...V2, version: 1 } as const;
  const sizes = [1, 10, 100, 1000].flatMap((batch) =>
    DURABILITIES.map((durability) => ({ ...plain, batch, durability })),
  );
  const queued = CLIENTS.flatMap((client): Cell[] => [
    ...MESSAGE_FORMATS.flatMap((kafkaFormat) => [100, 1000].map((batch) => ({ ...V2, client, kafkaFormat, batch }))),
    { ...V2, client, kafkaFormat: 'ndjson', batch: 100, rate: 50_000 },
  ]);
  return [
    ...sizes,
    { ...plain, batch: 1000, hours: 84 },
    { ...plain, batch: 1000, encoding: 'gzip' },
    { ...plain, batch: 1000, format: 'ndjson' },
    { ...plain, batch: 1000, format: 'csv' },
    { ...plain, batch: 1000, threads: 2 },
    { ...plain, batch: 100, rate: 100_000 },
    ...queued,
  ];
}

function allCells(): Cell[] {
  const ways: Pick<Cell, 'version' | 'client' | 'kafkaFormat'>[] = [
    { version: 1 },
    ...CLIENTS.flatMap((client) =>
      MESSAGE_FORMATS.map((kafkaFormat) => ({ version: 2, client, kafkaFormat }) as const),
    ),
  ];
  const cells: Cell[] = [];
  for (const way of ways)
    for (const threads of [1, 2])
      for (const durability of DURABILITIES)
        for (const hours of [1, 84])
          for (const encoding of ENCODINGS)
            for (const format of FORMATS)
              for (const batch of [1, 10, 100, 1000])
                cells.push({ ...way, batch, format, encoding, hours, durability, threads });
  return cells;
}

/** What picks rows, the flag that gives it, and which rows are meant when other flags are given and this one is not. */
const PICKS = [
  { name: 'batch', flag: 'batch', usual: undefined },
  { name: 'format', flag: 'format', usual: 'json' },
  { name: 'encoding', flag: 'encoding', usual: 'plain' },
  { name: 'hours', flag: 'hours', usual: '1' },
  { name: 'durability', flag: 'durability', usual: 'disk' },
  { name: 'threads', flag: 'threads', usual: '1' },
  { name: 'version', flag: 'version', usual: '1' },
  { name: 'client', flag: 'client', usual: undefined },
  { name: 'kafkaFormat', flag: 'kafka-format', usual: 'ndjson' },
] as const;

/** With a flag that picks values, any combination may be asked for; without, the few default rows, of one version or both. */
function chooseCells(): Cell[] {
  const isPicking = PICKS.some(({ flag }) => flag !== 'version' && flags[flag] !== undefined);
  const queued = flags.client !== undefined || flags['kafka-format'] !== undefined;
  let cells = flags.full || isPicking ? allCells() : defaultCells();
  for (const { name, flag, usual } of PICKS) {
    const assumed = name === 'version' && queued ? '2' : usual;
    const wanted = flags[flag] ?? (isPicking && !flags.full ? assumed : undefined);
    if (wanted === undefined) continue;
    // What only version 2 has picks nothing out of version 1.
    cells = cells.filter((cell) => cell[name] === undefined || wanted.split(',').includes(String(cell[name])));
  }
  return flags.rate === undefined ? cells : cells.map((cell) => ({ ...cell, rate: Number(flags.rate) }));
}

function describeCell(cell: Cell): string {
  const { batch, format, encoding, hours, durability, threads, rate, version, client, kafkaFormat } = cell;
  const parts = [format, String(batch), durability];
  if (version === 2) parts.unshift(`version 2 by ${client}, ${kafkaFormat} messages`);
  if (encoding !== 'plain') parts.push(encoding);
  if (hours !== 1) parts.push(`${hours} hours`);
  if (threads !== 1) parts.push(`${threads} threads`);
  if (rate !== undefined) parts.push(`at ${rate.toLocaleString('en-US')}/s`);
  return parts.join(' · ');
}

async function runCell(cell: Cell): Promise<Run> {
  const dirs = await makeDirs('logforge-bench-', flags.dir);
  const env = { LOGFORGE_STORAGE_DURABILITY: cell.durability, LOGFORGE_SERVER_THREADS: String(cell.threads) };
  try {
    if (cell.version === 2) return await runQueued(cell, { dirs, env });
    const service = await startService({ dirs, env });
    try {
      return describeRun(cell, await generate(cell, service.port, service.pid), readPeak(service.pid));
    } finally {
      await service.stop('SIGKILL');
    }
  } finally {
    await removeDirs(dirs);
  }
}

/** Started by the first row that needs it, for all. */
let broker: Promise<BenchBroker> | undefined;

async function runQueued(cell: Cell, options: ServiceOptions): Promise<Run> {
  broker ??= startBenchBroker();
  const { brokers } = await broker;
  const { client = 'kafkajs', kafkaFormat = 'ndjson' } = cell;
  // Aggregation and flushing as by default: what is measured is what runs.
  const usual = { LOGFORGE_AGGREGATION_INTERVAL: '30s', LOGFORGE_CONSUMER_FLUSH_INTERVAL: '500ms' };
  const drivers = { LOGFORGE_KAFKA_CLIENT: client, LOGFORGE_KAFKA_FORMAT: kafkaFormat };
  const stream = createStream(brokers, { ...usual, ...drivers });
  const service = await startVersion2(stream, options);
  try {
    const watch = watchStoring(service, await broker);
    const output = await generate(cell, service.port, service.pid);
    const stored = await watch.finish(output);
    const { recordsPerSecond, cpuSecondsPerMillion } = stored;
    return {
      ...describeRun(cell, output, readPeak(service.pid)),
      othersCpuSeconds: Math.max(0, output.othersCpuSeconds - stored.brokerCpuSeconds),
      ...{ recordsPerSecond, cpuSecondsPerMillion, stored },
    };
  } finally {
    await service.stop('SIGKILL');
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [stream.topic] }));
  }
}

/** Largest memory of a process so far, MB. */
function readPeak(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? 0) / 1000;
}

function describeRun({ batch }: Cell, output: GeneratorOutput, peakMegabytes: number): Run {
  const records = output.accepted * batch;
  return {
    ...output,
    recordsPerSecond: records / output.seconds,
    megabytesPerSecond: output.bytes / output.seconds / 1e6,
    cpuSecondsPerMillion: (output.serviceCpuSeconds / records) * 1e6,
    peakMegabytes,
  };
}

async function generate(cell: Cell, port: number, servicePid: number): Promise<GeneratorOutput> {
  const input: GeneratorInput = {
    workload: cell,
    servicePid,
    load: {
      port,
      connections: Number(flags.connections),
      spins: flags.spin && cell.rate === undefined,
      pipelining: cell.rate === undefined ? Number(flags.pipelining) : STEADY_PIPELINING,
      warmUpMs: Number(flags['warm-up']) * 1000,
      durationMs: Number(flags.seconds) * 1000,
      ...(cell.rate === undefined ? {} : { requestsPerSecond: cell.rate / cell.batch }),
    },
  };
  const child = spawn(process.execPath, [GENERATOR], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(input));
  const answer = await text(child.stdout);
  if (answer === '') throw new Error(`cannot measure row=${describeCell(cell)}: the generator gave no result`);
  return JSON.parse(answer) as GeneratorOutput;
}

/** The generator against the least that can answer: what it could report at most. */
async function runCeiling(cell: Cell): Promise<Run> {
  const server = spawn(process.execPath, [TRIVIAL_SERVER], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) => server.stdout.once('data', (line) => resolve(Number(line))));
    return describeRun(cell, await generate(cell, port, server.pid ?? 0), 0);
  } finally {
    server.stdin.end();
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

const HEADER = [
  '| row | records/s | spread | MB/s | CPU s/M | p50 ms | p95 ms | p99 ms | peak MB | generator CPU |',
  '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
];

function tableRow(cell: Cell, runs: readonly Run[]): string {
  const of = (pick: (run: Run) => number) => median(runs.map(pick));
  const rates = runs.map((run) => run.recordsPerSecond);
  const cells = [
    describeCell(cell),
    whole(median(rates)),
    `${whole(Math.min(...rates))}–${whole(Math.max(...rates))}`,
    of((run) => run.megabytesPerSecond).toFixed(1),
    of((run) => run.cpuSecondsPerMillion).toFixed(2),
    of((run) => run.latencyMs.p50).toFixed(1),
    of((run) => run.latencyMs.p95).toFixed(1),
    of((run) => run.latencyMs.p99).toFixed(1),
    whole(of((run) => run.peakMegabytes)),
    `${whole(of((run) => (run.generatorCpuSeconds / run.seconds) * 100))} %`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const QUEUED_HEADER = [
  '',
  '| version 2 | stored/s | accepted/s | rest stored in s | 202 to file p50 ms | p99 ms | probes |',
  '|---|--:|--:|--:|--:|--:|--:|',
];

/** What only version 2 has to tell. */
function queuedTable(runs: ReadonlyMap<Cell, readonly Run[]>): string[] {
  const rows = [...runs].flatMap(([cell, results]) => {
    const stored = results.flatMap((run) => (run.stored === undefined ? [] : [run.stored]));
    if (stored.length === 0) return [];
    const of = (pick: (one: Stored) => number) => median(stored.map(pick));
    const accepted = median(results.map((run) => (run.accepted * cell.batch) / run.seconds));
    const cells = [
      ...[describeCell(cell), whole(of((one) => one.recordsPerSecond)), whole(accepted)],
      ...[of((one) => one.drainSeconds).toFixed(2), of((one) => one.toFileMs.p50).toFixed(0)],
      ...[of((one) => one.toFileMs.p99).toFixed(0), whole(of((one) => one.probes))],
    ];
    return [`| ${cells.join(' | ')} |`];
  });
  return rows.length === 0 ? [] : [...QUEUED_HEADER, ...rows];
}

async function describeMachine() {
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    /** As in statfs(2): 61267 is ext2 to ext4, 16914836 tmpfs, where a sync costs nothing. */
    fileSystemType: (await statfs(flags.dir)).type,
  };
}

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const cells = chooseCells();
  if (cells.length === 0) throw new Error('no row is left: see --help for the values a flag takes');
  const machine = await describeMachine();
  const runs = new Map<Cell, Run[]>(cells.map((cell) => [cell, []]));
  const total = Number(flags.runs);
  process.stderr.write(`${machine.cpus} × ${machine.model}, ${machine.memoryGiB} GiB, Node ${machine.node}\n`);
  for (let round = 1; round <= total; round++) {
    for (const [cell, results] of runs) {
      const run = await (flags.ceiling ? runCeiling(cell) : runCell(cell));
      results.push(run);
      const others = JSON.stringify(run.otherAnswers);
      const refused = others === '{}' ? '' : `, OTHER ANSWERS ${others}`;
      const share = run.othersCpuSeconds / run.seconds / machine.cpus;
      const disturbed = share < DISTURBED ? '' : `, disturbed: ${whole(share * 100)} % of the machine went to others`;
      process.stderr.write(
        `${round}/${total} ${describeCell(cell)}: ${whole(run.recordsPerSecond)} records/s${refused}${disturbed}\n`,
      );
    }
  }
  const table = [...runs].map(([cell, results]) => tableRow(cell, results));
  process.stdout.write(`${[...HEADER, ...table, ...queuedTable(runs)].join('\n')}\n`);
  await writeResults(machine, runs);
  return [...runs.values()].flat().some((run) => Object.keys(run.otherAnswers).length > 0) ? 1 : 0;
}

async function writeResults(machine: object, runs: ReadonlyMap<Cell, readonly Run[]>): Promise<void> {
  const date = new Date().toISOString();
  const folder = join(import.meta.dirname, 'results');
  const path = flags.out ?? join(folder, `${date.slice(0, 19).replaceAll(':', '-')}.json`);
  await mkdir(dirname(path), { recursive: true });
  const rows = [...runs].map(([cell, results]) => ({ row: describeCell(cell), ...cell, runs: results }));
  await writeFile(path, `${JSON.stringify({ date, machine, flags, rows }, undefined, 2)}\n`);
  process.stderr.write(`written to ${path}\n`);
}

try {
  process.exitCode = await main();
} finally {
  await broker?.then((started) => started.stop());
}
