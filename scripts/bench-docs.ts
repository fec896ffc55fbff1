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
    /** Only where the row is one of what lasts. These tables leave it out. */
    readonly sustained?: object;
  }[];
}

interface BenchRun {
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMegabytes: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Version 2 only: from a 202 to the file. */
  readonly stored?: { readonly toFileMs: { readonly p50: number; readonly p99: number } };
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
    Math.round(of((run) => run.recordsPerSecond)).toLocaleString('en-US'),
    of((run) => run.cpuSecondsPerMillion).toFixed(2),
    `${of((run) => times(run).p50).toFixed(digits)} ms`,
    `${of((run) => times(run).p99).toFixed(digits)} ms`,
    `${Math.round(of((run) => run.peakMegabytes))} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
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
  const table = renderBench(JSON.parse(readFileSync(path, 'utf8')) as BenchResult);
  for (const [file, marker] of [
    ['README.md', 'bench'],
    ['docs/operations.md', 'capacity'],
  ] as const) {
    const page = join(ROOT, file);
    writeFileSync(page, replaceBetween(readFileSync(page, 'utf8'), marker, table));
  }
}
