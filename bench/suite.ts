/**
 * `make bench`: starts the real service, puts load on it, prints a table and writes bench/results/<date>.json. Each row is the
 * median of interleaved runs. Each run has a new service with empty folders.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { type Dirs, makeDirs, removeDirs, type ServiceOptions, startService } from '../test/support/service.ts';
import { createStream, startVersion2, topicOf, withAdmin } from '../test/support/version2.ts';
import { type Cell, chooseCells, describeCell } from './cells.ts';
import type { GeneratorInput, GeneratorOutput } from './generator.ts';
import { type Ceiling, checkRoom, knowsCompression, measureCeilings, readWritten } from './sustained.ts';
import { type Run, renderTables, whole } from './table.ts';
import { type BenchBroker, startBenchBroker, watchStoring } from './version2.ts';
import { STREAMS } from './workload.ts';

const USAGE = `Usage: node bench/suite.ts [OPTIONS]

  --full                 every combination, not only the most useful rows
  --batch 100,1000       only these batch sizes          --format json,csv      only these formats
  --encoding plain,gzip  only these encodings            --hours 1,84           only these spreads
  --stream access,events only these streams               --schema scanner,ajv   only with the schema of events, by whom
  --durability disk,os   only these                      --threads 1,2          only these
  --compression none,zstd only these forms of files
  --version 1,2          only these                      --client kafkajs        only these drivers of version 2
  --kafka-format record  only these kinds of messages
  --rate 100000          records a second on a fixed schedule, in place of as fast as it goes
  --runs 5               interleaved runs of each row    --seconds 2            measured time of a run
  --warm-up 1.5          seconds before it               --connections 16       connections
  --pipelining 1         requests outstanding on each    --ceiling              the generator alone, against a server
  --spin                 the generator does not sleep                           that does nothing
  --sustained            only rows that last, and what the disk takes without a service
  --sustained-seconds 60 measured time of these          --after-gb 10          GB of requests before it
  --sustained-runs 1     runs of each of these
  --by autocannon        the rows that autocannon drives, in place of our generator
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
    compression: { type: 'string' },
    sustained: { type: 'boolean', default: false },
    'sustained-seconds': { type: 'string', default: '60' },
    'sustained-runs': { type: 'string', default: '1' },
    'after-gb': { type: 'string', default: '10' },
    stream: { type: 'string' },
    schema: { type: 'string' },
    threads: { type: 'string' },
    version: { type: 'string' },
    client: { type: 'string' },
    'kafka-format': { type: 'string' },
    by: { type: 'string' },
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
/** A run is marked when other programs took a larger share of the machine than this. */
const DISTURBED = 0.1;
const GENERATOR = join(import.meta.dirname, 'generator.ts');
const LOG_ENTRY_SCHEMA = join(import.meta.dirname, '../config/schemas/log-entry.json');
const TRIVIAL_SERVER = join(import.meta.dirname, 'trivial-server.ts');

async function runCell(cell: Cell): Promise<Run> {
  const dirs = await makeDirs('logforge-bench-', flags.dir);
  try {
    const env = {
      LOGFORGE_STORAGE_DURABILITY: cell.durability,
      LOGFORGE_SERVER_THREADS: String(cell.threads),
      ...(cell.compression === 'none' ? {} : { LOGFORGE_STORAGE_COMPRESSION: cell.compression }),
      ...(cell.schema === 'none' ? {} : { LOGFORGE_REGISTRY_LOAD: await writeSchema(dirs, cell.schema) }),
    };
    if (cell.version === 2) return await runQueued(cell, { dirs, env });
    const service = await startService({ dirs, env });
    try {
      const run = describeRun(cell, await generate(cell, service.port, service.pid), readPeak(service.pid));
      return cell.sustained === undefined ? run : { ...run, written: await readWritten(cell, service) };
    } finally {
      await service.stop('SIGKILL');
    }
  } finally {
    await removeDirs(dirs);
  }
}

/** The folder with the schema of events. What `allOf` holds is for ajv. */
async function writeSchema({ root }: Dirs, by: 'scanner' | 'ajv'): Promise<string> {
  const folder = join(root, 'schemas');
  const schema = await readFile(LOG_ENTRY_SCHEMA, 'utf8');
  await mkdir(folder);
  await writeFile(join(folder, 'events.json'), by === 'scanner' ? schema : `{"allOf":[${schema}]}`);
  return folder;
}

/** One broker for all rows, started by the first row that needs it. */
let broker: Promise<BenchBroker> | undefined;

async function runQueued(cell: Cell, options: ServiceOptions): Promise<Run> {
  broker ??= startBenchBroker();
  const { brokers } = await broker;
  const { client = 'kafkajs', kafkaFormat = 'ndjson' } = cell;
  // The defaults of aggregation and flushing, so that the benchmark measures what runs in production.
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
      recordsPerSecond,
      cpuSecondsPerMillion,
      stored,
    };
  } finally {
    await service.stop('SIGKILL');
    await withAdmin(brokers, (admin) =>
      admin.deleteTopics({ topics: STREAMS.map((name) => topicOf(stream, name).topic) }),
    );
  }
}

/** Peak memory of a process, MB. */
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
    by: cell.by ?? 'ours',
    workload: cell,
    servicePid,
    load: {
      port,
      connections: Number(flags.connections),
      spins: flags.spin && cell.rate === undefined,
      pipelining: cell.rate === undefined ? Number(flags.pipelining) : STEADY_PIPELINING,
      warmUpMs: Number(flags['warm-up']) * 1000,
      ...(cell.sustained !== undefined && { warmUpBytes: cell.sustained.afterBytes }),
      durationMs: (cell.sustained?.seconds ?? Number(flags.seconds)) * 1000,
      ...(cell.rate === undefined ? {} : { requestsPerSecond: cell.rate / cell.batch }),
    },
  };
  const child = spawn(process.execPath, [GENERATOR], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(input));
  const answer = await text(child.stdout);
  if (answer === '') throw new Error(`cannot measure row=${describeCell(cell)}: the generator gave no result`);
  return JSON.parse(answer) as GeneratorOutput;
}

/** Runs the generator against the trivial server: the highest rate that it can report. */
async function runCeiling(cell: Cell): Promise<Run> {
  const server = spawn(process.execPath, [TRIVIAL_SERVER], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) => server.stdout.once('data', (line) => resolve(Number(line))));
    return describeRun(cell, await generate(cell, port, server.pid ?? 0), 0);
  } finally {
    server.stdin.end();
  }
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
  const cells = chooseKnown();
  if (cells.length === 0) throw new Error('the flags select no row: see --help for their values');
  const machine = await describeMachine();
  const runs = new Map<Cell, Run[]>(cells.map((cell) => [cell, []]));
  for (const cell of cells) await checkRoom(flags.dir, cell);
  const ceilings: Ceiling[] = [];
  const total = Number(flags.runs);
  process.stderr.write(`${machine.cpus} × ${machine.model}, ${machine.memoryGiB} GiB, Node ${machine.node}\n`);
  for (let round = 1; round <= total; round++) {
    for (const [cell, results] of runs) {
      if (cell.sustained !== undefined && round > Number(flags['sustained-runs'])) continue;
      const run = await (flags.ceiling ? runCeiling(cell) : runCell(cell));
      results.push(run);
      const others = JSON.stringify(run.otherAnswers);
      const refused = others === '{}' ? '' : `, OTHER ANSWERS ${others}`;
      const share = run.othersCpuSeconds / run.seconds / machine.cpus;
      const disturbed = share < DISTURBED ? '' : `, disturbed: ${whole(share * 100)} % of the machine went to others`;
      process.stderr.write(
        `${round}/${total} ${describeCell(cell)}: ${whole(run.recordsPerSecond)} records/s${refused}${disturbed}\n`,
      );
      if (round === 1 && cell.compression === 'none') ceilings.push(...(await measureCeilings(cell, run, flags.dir)));
    }
  }
  process.stdout.write(`${renderTables(runs, ceilings)}\n`);
  await writeResults(machine, runs, ceilings);
  return [...runs.values()].flat().some((run) => Object.keys(run.otherAnswers).length > 0) ? 1 : 0;
}

/** The rows that are asked for, without those that this version cannot measure. */
function chooseKnown(): Cell[] {
  const cells = chooseCells(flags);
  if (knowsCompression()) return cells;
  const known = cells.filter(({ compression }) => compression === 'none');
  for (const cell of cells)
    if (!known.includes(cell)) process.stderr.write(`skipped ${describeCell(cell)}: no key storage.compression\n`);
  return known;
}

async function writeResults(
  machine: object,
  runs: ReadonlyMap<Cell, readonly Run[]>,
  ceilings: readonly Ceiling[],
): Promise<void> {
  const date = new Date().toISOString();
  const folder = join(import.meta.dirname, 'results');
  const path = flags.out ?? join(folder, `${date.slice(0, 19).replaceAll(':', '-')}.json`);
  await mkdir(dirname(path), { recursive: true });
  const rows = [...runs].map(([cell, results]) => ({ row: describeCell(cell), ...cell, runs: results }));
  await writeFile(path, `${JSON.stringify({ date, machine, flags, rows, ceilings }, undefined, 2)}\n`);
  process.stderr.write(`written to ${path}\n`);
}

try {
  process.exitCode = await main();
} finally {
  await broker?.then((started) => started.stop());
}
