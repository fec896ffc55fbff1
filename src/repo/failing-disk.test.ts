import * as fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import type { Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture, readLines } from './repo-fixture.case.ts';

/* A disk on which several operations in a row fail, on hours with answered bytes that are not synced yet. */

const HOUR = '2025-11-22T10';
const OTHER = '2025-11-23T11';
const NEVER = 1e9;

let fixture: RepoFixture;
/** What fails, of the file of HOUR. */
let failing: 'write' | 'sync' | undefined;
let happened: string[];

beforeEach(() => {
  fixture = createRepoFixture();
  failing = undefined;
  happened = [];
});
afterEach(() => fixture.remove());

const isHour = (path: string | undefined) => path?.startsWith(fixture.path(HOUR)) === true;
const failure = (code: string) => Object.assign(new Error(code), { code });
const lettersOf = async (repo: Repo) =>
  (await readLines(repo, { stream: 'access', hour: hourOf(HOUR) })).map((line) => line[0]).join('');

/** The real file system, with faults. `onSync` may hold up or fail a sync of the hour. */
function faultyFiles(onSync: () => Promise<void> = async () => undefined): FileSystem {
  const paths = new Map<number, string>();
  return {
    ...diskFileSystem,
    async open(path) {
      const fd = await diskFileSystem.open(path);
      paths.set(fd, path);
      if (path.includes('journal-')) happened.push('segment');
      return fd;
    },
    async write(fd, buffers, position) {
      if (failing === 'write' && isHour(paths.get(fd))) throw failure('ENOSPC');
      if (isHour(paths.get(fd))) happened.push(`write at ${position}`);
      return diskFileSystem.write(fd, buffers, position);
    },
    async sync(fd) {
      if (failing === 'sync' && isHour(paths.get(fd))) throw failure('EIO');
      if (isHour(paths.get(fd))) await onSync();
      return diskFileSystem.sync(fd);
    },
  };
}

describe('a compressed hour whose restore fails, and fails again', () => {
  const options = (): Partial<FileRepoOptions> => ({
    compressionOf: () => 'zstd',
    waiting: { hourBytes: 256 * 1024, allBytes: 32 * 1024 * 1024, ms: 40 },
    syncEveryBytes: NEVER,
    files: faultyFiles(),
  });
  /** Too large for the journal. */
  const large = batchOf([HOUR], 'x'.repeat(2_000_000));

  it.each(['write', 'sync'] as const)('keeps every answered record while each %s fails', async (operation) => {
    const repo = await fixture.open(options());
    for (const letter of ['a', 'b', 'c', 'd']) await repo.append(batchOf([HOUR], letter.repeat(50)));
    await eventually(() => expect(happened.some((what) => /^write at [1-9]/.test(what))).toBe(true));
    failing = operation;
    for (let i = 0; i < 3; i++)
      await expect(repo.append(large)).rejects.toThrow(operation === 'write' ? 'ENOSPC' : 'EIO');
    // Nothing of a file that may have lost bytes is read.
    await expect(lettersOf(repo)).rejects.toThrow(operation === 'write' ? 'ENOSPC' : 'EIO');
    failing = undefined;
    await repo.append(batchOf([HOUR], 'e'));
    expect(await lettersOf(repo)).toBe('abcde');
    expect(fixture.logged.join()).not.toContain('another program');
    await repo.close();
    const again = await fixture.open({ compressionOf: () => 'zstd' });
    expect(await lettersOf(again)).toBe('abcde');
    await again.close();
  });

  it('is restored by the next start when the process ends meanwhile', async () => {
    const repo = await fixture.open(options());
    for (const letter of ['a', 'b']) await repo.append(batchOf([HOUR], letter));
    await eventually(() => expect(happened.some((what) => /^write at [1-9]/.test(what))).toBe(true));
    failing = 'write';
    for (let i = 0; i < 2; i++) await expect(repo.append(large)).rejects.toThrow('ENOSPC');
    await repo.close();
    failing = undefined;
    const again = await fixture.open({ compressionOf: () => 'zstd' });
    expect(await lettersOf(again)).toBe('ab');
    await again.close();
  });
});

describe('a sync in the background that fails', () => {
  it('while a segment of the journal begins: the bytes are written again before the older one goes', async () => {
    const begun = Promise.withResolvers<void>();
    let isFirst = true;
    const files = faultyFiles(async () => {
      if (!isFirst) return;
      isFirst = false;
      await begun.promise;
      happened.push('failed');
      throw failure('EIO');
    });
    const repo = await fixture.open({
      files: {
        ...files,
        async open(path) {
          if (!isFirst && path.includes('journal-')) begun.resolve();
          return files.open(path);
        },
      },
      syncEveryBytes: 1,
      segmentBytes: 300,
    });
    for (const letter of ['a', 'b']) await repo.append(batchOf([HOUR], letter.repeat(60)));
    for (let i = 0; !happened.includes('failed'); i++) await repo.append(batchOf([OTHER], `${i % 10}`.repeat(60)));
    const from = happened.indexOf('failed');
    await repo.append(batchOf([OTHER], 'z'));
    expect(happened.slice(from)).toContain('write at 0');
    expect(await lettersOf(repo)).toBe('ab');
    await repo.close();
    expect(fs.readFileSync(fixture.path(HOUR), 'utf8')).toBe(`${'a'.repeat(60)}\n${'b'.repeat(60)}\n`);
  });

  it('while a large commit follows a frame that it lost: the frame is made again', async () => {
    const held = Promise.withResolvers<void>();
    let syncs = 0;
    const files = faultyFiles(async () => {
      if (syncs++ > 0) return held.resolve();
      await held.promise;
      throw failure('EIO');
    });
    const options: Partial<FileRepoOptions> = { compressionOf: () => 'zstd', syncEveryBytes: 1 };
    const waiting = { hourBytes: 256 * 1024, allBytes: 32 * 1024 * 1024, ms: 40 };
    const repo = await fixture.open({ ...options, files, waiting });
    await repo.append(batchOf([HOUR], 'a'));
    // The frame of the first line, whose sync waits for that of the large commit.
    await eventually(() => expect(syncs).toBe(1));
    const before = happened.length;
    await repo.append(batchOf([HOUR], 'b'.repeat(2_000_000)));
    await eventually(() => expect(fixture.logged.join()).toContain('cannot sync files in the background'));
    await repo.append(batchOf([HOUR], 'c'));
    expect(await lettersOf(repo)).toBe('abc');
    expect(happened.slice(before).filter((what) => what === 'write at 0').length).toBeGreaterThan(0);
    await repo.close();
  });
});
