import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../support/random.ts';
import { CrashFile, CrashFolder, copyLive, cutPower } from './crash-disk.ts';
import { createCrashFileSystem, type Fault } from './crash-file-system.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'logforge-crash-disk-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** What 80 power cuts leave of a file: each different content once, undefined where its name is lost. */
function leftOf(disk: CrashFolder, name: string): Set<string | undefined> {
  const left = new Set<string | undefined>();
  for (let seed = 0; seed < 80; seed++) {
    const path = join(scratch, `cut-${seed}`);
    cutPower(disk, path, createRandom(seed), { names: 0.2, data: 0.2 });
    left.add(readdirSync(path).includes(name) ? readFileSync(join(path, name), 'latin1') : undefined);
    rmSync(path, { recursive: true });
  }
  return left;
}

function fileIn(disk: CrashFolder, name: string): CrashFile {
  const file = new CrashFile();
  disk.set(name, file);
  return file;
}

describe('after a power cut', () => {
  it('a synced file with a synced name is as it was', () => {
    const disk = new CrashFolder();
    const file = fileIn(disk, 'a');
    file.write(Buffer.from('synced'), 0);
    file.beginSync()(true);
    disk.beginSync()(true);
    expect(leftOf(disk, 'a')).toEqual(new Set(['synced']));
  });

  it('a name without the sync of its folder is there or not, and a deleted one may come back', () => {
    const disk = new CrashFolder();
    const file = fileIn(disk, 'a');
    file.write(Buffer.from('x'), 0);
    file.beginSync()(true);
    expect(leftOf(disk, 'a')).toEqual(new Set(['x', undefined]));
    disk.beginSync()(true);
    disk.set('a', undefined);
    expect(leftOf(disk, 'a')).toEqual(new Set(['x', undefined]));
  });

  it('sectors that were not synced are lost each on its own, and the length may be ahead of them', () => {
    const disk = new CrashFolder();
    const file = fileIn(disk, 'a');
    disk.beginSync()(true);
    file.write(Buffer.alloc(1_024, 'y'), 0);
    const [y, zero] = ['y'.repeat(512), '\0'.repeat(512)];
    expect(leftOf(disk, 'a')).toEqual(new Set(['', y + y, y + zero, zero + y, zero + zero]));
  });

  it('what a failed sync should have written is not known, and a second sync does not help', () => {
    const disk = new CrashFolder();
    const file = fileIn(disk, 'a');
    disk.beginSync()(true);
    file.write(Buffer.from('z'), 0);
    file.beginSync()(false);
    file.beginSync()(true);
    expect(leftOf(disk, 'a')).toEqual(new Set(['', '\0', 'z']));
  });

  it('what was written while a sync ran is not covered by it', () => {
    const disk = new CrashFolder();
    const file = fileIn(disk, 'a');
    disk.beginSync()(true);
    file.write(Buffer.from('1'), 0);
    const ended = file.beginSync();
    file.write(Buffer.from('2'), 0);
    ended(true);
    expect(leftOf(disk, 'a')).toEqual(new Set(['1', '2']));
  });
});

it('after a kill everything that was written is there, and is still not durable', () => {
  const disk = new CrashFolder();
  fileIn(disk, 'a').write(Buffer.from('k'), 0);
  copyLive(disk, join(scratch, 'next'));
  expect(readFileSync(join(scratch, 'next', 'a'), 'utf8')).toBe('k');
  expect(leftOf(disk, 'a').has(undefined)).toBe(true);
});

describe('the edge over it', () => {
  const write = async (faults: readonly (readonly [number, Fault])[], dieAt = 0) => {
    const root = mkdtempSync(join(scratch, 'root-'));
    const random = createRandom(1);
    const { files } = createCrashFileSystem({ root, disk: new CrashFolder(), random, dieAt, faults: new Map(faults) });
    const fd = await files.open(join(root, 'a'));
    try {
      const written = await files.write(fd, [Buffer.from('12345678')], 0);
      await files.sync(fd);
      return written;
    } finally {
      await files.close(fd);
    }
  };

  it('writes short, fills up, fails a sync, and dies where the plan says so', async () => {
    expect(await write([])).toBe(8);
    expect(await write([[2, 'short']])).toBe(4);
    await expect(write([[2, 'full']])).rejects.toThrow('ENOSPC');
    await expect(write([[3, 'error']])).rejects.toThrow('EIO');
    await expect(write([], 3)).rejects.toThrow('the process died');
  });
});
