import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { encodeFrames, FILE_START } from './hour-frames.ts';
import type { Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture, readLines } from './repo-fixture.case.ts';

/* What changed-files.test.ts shows of plain hours, of compressed ones: another program changes the file of an hour. */

const HOUR = '2025-11-22T10';
const OTHER = '2025-11-23T11';

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

const path = (hour: string) => `${fixture.path(hour)}.zst`;
const linesOf = (repo: Repo, hour = HOUR) => readLines(repo, { stream: 'access', hour: hourOf(hour) });

async function foreignHour(...texts: string[]): Promise<Buffer> {
  const lines = Buffer.from(texts.map((text) => `${text}\n`).join(''));
  const { buffers } = await encodeFrames([{ lines, records: texts.length }], 0);
  return Buffer.concat([FILE_START, ...buffers]);
}

type Change = (file: string) => void | Promise<void>;
/** What another program does to the file of HOUR, which has a and b; the lines that are left; and whether they were in the file. */
const CHANGES: readonly (readonly [what: string, change: Change, left: readonly string[]])[] = [
  ['moved away', (file) => fs.renameSync(file, `${file}.1`), []],
  ['deleted', (file) => fs.rmSync(file), []],
  ['emptied', (file) => fs.truncateSync(file, 0), []],
  ['moved away with its folder', (file) => fs.renameSync(dirname(file), `${dirname(file)}.moved`), []],
  ['appended to by `zstd -c more >>`', (file) => fs.appendFileSync(file, zstdCompressSync('more\n')), ['a', 'b']],
  ['appended to by `cat lines >>`', (file) => fs.appendFileSync(file, 'foreign\n'), ['a', 'b']],
  [
    'appended to by `cat other.zst >>`',
    async (file) => fs.appendFileSync(file, await foreignHour('x', 'y', 'z')),
    ['a', 'b'],
  ],
  ['shortened by a byte', (file) => fs.truncateSync(file, fs.statSync(file).size - 1), ['a']],
  [
    'replaced by the hour of another store',
    async (file) => {
      fs.writeFileSync(`${file}.new`, await foreignHour('x', 'y', 'z'));
      fs.renameSync(`${file}.new`, file);
    },
    ['x', 'y', 'z'],
  ],
  [
    'compressed again by `zstd`',
    (file) => {
      fs.writeFileSync(`${file}.new`, zstdCompressSync('a\nb\n'));
      fs.renameSync(`${file}.new`, file);
    },
    [],
  ],
];

/** A large commit is a frame of its own, a small one waits in the journal. */
const LARGE = { inline: { bytes: 0, bytesPerFile: 0 } };
const NEVER = { hourBytes: 1 << 20, allBytes: 1 << 20, ms: 1e9 };

/** What a start makes of the folders as a kill leaves them now. */
async function afterKill(options: Partial<FileRepoOptions>): Promise<string[]> {
  const saved = createRepoFixture();
  try {
    for (const name of ['logs', 'state', 'dlq'])
      fs.cpSync(join(fixture.dir, name), join(saved.dir, name), { recursive: true });
    const repo = await saved.open(options);
    const found = await linesOf(repo);
    await repo.close();
    return found;
  } finally {
    saved.remove();
  }
}

describe('a compressed hour that another program changes, with commits straight to the file', () => {
  const options: Partial<FileRepoOptions> = { compressionOf: () => 'zstd', ...LARGE };

  it.each(
    CHANGES,
  )('%s: it is noticed, and new records are read, now and after a start', async (_what, change, left) => {
    const repo = await fixture.open(options);
    await repo.append(batchOf([HOUR], 'a'));
    await repo.append(batchOf([HOUR], 'b'));
    await change(path(HOUR));
    await repo.append(batchOf([HOUR, OTHER], 'c'));
    expect(await afterKill(options)).toEqual([...left, 'c']);
    await repo.append(batchOf([HOUR], 'd'));
    expect([await linesOf(repo), await linesOf(repo, OTHER)]).toEqual([[...left, 'c', 'd'], ['c']]);
    expect(fixture.logged).toContain('error another program changed a data file; it is taken as it is');
    expect((await fixture.metrics.filesChanged.get()).values[0]?.value).toBe(1);
    await repo.close();
    const again = await fixture.open(options);
    expect(await linesOf(again)).toEqual([...left, 'c', 'd']);
    await again.close();
  });
});

describe('a compressed hour that another program changes while lines of it wait', () => {
  const options: Partial<FileRepoOptions> = { compressionOf: () => 'zstd', waiting: NEVER };

  /** a and b in frames, w answered and in the journal alone. */
  async function withWaiting(more: Partial<FileRepoOptions> = {}): Promise<Repo> {
    const first = await fixture.open({ ...options, ...LARGE });
    await first.append(batchOf([HOUR], 'a'));
    await first.append(batchOf([HOUR], 'b'));
    await first.close();
    const repo = await fixture.open({ ...options, ...more });
    await repo.append(batchOf([HOUR], 'w'));
    expect(await linesOf(repo)).toEqual(['a', 'b', 'w']);
    return repo;
  }

  it.each(CHANGES)('%s: the lines that wait are kept, also after a kill', async (_what, change, left) => {
    const repo = await withWaiting();
    await change(path(HOUR));
    await repo.append(batchOf([HOUR, OTHER], 'c'));
    expect(await linesOf(repo)).toEqual([...left, 'w', 'c']);
    expect(await afterKill(options)).toEqual([...left, 'w', 'c']);
    await repo.close();
    const again = await fixture.open(options);
    expect(await linesOf(again)).toEqual([...left, 'w', 'c']);
    await again.close();
  });

  it.each(CHANGES)('%s: the journal goes on without it, and a stop gives it the lines', async (_what, change, left) => {
    const repo = await withWaiting({ segmentBytes: 500 });
    await change(path(HOUR));
    const segment = () => fs.readdirSync(join(fixture.dir, 'state')).filter((name) => name.startsWith('journal-'));
    const before = segment();
    for (let i = 0; i < 4; i++) await repo.append(batchOf([OTHER], `${i}`.repeat(400)));
    expect(segment()).not.toEqual(before);
    await repo.close();
    const again = await fixture.open(options);
    expect(await linesOf(again)).toEqual([...left, 'w']);
    expect(await linesOf(again, OTHER)).toHaveLength(4);
    await again.close();
  });

  it('writes them to the file that is there when no more come', async () => {
    const repo = await withWaiting({ waiting: { ...NEVER, ms: 40 } });
    fs.rmSync(path(HOUR));
    await eventually(() => expect(fs.existsSync(path(HOUR))).toBe(true));
    await eventually(async () => expect(await linesOf(repo)).toEqual(['w']));
    await repo.close();
  });

  it('carries them through the segments of the journal while the file cannot be written', async () => {
    const repo = await withWaiting({ segmentBytes: 500 });
    fs.renameSync(path(HOUR), `${path(HOUR)}.1`);
    fs.mkdirSync(path(HOUR));
    for (let i = 0; i < 6; i++) await repo.append(batchOf([OTHER], `${i}`.repeat(400)));
    fs.rmdirSync(path(HOUR));
    fs.renameSync(`${path(HOUR)}.1`, path(HOUR));
    expect(await afterKill(options)).toEqual(['a', 'b', 'w']);
    expect(await linesOf(repo)).toEqual(['a', 'b', 'w']);
    await repo.close();
    const again = await fixture.open(options);
    expect(await linesOf(again)).toEqual(['a', 'b', 'w']);
    await again.close();
  });
});
