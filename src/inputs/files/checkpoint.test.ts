import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Checkpoint, noCheckpoint, openCheckpoint } from './checkpoint.ts';
import { FILE_START, HEAD_BYTES, type KnownFile } from './files.ts';
import { lookAt } from './identity.ts';

const SETTLED_MS = 6_000;
const DAY_MS = 24 * 60 * 60 * 1_000;

let folder: string;
let ahead: number;
let warnings: string[];
let checkpoint: Checkpoint;

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'checkpoint-')));
  ahead = 0;
  warnings = [];
  checkpoint = await open();
});
afterEach(async () => {
  await checkpoint.close();
  rmSync(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);
const open = (stream = 'access') =>
  openCheckpoint(at('state'), { stream, warn: (text) => warnings.push(text), now: () => Date.now() + ahead });

async function reopen(): Promise<void> {
  await checkpoint.close();
  checkpoint = await open();
}

/** Lines of one day, so that a day's content begins as no other's. */
function lines(day: string, count: number): string {
  return Array.from({ length: count }, (_, n) => `192.0.2.1 - - [${day}:00:00:${n}] "GET / HTTP/1.1" 200 5\n`).join('');
}

const write = (name: string, content: string | Buffer) => writeFileSync(at(name), content);

async function identify(name: string, by: Checkpoint = checkpoint) {
  const seen = await lookAt(at(name));
  if (seen === undefined) throw new Error(`there is no ${name}`);
  return by.identify(seen);
}

async function known(name: string): Promise<KnownFile> {
  const found = await identify(name);
  if (typeof found === 'string') throw new Error(`${name} is ${found}`);
  return found;
}

/** Reads a file to some offset, as far as the checkpoint is concerned. */
async function deliver(name: string, offset: number): Promise<KnownFile> {
  const { id } = await known(name);
  await checkpoint.commit(id, { offset, number: 1, state: '' }, 'combined');
  return checkpoint.get(id) ?? (await known(name));
}

const MONDAY = lines('05/Jan/2026', 100);
const TUESDAY = lines('06/Jan/2026', 100);

describe('a file that stood there at a first start', () => {
  const skip = (name: string) => checkpoint.skip([{ path: at(name), stats: statSync(at(name)) }]);

  it('keeps its id when it is identified, in a later run too, and says what is to be skipped', async () => {
    write('a.log', MONDAY);
    write('a.log.1.gz', gzipSync(TUESDAY));
    for (const name of ['a.log', 'a.log.1.gz']) await skip(name);
    const ids = checkpoint.all().map(({ id }) => id);
    expect(checkpoint.all().map(({ headBytes }) => headBytes)).toEqual([0, 0]);
    appendFileSync(at('a.log'), TUESDAY);
    await reopen();
    const found = [await known('a.log'), await known('a.log.1.gz')];
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(found).toMatchObject([{ skip: MONDAY.length }, { skip: 'all' }]);
    await reopen();
    expect(checkpoint.all()).toEqual(found);
  });

  it('that is a known one goes on as that, and what comes there later is not skipped', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', MONDAY.length);
    copyFileSync(at('a.log'), at('a.log.1'));
    unlinkSync(at('a.log'));
    await skip('a.log.1');
    ahead = SETTLED_MS;
    expect((await known('a.log.1')).id).toBe(id);
    write('a.log.1', TUESDAY + TUESDAY);
    expect(await known('a.log.1')).not.toHaveProperty('skip');
  });
});

describe('a new file', () => {
  it('gets an id, and has it in the next run', async () => {
    write('a.log', MONDAY);
    const { id, path, headBytes, offset } = await known('a.log');
    expect(id).toMatch(/^[\w-]{16}$/);
    expect([path, headBytes, offset]).toEqual([at('a.log'), HEAD_BYTES, 0]);
    await reopen();
    expect((await known('a.log')).id).toBe(id);
  });

  it('that is empty has no identity', async () => {
    write('a.log', '');
    expect(await identify('a.log')).toBe('empty');
  });

  it('is one file, however often and by how many names it is asked for at once', async () => {
    write('a.log', MONDAY);
    linkSync(at('a.log'), at('b.log'));
    const found = await Promise.all([known('a.log'), known('b.log'), known('a.log')]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(1);
  });

  it('with the content of another one that stays in its place is another file, once it is no copy in the making', async () => {
    write('a.log', MONDAY);
    write('b.log', MONDAY);
    const a = await deliver('a.log', MONDAY.length);
    expect(await identify('b.log')).toBe('undecided');
    ahead = SETTLED_MS;
    const b = await known('b.log');
    expect([b.id === a.id, b.offset]).toEqual([false, 0]);
  });

  it('in another stream is another file, and each run keeps what the others know', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', 100);
    await checkpoint.close();
    checkpoint = await open('events');
    expect((await known('a.log')).id).not.toBe(id);
    await reopen();
    expect(await known('a.log')).toMatchObject({ id, offset: 100 });
  });
});

describe('a known file is found again', () => {
  it('when it was renamed, under its old inode', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    renameSync(at('access.log'), at('access.log.1'));
    write('access.log', TUESDAY);
    await reopen();
    expect((await known('access.log')).id).not.toBe(id);
    expect(await known('access.log.1')).toMatchObject({ id, offset: 500, path: at('access.log.1') });
  });

  it('and keeps the path at which it was first seen, without links', async () => {
    write('real.log', MONDAY);
    symlinkSync(at('real.log'), at('link.log'));
    expect((await deliver('link.log', 500)).firstPath).toBe(at('real.log'));
    write('access.log', TUESDAY);
    expect((await deliver('access.log', 500)).firstPath).toBeUndefined();
    for (const name of ['access.log.1', 'access.log.2']) {
      renameSync((await known('access.log')).path, at(name));
      await reopen();
      expect(await known(name)).toMatchObject({ firstPath: at('access.log'), path: at(name) });
      renameSync(at(name), at('access.log'));
    }
  });

  it('when it was compressed, whatever happened to its name before', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    unlinkSync(at('access.log'));
    write('access.log', TUESDAY);
    write('access.log.2.gz', gzipSync(MONDAY));
    await reopen();
    expect(await known('access.log.2.gz')).toMatchObject({ id, offset: 500 });
    await reopen();
    expect(await known('access.log.2.gz')).toMatchObject({ id, path: at('access.log.2.gz') });
  });

  it('when it is truncated after a copy, and the copy is not taken for it before', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    copyFileSync(at('access.log'), at('access.log.1'));
    expect(await identify('access.log.1')).toBe('undecided');
    truncateSync(at('access.log'));
    expect(await identify('access.log')).toBe('empty');
    expect(await known('access.log.1')).toMatchObject({ id, offset: 500 });
    appendFileSync(at('access.log'), TUESDAY);
    const today = await known('access.log');
    expect([today.id === id, today.offset]).toEqual([false, 0]);
    await reopen();
    expect((await known('access.log.1')).id).toBe(id);
    expect((await known('access.log')).id).toBe(today.id);
  });

  it('when the new content of a truncated file is seen before its copy', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    copyFileSync(at('access.log'), at('access.log.1'));
    truncateSync(at('access.log'));
    appendFileSync(at('access.log'), TUESDAY);
    expect((await known('access.log')).id).not.toBe(id);
    expect(await known('access.log.1')).toMatchObject({ id, offset: 500 });
  });

  it('while gzip has set the time of its copy back and not yet deleted the original', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    write('access.log.gz', gzipSync(MONDAY));
    utimesSync(at('access.log.gz'), 1_000_000, 1_000_000);
    expect(await identify('access.log.gz')).toBe('undecided');
    unlinkSync(at('access.log'));
    expect((await known('access.log.gz')).id).toBe(id);
  });

  it('when its compressed copy is seen before its own new name', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    renameSync(at('access.log'), at('access.log.1'));
    write('access.log', TUESDAY);
    write('access.log.1.gz', gzipSync(MONDAY).subarray(0, 300));
    expect(await identify('access.log.1.gz')).toBe('undecided');
    expect((await known('access.log.1')).id).toBe(id);
  });

  it('when its compressed copy had no whole head at first', async () => {
    write('access.log', MONDAY);
    const { id } = await deliver('access.log', 500);
    write('access.log.gz', gzipSync(MONDAY).subarray(0, 100));
    expect(await identify('access.log.gz')).toBe('undecided');
    write('access.log.gz', gzipSync(MONDAY));
    unlinkSync(at('access.log'));
    expect(await known('access.log.gz')).toMatchObject({ id, offset: 500 });
  });

  it('when it was known by fewer bytes than it has now', async () => {
    write('a.log', MONDAY.slice(0, 300));
    const { id } = await deliver('a.log', 300);
    appendFileSync(at('a.log'), MONDAY.slice(300));
    expect(await known('a.log')).toMatchObject({ id, headBytes: HEAD_BYTES });
    rmSync(at('a.log'));
    write('a.log.gz', gzipSync(MONDAY));
    await reopen();
    expect((await known('a.log.gz')).id).toBe(id);
  });

  it('by a head that grew with what was delivered, without being seen again', async () => {
    write('a.log', MONDAY.slice(0, 300));
    const { id } = await known('a.log');
    appendFileSync(at('a.log'), MONDAY.slice(300));
    await checkpoint.commit(id, { offset: 2_000, number: 9, state: '' }, 'combined');
    rmSync(at('a.log'));
    write('a.log.gz', gzipSync(MONDAY));
    await reopen();
    expect(await known('a.log.gz')).toMatchObject({ id, offset: 2_000, headBytes: HEAD_BYTES });
  });

  it('beside another one with the same head, by the path that agrees further', async () => {
    ahead = SETTLED_MS;
    for (const name of ['web1.log', 'web2.log']) write(name, MONDAY);
    const one = await deliver('web1.log', 500);
    const two = await deliver('web2.log', 900);
    for (const name of ['web1.log', 'web2.log']) {
      rmSync(at(name));
      write(`${name}.gz`, gzipSync(MONDAY));
    }
    expect((await known('web2.log.gz')).id).toBe(two.id);
    expect((await known('web1.log.gz')).id).toBe(one.id);
  });
});

describe('a file is another one', () => {
  it('when other content has its inode', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', 500);
    write('a.log', TUESDAY);
    expect(await known('a.log')).toMatchObject({ offset: 0, path: at('a.log') });
    expect((await known('a.log')).id).not.toBe(id);
  });

  it('when it is shorter than what was delivered, though it begins alike', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', MONDAY.length);
    truncateSync(at('a.log'), 2_000);
    const another = await known('a.log');
    expect([another.id === id, another.offset]).toEqual([false, 0]);
    expect(warnings).toEqual([
      `${at('a.log')} was truncated, to fewer bytes than were delivered: it begins again, as a new file`,
    ]);
    await reopen();
    expect((await known('a.log')).id).toBe(another.id);
  });

  it('but not when it was looked at before it grew', async () => {
    write('a.log', MONDAY.slice(0, 2_000));
    const before = await lookAt(at('a.log'));
    appendFileSync(at('a.log'), MONDAY.slice(2_000));
    const { id } = await deliver('a.log', MONDAY.length);
    expect(await checkpoint.identify(before ?? expect.fail('it is not there'))).toMatchObject({ id });
    expect(warnings).toEqual([]);
  });

  it('when only the first bytes of a known one stood there, and more than these were delivered', async () => {
    write('a.log', 'head\n');
    const { id } = await known('a.log');
    rmSync(at('a.log'));
    await checkpoint.commit(id, { offset: 5_000, number: 9, state: '' }, 'text');
    write('b.log', 'head\nand quite another line\n');
    expect((await known('b.log')).id).not.toBe(id);
  });

  it('when a settled copy of the beginning is all that is left', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', MONDAY.length);
    renameSync(at('a.log'), at('elsewhere'));
    write('b.log', MONDAY.slice(0, 2_000));
    expect(await identify('b.log')).toBe('undecided');
    ahead = SETTLED_MS;
    expect((await known('b.log')).id).not.toBe(id);
  });
});

describe('positions', () => {
  it('are kept with number, state, format and the bounds that were noted after them', async () => {
    write('a.log', MONDAY);
    const { id } = await known('a.log');
    await checkpoint.note(id, { from: 200, to: 300 });
    await checkpoint.note(id, { from: 0, to: 200 });
    await checkpoint.note(id, { from: 0, to: 200 });
    await reopen();
    expect(await known('a.log')).toMatchObject({
      ...FILE_START,
      noted: [
        { from: 0, to: 200 },
        { from: 200, to: 300 },
      ],
    });
    await checkpoint.commit(id, { offset: 200, number: 7, state: '#Fields' }, 'w3c');
    await reopen();
    expect(await known('a.log')).toMatchObject({
      offset: 200,
      number: 7,
      state: '#Fields',
      format: 'w3c',
      noted: [{ from: 200, to: 300 }],
    });
  });

  it('never go back', async () => {
    write('a.log', MONDAY);
    const { id } = await deliver('a.log', 500);
    await checkpoint.commit(id, { offset: 400, number: 4, state: '' }, 'common');
    expect(checkpoint.get(id)).toMatchObject({ offset: 500, format: 'combined' });
  });

  it('of a file that is not known are refused', async () => {
    await expect(checkpoint.commit('nobody', FILE_START, 'text')).rejects.toThrow(
      'the checkpoint has no file id=nobody',
    );
    await expect(checkpoint.note('nobody', { from: 0, to: 1 })).rejects.toThrow('no file id=nobody');
    expect(checkpoint.get('nobody')).toBeUndefined();
  });
});

describe('idle files', () => {
  it('cost one write a day, and only with the next that is written', async () => {
    write('a.log', MONDAY);
    await known('a.log');
    const before = readFileSync(at('state'), 'utf8');
    await known('a.log');
    ahead = DAY_MS * 2;
    const { seen } = await known('a.log');
    expect(readFileSync(at('state'), 'utf8')).toBe(before);
    await checkpoint.close();
    expect(readFileSync(at('state'), 'utf8').slice(before.length)).toContain(`"seen":${seen}`);
    checkpoint = await open();
  });
});

describe('without a checkpoint', () => {
  const create = (source: string) => noCheckpoint({ stream: 'access', source });
  const idBy = async (by: Checkpoint, name: string) => {
    const found = await identify(name, by);
    return typeof found === 'string' ? found : found.id;
  };

  it('a file has the same id in each run, and another one from another source, path or content', async () => {
    write('a.log', MONDAY);
    write('c.log', TUESDAY);
    const id = await idBy(create('web1'), 'a.log');
    expect(id).toMatch(/^[\w-]{16}$/);
    expect(await idBy(create('web1'), 'a.log')).toBe(id);
    copyFileSync(at('a.log'), at('b.log'));
    const others = [idBy(create('web2'), 'a.log'), idBy(create('web1'), 'b.log'), idBy(create('web1'), 'c.log')];
    expect(new Set([id, ...(await Promise.all(others))]).size).toBe(4);
  });

  it('a file is found again within the run', async () => {
    const run = create('web1');
    write('a.log', MONDAY);
    const id = await idBy(run, 'a.log');
    await run.note(id, { from: 0, to: 100 });
    await run.commit(id, { offset: 100, number: 1, state: '' }, 'combined');
    renameSync(at('a.log'), at('a.log.1'));
    expect(await identify('a.log.1', run)).toMatchObject({ id, offset: 100, noted: [] });
    await run.close();
  });
});
