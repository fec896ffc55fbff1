import { closeSync, fstatSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createAggregator } from '../src/analytics/aggregate.ts';
import { createDimensionCounters } from '../src/analytics/count-dimensions.ts';
import { createFileCounter } from '../src/analytics/summarise.ts';
import { createHourSummariser } from '../src/analytics/summarise-hour.ts';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import { hourToPath } from '../src/model/hour.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../src/model/stream.ts';
import { damagedRange, openHour } from '../src/repo/hour-file.ts';
import type { CommittedHour } from '../src/repo/repo.ts';
import { createSummaryFiles } from '../src/repo/summaries.ts';
import { makeRecords, toNdjson } from '../test/support/access-records.ts';

/*
 * Measures the aggregator: records a second on one core, beside JSON.parse and a plain read of the same file; the cost of a
 * run that finds no new records in many hours; and the cost of an hour whose paths are all distinct. It measures CPU time,
 * because the machine is shared.
 *
 *   node bench/aggregate.ts [records] [hours] [distinct paths]
 */
const [records = 2_000_000, hours = 10_000, distinct = 1_000_000] = process.argv.slice(2).map(Number);
const ROUNDS = 7;

const folder = mkdtempSync(join(tmpdir(), 'logforge-bench-'));
try {
  countLines();
  countEvents();
  countDistinct();
  await runWithNothingNew();
} finally {
  rmSync(folder, { recursive: true });
}

function countLines(): void {
  const plain = toNdjson(makeRecords(100_000));
  const withExtras = Buffer.from(plain.toString().replaceAll('"}\n', '","status":200,"bytes":"1234"}\n'));
  const escaped = Buffer.from(plain.toString().replaceAll('","userAgent":"', '\\"","userAgent":"'));
  console.log(`\nrecords/s of one core (median of ${ROUNDS}, in brackets the lowest and the highest)`);
  for (const [name, lines] of Object.entries({
    plain,
    'with two extra fields': withExtras,
    'with an escape': escaped,
  })) {
    const path = join(folder, 'lines');
    const copies = Math.max(1, Math.round(records / 100_000));
    writeFileSync(path, Buffer.concat(Array.from({ length: copies }, () => lines)));
    const countFile = createFileCounter();
    measure(name, copies * 100_000, path, (read, size) => countFile(read, 0, size).records);
    if (name !== 'plain') continue;
    measure('JSON.parse', copies * 100_000, path, countByParsing);
    measure('only read', copies * 100_000, path, (read, size) => {
      const buffer = Buffer.allocUnsafeSlow(1 << 20);
      for (let at = 0; at < size; at += buffer.length) read(buffer, 0, buffer.length, at);
      return copies * 100_000;
    });
  }
}

/** Application events, whose service is one of a hundred and whose message now and then has a quote. */
function countEvents(): void {
  const spec = { ...EVENTS_STREAM, countBy: ['level', 'service', 'region'] };
  const lines = Array.from({ length: 100_000 }, (_, i) => {
    const message = i % 20 === 0 ? `user "u${i}" signed in` : `request ${i} was answered in ${i % 300} ms`;
    const event = { timestamp: '2015-05-17T10:05:03Z', level: ['INFO', 'INFO', 'WARN', 'ERROR'][i % 4], message };
    return `${JSON.stringify({ ...event, service: `service-${i % 100}`, region: `eu-${i % 7}`, attempt: i % 5 })}\n`;
  });
  const path = join(folder, 'lines');
  const copies = Math.max(1, Math.round(records / 100_000));
  writeFileSync(path, lines.join('').repeat(copies));
  const countFile = createFileCounter();
  for (const [name, stream] of Object.entries({ 'events, two dimensions': EVENTS_STREAM, 'events, three': spec })) {
    const createCounter = createDimensionCounters(stream);
    measure(name, copies * 100_000, path, (read, size) => countFile(read, 0, size, createCounter()).records);
  }
}

type Read = (target: Buffer, offset: number, length: number, position: number) => number;

function measure(name: string, expected: number, path: string, count: (read: Read, size: number) => number): void {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS + 1; round++) {
    const before = process.cpuUsage();
    const counted = count((target, offset, length, at) => readSync(fd, target, offset, length, at), size);
    const { user, system } = process.cpuUsage(before);
    if (counted !== expected) throw new Error(`${name} counted ${counted} of ${expected}`);
    if (round > 0) rates.push(expected / (user + system));
  }
  closeSync(fd);
  rates.sort((a, b) => a - b);
  const median = rates[ROUNDS >> 1] ?? 0;
  const spread = `[${rates[0]?.toFixed(2)} ${rates.at(-1)?.toFixed(2)}]`;
  const megabytes = ((median * size) / expected).toFixed(0);
  console.log(`  ${name.padEnd(24)} ${median.toFixed(2)} M/s ${spread.padEnd(14)} ${megabytes} MB/s`);
}

/** The simple way: a string for each line, an object for each record. */
function countByParsing(read: Read, size: number): number {
  const paths = new Map<string, number>();
  const userAgents = new Map<string, number>();
  const buffer = Buffer.allocUnsafeSlow(1 << 20);
  let counted = 0;
  for (let at = 0; at < size; ) {
    const filled = read(buffer, 0, buffer.length, at);
    const end = buffer.lastIndexOf(0x0a, filled - 1) + 1;
    for (let start = 0; start < end; ) {
      const newline = buffer.indexOf(0x0a, start);
      const { path, userAgent } = JSON.parse(buffer.toString('utf8', start, newline));
      paths.set(path, (paths.get(path) ?? 0) + 1);
      userAgents.set(userAgent, (userAgents.get(userAgent) ?? 0) + 1);
      counted += 1;
      start = newline + 1;
    }
    at += end;
  }
  return counted;
}

function countDistinct(): void {
  const path = join(folder, 'distinct.json');
  const lines = Array.from(
    { length: distinct },
    (_, i) => `{"timestamp":"2015-05-17T10:05:03Z","path":"/product/item-${i}/view","userAgent":"curl/8"}\n`,
  );
  writeFileSync(path, lines.join(''));
  const summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'disk' });
  const summarise = createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM] });
  const committed = { stream: 'access', hour: 397_714, path, bytes: fileSize(path) };
  console.log(`\nan hour with ${distinct} distinct paths`);
  timed('counted and written', () => summarise(committed));
  writeFileSync(path, lines[0] ?? '', { flag: 'a' });
  timed('one more line', () => summarise({ ...committed, bytes: fileSize(path) }));
  console.log(
    `  peak memory              ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB, this benchmark's lines included`,
  );
}

function fileSize(path: string): number {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  closeSync(fd);
  return size;
}

function timed(name: string, action: () => unknown): void {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  console.log(`  ${name.padEnd(24)} ${((user + system) / 1000).toFixed(0)} ms`);
}

/** Hour files on disk with their summaries. The runs after the first find no new records. */
async function runWithNothingNew(): Promise<void> {
  const all: CommittedHour[] = [];
  for (let hour = 397_000; hour < 397_000 + hours; hour++) {
    const { day, hh } = hourToPath(hour);
    const path = join(folder, 'logs', day, `${hh}.log.json`);
    mkdirSync(dirname(path), { recursive: true });
    const text = `{"timestamp":"${day}T${hh}:05:03Z","path":"/","userAgent":"curl/8"}\n`;
    writeFileSync(path, text);
    all.push({ stream: 'access', hour, path, bytes: text.length });
  }
  const summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'os' });
  const summarise = createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM] });
  const changed = new Map(all.map((committed) => [committed.hour, committed]));
  const log = createLog({ level: 'error', format: 'json' });
  let looks = 0;
  const aggregator = createAggregator({
    repo: {
      changedHours: () => [...changed.values()],
      advanceSummaryCursor: ({ hour }) => void changed.delete(hour),
      committedHour: async ({ hour }) => changed.get(hour),
      reportDamage: async () => undefined,
    },
    thread: {
      summarise: async (committed) => {
        looks += 1;
        return summarise(committed);
      },
      stop: async () => {},
    },
    streams: [ACCESS_STREAM.name],
    interval: 0,
    metrics: createMetrics({ defaultMetrics: false }),
    log,
  });
  console.log(`\nruns over ${hours} hour files`);
  const report = async (name: string): Promise<void> => {
    looks = 0;
    const { written, unchanged, seconds } = await aggregator.run();
    const ms = (seconds * 1000).toFixed(2);
    console.log(`  ${name.padEnd(24)} ${ms} ms: ${looks} hours checked, ${written} written, ${unchanged} unchanged`);
  };
  await report('all new');
  await report('nothing new');
  await report('nothing new');
  for (const committed of all) changed.set(committed.hour, committed);
  await report('marks lost, nothing new');
  log.close();
}
