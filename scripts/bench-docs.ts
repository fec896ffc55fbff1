/**
 * `make bench-docs`: writes the figures of a benchmark (bench/results/<date>.json, the newest when none is named) between the
 * markers of README.md and docs/operations.md. These pages show only measured figures.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const RESULTS = join(ROOT, 'bench/results');

/** As bench/suite.ts writes it. */
export interface BenchResult {
  readonly date: string;
  readonly machine: {
    readonly cpus: number;
    readonly memoryGiB: number;
    readonly platform: string;
    readonly node: string;
  };
  readonly rows: readonly {
    readonly row: string;
    readonly runs: readonly BenchRun[];
    /** Only where the row is one of what lasts: they have a table of their own. */
    readonly sustained?: { readonly seconds: number; readonly afterBytes: number };
  }[];
  /** What the disk takes without a service, for the bytes of a sustained row. */
  readonly ceilings?: readonly {
    readonly row: string;
    readonly recordsPerSecond: number;
    readonly cpuSecondsPerMillion: number;
    readonly bytes: number;
    readonly seconds: number;
  }[];
}

interface BenchRun {
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMegabytes: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Version 2 only: from a 202 to the file. */
  readonly stored?: { readonly toFileMs: { readonly p50: number; readonly p99: number } };
  /** Sustained rows only. */
  readonly written?: { readonly records: number; readonly lineBytes: number; readonly diskBytes: number };
}

export function renderBench({ date, machine, rows: all }: BenchResult): string {
  const rows = all.filter(({ sustained }) => sustained === undefined);
  const { cpus, memoryGiB, platform, node } = machine;
  const runs = Math.min(...rows.map((row) => row.runs.length));
  const isQueued = ({ runs: [run] }: BenchResult['rows'][number]): boolean => run?.stored !== undefined;
  const queued = rows.filter(isQueued);
  return [
    `Measured on ${date.slice(0, 10)}: ${cpus} cores, ${memoryGiB} GiB, ${platform}, Node.js ${node}; the load generator runs on`,
    `the same cores. Medians of ${runs} runs, records of about 180 bytes. A row names the format, the records in a batch, the`,
    'durability and what else differs. Every answer is a 202. `make bench` measures on your machine.',
    '',
    '| | records/s | CPU s per million records | answer p50 | answer p99 | peak memory |',
    '|---|--:|--:|--:|--:|--:|',
    ...rows.filter((row) => !isQueued(row)).map(renderRow),
    ...(queued.length === 0 ? [] : renderQueued(queued)),
  ].join('\n');
}

/** Version 2 is measured up to the synced file. */
function renderQueued(rows: BenchResult['rows']): string[] {
  return [
    '',
    'Version 2, from `POST` to the synced file. The Kafka broker runs on the same two cores. At full load, the time from a 202 to',
    'the file shows how far the consumers lag.',
    '',
    '| | records/s | CPU s per million records | 202 to file p50 | p99 | peak memory |',
    '|---|--:|--:|--:|--:|--:|',
    ...rows.map(({ row, runs }) => {
      const toFile = (run: BenchRun) => run.stored?.toFileMs ?? { p50: Number.NaN, p99: Number.NaN };
      return renderCells(row.replace('version 2 by ', ''), runs, toFile, 0);
    }),
  ];
}

/** Undefined where nothing that lasts was measured. */
export function renderSustained({ date, machine, rows: all, ceilings = [] }: BenchResult): string | undefined {
  const rows = all.filter(({ sustained }) => sustained !== undefined);
  const [first] = rows;
  if (first?.sustained === undefined) return undefined;
  const { seconds, afterBytes } = first.sustained;
  const runs = first.runs.length === 1 ? 'One run' : `Medians of ${first.runs.length} runs`;
  return [
    `Measured on ${date.slice(0, 10)}: ${machine.cpus} cores, the load generator included. ${runs} of ${seconds} s after ${afterBytes / 1e9} GB were written.`,
    'Under them, in the same run, what the disk takes without a service: the same bytes in blocks of the same size.',
    '',
    '| | records/s | MB/s of lines | CPU s per million records | answer p99 | peak memory | disk bytes a record |',
    '|---|--:|--:|--:|--:|--:|--:|',
    ...rows.map(renderSustainedRow),
    ...ceilings.map(({ row, recordsPerSecond, cpuSecondsPerMillion: cpu, bytes, seconds }) => {
      const megabytes = (bytes / seconds / 1e6).toFixed(0);
      return `| ${[row, grouped(recordsPerSecond), megabytes, cpu.toFixed(2), '', '', ''].join(' | ')} |`;
    }),
  ].join('\n');
}

function renderSustainedRow({ row, runs }: BenchResult['rows'][number]): string {
  const of = (pick: (run: BenchRun) => number): number => median(runs.map(pick));
  const ofWritten = (pick: (written: NonNullable<BenchRun['written']>) => number): number =>
    median(runs.flatMap(({ written }) => (written === undefined ? [] : [pick(written)])));
  const rate = of((run) => run.recordsPerSecond);
  const cells = [
    row,
    grouped(rate),
    ((rate * ofWritten(({ lineBytes, records }) => lineBytes / records)) / 1e6).toFixed(0),
    of((run) => run.cpuSecondsPerMillion).toFixed(2),
    `${of((run) => run.latencyMs.p99).toFixed(1)} ms`,
    `${Math.round(of((run) => run.peakMegabytes))} MB`,
    ofWritten(({ diskBytes, records }) => diskBytes / records).toFixed(1),
  ];
  return `| ${cells.join(' | ')} |`;
}

function renderRow({ row, runs }: BenchResult['rows'][number]): string {
  return renderCells(row, runs, (run) => run.latencyMs, 1);
}

function renderCells(
  row: string,
  runs: readonly BenchRun[],
  times: (run: BenchRun) => BenchRun['latencyMs'],
  digits: number,
): string {
  const of = (pick: (run: BenchRun) => number): number => median(runs.map(pick));
  const cells = [
    row,
    grouped(of((run) => run.recordsPerSecond)),
    of((run) => run.cpuSecondsPerMillion).toFixed(2),
    `${of((run) => times(run).p50).toFixed(digits)} ms`,
    `${of((run) => times(run).p99).toFixed(digits)} ms`,
    `${Math.round(of((run) => run.peakMegabytes))} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** Replaces the text between `<!-- name:begin -->` and `<!-- name:end -->`. */
export function replaceBetween(markdown: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->\n`, `<!-- ${name}:end -->`];
  const [from, to] = [markdown.indexOf(begin), markdown.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`cannot find the markers of ${name}`);
  return `${markdown.slice(0, from)}${begin}${content}\n${markdown.slice(to)}`;
}

function newestResult(): string {
  const newest = readdirSync(RESULTS).sort().at(-1);
  if (newest === undefined) throw new Error('there is no benchmark result: run make bench');
  return join(RESULTS, newest);
}

if (import.meta.main) {
  const path = process.argv[2] ?? newestResult();
  // bench/suite.ts wrote it.
  const result = JSON.parse(readFileSync(path, 'utf8')) as BenchResult;
  const hasShort = result.rows.some(({ sustained }) => sustained === undefined);
  const table = hasShort ? renderBench(result) : undefined;
  const sustained = renderSustained(result);
  for (const [file, marker, content] of [
    ['README.md', 'bench', table],
    ['docs/operations.md', 'capacity', table],
    ['README.md', 'bench-sustained', sustained],
    ['docs/operations.md', 'compression-cost', sustained],
  ] as const) {
    if (content === undefined) continue;
    const page = join(ROOT, file);
    writeFileSync(page, replaceBetween(readFileSync(page, 'utf8'), marker, content));
  }
}
