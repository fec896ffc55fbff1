import type { LiveQueue, LiveStats, LiveStream, Quantiles } from '../live/live.ts';

/** The figures of one second; undefined for a form that this version does not support. */
export function readStats(data: string): LiveStats | undefined {
  try {
    const stats = JSON.parse(data) as LiveStats;
    return typeof stats.rates.accepted === 'number' ? stats : undefined;
  } catch {
    return undefined;
  }
}

const LABEL_WIDTH = 12;

/** The screen for a terminal, line by line. With few rows it has no empty lines, and only the lines that fit. */
export function screen(
  stats: LiveStats,
  about: {
    readonly origin: string;
    readonly refusals: readonly string[];
    readonly columns: number;
    readonly rows: number;
  },
): string[] {
  const { rates, totals, latency, sync, queue } = stats;
  const row = (label: string, ...cells: readonly string[]) =>
    `  ${label.slice(0, LABEL_WIDTH - 1).padEnd(LABEL_WIDTH)}${cells.map((cell) => cell.padStart(16)).join('')}`;
  const lines = [
    `logforge ${about.origin}   up ${duration(stats.uptimeSeconds)}   ${clock(stats.time)}`,
    '',
    row('', 'a second', 'since start'),
    row('accepted', count(rates.accepted), count(totals.accepted)),
    row('stored', count(rates.stored), count(totals.stored)),
    row('rejected', count(rates.rejected), count(totals.rejected)),
    row('duplicate', count(rates.duplicate), count(totals.duplicate)),
    row('dead letters', count(rates.deadLettered), count(totals.deadLettered)),
    row('batches', count(rates.batches), count(totals.batches)),
    row('  refused', count(rates.refusedBatches), count(totals.refusedBatches)),
    row('  failed', count(rates.failedBatches), count(totals.failedBatches)),
    row('received', bytes(rates.bytes), bytes(totals.bytes)),
    '',
    row('', 'p50', 'p99'),
    row('answers', ...quantiles(latency)),
    row('syncs', ...quantiles(sync)),
    '',
    row('in flight', `${count(stats.inFlightRecords)} rec`, bytes(stats.inFlightBytes)),
    row('open files', count(stats.openFiles)),
    ...streamRows(stats.streams ?? [], row),
    ...(queue === null ? [] : ['', ...queueRows(queue, row)]),
    ...(about.refusals.length === 0 ? [] : ['', '  last refusals (UTC)', ...about.refusals.map((text) => `  ${text}`)]),
  ];
  // The last row is for the cursor: a screen that scrolls cannot be redrawn in place.
  const room = Math.max(about.rows - 1, 1);
  const fitting = lines.length <= room ? lines : lines.filter((line) => line !== '').slice(0, room);
  return fitting.map((line) => line.slice(0, Math.max(about.columns - 1, 1)));
}

/** With one stream the rows above say all. Absent: a service of the version before. */
function streamRows(
  streams: readonly LiveStream[],
  row: (label: string, ...cells: readonly string[]) => string,
): string[] {
  const used = streams.filter(({ totals }) => totals.stored > 0);
  if (used.length < 2) return [];
  const rows = used.map(({ name, rates, totals }) => row(name, count(rates.stored), count(totals.stored)));
  return ['', row('stored by', 'a second', 'since start'), ...rows];
}

function queueRows(queue: LiveQueue, row: (label: string, ...cells: readonly string[]) => string): string[] {
  return [
    row('broker', queue.up ? 'up' : 'unavailable', `breaker ${queue.breaker}`),
    row('lag', `${count(queue.lagMessages)} msg`, `${queue.lagSeconds.toFixed(1)} s`),
    row('spool', `${count(queue.spoolBatches)} batches`, bytes(queue.spoolBytes)),
  ];
}

type Column = readonly [title: string, width: number, cell: (stats: LiveStats) => string];

const COLUMNS: readonly Column[] = [
  ['time', 8, ({ time }) => clock(time)],
  ['accepted/s', 11, ({ rates }) => count(rates.accepted)],
  ['rejected/s', 11, ({ rates }) => count(rates.rejected)],
  ['batches/s', 10, ({ rates }) => count(rates.batches)],
  ['4xx/s', 7, ({ rates }) => count(rates.refusedBatches)],
  ['5xx/s', 7, ({ rates }) => count(rates.failedBatches)],
  ['bytes/s', 10, ({ rates }) => bytes(rates.bytes)],
  ['p50', 9, ({ latency }) => quantiles(latency)[0]],
  ['p99', 9, ({ latency }) => quantiles(latency)[1]],
  ['sync p99', 9, ({ sync }) => quantiles(sync)[1]],
  ['in flight', 10, ({ inFlightRecords }) => count(inFlightRecords)],
];
const QUEUE_COLUMNS: readonly Column[] = [
  ['lag', 9, ({ queue }) => count(queue?.lagMessages ?? 0)],
  ['breaker', 10, ({ queue }) => queue?.breaker ?? ''],
  ['spool', 10, ({ queue }) => bytes(queue?.spoolBytes ?? 0)],
];

function columnsFor({ queue }: LiveStats): readonly Column[] {
  return queue === null ? COLUMNS : [...COLUMNS, ...QUEUE_COLUMNS];
}

/** The heading of the lines of plainLine. */
export function plainHeader(stats: LiveStats): string {
  return `${columnsFor(stats)
    .map(([title, width]) => title.padStart(width))
    .join(' ')}\n`;
}

/** Without its newline. */
export function plainLine(stats: LiveStats): string {
  return columnsFor(stats)
    .map(([, width, cell]) => cell(stats).padStart(width))
    .join(' ');
}

function quantiles(quantiles: Quantiles | null): [string, string] {
  return quantiles === null ? ['-', '-'] : [seconds(quantiles.p50), seconds(quantiles.p99)];
}

function seconds(value: number): string {
  if (value >= 1) return `${value.toFixed(2)} s`;
  return `${(value * 1_000).toFixed(value < 0.01 ? 2 : 1)} ms`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  return `${(value / 1_024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function clock(time: number): string {
  return new Date(time).toTimeString().slice(0, 8);
}

function duration(value: number): string {
  const whole = Math.floor(value);
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return `${minutes}m ${whole % 60}s`;
}
