import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { batchOf, createRepoFixture, type RepoFixture } from './repo-fixture.case.ts';

const HOUR = '2025-11-22T10';
const OTHER = '2025-11-23T11';

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

/** What another program does to the file of HOUR, and the lines that readers find there afterwards, before the next. */
const CHANGES: readonly (readonly [what: string, change: (path: string) => void, left: readonly string[]])[] = [
  [
    'copied and emptied',
    (path) => {
      fs.copyFileSync(path, `${path}.1`);
      fs.truncateSync(path, 0);
    },
    [],
  ],
  ['moved away', (path) => fs.renameSync(path, `${path}.1`), []],
  [
    'moved away, with an empty one in its place',
    (path) => {
      fs.renameSync(path, `${path}.1`);
      fs.writeFileSync(path, '');
    },
    [],
  ],
  [
    'edited and written under its name',
    (path) => {
      fs.writeFileSync(`${path}.new`, fs.readFileSync(path, 'utf8').replace('a', 'A'));
      fs.renameSync(path, `${path}.1`);
      fs.renameSync(`${path}.new`, path);
    },
    ['A', 'b'],
  ],
  ['appended to', (path) => fs.appendFileSync(path, 'foreign\n'), ['a', 'b', 'foreign']],
  ['appended to, half a line', (path) => fs.appendFileSync(path, 'half'), ['a', 'b', 'half']],
  ['shortened to half a line', (path) => fs.truncateSync(path, 3), ['a', 'b']],
  ['deleted', (path) => fs.rmSync(path), []],
  ['moved away with its folder', (path) => fs.renameSync(dirname(path), `${dirname(path)}.moved`), []],
  [
    'replaced by a longer one',
    (path) => {
      fs.writeFileSync(`${path}.new`, 'x\ny\nz\n');
      fs.renameSync(path, `${path}.1`);
      fs.renameSync(`${path}.new`, path);
    },
    ['x', 'y', 'z'],
  ],
  ['given an end that is no line', (path) => fs.writeFileSync(path, 'a\nbc'), ['a', 'bc']],
];

/** A large commit goes to the files, a small one into the journal. */
const WAYS = [
  ['through the journal', undefined],
  ['straight to the files', { bytes: 0, bytesPerFile: 0 }],
] as const;

/** A disk that runs `act` once, at the next call of an operation, before it or after it. */
function interfere(operation: 'write' | 'sync', when: 'before' | 'after', act: () => void) {
  const state = { armed: false };
  const run = (): void => {
    if (!state.armed) return;
    state.armed = false;
    act();
  };
  const files: FileSystem = {
    ...diskFileSystem,
    async write(...args) {
      if (operation === 'write' && when === 'before') run();
      const written = await diskFileSystem.write(...args);
      if (operation === 'write' && when === 'after') run();
      return written;
    },
    async sync(fd) {
      if (operation === 'sync' && when === 'before') run();
      await diskFileSystem.sync(fd);
      if (operation === 'sync' && when === 'after') run();
    },
  };
  return { state, files };
}

describe.each(WAYS)('a data file that another program changes, with commits %s', (_way, inline) => {
  const options = inline === undefined ? {} : { inline };

  it.each(
    CHANGES,
  )('%s: it is noticed, and new records are where readers look for them', async (_what, change, left) => {
    const repo = await fixture.open(options);
    await repo.append(batchOf([HOUR], 'a'));
    await repo.append(batchOf([HOUR], 'b'));
    change(fixture.path(HOUR));
    await repo.append(batchOf([HOUR, OTHER], 'c'));
    await repo.append(batchOf([HOUR], 'd'));
    expect(fixture.lines(HOUR)).toEqual([...left, 'c', 'd']);
    expect(fixture.lines(OTHER)).toEqual(['c']);
    expect(fixture.logged).toContain('error another program changed a data file; it is taken as it is');
    expect((await fixture.metrics.filesChanged.get()).values[0]?.value).toBe(1);
    await repo.close();
    // Neither a start nor what the journal still has brings old bytes back.
    await (await fixture.open(options)).close();
    expect(fixture.lines(HOUR)).toEqual([...left, 'c', 'd']);
  });

  it.each(CHANGES)('%s: what the journal has is not written into it after a crash', async (_what, change, left) => {
    const repo = await fixture.open(options);
    await repo.append(batchOf([HOUR], 'a'));
    await repo.append(batchOf([HOUR], 'b'));
    change(fixture.path(HOUR));
    await repo.append(batchOf([HOUR], 'c'));
    const saved = createRepoFixture();
    try {
      for (const name of ['logs', 'state', 'dlq'])
        fs.cpSync(join(fixture.dir, name), join(saved.dir, name), { recursive: true });
      await (await saved.open(options)).close();
      expect(saved.lines(HOUR)).toEqual([...left, 'c']);
    } finally {
      saved.remove();
    }
    await repo.close();
  });

  const moments = [
    ['before the write', 'write', 'before'],
    ['between the write and the sync', 'write', 'after'],
    ['before the sync ends', 'sync', 'before'],
    ['before the answer', 'sync', 'after'],
  ] as const;
  const replacing = CHANGES.filter(([what]) => /empt|moved away$|deleted|folder|longer/.test(what));
  it.each(
    replacing.flatMap(([what, change, left]) => moments.map((moment) => [what, ...moment, change, left] as const)),
  )('%s %s: the records of the commit are answered where readers look, once', async (what, _when, operation, when, change, left) => {
    const { state, files } = interfere(operation, when, () => change(fixture.path(HOUR)));
    const repo = await fixture.open({ ...options, files });
    await repo.append(batchOf([HOUR, OTHER], 'a'));
    await repo.append(batchOf([HOUR, OTHER], 'b'));
    state.armed = true;
    await repo.append(batchOf([HOUR, OTHER], 'c'));
    expect(state.armed).toBe(false);
    expect(fixture.lines(HOUR).filter((line) => line === 'c')).toEqual(['c']);
    expect(fixture.lines(HOUR)).toEqual([...left, 'c']);
    expect(fixture.lines(OTHER)).toEqual(['a', 'b', 'c']);
    // The copy that another program took away has at most what was answered before.
    const away = [`${fixture.path(HOUR)}.1`, join(`${dirname(fixture.path(HOUR))}.moved`, '10.log.json')];
    for (const path of what === 'copied and emptied' ? [] : away)
      if (fs.existsSync(path)) expect(fs.readFileSync(path, 'utf8')).toBe('a\nb\n');
    await repo.close();
    await (await fixture.open(options)).close();
    expect(fixture.lines(HOUR)).toEqual([...left, 'c']);
  });

  it.each([
    ['a symbolic link', (path: string) => fs.symlinkSync(`${path}.target`, path), 'symbolic link'],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'not a regular file'],
    ['a folder', (path: string) => fs.mkdirSync(path), 'EISDIR'],
  ])('%s in the place of the file: refused, and stored when it is gone', async (_what, put, reason) => {
    const repo = await fixture.open(options);
    await repo.append(batchOf([HOUR], 'a'));
    const path = fixture.path(HOUR);
    fs.renameSync(path, `${path}.1`);
    fs.writeFileSync(`${path}.target`, 'not ours\n');
    put(path);
    await expect(repo.append(batchOf([HOUR], 'b'))).rejects.toThrow(reason);
    await repo.append(batchOf([OTHER], 'b'));
    expect(fs.readFileSync(`${path}.target`, 'utf8')).toBe('not ours\n');
    fs.rmSync(path, { recursive: true });
    await repo.append(batchOf([HOUR], 'c'));
    expect(fixture.lines(HOUR)).toEqual(['c']);
    await repo.close();
  });

  it('follows links at the folder of a day and at the folder of all logs', async () => {
    fs.mkdirSync(join(fixture.dir, 'elsewhere', 'day'), { recursive: true });
    fs.mkdirSync(join(fixture.dir, 'elsewhere', 'logs'));
    fs.symlinkSync(join(fixture.dir, 'elsewhere', 'logs'), join(fixture.dir, 'logs'));
    fs.symlinkSync(join(fixture.dir, 'elsewhere', 'day'), join(fixture.dir, 'logs', '2025-11-22'));
    const repo = await fixture.open(options);
    await repo.append(batchOf([HOUR, OTHER], 'a'));
    await repo.append(batchOf([HOUR, OTHER], 'b'));
    expect(fs.readFileSync(join(fixture.dir, 'elsewhere', 'day', '10.log.json'), 'utf8')).toBe('a\nb\n');
    expect(fixture.lines(OTHER)).toEqual(['a', 'b']);
    expect(fixture.logged.filter((line) => line.startsWith('error'))).toEqual([]);
    await repo.close();
  });
});

it('a file that a failed commit made and removed is no change by another program, also when its removal cannot be synced', async () => {
  // Found by `make reliability SEED=1104`, life 3.
  const hourFiles = new Set<number>();
  let [isArmed, isFull] = [true, false];
  const refuseIf = (condition: boolean): void => {
    if (condition) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  };
  const files: FileSystem = {
    ...diskFileSystem,
    async open(path) {
      const fd = await diskFileSystem.open(path);
      if (path === fixture.path(HOUR)) hourFiles.add(fd);
      return fd;
    },
    async write(fd, ...rest) {
      if (isArmed && hourFiles.has(fd)) isFull = true;
      refuseIf(isFull);
      return diskFileSystem.write(fd, ...rest);
    },
    async syncFolder(path) {
      refuseIf(isFull);
      await diskFileSystem.syncFolder(path);
    },
  };
  const repo = await fixture.open({ files, inline: { bytes: 0, bytesPerFile: 0 } });
  await expect(repo.append(batchOf([HOUR], 'a'))).rejects.toThrow('no space left');
  expect(fs.existsSync(fixture.path(HOUR))).toBe(false);
  [isArmed, isFull] = [false, false];
  await repo.append(batchOf([HOUR], 'b'));
  await repo.close();
  expect(fixture.lines(HOUR)).toEqual(['b']);
  expect(fixture.logged).not.toContain('error another program changed a data file; it is taken as it is');
});

describe('the state folder', () => {
  const state = (): string => join(fixture.dir, 'state');
  const journal = (): string => {
    const name = fs.readdirSync(state()).find((each) => each.startsWith('journal-'));
    return join(state(), name ?? 'no journal');
  };

  it.each([
    ['deleted', () => fs.rmSync(state(), { recursive: true })],
    ['moved away', () => fs.renameSync(state(), `${state()}.moved`)],
    ['emptied', () => fs.rmSync(journal())],
    ['robbed of its journal’s content', () => fs.truncateSync(journal(), 0)],
  ])('%s: a new journal begins, it is said, and what is answered survives a restart', async (_what, change) => {
    const repo = await fixture.open();
    const note = { idempotency: { key: 'k', bodyHash: 'h', answer: '{}', time: Date.now() } };
    await repo.append(batchOf([HOUR], 'a'));
    change();
    await repo.append(batchOf([HOUR, OTHER], 'b'), note);
    expect(fixture.logged.join()).toContain('error the commit journal was deleted or moved while the service ran');
    await repo.checkWritable();
    // As after a crash: the next start has nothing but what is on the disk.
    const saved = createRepoFixture();
    for (const name of ['logs', 'state', 'dlq'])
      fs.cpSync(join(fixture.dir, name), join(saved.dir, name), { recursive: true });
    const again = await saved.open();
    expect(saved.lines(HOUR)).toEqual(['a', 'b']);
    expect(again.idempotency.find({ key: 'k', bodyHash: 'h' })).toBeDefined();
    await again.close();
    saved.remove();
    await expect(fixture.open()).rejects.toThrow('another logforge process owns');
    await repo.close();
  });

  it('replaced by another one: batches are refused and readiness fails until it is back', async () => {
    const other = createRepoFixture();
    const elsewhere = await other.open();
    await elsewhere.append(batchOf([OTHER], 'x'));
    await elsewhere.close();
    const repo = await fixture.open();
    await repo.append(batchOf([HOUR], 'a'));
    fs.renameSync(state(), `${state()}.moved`);
    fs.cpSync(join(other.dir, 'state'), state(), { recursive: true });
    other.remove();
    await expect(repo.append(batchOf([HOUR], 'b'))).rejects.toThrow('state folder was replaced by another');
    await expect(repo.checkWritable()).rejects.toThrow('state folder was replaced by another');
    expect(fixture.lines(HOUR)).toEqual(['a']);
    fs.rmSync(state(), { recursive: true });
    fs.renameSync(`${state()}.moved`, state());
    await repo.checkWritable();
    await repo.append(batchOf([HOUR], 'c'));
    expect(fixture.lines(HOUR)).toEqual(['a', 'c']);
    await repo.close();
    await (await fixture.open()).close();
    expect(fixture.lines(HOUR)).toEqual(['a', 'c']);
  });
});
