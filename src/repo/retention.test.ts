import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { diskFileSystem } from '../disk/file-system.ts';
import { UnavailableError } from '../model/deliver.ts';
import { MIN_HOUR } from '../model/hour.ts';
import { DataFiles } from './data-files.ts';
import { openHour } from './hour-file.ts';
import { createHoursOnDisk } from './hours-on-disk.ts';
import { encodeMeta } from './journal-meta.ts';
import { readSegments } from './journal-reader.ts';
import type { CommittedHour, HourFile, Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture } from './repo-fixture.case.ts';
import { verifyStorage } from './verify.ts';

const [NINE, TEN, ELEVEN] = ['2025-11-22T09', '2025-11-22T10', '2025-11-22T11'] as const;
const AT_TEN = { stream: 'access', hour: hourOf(TEN) };
const DAY = '2025-11-22';

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const folders = () => ({ logsDir: join(fixture.dir, 'logs'), dlqDir: join(fixture.dir, 'dlq') });
const hoursOnDisk = (files = diskFileSystem) =>
  createHoursOnDisk({ files, ...folders(), analyticsDir: join(fixture.dir, 'analytics'), between: (work) => work() });

function letter(raw: string) {
  return { time: Date.parse(`${DAY}T10:00:00Z`), stage: 'ingest', reason: 'test', raw, source: 'test' } as const;
}

/** What the journal in the state folder says is removed. */
async function removedInJournal(): Promise<readonly string[]> {
  const segments = await readSegments(join(fixture.dir, 'state'), new DataFiles(folders()));
  return segments.flatMap(({ entries }) => entries.flatMap(({ meta }) => meta.removed?.map(({ name }) => name) ?? []));
}

async function abandon(repo: Repo): Promise<void> {
  await repo.close().catch(() => undefined);
}

describe('removed hours', () => {
  test('are gone with all before them, and take no record any more', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([NINE, TEN, ELEVEN], 'a'));
    await repo.append(batchOf([NINE, TEN, ELEVEN], 'b'));
    expect(repo.retention.firstHour('access')).toBe(MIN_HOUR);
    expect(await repo.retention.removeHours(AT_TEN)).toBe(true);
    expect(repo.retention.firstHour('access')).toBe(hourOf(ELEVEN));
    expect(repo.retention.firstHour('events')).toBe(MIN_HOUR);
    expect(repo.changedHours().map(({ hour }) => hour)).toEqual([hourOf(ELEVEN)]);
    expect(await repo.committedHour(AT_TEN)).toBeUndefined();
    const late = repo.append(batchOf([TEN, ELEVEN], 'late'));
    await expect(late).rejects.toThrow(UnavailableError);
    await expect(late).rejects.toThrow('hour 2025-11-22T10:00:00Z of stream access was removed by retention meanwhile');
    expect(fixture.lines(ELEVEN)).toEqual(['a', 'b']);
    await repo.append(batchOf([ELEVEN], 'c'));
    await repo.close();
    expect(fixture.lines(ELEVEN)).toEqual(['a', 'b', 'c']);
  });

  test('that nobody allows to go at the last moment stay', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    expect(await repo.retention.removeHours(AT_TEN, () => false)).toBe(false);
    await repo.append(batchOf([TEN], 'b'));
    expect(fixture.lines(TEN)).toEqual(['a', 'b']);
    await repo.close();
  });

  test('are no failure of the storage for the batches that come too late', async () => {
    const repo = await fixture.open();
    const removal = repo.retention.removeHours(AT_TEN);
    const late = repo.append(batchOf([TEN], 'late'));
    const other = repo.append(batchOf([ELEVEN], 'other'));
    await removal;
    await expect(late).rejects.toThrow('removed by retention');
    await other;
    expect(await fixture.metrics.storageFailures.get()).toMatchObject({ values: [{ value: 0 }] });
    await repo.checkWritable();
    expect(fs.existsSync(fixture.path(TEN))).toBe(false);
    await repo.close();
  });

  test('leave no file of a batch over many hours that comes too late', async () => {
    const repo = await fixture.open();
    await repo.retention.removeHours(AT_TEN);
    const hours = Array.from({ length: 100 }, (_, i) => AT_TEN.hour - 50 + i);
    const batch = hours.map((hour) => ({ stream: 'access', hour, count: 1, lines: Buffer.from('x\n') }));
    await expect(repo.append(batch)).rejects.toThrow('removed by retention');
    expect(await hoursOnDisk().list('access')).toEqual([]);
    await repo.close();
  });

  test('stay removed after restarts and many segments', async () => {
    let repo = await fixture.open({ segmentBytes: 1 });
    await repo.append(batchOf([TEN], 'a'));
    await repo.retention.removeHours(AT_TEN);
    await repo.retention.removeHours({ stream: 'events', hour: hourOf(NINE) });
    for (let i = 0; i < 5; i++) await repo.append(batchOf([ELEVEN], `${i}`));
    for (let start = 0; start < 2; start++) {
      await abandon(repo);
      repo = await fixture.open();
      expect(repo.retention.firstHour('access')).toBe(hourOf(ELEVEN));
      expect(repo.retention.firstHour('events')).toBe(hourOf(TEN));
      await expect(repo.append(batchOf([TEN], 'late'))).rejects.toThrow('removed by retention');
    }
    await abandon(repo);
    expect(await removedInJournal()).toEqual([TEN, `events/${NINE}`]);
  });

  test('make an older version refuse to start: it may not skip the member', () => {
    const files = new DataFiles(folders());
    const stored = encodeMeta({ seq: 7, removed: [files.ofHour(AT_TEN), files.ofDeadLetterDay(DAY)] });
    expect(stored).toEqual({ seq: 7, removed: [AT_TEN.hour, `dlq/${DAY}`] });
  });

  test('whose files are deleted are no loss to a start, a repair or a check', async () => {
    let repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    await repo.append(batchOf([TEN], 'b'));
    await repo.retention.removeHours(AT_TEN);
    fs.rmSync(fixture.path(TEN));
    await abandon(repo);
    fixture.logged.length = 0;
    repo = await fixture.open({ beginsGenerations: true });
    await repo.append(batchOf([ELEVEN], 'c'));
    expect(fixture.logged.filter((line) => /^(warn|error)/.test(line))).toEqual([]);
    expect(await repo.damage()).toBeUndefined();
    await repo.close();
  });

  test('whose files are still there are told by a check, and are sound', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    await repo.retention.removeHours(AT_TEN);
    await repo.close();
    fs.appendFileSync(fixture.path(TEN), 'no end');
    const findings = [];
    const all = { ...folders(), stateDir: join(fixture.dir, 'state'), analyticsDir: join(fixture.dir, 'analytics') };
    for await (const finding of verifyStorage(all)) findings.push(finding);
    expect(findings.filter(({ isSound }) => !isSound)).toEqual([]);
    expect(findings.find(({ place }) => place === fixture.path(TEN))?.detail).toContain('removed by retention');
  });

  test('do not come back when the journal lost entries', async () => {
    let repo = await fixture.open();
    await repo.append(batchOf([TEN, ELEVEN], 'a'));
    await repo.retention.removeHours(AT_TEN);
    await repo.close();
    // A start that finds more than a commit can leave takes the files as they are.
    repo = await fixture.open();
    await repo.append(batchOf([ELEVEN], 'b'));
    await abandon(repo);
    fs.appendFileSync(fixture.path(ELEVEN), `${'x'.repeat(99)}\n`.repeat(400_000));
    repo = await fixture.open();
    expect(await repo.damage()).toBeDefined();
    expect(repo.changedHours().map(({ hour }) => hour)).toEqual([hourOf(ELEVEN)]);
    expect(repo.retention.firstHour('access')).toBe(hourOf(ELEVEN));
    await repo.close();
  });
});

test('an hour is needed while one of its stream before it is not summarised, whenever that one came', async () => {
  const repo = await fixture.open();
  await repo.append(batchOf([TEN], 'a'));
  repo.advanceSummaryCursor(AT_TEN, 2);
  expect(repo.retention.hasUnsummarised(AT_TEN)).toBe(false);
  await repo.append(batchOf([ELEVEN], 'later'));
  expect(repo.retention.hasUnsummarised(AT_TEN)).toBe(false);
  await repo.append(batchOf([NINE], 'late'));
  expect(repo.retention.hasUnsummarised(AT_TEN)).toBe(true);
  expect(repo.retention.hasUnsummarised({ stream: 'events', hour: AT_TEN.hour })).toBe(false);
  await repo.close();
});

test('a reader may meet the end of a compressed hour that is deleted under it, which is no damage', async () => {
  const repo = await fixture.open({ compressionOf: () => 'zstd' });
  for (let i = 0; i < 3; i++) await repo.append(batchOf([TEN], randomBytes(800_000).toString('base64')));
  const committed = (await repo.committedHour(AT_TEN)) as CommittedHour;
  const file = openHour(committed) as HourFile;
  expect(await repo.retention.removeHours(AT_TEN)).toBe(true);
  // As deleteFile does it, held up in the middle.
  const fd = fs.openSync(committed.path, 'r+');
  fs.rmSync(committed.path);
  fs.ftruncateSync(fd, 1_000_000);
  fs.closeSync(fd);
  const target = Buffer.alloc(1_000);
  expect(file.read(target, 0, target.length, file.size - 10)).toBe(0);
  expect(file.read(target, 0, target.length, 0)).toBe(target.length);
  await repo.reportDamage(AT_TEN, { offset: 0, bytes: 1, position: 0, reason: 'as a reader of before would say' });
  expect(await repo.damage()).toBeUndefined();
  file.close();
  await repo.close();
});

describe('a process that dies while it removes an hour', () => {
  async function runUntil(dieAt: number): Promise<{ readonly died: boolean; readonly removed: boolean }> {
    const disk = createFaultyDisk({ dieAt });
    const files = disk.files;
    let removed = false;
    const repo = await fixture.open({ files });
    try {
      await repo.append(batchOf([NINE, TEN, ELEVEN], 'a'));
      removed = await repo.retention.removeHours(AT_TEN);
      const hours = hoursOnDisk(files);
      for (const at of await hours.list('access'))
        if (at.hour < repo.retention.firstHour('access')) await hours.delete(at);
      await hours.removeEmptyDays('access', repo.retention.firstHour('access'));
    } catch (error) {
      if (!disk.isDead()) throw error;
    }
    await abandon(repo);
    disk.powerCut();
    return { died: disk.isDead(), removed };
  }

  test('leaves an hour that is whole, or one that is removed and that the next run deletes', async () => {
    for (let dieAt = 1; ; dieAt++) {
      const { died, removed } = await runUntil(dieAt);
      fixture.logged.length = 0;
      const repo = await fixture.open();
      const isRemoved = repo.retention.firstHour('access') === hourOf(ELEVEN);
      if (removed) expect(isRemoved).toBe(true);
      expect(fixture.logged.filter((line) => line.startsWith('error'))).toEqual([]);
      if (isRemoved) {
        const hours = hoursOnDisk();
        for (const at of await hours.list('access'))
          if (at.hour < repo.retention.firstHour('access')) await hours.delete(at);
        expect((await hours.list('access')).map(({ hour }) => hour)).toEqual([hourOf(ELEVEN)]);
        await expect(repo.append(batchOf([TEN], 'late'))).rejects.toThrow('removed by retention');
      } else {
        await repo.append(batchOf([TEN], 'on'));
        expect(['on', 'a,on']).toContain(fixture.lines(TEN).join());
      }
      await repo.close();
      fs.rmSync(fixture.dir, { recursive: true });
      if (!died) return;
    }
  });
});

describe('a removed day of dead letters', () => {
  const path = () => join(fixture.dir, 'dlq', `${DAY}.ndjson`);

  test('is deleted, is no loss to the next start, and may begin again', async () => {
    let repo = await fixture.open();
    await repo.append([], { deadLetters: [letter('one')] });
    await repo.append([], { deadLetters: [letter('two')] });
    const removal = repo.retention.removeDeadLetters(DAY);
    const after = repo.append([], { deadLetters: [letter('three')] });
    await removal;
    await after;
    expect(fs.readFileSync(path(), 'utf8')).toContain('three');
    expect(fs.readFileSync(path(), 'utf8')).not.toContain('one');
    await repo.retention.removeDeadLetters(DAY);
    expect(fs.existsSync(path())).toBe(false);
    await abandon(repo);
    fixture.logged.length = 0;
    repo = await fixture.open();
    expect(fixture.logged.filter((line) => line.startsWith('error'))).toEqual([]);
    expect(fs.existsSync(path())).toBe(false);
    await repo.append([], { deadLetters: [letter('four')] });
    expect(fs.readFileSync(path(), 'utf8')).toContain('four');
    await repo.close();
  });

  test('that is not there is no fault', async () => {
    const repo = await fixture.open();
    await repo.retention.removeDeadLetters('2025-11-01');
    await repo.close();
  });
});
