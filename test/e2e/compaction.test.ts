import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inBatches, makeRecords, toNdjson } from '../support/access-records.ts';
import { type Client, createClient } from '../support/client.ts';
import { readHourFile } from '../support/hour-files.ts';
import { runLogforge } from '../support/run.ts';
import { type Dirs, makeDirs, removeDirs, type Service, serviceEnv, startService } from '../support/service.ts';
import { readMetric } from '../support/version2.ts';

/* Plain hours of a real service are compressed once they are at rest. The tests are one story, in order. */

const DAY = '2015-05-17';
const TEN = Date.parse(`${DAY}T10:00:00Z`) / 3_600_000;
const KEY = { 'X-API-Key': 'key' };
const NDJSON = { ...KEY, 'Content-Type': 'application/x-ndjson' };
const BASE = { LOGFORGE_AGGREGATION_INTERVAL: '1h', LOGFORGE_AUTH_ENABLED: 'true', LOGFORGE_AUTH_KEYS: 'key' };
const COMPRESS = { LOGFORGE_STORAGE_COMPRESS_AFTER: '1m' };
const PLAIN = (hh: number) => `${hh}.log.json`;
const COMPRESSED = (hh: number) => `${hh}.log.json.zst`;

let dirs: Dirs;
let service: Service;
let client: Client;

const pathOf = (name: string) => join(dirs.logs, DAY, name);
const names = () => readdirSync(join(dirs.logs, DAY)).sort();

async function start(env: Record<string, string> = {}): Promise<void> {
  service = await startService({ dirs, env: { ...BASE, ...env } });
  client = createClient(service.port, { connections: 4 });
}

async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  client.close();
  await service.stop(signal);
}

async function post(body: string | Buffer): Promise<void> {
  const { status, body: answer } = await client.post(body, NDJSON);
  expect([status, status === 202 ? '' : answer]).toEqual([202, '']);
}

/** Ten thousand records of an hour, so many times. */
async function store(hour: number, times: number): Promise<void> {
  const body = toNdjson(makeRecords(10_000, { lastHour: hour, seed: hour }));
  for (let i = 0; i < times; i++) await post(body);
}

/** As if the hours had got their last records long ago. */
async function age(...hours: readonly number[]): Promise<void> {
  for (const hh of hours) await utimes(pathOf(PLAIN(hh)), new Date(`${DAY}T23:00:00Z`), new Date(`${DAY}T23:00:00Z`));
}

/** What readers get of two hours: their records, and their sum. */
async function readAll() {
  const range = `from=${DAY}T10&to=${DAY}T12`;
  const records = await client.get(`/records?limit=all&${range}`, KEY);
  const newest = await client.get(`/records?limit=3&order=desc&${range}`, KEY);
  const aggregated = await client.post('', KEY, '/admin/aggregate');
  const sum = await client.get(`/analytics?from=${DAY}T10:00:00Z&to=${DAY}T12:00:00Z`, KEY);
  for (const { status, body } of [records, newest, aggregated, sum])
    expect([status, status === 200 ? '' : body]).toEqual([200, '']);
  return { records: records.body, newest: newest.body, sum: sum.body };
}

/** Records of the present hour, until `isDone`. Gives how many batches. */
async function loadUntil(isDone: () => boolean): Promise<number> {
  const bodies = inBatches(makeRecords(1_000), 100).map(toNdjson);
  const deadline = performance.now() + 20_000;
  let sent = 0;
  while (!isDone()) {
    if (performance.now() > deadline) throw new Error(`nothing was compressed: ${names()}, ${service.logs()}`);
    await post(bodies[sent++ % bodies.length] ?? '');
  }
  return sent;
}

beforeAll(async () => {
  dirs = await makeDirs();
});
afterAll(async () => {
  await stop('SIGKILL');
  await removeDirs(dirs);
});

it('compresses hours at rest while others are written, and every reader gets the same', async () => {
  await start();
  await store(TEN, 1);
  await store(TEN + 1, 4);
  const before = await readAll();
  await stop();
  const plain = await Promise.all([10, 11].map((hh) => readFile(pathOf(PLAIN(hh)))));
  await age(10, 11);

  await start(COMPRESS);
  const sent = await loadUntil(() => names().join() === [COMPRESSED(10), COMPRESSED(11)].join());
  expect(sent).toBeGreaterThan(1);
  for (const [i, hh] of [10, 11].entries()) {
    const lines = plain[i] as Buffer;
    expect(readHourFile(pathOf(COMPRESSED(hh))).equals(lines)).toBe(true);
    const { error, stdout } = spawnSync('zstdcat', [pathOf(COMPRESSED(hh))], { maxBuffer: 2 ** 30 });
    // Where zstd is not installed, its library in Node.js has read the same above.
    if (error === undefined) expect(stdout.equals(lines)).toBe(true);
  }
  const after = await readAll();
  expect(after.records === before.records).toBe(true);
  expect(after).toMatchObject({ newest: before.newest, sum: before.sum });
  expect((await readMetric(service, 'logforge_compactions_total')).get('{stream="access"}')).toBe(2);
  const bytes = await readMetric(service, 'logforge_compaction_bytes_total');
  expect(bytes.get('{stream="access",side="before"}')).toBe(plain.reduce((sum, { length }) => sum + length, 0));
  expect(bytes.get('{stream="access",side="after"}')).toBeLessThan((plain[1] as Buffer).length / 4);
  expect((await readMetric(service, 'logforge_compaction_failures_total')).get('')).toBe(0);
  expect(service.logs()).toMatch(/"hour":"2015-05-17T10:00:00Z","before":\d+,"after":\d+,.*"msg":"compressed an hour"/);
});

it('adds late records to a compressed hour, and to its summary', async () => {
  const before = await readAll();
  await post(`{"timestamp":"${DAY}T10:30:00Z","path":"/late","userAgent":"late"}\n`);
  const after = await readAll();
  const line = `{"timestamp":"${DAY}T10:30:00Z","path":"/late","userAgent":"late"}\n`;
  expect(after.records.length).toBe(before.records.length + line.length);
  expect(after.records).toContain(line);
  expect(after.sum).toContain('/late');
  expect(names()).toEqual([COMPRESSED(10), COMPRESSED(11)]);
  await stop();
  expect(
    readHourFile(pathOf(COMPRESSED(10)))
      .toString()
      .endsWith(line),
  ).toBe(true);
});

it('begins again after a kill in the middle', async () => {
  await start();
  await store(TEN + 2, 8);
  await stop();
  const lines = await readFile(pathOf(PLAIN(12)));
  await age(12);
  await start(COMPRESS);
  await loadUntil(() => existsSync(pathOf(`${COMPRESSED(12)}.new`)));
  await stop('SIGKILL');
  expect(names()).toContain(PLAIN(12));
  expect(await readFile(pathOf(PLAIN(12)))).toHaveLength(lines.length);

  await start(COMPRESS);
  await loadUntil(() => names().join() === [10, 11, 12].map(COMPRESSED).join());
  expect(readHourFile(pathOf(COMPRESSED(12))).equals(lines)).toBe(true);
  await stop();
});

it('keeps the form that an hour has when nothing is compressed any more', async () => {
  await start();
  const before = await stat(pathOf(COMPRESSED(11)));
  await post(`{"timestamp":"${DAY}T11:30:00Z","path":"/later","userAgent":"later"}\n`);
  await store(TEN + 3, 1);
  expect((await client.get(`/records?limit=all&from=${DAY}T11&to=${DAY}T12&contains=later`, KEY)).body).toContain(
    '/later',
  );
  await stop();
  expect(names()).toEqual([COMPRESSED(10), COMPRESSED(11), COMPRESSED(12), PLAIN(13)]);
  expect((await stat(pathOf(COMPRESSED(11)))).size).toBeGreaterThan(before.size);
  const verified = await runLogforge(['verify'], { env: serviceEnv(dirs) });
  expect(verified, verified.stdout).toMatchObject({ code: 0 });
});
