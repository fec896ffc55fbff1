import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readHourFile } from '../../test/support/hour-files.ts';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { openHour } from './hour-file.ts';
import { listPlainHours } from './plain-hours.ts';
import type { Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture } from './repo-fixture.case.ts';

/* A process that dies while it compresses an hour leaves all records, and nothing that stays on the disk. */

const TEN = '2025-11-22T10';
const AT_TEN = { stream: 'access', hour: hourOf(TEN) };
const NEVER = new AbortController().signal;

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const names = () => fs.readdirSync(join(fixture.path(TEN), '..')).sort();

async function read(repo: Repo): Promise<string> {
  const committed = await repo.committedHour(AT_TEN);
  const file = committed && openHour(committed);
  if (committed === undefined || file === undefined) return '';
  const lines = Buffer.alloc(committed.bytes);
  for (let at = 0; at < lines.length; ) {
    const count = file.read(lines, at, lines.length - at, at);
    if (count === 0) throw new Error(`the hour ends at byte ${at} of ${lines.length}`);
    at += count;
  }
  file.close();
  return lines.toString();
}

interface Life {
  readonly died: boolean;
  /** Operations before compressing began. */
  readonly before: number;
  readonly stored: string;
  readonly compressed: boolean;
}

/** Stores a record, compresses the hour and stores a late one, and dies in the `dieAt`-th operation on the disk. */
async function runUntil(dieAt: number, { hasPower }: { readonly hasPower: boolean }): Promise<Life> {
  const disk = createFaultyDisk({ dieAt });
  let stored = '';
  let compressed = false;
  let before = 0;
  const repo = await fixture.open({ files: disk.files });
  try {
    for (const line of ['a', 'b']) {
      await repo.append(batchOf([TEN], line));
      stored += `${line}\n`;
    }
    before = disk.operations();
    compressed = (await repo.compaction.compress(AT_TEN, NEVER)) !== undefined;
    await repo.append(batchOf([TEN], 'late'));
    stored += 'late\n';
  } catch (error) {
    if (!disk.isDead()) throw error;
  }
  await repo.close().catch(() => undefined);
  if (!hasPower) disk.powerCut();
  return { died: disk.isDead(), before, stored, compressed };
}

/** What a runner of compaction does with an hour that it finds. */
async function look(repo: Repo): Promise<void> {
  const asked = { stream: 'access', restMs: 0, now: Date.now() };
  for await (const { stream, hour, hasLeftovers } of listPlainHours(join(fixture.dir, 'logs'), asked))
    if (hasLeftovers) await repo.compaction.clean({ stream, hour });
}

describe.each([
  ['a kill', true],
  ['a power cut', false],
])('%s at any step', (_, hasPower) => {
  test('loses no record, and leaves one form of the hour', async () => {
    const forms = new Set<string>();
    const { before } = await runUntil(0, { hasPower: true });
    fs.rmSync(fixture.dir, { recursive: true });
    for (let dieAt = before; ; dieAt++) {
      const life = await runUntil(dieAt, { hasPower });
      fixture.logged.length = 0;
      const repo = await fixture.open();
      const found = await read(repo);
      expect(found.startsWith(life.stored), `died at ${dieAt}: ${JSON.stringify({ found, ...life })}`).toBe(true);
      expect('a\nb\nlate\n'.startsWith(found)).toBe(true);
      expect(fixture.logged.filter((line) => line.startsWith('error'))).toEqual([]);
      await repo.append(batchOf([TEN], 'on'));
      await look(repo);
      expect(names(), `died at ${dieAt}`).toHaveLength(1);
      expect(await read(repo)).toBe(`${found}on\n`);
      await repo.compaction.compress(AT_TEN, NEVER);
      expect(names()).toEqual(['10.log.json.zst']);
      expect(await read(repo)).toBe(`${found}on\n`);
      forms.add(life.compressed ? 'compressed' : 'plain');
      await repo.close();
      fs.rmSync(fixture.dir, { recursive: true });
      if (!life.died) break;
    }
    expect([...forms].sort()).toEqual(['compressed', 'plain']);
  });
});

describe('an hour with both files, which the journal does not know', () => {
  /** As after a kill between the entry and the deletion, and many segments. */
  async function leaveBoth(plain: string): Promise<void> {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    await repo.compaction.compress(AT_TEN, NEVER);
    await repo.close();
    fs.rmSync(join(fixture.dir, 'state'), { recursive: true });
    fs.rmSync(join(fixture.dir, 'logs', '.logforge.seq'), { force: true });
    fs.writeFileSync(fixture.path(TEN), plain);
  }

  test('counts as compressed when that has all lines, and the plain file goes', async () => {
    await leaveBoth('a\n');
    const repo = await fixture.open();
    expect(await read(repo)).toBe('a\n');
    await look(repo);
    expect(names()).toEqual(['10.log.json.zst']);
    await repo.append(batchOf([TEN], 'b'));
    expect(await read(repo)).toBe('a\nb\n');
    await repo.close();
  });

  test('counts as plain when that has more, and is compressed again', async () => {
    await leaveBoth('a\nb\n');
    const repo = await fixture.open();
    await look(repo);
    expect(names()).toEqual(['10.log.json']);
    expect(await read(repo)).toBe('a\nb\n');
    await repo.compaction.compress(AT_TEN, NEVER);
    expect(names()).toEqual(['10.log.json.zst']);
    expect(await read(repo)).toBe('a\nb\n');
    await repo.close();
  });
});

test('an hour that somebody decompresses while the service is stopped is a plain one again', async () => {
  let repo = await fixture.open();
  await repo.append(batchOf([TEN], 'a'));
  await repo.compaction.compress(AT_TEN, NEVER);
  await repo.append(batchOf([TEN], 'b'));
  await repo.close();
  const compressed = `${fixture.path(TEN)}.zst`;
  fs.writeFileSync(fixture.path(TEN), readHourFile(compressed));
  fs.rmSync(compressed);
  repo = await fixture.open();
  await repo.append(batchOf([TEN], 'c'));
  expect(fixture.lines(TEN)).toEqual(['a', 'b', 'c']);
  expect(await repo.damage()).toBeUndefined();
  await repo.compaction.compress(AT_TEN, NEVER);
  await repo.append(batchOf([TEN], 'd'));
  expect(await read(repo)).toBe('a\nb\nc\nd\n');
  expect(names()).toEqual(['10.log.json.zst']);
  await repo.close();
});

test('hours are listed that have ended and got no record for as long as asked, with what is left of them', async () => {
  const logsDir = join(fixture.dir, 'logs');
  const day = join(logsDir, '2025-11-22');
  fs.mkdirSync(join(day, '14.log.json'), { recursive: true });
  const now = Date.parse('2025-11-22T13:30:00Z');
  const touch = (name: string, at: string) => {
    fs.writeFileSync(join(day, name), 'a\n');
    fs.utimesSync(join(day, name), new Date(at), new Date(at));
  };
  touch('08.log.json', '2025-11-22T09:00:00Z');
  touch('09.log.json', '2025-11-22T13:10:00Z');
  touch('09.log.json.zst', '2025-11-22T10:00:00Z');
  touch('10.log.json', '2025-11-22T11:00:00Z');
  touch('10.log.json.zst.new', '2025-11-22T11:00:00Z');
  touch('11.log.json.zst', '2025-11-22T11:00:00Z');
  // It ended 30 minutes ago.
  touch('12.log.json', '2025-11-22T12:00:00Z');
  fs.symlinkSync(join(day, '08.log.json'), join(day, '07.log.json'));
  const found = [];
  for await (const { hour, ...rest } of listPlainHours(logsDir, { stream: 'access', restMs: 45 * 60_000, now }))
    found.push({ hour: hour - hourOf('2025-11-22T00'), ...rest });
  const listed = { stream: 'access', bytes: 2 };
  expect(found).toEqual([
    { hour: 8, ...listed, isAtRest: true, hasLeftovers: false },
    { hour: 9, ...listed, isAtRest: false, hasLeftovers: true },
    { hour: 10, ...listed, isAtRest: true, hasLeftovers: true },
  ]);
});
