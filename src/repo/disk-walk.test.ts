import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DiskWalk, MAX_DAYS } from './disk-walk.ts';

/** New folders with these files, by their length in bytes. */
async function makeFolders(files: Readonly<Record<string, number>>) {
  const root = await mkdtemp(join(tmpdir(), 'logforge-walk-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const write = async (name: string, bytes: number) => {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), 'x'.repeat(bytes));
  };
  for (const [name, bytes] of Object.entries(files)) await write(name, bytes);
  const inRoot = (name: string) => join(root, name);
  const folders = {
    logsDir: inRoot('logs'),
    analyticsDir: inRoot('analytics'),
    stateDir: inRoot('state'),
    dlqDir: inRoot('dlq'),
  };
  return { folders, inRoot, write };
}

async function walkAll(walk: DiskWalk, time = 1): Promise<number> {
  let steps = 0;
  for await (const _ of walk.steps(() => time)) steps++;
  return steps;
}

test('adds up hours by stream, form and day', async () => {
  const { folders } = await makeFolders({
    'logs/2015-05-17/10.log.json': 100,
    'logs/2015-05-17/11.log.json': 20,
    'logs/2015-05-17/11.log.json.zst': 3,
    'logs/2015-05-18/00.log.json.zst': 7,
    'logs/events/2015-05-17/10.log.json': 1_000,
  });
  const walk = new DiskWalk(folders, ['access', 'events', 'orders']);
  expect(walk.use('access').walkedAt).toBeUndefined();
  await walkAll(walk, 5);
  const { streams, days, walkedAt } = walk.use('access');
  expect(streams).toEqual([
    { name: 'access', plain: 120, zstd: 10, days: 2 },
    { name: 'events', plain: 1_000, zstd: 0, days: 1 },
    { name: 'orders', plain: 0, zstd: 0, days: 0 },
  ]);
  expect(days).toEqual([
    { day: '2015-05-18', plain: 0, zstd: 7 },
    { day: '2015-05-17', plain: 120, zstd: 3 },
  ]);
  expect(walkedAt).toBe(5);
  expect(walk.use('events').days).toEqual([{ day: '2015-05-17', plain: 1_000, zstd: 0 }]);
});

test('counts only files of the service', async () => {
  const { folders, inRoot } = await makeFolders({
    'logs/2015-05-17/10.log.json': 1,
    'logs/2015-05-17/10.log.json.gz': 50,
    'logs/2015-05-17/10.log.json.zst.new': 50,
    'logs/2015-05-17/notes.txt': 50,
    'logs/2015-13-40/10.log.json': 50,
    'logs/.logforge.seq': 50,
    'logs/backup/10.log.json': 50,
    'logs/2015-05-19': 50,
    'elsewhere/file': 50,
  });
  await mkdir(inRoot('logs/2015-05-17/12.log.json'));
  await mkdir(inRoot('logs/2015-05-20'));
  const walk = new DiskWalk(folders, ['access']);
  await walkAll(walk);
  const { streams, days, other } = walk.use('access');
  expect(streams).toEqual([{ name: 'access', plain: 1, zstd: 0, days: 1 }]);
  expect(days).toHaveLength(1);
  expect(Object.values(other)).toEqual([0, 0, 0, 0, 0]);
});

test('counts what lies beside the hours, and the hours of removed streams', async () => {
  const { folders } = await makeFolders({
    'logs/gone/2015-05-17/10.log.json': 11,
    'logs/gone/2015-05-17/10.log.json.zst': 2,
    'analytics/2015-05-17/summary_10.json': 100,
    'analytics/events/2015-05-17/summary_10.json': 10,
    'analytics/.checksums/2015-05-17': 50,
    'state/journal-1.log': 5,
    'state/journal-2.log': 6,
    'state/keys-1.log': 7,
    'state/answers-1.log': 8,
    'state/damaged/damage.ndjson': 50,
    'dlq/2015-05-17.ndjson': 9,
    'dlq/later.ndjson': 50,
  });
  const walk = new DiskWalk(folders, ['access', 'events']);
  await walkAll(walk);
  expect(walk.use('access').other).toEqual({
    journal: 11,
    keys: 15,
    dead_letters: 9,
    summaries: 110,
    removed_streams: 13,
  });
});

test('follows what grows and forgets what goes', async () => {
  const { folders, inRoot, write } = await makeFolders({
    'logs/2015-05-17/10.log.json': 10,
    'logs/2015-05-18/10.log.json': 10,
    'logs/gone/2015-05-17/10.log.json': 11,
    'dlq/2015-05-17.ndjson': 9,
  });
  await symlink(inRoot('logs/2015-05-17'), inRoot('logs/2015-05-16'));
  const walk = new DiskWalk(folders, ['access']);
  await walkAll(walk);
  // The folder of a day may be a link.
  expect(walk.use('access').days.map(({ day }) => day)).toEqual(['2015-05-18', '2015-05-17', '2015-05-16']);

  await rm(inRoot('logs/2015-05-16'));
  await rm(inRoot('logs/2015-05-17'), { recursive: true });
  await rm(inRoot('logs/gone'), { recursive: true });
  await rm(inRoot('dlq'), { recursive: true });
  await write('logs/2015-05-18/10.log.json', 25);
  await walkAll(walk);
  const { days, other } = walk.use('access');
  expect([days, other.removed_streams, other.dead_letters]).toEqual([
    [{ day: '2015-05-18', plain: 25, zstd: 0 }],
    0,
    0,
  ]);
});

test('takes a step for each day, the newest first, and shows each at once', async () => {
  const { folders } = await makeFolders({ 'logs/2015-05-17/10.log.json': 1, 'logs/2015-05-18/10.log.json': 1 });
  const walk = new DiskWalk(folders, ['access']);
  const seen: string[] = [];
  for await (const _ of walk.steps(() => 1)) {
    const known = walk.use('access').days.map(({ day }) => day.slice(-2));
    if (known.join() !== seen.at(-1)) seen.push(known.join());
  }
  expect(seen).toEqual(['', '18', '18,17']);
});

test('names the newest days, and counts all', async () => {
  const day = (i: number) => new Date(Date.UTC(2014, 0, 1 + i)).toISOString().slice(0, 10);
  const count = MAX_DAYS + 3;
  const files = Array.from({ length: count }, (_, i) => [`logs/${day(i)}/00.log.json`, 1] as const);
  const { folders } = await makeFolders(Object.fromEntries(files));
  const walk = new DiskWalk(folders, ['access']);
  expect(await walkAll(walk)).toBeGreaterThan(count);
  const { streams, days } = walk.use('access');
  expect(streams).toEqual([{ name: 'access', plain: count, zstd: 0, days: count }]);
  expect([days.length, days[0]?.day, days.at(-1)?.day]).toEqual([MAX_DAYS, day(count - 1), day(3)]);
});

test('is empty where there are no folders', async () => {
  const { folders } = await makeFolders({});
  const walk = new DiskWalk(folders, ['access']);
  await walkAll(walk);
  expect(walk.use('access')).toMatchObject({ streams: [{ plain: 0, zstd: 0, days: 0 }], days: [], walkedAt: 1 });
});
