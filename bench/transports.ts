/**
 * `make bench-transports`: measures the transports by which a program can hand its records over, each in its own runs, and writes
 * docs/transports.md with its plots, and bench/results/transports.json. About ten minutes.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { whole } from './table.ts';
import { type Cell, describeCell, listCells, readTransports, TRANSPORTS } from './transports/cells.ts';
import { describeMachine, makeCertificate } from './transports/machine.ts';
import { drawPlots, fillPage, renderParts } from './transports/page.ts';
import { lostShare, type Measurement, percent, type Row } from './transports/results.ts';
import { type Result, type RunOptions, runCell } from './transports/run.ts';

const USAGE = `Usage: node bench/transports.ts [OPTIONS]

  --quick             runs of 1 s, and only records of 100 bytes; for development
  --only tcp,udp      only these transports: ${TRANSPORTS.join(', ')}
  --rows main,curve   only the rows of these tables: main, latency, calls, os, writes, connections, packed, curve, cost, mixed
  --senders 1,5       only rows with so many processes that send
  --runs 1            interleaved runs of each row
  --seconds 2         time of a run        --warm-up 0.5   the part of it, at its beginning, that is not counted
  --dir PATH          where the stores lie; the system's temporary folder when absent
  --out PATH          the results as JSON; bench/results/transports.json when absent
  --print             prints the measured parts of the page, and does not change docs
  --render PATH       measures nothing, and writes the page from the results of an earlier run
`;

const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    print: { type: 'boolean', default: false },
    only: { type: 'string' },
    rows: { type: 'string' },
    senders: { type: 'string' },
    runs: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    'warm-up': { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    out: { type: 'string', default: join(import.meta.dirname, 'results/transports.json') },
    render: { type: 'string' },
  },
});
const seconds = Number(flags.seconds ?? (flags.quick ? 1 : 2));
const warmUpSeconds = Number(flags['warm-up'] ?? (flags.quick ? 0.3 : 0.5));
const DOCS = join(import.meta.dirname, '../docs');

function chooseCells(): Cell[] {
  const only = flags.only === undefined ? undefined : readTransports(flags.only);
  const parts = flags.rows?.split(',');
  const senders = flags.senders?.split(',').map(Number);
  const cells = listCells({ quick: flags.quick, only }).filter(
    ({ part, producers }) => (parts?.includes(part) ?? true) && (senders?.includes(producers) ?? true),
  );
  if (cells.length === 0) throw new Error('the flags select no row: see --help');
  return cells;
}

async function measure(certificates: string): Promise<Measurement> {
  const cells = chooseCells();
  const machine = await describeMachine(flags.dir, { quick: flags.quick });
  const certificate = makeCertificate(certificates);
  const times = { durationMs: seconds * 1000, warmUpMs: warmUpSeconds * 1000 };
  const options: RunOptions = { dir: flags.dir, certificate, ...times };
  const rows = new Map<Cell, Row>(cells.map((cell) => [cell, { cell, runs: [] }]));
  for (let round = 1; round <= Number(flags.runs); round++) {
    for (const [i, cell] of cells.entries()) {
      const before = rows.get(cell) ?? { cell, runs: [] };
      rows.set(cell, await addRun(before, options));
      process.stderr.write(`${i + 1}/${cells.length} ${describeCell(cell)}: ${describeRow(rows.get(cell))}\n`);
    }
  }
  return { date: new Date().toISOString(), machine, seconds, warmUpSeconds, rows: [...rows.values()] };
}

/** A row that cannot be measured says why, and does not end the others. */
async function addRun(row: Row, options: RunOptions): Promise<Row> {
  if (row.cell.transport === 'tls' && options.certificate === undefined)
    return { ...row, failure: 'there is no openssl, which makes its certificate' };
  try {
    return { ...row, runs: [...row.runs, await runCell(row.cell, options)] };
  } catch (error) {
    return { ...row, failure: error instanceof Error ? error.message : String(error) };
  }
}

function describeRow(row: Row | undefined): string {
  const run: Result | undefined = row?.runs.at(-1);
  if (run === undefined || row?.failure !== undefined) return row?.failure ?? 'no run';
  const { latencyMs, calls, duplicates, outOfOrder, broken } = run;
  const parts = [`${whole(run.recordsPerSecond)} records/s`];
  parts.push(
    `CPU s/M ${run.sendersCpu.toFixed(2)} and ${run.receiverCpu.toFixed(2)}`,
    `lost ${percent(lostShare(run))}`,
  );
  if (latencyMs !== undefined) parts.push(`p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(1)} ms`);
  if (calls !== undefined)
    parts.push(`calls ${calls.senders.total} and ${calls.receiver.total} for ${run.sent} records`);
  if (duplicates + outOfOrder + broken > 0)
    parts.push(`${duplicates} stored twice, ${outOfOrder} out of order, ${broken} broken`);
  return parts.join(', ');
}

async function main(): Promise<void> {
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const measurement = flags.render === undefined ? await measureAndKeep() : await readMeasurement(flags.render);
  const parts = renderParts(measurement);
  if (flags.print) {
    for (const [name, content] of Object.entries(parts)) process.stdout.write(`## ${name}\n\n${content}\n\n`);
    return;
  }
  const page = join(DOCS, 'transports.md');
  await writeFile(page, fillPage(await readFile(page, 'utf8'), parts));
  for (const [name, svg] of Object.entries(drawPlots(measurement))) await writeFile(join(DOCS, name), svg);
  process.stderr.write(`written to ${page}\n`);
}

async function measureAndKeep(): Promise<Measurement> {
  const certificates = await mkdtemp(join(tmpdir(), 'logforge-certificates-'));
  try {
    const measurement = await measure(certificates);
    await mkdir(dirname(flags.out), { recursive: true });
    await writeFile(flags.out, `${JSON.stringify(measurement, undefined, 2)}\n`);
    process.stderr.write(`written to ${flags.out}\n`);
    return measurement;
  } finally {
    await rm(certificates, { recursive: true });
  }
}

async function readMeasurement(path: string): Promise<Measurement> {
  // This program wrote it.
  return JSON.parse(await readFile(path, 'utf8')) as Measurement;
}

await main();
