import { type Cell, describeCell } from './cells.ts';
import type { GeneratorOutput } from './generator.ts';
import { median } from './statistics.ts';
import type { Ceiling, Written } from './sustained.ts';
import type { Stored } from './version2.ts';

export interface Run extends GeneratorOutput {
  /** In version 2: stored records, and the CPU seconds of the service until they are stored. */
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMegabytes: number;
  /** Version 2 only. */
  readonly stored?: Stored;
  /** Sustained rows only. */
  readonly written?: Written;
}

/** All rows, the second table of version 2, and that of what lasts, as Markdown. */
export function renderTables(runs: ReadonlyMap<Cell, readonly Run[]>, ceilings: readonly Ceiling[]): string {
  const short = [...runs].filter(([cell]) => cell.sustained === undefined);
  const table = short.length === 0 ? [] : [...HEADER, ...short.map(([cell, results]) => tableRow(cell, results))];
  return [...table, ...queuedTable(runs), ...sustainedTable(runs, ceilings)].join('\n');
}

export function whole(value: number): string {
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

/** The figures that only version 2 has. */
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

const SUSTAINED_HEADER = [
  '',
  '| sustained | records/s | MB/s of lines | CPU s/M | p50 ms | p99 ms | peak MB | disk bytes a record | lines : disk |',
  '|---|--:|--:|--:|--:|--:|--:|--:|--:|',
];

/** What lasts, and what the disk alone takes. */
function sustainedTable(runs: ReadonlyMap<Cell, readonly Run[]>, ceilings: readonly Ceiling[]): string[] {
  const rows = [...runs].flatMap(([cell, results]) => {
    const written = results.flatMap((run) => run.written ?? []);
    if (written.length === 0) return [];
    const of = (pick: (run: Run) => number) => median(results.map(pick));
    const onDisk = (pick: (one: Written) => number) => median(written.map(pick));
    const lineBytes = onDisk((one) => one.lineBytes / one.records);
    const rate = of((run) => run.recordsPerSecond);
    const cells = [
      ...[describeCell(cell), whole(rate), whole((rate * lineBytes) / 1e6)],
      of((run) => run.cpuSecondsPerMillion).toFixed(2),
      ...[of((run) => run.latencyMs.p50).toFixed(1), of((run) => run.latencyMs.p99).toFixed(1)],
      whole(of((run) => run.peakMegabytes)),
      onDisk((one) => one.diskBytes / one.records).toFixed(1),
      onDisk((one) => one.lineBytes / one.diskBytes).toFixed(1),
    ];
    return [`| ${cells.join(' | ')} |`];
  });
  const alone = ceilings.map(({ row, recordsPerSecond, bytes, seconds, cpuSecondsPerMillion }) => {
    const cells = [row, whole(recordsPerSecond), whole(bytes / seconds / 1e6), cpuSecondsPerMillion.toFixed(2)];
    return `| ${[...cells, '', '', '', '', ''].join(' | ')} |`;
  });
  return rows.length === 0 ? [] : [...SUSTAINED_HEADER, ...rows, ...alone];
}
