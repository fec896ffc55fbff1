/**
 * Measures whether the p99 of POST /logs rises while a large plain hour is compressed (storage.compressAfter), and while one is deleted by
 * retention. A steady load on the real service is measured with and without each, by the same process.
 *
 *   node bench/housekeeping-p99.ts [--gb 5] [--rounds 3] [--rate 100000] [--dir /tmp]
 */
import { existsSync, mkdirSync } from 'node:fs';
import { open, rename, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { inBatches, makeRecords, toJson, toNdjson } from '../test/support/access-records.ts';
import { type Dirs, makeDirs, removeDirs, type Service, startService } from '../test/support/service.ts';
import { readMetric } from '../test/support/version2.ts';
import { runLoad } from './load.ts';
import { median } from './statistics.ts';

const { values: flags } = parseArgs({
  options: {
    gb: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '100000' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const GB = Number(flags.gb);
const BATCH = 100;
const OLD = Date.parse('2015-05-17T10:00:00Z');
const HOUR_FILE = '2015-05-17/10.log.json';
/** Shorter than the work that it measures: an hour of a gigabyte takes at least 8 s to compress. */
const COMPRESSING_MS = Math.max(1_500, GB * 6_000);
/** Retention looks once a second; deleting a gigabyte takes about 3 s. */
const DELETING_MS = 1_000 + GB * 3_000;
const WARM_UP_MS = 700;

const requests = inBatches(makeRecords(60_000), BATCH).map((records) => {
  const body = toJson(records);
  const head = 'POST /logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
});

const ratios = { compressing: [] as number[], deleting: [] as number[] };
for (let round = 1; round <= Number(flags.rounds); round++) {
  const compressing = await withDirs(measureCompressing);
  const deleting = await withDirs(measureDeleting);
  ratios.compressing.push(compressing.ratio);
  ratios.deleting.push(deleting.ratio);
  console.log(`${round}: ${compressing.text}\n${round}: ${deleting.text}`);
}
for (const [name, list] of Object.entries(ratios))
  console.log(`median of p99 while ${name} ${GB} GB ÷ p99 without: ${median(list).toFixed(2)}`);

interface Measured {
  readonly ratio: number;
  readonly text: string;
}

/** The hour is there at the start, so it is compressed at once. What is without is measured after. */
async function measureCompressing(dirs: Dirs): Promise<Measured> {
  const path = join(dirs.logs, HOUR_FILE);
  await writeHour(path);
  return withService(dirs, { LOGFORGE_STORAGE_COMPRESS_AFTER: '1m' }, async (service) => {
    const began = performance.now();
    const during = await measure(service, COMPRESSING_MS);
    const isShort = !existsSync(path);
    while (existsSync(path) || existsSync(`${path}.zst.new`)) await wait(100);
    const seconds = (performance.now() - began) / 1000;
    const failures = (await readMetric(service, 'logforge_compaction_failures_total')).get('');
    if (failures !== 0 || !existsSync(`${path}.zst`)) throw new Error(`nothing was compressed: ${service.logs()}`);
    const without = await measure(service, COMPRESSING_MS);
    return compare('compressing', { without, during, seconds, isShort });
  });
}

/** The hour is put into its place when the measured time begins. What is without is measured before. */
async function measureDeleting(dirs: Dirs): Promise<Measured> {
  const path = join(dirs.logs, HOUR_FILE);
  const beside = join(dirs.root, 'hour');
  await writeHour(beside);
  mkdirSync(dirname(path));
  const env = { LOGFORGE_RETENTION_MAX_AGE: '24h', LOGFORGE_RETENTION_INTERVAL: '1s' };
  return withService(dirs, env, async (service) => {
    const without = await measure(service, DELETING_MS);
    const began = performance.now();
    let placed: Promise<void> | undefined;
    const during = await measure(service, DELETING_MS, () => {
      mkdirSync(dirname(path), { recursive: true });
      placed = rename(beside, path);
    });
    await placed;
    const isLate = existsSync(path);
    while (existsSync(path)) await wait(100);
    if (isLate) throw new Error('the hour was deleted after the measured time');
    return compare('deleting', { without, during, seconds: (performance.now() - began) / 1000, isShort: false });
  });
}

function compare(
  name: string,
  parts: { readonly without: number; readonly during: number; readonly seconds: number; readonly isShort: boolean },
): Measured {
  const { without, during, seconds, isShort } = parts;
  const note = isShort ? '; it ended before the measured time' : '';
  const text = `p99 ${without.toFixed(2)} ms without, ${during.toFixed(2)} ms while ${name} ${GB} GB, over after ${seconds.toFixed(1)} s${note}`;
  return { ratio: during / without, text };
}

async function withDirs<T>(work: (dirs: Dirs) => Promise<T>): Promise<T> {
  const dirs = await makeDirs('logforge-bench-', flags.dir);
  return work(dirs).finally(() => removeDirs(dirs));
}

async function withService<T>(
  dirs: Dirs,
  settings: Readonly<Record<string, string>>,
  work: (service: Service) => Promise<T>,
): Promise<T> {
  const env = { LOGFORGE_STORAGE_DURABILITY: 'disk', LOGFORGE_AGGREGATION_ENABLED: 'false', ...settings };
  const service = await startService({ dirs, env });
  return work(service).finally(() => service.stop('SIGKILL'));
}

/** The p99 of a steady load, ms. */
async function measure({ port }: Service, durationMs: number, onMeasureStart = () => {}): Promise<number> {
  const load = { port, connections: 16, pipelining: 64, warmUpMs: WARM_UP_MS, durationMs };
  const result = await runLoad(
    requests,
    { ...load, requestsPerSecond: Number(flags.rate) / BATCH },
    { onMeasureStart },
  );
  if (Object.keys(result.otherAnswers).length > 0)
    throw new Error(`answers other than 202: ${JSON.stringify(result.otherAnswers)}`);
  return result.latencyMs.p99;
}

/** A plain hour of an earlier life, synced. */
async function writeHour(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const lines = toNdjson(makeRecords(60_000, { lastHour: OLD / 3_600_000 }));
  const file = await open(path, 'w');
  for (let bytes = 0; bytes < GB * 1e9; bytes += lines.length) await file.writeFile(lines);
  await file.datasync();
  await file.close();
  await utimes(path, OLD / 1000 + 3_600, OLD / 1000 + 3_600);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
