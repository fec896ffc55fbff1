import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { DirectoryInUseError } from '../disk/lock.ts';
import { UnavailableError } from '../model/deliver.ts';
import type { Compression } from './hour-forms.ts';
import type { Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture, readLines } from './repo-fixture.case.ts';

const HOURS = ['2025-11-22T10', '2025-11-23T11'];

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const linesOf = (repo: Repo, hour: string) => readLines(repo, { stream: 'access', hour: hourOf(hour) });

/** A disk on which nothing can be written while `code` is set. */
function unwritable(code: string) {
  const state: { code: string | undefined } = { code };
  const guard = async (): Promise<void> => {
    if (state.code !== undefined) throw Object.assign(new Error(`${state.code}: not now`), { code: state.code });
  };
  const files: FileSystem = {
    ...diskFileSystem,
    async open(path) {
      if (code !== 'ENOSPC' && code !== 'EDQUOT') await guard();
      return diskFileSystem.open(path);
    },
    async write(...args) {
      await guard();
      return diskFileSystem.write(...args);
    },
    async truncate(...args) {
      if (code !== 'ENOSPC' && code !== 'EDQUOT') await guard();
      return diskFileSystem.truncate(...args);
    },
  };
  return { state, files };
}

/** A process that ends with its answered records in the journal only: its folders, before any close. */
async function crashed(compression: Compression = 'none'): Promise<void> {
  const repo = await fixture.open({ compressionOf: () => compression });
  const note = { idempotency: { key: 'k', bodyHash: 'h', answer: '{}', time: Date.now() } };
  const offsets = [{ topic: 'logs', partition: 0, next: '7' }];
  await repo.append(batchOf(HOURS, 'a'), { ...note, offsets });
  const saved = join(fixture.dir, 'saved');
  for (const name of ['logs', 'state', 'dlq'])
    fs.cpSync(join(fixture.dir, name), join(saved, name), { recursive: true });
  await repo.close();
  for (const name of ['logs', 'state', 'dlq']) {
    fs.rmSync(join(fixture.dir, name), { recursive: true });
    fs.renameSync(join(saved, name), join(fixture.dir, name));
  }
}

describe('a start on a disk that cannot be written', () => {
  it('opens without the folder of the hours, which a power cut has taken', async () => {
    await crashed();
    fs.rmSync(join(fixture.dir, 'logs'), { recursive: true });
    fs.rmSync(join(fixture.dir, 'state'), { recursive: true });
    fs.mkdirSync(join(fixture.dir, 'state'));
    fs.writeFileSync(join(fixture.dir, 'state', 'journal-00000001.log'), '');
    const makeFolder: FileSystem['makeFolder'] = async () => {
      throw Object.assign(new Error('ENOSPC: not now'), { code: 'ENOSPC' });
    };
    const repo = await fixture.open({ files: { ...diskFileSystem, makeFolder } });
    await expect(repo.checkWritable()).rejects.toThrow('cannot make folder');
    await repo.close();
  });

  it.each([
    ['ENOSPC', 'none'],
    ['ENOSPC', 'zstd'],
    ['EDQUOT', 'none'],
    ['EROFS', 'none'],
    ['EROFS', 'zstd'],
    ['EACCES', 'none'],
    ['EIO', 'none'],
    ['EIO', 'zstd'],
  ] as const)('%s: says why, knows what was stored, refuses batches, and recovers, with compression %s', async (code, compression) => {
    const compressionOf = () => compression;
    await crashed(compression);
    const { state, files } = unwritable(code);
    const repo = await fixture.open({ files, compressionOf });
    expect(fixture.logged).toContain('error the storage cannot be written; batches are refused until it can');
    expect(repo.idempotency.find({ key: 'k', bodyHash: 'h' })).toBeDefined();
    expect(repo.offsets()).toEqual([{ topic: 'logs', partition: 0, next: '7' }]);
    expect(repo.changedHours()).toHaveLength(2);
    await expect(repo.append(batchOf(HOURS, 'b'))).rejects.toThrow(UnavailableError);
    await expect(repo.append(batchOf(HOURS, 'b'))).rejects.toThrow(code);
    await expect(repo.checkWritable()).rejects.toThrow(code);
    state.code = undefined;
    await repo.checkWritable();
    await repo.append(batchOf(HOURS, 'c'));
    for (const hour of HOURS) expect(await linesOf(repo, hour)).toEqual(['a', 'c']);
    await repo.close();
    const again = await fixture.open({ compressionOf });
    for (const hour of HOURS) expect(await linesOf(again, hour)).toEqual(['a', 'c']);
    await again.close();
  });

  it('names the file that could not be restored', async () => {
    await crashed();
    fs.truncateSync(fixture.path(HOURS[0] ?? ''), 0);
    const { files } = unwritable('ENOSPC');
    const repo = await fixture.open({ files });
    await expect(repo.checkWritable()).rejects.toThrow(join(fixture.dir, 'state', 'journal-'));
    await repo.close();
    const path = fixture.path(HOURS[0] ?? '');
    const open: FileSystem['open'] = async (each) => {
      if (each === path) throw new Error('not now');
      return diskFileSystem.open(each);
    };
    const other = await fixture.open({ files: { ...diskFileSystem, open } });
    await expect(other.checkWritable()).rejects.toThrow(path);
    await other.close();
  });

  it('keeps what a start would have restored when it is stopped before there is room', async () => {
    await crashed();
    fs.truncateSync(fixture.path(HOURS[0] ?? ''), 0);
    const { files } = unwritable('ENOSPC');
    await (await fixture.open({ files })).close();
    await (await fixture.open()).close();
    for (const hour of HOURS) expect(fixture.lines(hour)).toEqual(['a']);
  });

  it('makes and locks the folders when it can', async () => {
    // A file in the place of the folder stands for a folder that cannot be made.
    fs.writeFileSync(join(fixture.dir, 'state'), '');
    const repo = await fixture.open();
    await expect(repo.append(batchOf(HOURS, 'a'))).rejects.toThrow(join(fixture.dir, 'state'));
    fs.rmSync(join(fixture.dir, 'state'));
    await repo.append(batchOf(HOURS, 'b'));
    await expect(fixture.open()).rejects.toThrow(DirectoryInUseError);
    for (const hour of HOURS) expect(fixture.lines(hour)).toEqual(['b']);
    await repo.close();
    await (await fixture.open()).close();
    for (const hour of HOURS) expect(fixture.lines(hour)).toEqual(['b']);
  });
});

describe('a stop on a full disk', () => {
  it.each([
    ['disk', 'none'],
    ['os', 'none'],
    ['disk', 'zstd'],
    ['os', 'zstd'],
  ] as const)('is clean with durability %s and compression %s, and the next start has everything', async (durability, compression) => {
    const compressionOf = () => compression;
    const { state, files } = unwritable('ENOSPC');
    state.code = undefined;
    const repo = await fixture.open({ files, durability, compressionOf });
    await repo.append(batchOf(HOURS, 'a'));
    state.code = 'ENOSPC';
    await expect(repo.append(batchOf(HOURS, 'b'))).rejects.toThrow(UnavailableError);
    await repo.close();
    expect(fixture.logged.join()).toContain('warn cannot begin a new journal segment at the stop');
    const again = await fixture.open({ durability, compressionOf });
    for (const hour of HOURS) expect(await linesOf(again, hour)).toEqual(['a']);
    await again.close();
  });
});

describe('readiness', () => {
  it('creates no file', async () => {
    const repo = await fixture.open();
    const before = fs.readdirSync(fixture.dir, { recursive: true });
    for (let i = 0; i < 3; i++) await repo.checkWritable();
    expect(fs.readdirSync(fixture.dir, { recursive: true })).toEqual(before);
    await repo.close();
  });
});

describe('a start where the folders cannot be made', () => {
  it('is ready, without a batch before, as soon as they can', async () => {
    const parent = join(fixture.dir, 'volume');
    const target = join(fixture.dir, 'not-mounted-yet');
    fs.symlinkSync(target, parent);
    const folder = (name: string) => join(parent, name);
    const repo = await fixture.open({ logsDir: folder('logs'), dlqDir: folder('dlq'), stateDir: folder('state') });
    await expect(repo.checkWritable()).rejects.toThrow(`cannot make folder=${folder('state')}`);
    fs.mkdirSync(target);
    await repo.checkWritable();
    await repo.append(batchOf(HOURS, 'a'));
    await repo.close();
  });
});
