import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { UnavailableError } from '../model/deliver.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture, readLines } from './repo-fixture.case.ts';

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

/** Twelve hours on four days. */
const HOURS = [1, 2, 3, 4].flatMap((day) => ['00', '01', '23'].map((hh) => `2025-11-0${day}T${hh}`));

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: no more`), { code });
}

/** A process that may have `limit` data files open; how many it had at most. Others are not counted. */
function withDescriptors(limit: number) {
  const counted = new Set<number>();
  const state = { limit, open: 0, most: 0 };
  const files: FileSystem = {
    ...diskFileSystem,
    async open(path) {
      if (!path.includes('.log.json')) return diskFileSystem.open(path);
      if (state.open >= state.limit) throw failure('EMFILE');
      state.open++;
      state.most = Math.max(state.most, state.open);
      const fd = await diskFileSystem.open(path);
      counted.add(fd);
      return fd;
    },
    async close(fd) {
      if (counted.delete(fd)) state.open--;
      await diskFileSystem.close(fd);
    },
  };
  return { state, files };
}

/** What the next start finds in each hour. */
async function readAfterStart(options: Partial<FileRepoOptions>): Promise<string[][]> {
  const repo = await fixture.open(options);
  const lines = await Promise.all(HOURS.map((hour) => readLines(repo, { stream: 'access', hour: hourOf(hour) })));
  await repo.close();
  return lines;
}

describe.each([
  ['through the journal', 'none', undefined],
  ['straight to the files', 'none', { bytes: 0, bytesPerFile: 0 }],
  ['through the journal', 'zstd', undefined],
  ['straight to the files', 'zstd', { bytes: 0, bytesPerFile: 0 }],
] as const)('a commit over many hours, %s, with compression %s', (_way, compression, inline) => {
  const options = { compressionOf: () => compression, ...(inline && { inline }) };

  it('goes in rounds when fewer files may be open', async () => {
    const { state, files } = withDescriptors(Number.POSITIVE_INFINITY);
    const repo = await fixture.open({ ...options, files, maxOpenFiles: 3 });
    await repo.append(batchOf(HOURS, 'a'));
    await repo.append(batchOf(HOURS, 'b'));
    expect(state.most).toBeLessThanOrEqual(3);
    await repo.close();
    expect(await readAfterStart(options)).toEqual(HOURS.map(() => ['a', 'b']));
  });

  it('makes frames of lines that waited with no more files open', async () => {
    const { state, files } = withDescriptors(Number.POSITIVE_INFINITY);
    const waiting = { hourBytes: 1, allBytes: 1, ms: 1e9 };
    const repo = await fixture.open({ ...options, files, maxOpenFiles: 3, waiting });
    for (const line of ['a', 'b', 'c']) await repo.append(batchOf(HOURS, line));
    expect(state.most).toBeLessThanOrEqual(3);
    await repo.close();
    expect(await readAfterStart(options)).toEqual(HOURS.map(() => ['a', 'b', 'c']));
  });

  it('goes in smaller rounds when the process has fewer descriptors than it thought', async () => {
    const { state, files } = withDescriptors(7);
    const repo = await fixture.open({ ...options, files, maxOpenFiles: 100 });
    for (const line of ['a', 'b', 'c']) await repo.append(batchOf(HOURS, line));
    expect(state.open).toBeLessThanOrEqual(7);
    await repo.close();
    expect(await readAfterStart(options)).toEqual(HOURS.map(() => ['a', 'b', 'c']));
  });

  it('leaves no descriptor, file or folder when there is no descriptor at all, and works when there are again', async () => {
    const { state, files } = withDescriptors(0);
    const repo = await fixture.open({ ...options, files, maxOpenFiles: 100 });
    await expect(repo.append(batchOf(HOURS, 'a'))).rejects.toThrow('EMFILE');
    expect(state.open).toBe(0);
    expect(fixture.everything()).toEqual(['.logforge.seq']);
    state.limit = 7;
    await repo.append(batchOf(HOURS, 'b'));
    await repo.close();
    expect(await readAfterStart(options)).toEqual(HOURS.map(() => ['b']));
  });

  it.each([
    'open',
    'write',
    'syncFolder',
  ] as const)('leaves what was there before when an %s fails', async (operation) => {
    let calls = 0;
    let broken = false;
    const files: FileSystem = { ...diskFileSystem };
    const real = diskFileSystem[operation] as (...args: unknown[]) => Promise<unknown>;
    Reflect.set(files, operation, async (...args: unknown[]) => {
      if (broken && calls++ >= 3) throw failure('ENOSPC');
      return real(...args);
    });
    const repo = await fixture.open({ ...options, files });
    await repo.append(batchOf(HOURS.slice(0, 1), 'a'));
    const before = fixture.everything();
    broken = true;
    await expect(repo.append(batchOf(HOURS, 'b'))).rejects.toThrow(UnavailableError);
    expect(fixture.everything()).toEqual(before);
    broken = false;
    await repo.append(batchOf(HOURS, 'c'));
    await repo.close();
    const lines = await readAfterStart(options);
    expect(lines.map((texts) => texts.join(''))).toEqual(['ac', ...HOURS.slice(1).map(() => 'c')]);
  });
});
