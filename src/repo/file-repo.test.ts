import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { DirectoryInUseError } from '../disk/lock.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, UnavailableError } from '../model/deliver.ts';
import { parseHour, type StreamHour } from '../model/hour.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { createRepoFixture, type RepoFixture } from './repo-fixture.case.ts';

let fixture: RepoFixture;
let dir: string;
let logged: string[];

beforeEach(() => {
  fixture = createRepoFixture();
  ({ dir, logged } = fixture);
});
afterEach(() => fixture.remove());

function open(options: Partial<FileRepoOptions> = {}) {
  return fixture.open({ metrics: createMetrics({ defaultMetrics: false }), ...options });
}

/** Of two streams, by the names that they have in the journal. */
const HOURS = ['2025-11-22T10', 'events/2025-11-22T10', '2024-02-29T23'];

function hour(name: string): StreamHour {
  const [text = '', stream = 'access'] = name.split('/').reverse();
  const parsed = parseHour(text);
  if (parsed === undefined) throw new Error(`not an hour: ${name}`);
  return { stream, hour: parsed };
}

function lines(...texts: string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\n`).join(''));
}

/** One batch over all three hours and both streams, each line naming the batch. */
function batchOf(id: string, padding = ''): Batch {
  return HOURS.map((text) => ({ ...hour(text), count: 1, lines: lines(`${id}${padding}`) }));
}

function hourFile(name: string): string {
  return join(dir, 'logs', `${name.replace('T', '/')}.log.json`);
}

function read(text: string): string[] {
  if (!fs.existsSync(hourFile(text))) return [];
  const content = fs.readFileSync(hourFile(text), 'utf8');
  expect(content === '' || content.endsWith('\n')).toBe(true);
  return content.split('\n').slice(0, -1);
}

describe('append', () => {
  it('stores a batch over several hours, each in the file of its hour', async () => {
    const repo = await open();
    expect(await repo.append(batchOf('a'))).toEqual({ durability: 'disk' });
    for (const text of HOURS) expect(read(text)).toEqual(['a']);
    await repo.close();
  });

  it('keeps the order of the calls when many share a commit', async () => {
    const repo = await open();
    const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
    await Promise.all(ids.map((id) => repo.append(batchOf(id))));
    for (const text of HOURS) expect(read(text)).toEqual(ids);
    await repo.close();
  });

  it('continues after short writes', async () => {
    const repo = await open({ files: createFaultyDisk({ dieAt: 0, shortWrites: true }).files });
    await repo.append(batchOf('a', 'x'.repeat(1000)));
    await repo.append(batchOf('b'));
    for (const text of HOURS) expect(read(text)).toEqual([`a${'x'.repeat(1000)}`, 'b']);
    await repo.close();
  });

  it('limits how many files are open', async () => {
    const metrics = createMetrics({ defaultMetrics: false });
    const repo = await open({ maxOpenFiles: 2, metrics });
    for (let i = 0; i < 5; i++) await repo.append(batchOf(`r${i}`));
    const { values } = await metrics.openFiles.get();
    expect(values[0]?.value).toBeLessThanOrEqual(2);
    for (const text of HOURS) expect(read(text)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
    await repo.close();
  });

  it('stores dead letters in the same commit', async () => {
    const repo = await open();
    const time = Date.parse('2025-11-22T15:00:00Z');
    const letter = { time, stage: 'ingest', reason: 'record 1 missing path', source: 'r-1' } as const;
    await repo.append(batchOf('a'), {
      deadLetters: [
        { ...letter, raw: '{"a": 1.0}' },
        { ...letter, raw: 'junk"' },
      ],
    });
    await repo.close();
    expect(fs.readFileSync(join(dir, 'dlq', '2025-11-22.ndjson'), 'utf8').split('\n')).toEqual([
      '{"time":"2025-11-22T15:00:00.000Z","stage":"ingest","reason":"record 1 missing path","record":{"a": 1.0},"source":"r-1"}',
      '{"time":"2025-11-22T15:00:00.000Z","stage":"ingest","reason":"record 1 missing path","raw":"junk\\"","source":"r-1"}',
      '',
    ]);
  });

  it('refuses a batch whose commit did not begin in time', async () => {
    const repo = await open({ maxWaitMs: -1 });
    await expect(repo.append(batchOf('a'))).rejects.toThrow(UnavailableError);
    expect(read(HOURS[0] ?? '')).toEqual([]);
    await repo.close();
  });

  it('refuses batches after close, and stores those before it', async () => {
    const repo = await open();
    const before = repo.append(batchOf('a'));
    const closing = repo.close();
    await expect(repo.append(batchOf('b'))).rejects.toThrow('storage is closing');
    await before;
    await closing;
    expect(read(HOURS[0] ?? '')).toEqual(['a']);
  });
});

describe('ownership', () => {
  it('allows one process at a time to own the folders', async () => {
    const repo = await open();
    await expect(open()).rejects.toThrow(DirectoryInUseError);
    await repo.close();
    await (await open()).close();
  });
});

describe('faults', () => {
  /** A disk on which the operations named fail while `broken` holds. */
  function breakable(fails: Partial<FileSystem>) {
    const state = { broken: false };
    const files: FileSystem = { ...diskFileSystem };
    for (const [name, operation] of Object.entries(fails)) {
      const real = Reflect.get(diskFileSystem, name) as (...args: unknown[]) => unknown;
      const broken = operation as (...args: unknown[]) => unknown;
      Reflect.set(files, name, (...args: unknown[]) => (state.broken ? broken(...args) : real(...args)));
    }
    return { state, files };
  }
  const full = (): Promise<never> =>
    Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
  const halfWrite: FileSystem['write'] = async (fd, buffers, position) => {
    const first = buffers[0] ?? Buffer.alloc(0);
    if (first.length > 4) await diskFileSystem.write(fd, [first.subarray(0, 4)], position);
    return full();
  };

  for (const padding of ['', 'x'.repeat(200_000)]) {
    const size = padding === '' ? 'small' : 'large';
    for (const [what, fails] of [
      ['the disk is full', { write: halfWrite }],
      ['a sync fails', { sync: full }],
      ['a write fails and the cut does too', { write: halfWrite, truncate: full }],
    ] as const) {
      it(`refuses a ${size} batch when ${what}, keeps what was stored, and stores again afterwards`, async () => {
        const { state, files } = breakable(fails);
        const repo = await open({ files });
        await repo.append(batchOf('a', padding));
        state.broken = true;
        await expect(repo.append(batchOf('b', padding))).rejects.toThrow(UnavailableError);
        await expect(repo.append(batchOf('c', padding))).rejects.toThrow('ENOSPC');
        await expect(repo.checkWritable()).rejects.toThrow('ENOSPC');
        state.broken = false;
        await repo.checkWritable();
        // Also in an hour that gets no more records.
        for (const text of HOURS) expect(read(text)).toEqual([`a${padding}`]);
        await repo.append(batchOf('d', padding));
        for (const text of HOURS) expect(read(text)).toEqual([`a${padding}`, `d${padding}`]);
        await repo.close();
        await (await open()).close();
        for (const text of HOURS) expect(read(text)).toEqual([`a${padding}`, `d${padding}`]);
      });
    }
  }

  /** A disk on which the hour files cannot be synced while `broken` holds. */
  function unsyncable() {
    const state = { broken: false };
    const paths = new Map<number, string>();
    const files: FileSystem = {
      ...diskFileSystem,
      async open(path) {
        const fd = await diskFileSystem.open(path);
        paths.set(fd, path);
        return fd;
      },
      sync: (fd) => (state.broken && paths.get(fd)?.includes('/logs/') === true ? full() : diskFileSystem.sync(fd)),
    };
    return { state, files };
  }

  it.each([
    ['the next commit', ['a', 'b', 'c']],
    ['the close', ['a', 'b']],
  ])('%s writes bytes again, from the journal, that could not be synced in the background', async (by, stored) => {
    const { state, files } = unsyncable();
    const repo = await open({ files, syncEveryBytes: 1 });
    await repo.append(batchOf('a'));
    state.broken = true;
    await repo.append(batchOf('b'));
    await eventually(() => expect(logged.join()).toContain('error cannot sync files in the background'));
    // The kernel drops pages that it could not write.
    for (const text of HOURS) fs.writeFileSync(hourFile(text), 'a\n\0\0');
    state.broken = false;
    if (by === 'the next commit') await repo.append(batchOf('c'));
    else await repo.close();
    for (const text of HOURS) expect(read(text)).toEqual(stored);
    await repo.close();
  });

  it('stores the other hours when one cannot be written', async () => {
    const repo = await open();
    fs.mkdirSync(hourFile('2025-01-01T00'), { recursive: true });
    const bad = repo.append([{ ...hour('2025-01-01T00'), count: 1, lines: lines('bad') }]);
    const good = repo.append(batchOf('good'));
    await expect(bad).rejects.toThrow(UnavailableError);
    await good;
    for (const text of HOURS) expect(read(text)).toEqual(['good']);
    await repo.close();
  });

  it('begins a file from scratch when it was deleted under it, and keeps serving', async () => {
    const repo = await open();
    await repo.append(batchOf('a'));
    fs.rmSync(join(dir, 'logs', '2025-11-22'), { recursive: true });
    await repo.append(batchOf('b'));
    expect(HOURS.map(read)).toEqual([['b'], ['a', 'b'], ['a', 'b']]);
    expect(logged).toContain('error another program changed a data file; it is taken as it is');
    await repo.close();
  });
});

describe('start', () => {
  it('cuts files off at their committed length, and reports those that are shorter', async () => {
    const first = await open();
    await first.append(batchOf('a'));
    await first.append(batchOf('b'));
    await first.close();
    fs.appendFileSync(hourFile(HOURS[0] ?? ''), 'torn');
    fs.truncateSync(hourFile(HOURS[1] ?? ''), 3);
    fs.rmSync(hourFile(HOURS[2] ?? ''));
    const second = await open();
    expect(logged).toContain('info cut off bytes that were not committed');
    expect(logged.filter((line) => line.startsWith('error a data file is shorter'))).toHaveLength(2);
    await second.append(batchOf('c'));
    expect(HOURS.map(read)).toEqual([['a', 'b', 'c'], ['a', 'b', 'c'], ['c']]);
    await second.close();
  });

  it('takes files that no journal knows as they are, and ends their last line', async () => {
    fs.mkdirSync(join(dir, 'logs', '2025-11-22'), { recursive: true });
    fs.writeFileSync(hourFile(HOURS[0] ?? ''), 'old');
    const repo = await open();
    await repo.append(batchOf('a'));
    expect(read(HOURS[0] ?? '')).toEqual(['old', 'a']);
    await repo.close();
  });

  it.each([
    ['cut off', (path: string, at: number) => fs.truncateSync(path, at)],
    ['nothing but zeros', (path: string, at: number) => fs.writeFileSync(path, fs.readFileSync(path).fill(0, at))],
  ])('survives a journal %s from any byte on', async (_, damage) => {
    const repo = await open();
    for (const id of ['a', 'b', 'c']) await repo.append(batchOf(id));
    const saved = join(dir, 'saved');
    fs.cpSync(join(dir, 'state'), saved, { recursive: true });
    fs.cpSync(join(dir, 'logs'), join(dir, 'logs-saved'), { recursive: true });
    await repo.close();
    const journal = fs.readdirSync(saved).find((name) => name.startsWith('journal-')) ?? '';
    // Zeros follow, written ahead.
    const length = fs.readFileSync(join(saved, journal)).toString('latin1').replace(/\0+$/, '').length;
    for (let at = 0; at <= length; at += 7) {
      for (const [from, to] of [
        [saved, join(dir, 'state')],
        [join(dir, 'logs-saved'), join(dir, 'logs')],
      ] as const) {
        fs.rmSync(to, { recursive: true, force: true });
        fs.cpSync(from, to, { recursive: true });
      }
      damage(join(dir, 'state', journal), at);
      const again = await open();
      await again.append(batchOf('z'));
      const contents = HOURS.map(read);
      expect(contents[1]).toEqual(contents[0]);
      expect(contents[2]).toEqual(contents[0]);
      expect(['z', 'az', 'abz', 'abcz']).toContain(contents[0]?.join(''));
      await again.close();
    }
  });

  it('remembers idempotency keys, offsets and batch-ids, also after rotations of the journal', async () => {
    const clock = { now: 1_000_000 };
    const options = { clock: () => clock.now, segmentBytes: 2_000, idempotency: { windowMs: 1000, maxKeys: 5 } };
    const noteOf = (i: number): CommitNote => ({
      idempotency: { key: `k${i}`, bodyHash: 'h', answer: `{"accepted":${i}}`, time: clock.now },
      offsets: [{ topic: 'logs', partition: i % 2, next: String(i) }],
      batchIds: [`p:${i}`],
    });
    const first = await open(options);
    for (let i = 0; i < 40; i++) await first.append(batchOf(`r${i}`), noteOf(i));
    await first.close();
    const second = await open(options);
    expect(second.idempotency.size()).toBe(5);
    expect(second.idempotency.find({ key: 'k34', bodyHash: 'h' })).toBeUndefined();
    expect(second.idempotency.find({ key: 'k35', bodyHash: 'h' })?.answer).toBe('{"accepted":35}');
    expect(second.offsets().map((offset) => offset.next)).toEqual(['38', '39']);
    expect(second.hasBatchId('p:0')).toBe(true);
    expect(second.hasBatchId('p:40')).toBe(false);
    clock.now += 1001;
    expect(second.idempotency.find({ key: 'k39', bodyHash: 'h' })).toBeUndefined();
    await second.append(batchOf('x'), noteOf(40));
    await second.close();
    const third = await open(options);
    expect([third.idempotency.size(), third.idempotency.oldest()]).toEqual([1, clock.now]);
    await third.close();
    expect(fs.readdirSync(join(dir, 'state')).filter((name) => name.startsWith('journal-'))).toHaveLength(1);
  });
});

describe('hours for the aggregator', () => {
  it('are those that are longer than the aggregator’s cursor, also after a restart', async () => {
    const repo = await open();
    await repo.append(batchOf('a'));
    const changed = repo.changedHours();
    expect(changed.map((one) => one.bytes)).toEqual([2, 2, 2]);
    for (const one of changed.slice(0, 2)) repo.advanceSummaryCursor(one, one.bytes);
    expect(repo.changedHours().map((one) => one.path)).toEqual([hourFile('2024-02-29T23')]);
    await repo.close();
    const again = await open();
    expect(again.changedHours()).toHaveLength(1);
    await again.append(batchOf('b'));
    expect(again.changedHours()).toHaveLength(3);
    again.advanceSummaryCursor(hour(HOURS[0] ?? ''), 2);
    expect(again.changedHours()).toHaveLength(3);
    expect(await again.committedHour(hour(HOURS[0] ?? ''))).toMatchObject({ bytes: 4 });
    expect(await again.committedHour(hour('2001-01-01T00'))).toBeUndefined();
    await again.close();
  });
});

/** A run of commits, small and large, over rotations of the journal; which of them were acknowledged. */
async function work(files: FileSystem): Promise<Set<number>> {
  const acknowledged = new Set<number>();
  const repo = await open({ files, segmentBytes: 500, maxOpenFiles: 2, syncEveryBytes: 1 });
  try {
    for (let round = 0; round < 4; round++) {
      await Promise.allSettled(
        [0, 1, 2].map(async (i) => {
          const id = round * 3 + i;
          const padding = id === 4 ? 'x'.repeat(60_000) : '';
          const key = { key: `k${id}`, bodyHash: 'h', answer: '{}', time: Date.now() };
          await repo.append(batchOf(`${id}:`, padding), { idempotency: key });
          acknowledged.add(id);
        }),
      );
    }
  } finally {
    await repo.close().catch(() => undefined);
  }
  return acknowledged;
}

/** Checks what a start makes of the folders: acknowledged batches once, others whole or not at all. */
async function check(acknowledged: ReadonlySet<number>): Promise<void> {
  const repo = await open();
  await repo.append(batchOf('99:'));
  const ids = HOURS.map((text) => read(text).map((line) => Number(line.split(':')[0])));
  expect(ids[1]).toEqual(ids[0]);
  expect(ids[2]).toEqual(ids[0]);
  expect(new Set(ids[0]).size).toBe(ids[0]?.length);
  for (const id of acknowledged) expect(ids[0]).toContain(id);
  for (const id of ids[0] ?? [])
    if (id !== 99) expect(repo.idempotency.find({ key: `k${id}`, bodyHash: 'h' })).toBeDefined();
  await repo.close();
}

describe('a crash', () => {
  for (const end of ['kill -9', 'power cut'] as const) {
    it(`by ${end} at any operation loses nothing that was acknowledged and stores nothing in part`, async () => {
      const whole = createFaultyDisk({ dieAt: 0 });
      expect((await work(whole.files)).size).toBe(12);
      await check(new Set(Array.from({ length: 12 }, (_, i) => i)));
      const step = end === 'kill -9' ? 1 : 2;
      for (let dieAt = 1; dieAt <= whole.operations() + step; dieAt += step) {
        for (const name of ['logs', 'dlq', 'state']) fs.rmSync(join(dir, name), { recursive: true, force: true });
        const disk = createFaultyDisk({ dieAt });
        const acknowledged = await work(disk.files).catch(() => new Set<number>());
        if (end === 'power cut') disk.powerCut();
        await check(acknowledged);
      }
    });
  }
});
