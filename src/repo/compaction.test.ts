import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readHourFile } from '../../test/support/hour-files.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { openHour } from './hour-file.ts';
import { FRAME_BYTES } from './hour-frames.ts';
import { PackingStoppedError } from './hour-packer.ts';
import type { CommittedHour, Repo } from './repo.ts';
import { batchOf, createRepoFixture, hourOf, type RepoFixture } from './repo-fixture.case.ts';
import { verifyStorage } from './verify.ts';

const [TEN, ELEVEN] = ['2025-11-22T10', '2025-11-22T11'] as const;
const AT_TEN = { stream: 'access', hour: hourOf(TEN) };
const NEVER = new AbortController().signal;

let fixture: RepoFixture;
let plain: string;
let compressed: string;
beforeEach(() => {
  fixture = createRepoFixture();
  plain = fixture.path(TEN);
  compressed = `${plain}.zst`;
});
afterEach(() => fixture.remove());

const compress = (repo: Repo) => repo.compaction.compress(AT_TEN, NEVER);

/** What is in the folder of the day. */
const names = () => fs.readdirSync(join(plain, '..')).sort();

/** All committed lines, as every reader gets them. */
async function read(repo: Repo): Promise<string> {
  const committed = await repo.committedHour(AT_TEN);
  return committed === undefined ? '' : readCommitted(committed);
}

function readCommitted(committed: CommittedHour): string {
  const file = openHour(committed);
  if (file === undefined) throw new Error('there is no file');
  const lines = Buffer.alloc(committed.bytes);
  for (let at = 0; at < lines.length; ) at += file.read(lines, at, lines.length - at, at);
  file.close();
  return lines.toString();
}

/** A disk on which something happens while an hour is packed: once its unfinished file has got its first bytes. */
function whilePacking(happens: () => Promise<unknown> | unknown): FileSystem {
  let target: number | undefined;
  return {
    ...diskFileSystem,
    async open(path) {
      const fd = await diskFileSystem.open(path);
      if (path.endsWith('.new')) target = fd;
      return fd;
    },
    async write(fd, buffers, position) {
      const written = await diskFileSystem.write(fd, buffers, position);
      if (fd !== target) return written;
      target = undefined;
      await happens();
      return written;
    },
  };
}

/** An hour `a`, `b`, and what compressing it gives on such a disk. */
async function compressWhile(
  happens: (repo: Repo) => Promise<unknown> | unknown,
  options: Partial<FileRepoOptions> = {},
) {
  let isPacking = false;
  const files = whilePacking(async () => {
    if (!isPacking) return;
    isPacking = false;
    await happens(repo);
  });
  const repo: Repo = await fixture.open({ ...options, files });
  await repo.append(batchOf([TEN], 'a'));
  await repo.append(batchOf([TEN], 'b'));
  isPacking = true;
  return { repo, done: compress(repo) };
}

describe('a plain hour that is compressed', () => {
  test('has the same lines in a .zst, and the plain file is gone', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN, ELEVEN], 'a'));
    await repo.append(batchOf([TEN], 'b'));
    expect(await compress(repo)).toEqual({ from: 4, to: fs.statSync(compressed).size });
    expect(names()).toEqual(['10.log.json.zst', '11.log.json']);
    expect(readHourFile(compressed).toString()).toBe('a\nb\n');
    expect(await repo.committedHour(AT_TEN)).toEqual({
      ...AT_TEN,
      path: compressed,
      bytes: 4,
      frames: { length: fs.statSync(compressed).size, lines: 4 },
    });
    expect(await compress(repo)).toBeUndefined();
    await repo.close();
  });

  test('is not changed for the aggregator: its cursor holds', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    repo.advanceSummaryCursor(AT_TEN, 2);
    await compress(repo);
    expect(repo.changedHours()).toEqual([]);
    await repo.append(batchOf([TEN], 'b'));
    expect(repo.changedHours().map(({ bytes }) => bytes)).toEqual([4]);
    await repo.close();
  });

  test('takes late records in frames, whatever the configuration says, and after a start too', async () => {
    let repo = await fixture.open({ compressionOf: () => 'none' });
    await repo.append(batchOf([TEN], 'a'));
    await compress(repo);
    await repo.append(batchOf([TEN], 'b'));
    expect(await repo.committedHour(AT_TEN)).toMatchObject({ bytes: 4, waiting: Buffer.from('b\n') });
    expect(await read(repo)).toBe('a\nb\n');
    await repo.close();
    expect(readHourFile(compressed).toString()).toBe('a\nb\n');
    repo = await fixture.open({ compressionOf: () => 'none' });
    await repo.append(batchOf([TEN, ELEVEN], 'c'));
    expect(await read(repo)).toBe('a\nb\nc\n');
    await repo.close();
    expect(names()).toEqual(['10.log.json.zst', '11.log.json']);
  });

  test('stays plain for records that come while compression is the setting of new hours', async () => {
    let repo = await fixture.open({ compressionOf: () => 'none' });
    await repo.append(batchOf([TEN], 'a'));
    await repo.close();
    repo = await fixture.open({ compressionOf: () => 'zstd' });
    await repo.append(batchOf([TEN, ELEVEN], 'b'));
    expect(fixture.lines(TEN)).toEqual(['a', 'b']);
    expect(await compress(repo)).toMatchObject({ from: 4 });
    expect(names()).toEqual(['10.log.json.zst', '11.log.json.zst']);
    await repo.close();
  });

  test('may be one that the journal does not know', async () => {
    fs.mkdirSync(join(plain, '..'), { recursive: true });
    fs.writeFileSync(plain, 'a\nno end');
    const repo = await fixture.open();
    expect(await compress(repo)).toMatchObject({ from: 9 });
    expect(await read(repo)).toBe('a\nno end\n');
    await repo.close();
  });

  test('is found by a check to be sound', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], '{"timestamp":"2025-11-22T10:00:00Z","path":"/","userAgent":"a"}'));
    await compress(repo);
    await repo.close();
    const folder = (name: string) => join(fixture.dir, name);
    const all = {
      logsDir: folder('logs'),
      dlqDir: folder('dlq'),
      stateDir: folder('state'),
      analyticsDir: folder('a'),
    };
    for await (const finding of verifyStorage(all)) expect(finding).toMatchObject({ isSound: true });
  });

  test('leaves a hard link of the plain file whole', async () => {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    const copy = join(fixture.dir, 'copy');
    fs.linkSync(plain, copy);
    await compress(repo);
    await repo.close();
    expect(fs.readFileSync(copy, 'utf8')).toBe('a\n');
  });

  test('is known though the journal segments that knew the plain file have gone meanwhile', async () => {
    const other = async (repo: Repo) => {
      for (let i = 0; i < 5; i++) await repo.append(batchOf([ELEVEN, '2025-11-22T12'], `${i}`));
    };
    const { repo, done } = await compressWhile(other, { segmentBytes: 1, maxOpenFiles: 1 });
    expect(await done).toMatchObject({ from: 4 });
    expect(await read(repo)).toBe('a\nb\n');
    await repo.close();
  });
});

describe('a reader', () => {
  const LINE = `${'x'.repeat(99)}\n`;
  const MANY = LINE.repeat(10_000);

  async function store(repo: Repo): Promise<CommittedHour> {
    await repo.append([{ ...AT_TEN, count: 10_000, lines: Buffer.from(MANY) }]);
    return (await repo.committedHour(AT_TEN)) as CommittedHour;
  }

  test('that was told of the plain file finds the lines in the compressed one', async () => {
    const repo = await fixture.open();
    const committed = await store(repo);
    await compress(repo);
    await repo.append(batchOf([TEN], 'later'));
    expect(readCommitted(committed)).toBe(MANY);
    await repo.close();
  });

  test('that has the plain file open goes on in the compressed one where it was cut', async () => {
    const repo = await fixture.open();
    const committed = await store(repo);
    const file = openHour(committed);
    const lines = Buffer.alloc(MANY.length);
    const fd = fs.openSync(plain, 'r+');
    expect(file?.read(lines, 0, 4096, 0)).toBe(4096);
    await compress(repo);
    // As the deletion of a larger file does.
    fs.ftruncateSync(fd, 64 * 1024);
    for (let at = 4096; at < lines.length; ) {
      const count = file?.read(lines, at, 50_000, at) ?? 0;
      expect(count).toBeGreaterThan(0);
      at += count;
    }
    expect(lines.toString() === MANY).toBe(true);
    file?.close();
    fs.closeSync(fd);
    await repo.close();
  });

  test('gets the end of a plain file that was cut and not compressed', async () => {
    const repo = await fixture.open();
    const file = openHour(await store(repo));
    fs.truncateSync(plain, 100);
    fs.rmSync(plain);
    expect(file?.read(Buffer.alloc(100), 0, 100, 100)).toBe(0);
    file?.close();
    await repo.close().catch(() => undefined);
  });
});

describe('what happens while an hour is packed', () => {
  test('a late record leaves it plain, and nothing is lost', async () => {
    const { repo, done } = await compressWhile((repo) => repo.append(batchOf([TEN], 'late')));
    expect(await done).toBeUndefined();
    expect(names()).toEqual(['10.log.json']);
    expect(await read(repo)).toBe('a\nb\nlate\n');
    expect(await compress(repo)).toMatchObject({ from: 9 });
    expect(await read(repo)).toBe('a\nb\nlate\n');
    await repo.close();
  });

  test.each<[string, () => void]>([
    ['appends to it', () => fs.appendFileSync(plain, 'c\n')],
    [
      'replaces it',
      () => {
        fs.renameSync(plain, `${plain}.old`);
        fs.writeFileSync(plain, 'x\ny\n');
      },
    ],
    [
      'writes in it',
      () => {
        fs.writeFileSync(plain, 'x\ny\n');
        fs.utimesSync(plain, 1, 1);
      },
    ],
  ])('another program that %s leaves it plain, with what it wrote', async (_, change) => {
    const { repo, done } = await compressWhile(change);
    expect(await done).toBeUndefined();
    expect(fs.existsSync(compressed)).toBe(false);
    const found = fs.readFileSync(plain, 'utf8');
    await repo.append(batchOf([TEN], 'late'));
    expect(await read(repo)).toBe(`${found}late\n`);
    await repo.close();
  });

  test('another program that shortens it leaves what is left, and is an error', async () => {
    const { repo, done } = await compressWhile(() => fs.truncateSync(plain, 2));
    await expect(done).rejects.toThrow(`cannot compress file=${plain}: it ends before byte 4`);
    expect(names()).toEqual(['10.log.json']);
    await repo.append(batchOf([TEN], 'late'));
    expect(await read(repo)).toBe('a\nlate\n');
    await repo.close();
  });

  test('another program that deletes it leaves nothing to be read', async () => {
    const { repo, done } = await compressWhile(() => fs.rmSync(plain));
    expect(await done).toBeUndefined();
    expect(fs.existsSync(compressed)).toBe(false);
    await repo.close();
  });

  test('retention that removes it leaves no file', async () => {
    const { repo, done } = await compressWhile(async (repo) => {
      await repo.retention.removeHours(AT_TEN);
      fs.rmSync(plain);
    });
    expect(await done).toBeUndefined();
    expect(names()).toEqual([]);
    expect(await repo.committedHour(AT_TEN)).toBeUndefined();
    await repo.close();
  });

  test('a stop leaves it plain', async () => {
    const stopping = new AbortController();
    const repo: Repo = await fixture.open({ files: whilePacking(() => stopping.abort()) });
    await repo.append(batchOf([TEN], 'a'));
    await expect(repo.compaction.compress(AT_TEN, stopping.signal)).rejects.toThrow(PackingStoppedError);
    expect(names()).toEqual(['10.log.json']);
    expect(await read(repo)).toBe('a\n');
    await repo.close();
  });

  test('a sync of it that fails leaves it plain until the next time', async () => {
    let fails = false;
    let hour = -1;
    let isFirst = true;
    const files = whilePacking(async () => {
      if (!isFirst) return;
      isFirst = false;
      fails = true;
      // It begins a sync in the background; the commit after it writes the hour again from the journal.
      await repo.append(batchOf([ELEVEN], 'more'));
      await expect.poll(() => fixture.logged.join()).toContain('cannot sync files in the background');
      fails = false;
      await repo.append(batchOf([ELEVEN], 'c'));
    });
    const disk: FileSystem = {
      ...files,
      async open(path) {
        const fd = await files.open(path);
        if (path === plain) hour = fd;
        return fd;
      },
      async sync(fd) {
        if (fails && fd === hour) throw new Error('EIO: i/o error');
        await files.sync(fd);
      },
    };
    const repo: Repo = await fixture.open({ files: disk, syncEveryBytes: 1 });
    await repo.append(batchOf([TEN], 'a'));
    expect(await compress(repo)).toBeUndefined();
    expect(await read(repo)).toBe('a\n');
    expect(await compress(repo)).toMatchObject({ from: 2 });
    expect(await read(repo)).toBe('a\n');
    await repo.close();
  });

  test('a full disk leaves it plain, and no trace', async () => {
    const { repo, done } = await compressWhile(() => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    });
    await expect(done).rejects.toThrow('ENOSPC');
    expect(names()).toEqual(['10.log.json']);
    await repo.append(batchOf([TEN], 'c'));
    expect(await read(repo)).toBe('a\nb\nc\n');
    await repo.close();
  });
});

describe("what is not logforge's", () => {
  async function open() {
    const repo = await fixture.open();
    await repo.append(batchOf([TEN], 'a'));
    return repo;
  }

  test('a link or a folder with the name of the unfinished file stays, and is said', async () => {
    const repo = await open();
    const unfinished = `${compressed}.new`;
    fs.writeFileSync(join(fixture.dir, 'other'), 'precious');
    fs.symlinkSync(join(fixture.dir, 'other'), unfinished);
    await expect(compress(repo)).rejects.toThrow(`cannot compress to file=${unfinished}: it is not a regular file`);
    await repo.compaction.clean(AT_TEN);
    expect(fs.readFileSync(unfinished, 'utf8')).toBe('precious');
    fs.rmSync(unfinished);
    fs.mkdirSync(unfinished);
    await expect(compress(repo)).rejects.toThrow('it is not a regular file; move it away');
    await repo.compaction.clean(AT_TEN);
    expect(names()).toEqual(['10.log.json', '10.log.json.zst.new']);
    expect(await read(repo)).toBe('a\n');
    await repo.close();
  });

  test('a .zst that somebody made beside the plain file is not replaced', async () => {
    const repo = await open();
    const content = Buffer.alloc(4 * FRAME_BYTES, 'by hand');
    fs.writeFileSync(compressed, content);
    await expect(compress(repo)).rejects.toThrow(`cannot use file=${compressed}: it is not a compressed hour`);
    expect(fs.readFileSync(compressed).equals(content)).toBe(true);
    await repo.close();
  });

  test.each<[string, () => void]>([
    ['a folder', () => fs.mkdirSync(compressed)],
    ['a link', () => fs.symlinkSync(plain, compressed)],
    // To open it for reading would wait for somebody who writes.
    ['a FIFO', () => spawnSync('mkfifo', [compressed])],
  ])('%s in the place of the compressed file stays, and the plain one counts', async (_, make) => {
    fs.mkdirSync(join(plain, '..'), { recursive: true });
    fs.writeFileSync(plain, 'a\n');
    make();
    const repo = await fixture.open();
    expect(await read(repo)).toBe('a\n');
    await expect(compress(repo)).rejects.toThrow(`cannot compress to file=${compressed}: it is not a regular file`);
    await repo.compaction.clean(AT_TEN);
    await repo.append(batchOf([TEN], 'b'));
    expect(await read(repo)).toBe('a\nb\n');
    expect(names()).toEqual(['10.log.json', '10.log.json.zst']);
    await repo.close();
  });

  test('a plain file with other lines beside a compressed hour is not deleted', async () => {
    const repo = await open();
    await compress(repo);
    fs.writeFileSync(plain, 'b\n');
    await expect(repo.compaction.clean(AT_TEN)).rejects.toThrow(`file=${plain} does not count, and has other lines`);
    expect(fs.readFileSync(plain, 'utf8')).toBe('b\n');
    fs.writeFileSync(plain, 'a\nlonger\n');
    await expect(repo.compaction.clean(AT_TEN)).rejects.toThrow('move it away');
    expect(fs.readFileSync(plain, 'utf8')).toBe('a\nlonger\n');
    fs.writeFileSync(plain, 'a\n');
    await repo.compaction.clean(AT_TEN);
    expect(names()).toEqual(['10.log.json.zst']);
    expect(await read(repo)).toBe('a\n');
    await repo.close();
  });
});
