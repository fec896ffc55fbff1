import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { type LineOutput, openLineOutput } from './line-output.ts';

let folder: string;
let said: string[];
let open: LineOutput[];
const at = (name: string) => join(folder, name);
const read = (name: string) => readFileSync(at(name), 'utf8');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'line-output-'));
  [said, open] = [[], []];
});
afterEach(async () => {
  for (const output of open) await output.close().catch(() => undefined);
  rmSync(folder, { recursive: true });
});

async function start(files: FileSystem = diskFileSystem) {
  const paths = [at('lines'), at('rejects')];
  const output = await openLineOutput({ paths, state: at('state'), notify: (text) => said.push(text), files });
  open.push(output);
  return output;
}

const slice = (id: string, from: number, to: number, line = `${id}${from}`, reject = '') => ({
  id,
  from,
  to,
  lines: [Buffer.from(`"${line}"\n`), Buffer.from(reject === '' ? '' : `"${reject}"\n`)],
});

it('lines of slices are appended to each file, and once, whatever run hands them over', async () => {
  const one = await start();
  expect(await Promise.all([one.write(slice('a', 0, 5, 'x', 'r')), one.write(slice('b', 0, 9))])).toEqual([
    'written',
    'written',
  ]);
  expect(await one.write(slice('a', 5, 8))).toBe('written');
  expect(await one.write(slice('a', 5, 8))).toBe('known');
  await one.close();
  const two = await start();
  const again = [slice('a', 0, 5), slice('a', 5, 8), slice('b', 0, 9), slice('b', 9, 12)];
  expect(await Promise.all(again.map((each) => two.write(each)))).toEqual(['known', 'known', 'known', 'written']);
  expect([read('lines'), read('rejects')]).toEqual(['"x"\n"b0"\n"a5"\n"b9"\n', '"r"\n']);
  expect(said).toEqual([]);
});

describe('a file is left longer than its state', () => {
  it('by a kill between the two: it is cut, which is said, and the slice is written again', async () => {
    const one = await start();
    await one.write(slice('a', 0, 5));
    await one.close();
    appendFileSync(at('lines'), '"lost"\n"ha');
    const two = await start();
    expect(said).toEqual([
      `${at('lines')}: 10 bytes of a write that was not finished were cut off; they are written again`,
    ]);
    expect(await two.write(slice('a', 5, 9, 'lost'))).toBe('written');
    expect(read('lines')).toBe('"a0"\n"lost"\n');
  });

  it('by the very first write', async () => {
    await (await start()).close();
    appendFileSync(at('lines'), '"lost"\n');
    await start();
    expect(read('lines')).toBe('');
  });

  it('but not where another program wrote it before there was a state', async () => {
    writeFileSync(at('lines'), '"old"\n"older');
    const one = await start();
    await one.write(slice('a', 0, 5));
    expect(read('lines')).toBe('"old"\n"a0"\n');
    expect(said.length).toBe(1);
  });
});

it('a state of which the last line is not whole is that of the line before', async () => {
  const one = await start();
  await one.write(slice('a', 0, 5));
  await one.write(slice('a', 5, 9));
  await one.close();
  const state = read('state');
  writeFileSync(at('state'), state.slice(0, -10));
  const two = await start();
  expect(read('lines')).toBe('"a0"\n');
  expect(await two.write(slice('a', 5, 9))).toBe('written');
});

it('a file that is moved away goes on under its name, and the next start cuts nothing', async () => {
  const one = await start();
  await one.write(slice('a', 0, 5));
  renameSync(at('lines'), at('lines.1'));
  await one.write(slice('a', 5, 9));
  expect([read('lines.1'), read('lines')]).toEqual(['"a0"\n', '"a5"\n']);
  await one.close();
  writeFileSync(at('other'), '"a5"\n"by hand"\n');
  renameSync(at('other'), at('lines'));
  await start();
  expect(read('lines')).toBe('"a5"\n"by hand"\n');
});

describe('a write that fails', () => {
  /** Fails the syncs that are counted, from 1. */
  function failing(...syncs: number[]): FileSystem {
    let count = 0;
    return {
      ...diskFileSystem,
      async sync(fd) {
        if (syncs.includes(++count)) throw new Error('EIO');
        await diskFileSystem.sync(fd);
      },
    };
  }

  it.each([
    ['of the lines', 1],
    ['of the rejects', 2],
    ['of the state', 3],
  ])('%s leaves nothing, and may be tried again', async (_, sync) => {
    const one = await start(failing(sync));
    await expect(one.write(slice('a', 0, 5, 'x', 'r'))).rejects.toThrow(/cannot write path=.*: EIO/);
    expect(await one.write(slice('b', 0, 5, 'y', 'q'))).toBe('written');
    expect(await one.write(slice('a', 0, 5, 'x', 'r'))).toBe('written');
    expect([read('lines'), read('rejects')]).toEqual(['"y"\n"x"\n', '"q"\n"r"\n']);
    await one.close();
    await start();
    expect([read('lines'), read('rejects'), said]).toEqual(['"y"\n"x"\n', '"q"\n"r"\n', []]);
  });

  it('holds up what comes after it in the same file', async () => {
    const one = await start(failing(1));
    const first = one.write(slice('a', 0, 5));
    await expect(first).rejects.toThrow('EIO');
    await expect(one.write(slice('a', 5, 9))).rejects.toThrow('bytes from 0 of the file are not written');
    expect(await one.write(slice('a', 0, 5))).toBe('written');
    expect(await one.write(slice('a', 5, 9))).toBe('written');
    expect(read('lines')).toBe('"a0"\n"a5"\n');
  });
});

it('a process that dies at any operation leaves what a later run makes whole, each line once', async () => {
  /** From the operation with this number on nothing is done; that one is done half where it is a write. */
  function dying(dieAt: number) {
    let count = 0;
    const step = () => {
      if (++count >= dieAt) throw new Error('dead');
    };
    const files: FileSystem = {
      ...diskFileSystem,
      async write(fd, buffers, position) {
        const [first = Buffer.alloc(0)] = buffers;
        if (count + 1 === dieAt) await diskFileSystem.write(fd, [first.subarray(0, first.length >> 1)], position);
        step();
        return diskFileSystem.write(fd, buffers, position);
      },
      async sync(fd) {
        step();
        await diskFileSystem.sync(fd);
      },
      async truncate(path, length) {
        step();
        await diskFileSystem.truncate(path, length);
      },
      async truncateOpen(fd, length) {
        step();
        await diskFileSystem.truncateOpen(fd, length);
      },
    };
    return { files, isDead: () => count >= dieAt };
  }
  const slices = [0, 1, 2, 3].map((i) => slice(i % 2 === 0 ? 'a' : 'b', i, i + 2, `l${i}`, i % 2 === 0 ? `r${i}` : ''));
  const expected = ['"l0"\n"l1"\n"l2"\n"l3"\n', '"r0"\n"r2"\n'];
  let dieAt = 1;
  for (let isDead = true; isDead; dieAt++) {
    for (const name of ['lines', 'rejects', 'state']) rmSync(at(name), { force: true });
    const disk = dying(dieAt);
    const one = await start(disk.files);
    for (const each of slices) await one.write(each).catch(() => undefined);
    isDead = disk.isDead();
    await one.close();
    const two = await start();
    for (const each of slices) await two.write(each);
    expect([dieAt, read('lines'), read('rejects')]).toEqual([dieAt, ...expected]);
    await two.close();
  }
  expect(dieAt).toBeGreaterThan(20);
});

it('the state does not grow with history', async () => {
  const one = await start();
  const id = 'x'.repeat(10_000);
  for (let i = 0; i < 300; i++) await one.write(slice(id, i, i + 1));
  expect(statSync(at('state')).size).toBeLessThan(1.2 * 1024 * 1024);
  await one.close();
  expect(await (await start()).write(slice(id, 299, 300))).toBe('known');
});

it('a file that is no state is left alone', async () => {
  writeFileSync(at('state'), 'hello\n');
  await expect(start()).rejects.toThrow('line 1 is not of a state of logforge collect');
  expect(read('state')).toBe('hello\n');
});
