import { existsSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFaultyDisk } from './faulty-disk.case.ts';
import { diskFileSystem, readFully, writeFully } from './file-system.ts';

let path: string;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-files-'));
  path = join(dir, 'file');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the file system', () => {
  it('creates a file that is opened to be written, and none that is opened to be read', async () => {
    await expect(diskFileSystem.openToRead(path)).rejects.toThrow('ENOENT');
    expect(existsSync(path)).toBe(false);
    await diskFileSystem.close(await diskFileSystem.open(path));
    expect(statSync(path).mode & 0o777).toBe(0o640);
    await diskFileSystem.close(await diskFileSystem.openToRead(path));
  });

  it('writes and reads all bytes, however few go at once', async () => {
    const { files } = createFaultyDisk({ dieAt: 0, shortWrites: true });
    const oneByOne = {
      ...files,
      read: (...[fd, target, at]: Parameters<typeof files.read>) => files.read(fd, target.subarray(0, 1), at),
    };
    const fd = await files.open(path);
    await writeFully(files, fd, [Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')], 2);
    expect((await readFully(oneByOne, fd, 11, 2)).toString()).toBe('hello world');
    await files.close(fd);
  });

  it('opens no link, and tells a file from what has its name later', async () => {
    writeFileSync(join(dir, 'theirs'), 'theirs');
    symlinkSync(join(dir, 'theirs'), path);
    await expect(diskFileSystem.open(path)).rejects.toThrow('ELOOP');
    expect(diskFileSystem.statusAt(path)?.isFile).toBe(false);
    rmSync(path);
    expect(diskFileSystem.statusAt(path)).toBeUndefined();
    const fd = await diskFileSystem.open(path);
    const { ino } = diskFileSystem.statusOf(fd);
    expect(diskFileSystem.statusAt(path)?.ino).toBe(ino);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    expect(diskFileSystem.statusAt(path)?.ino).not.toBe(ino);
    expect(diskFileSystem.statusOf(fd).ino).toBe(ino);
    await diskFileSystem.close(fd);
    expect(diskFileSystem.statusAt(join(path, 'below'))).toBeUndefined();
  });

  it('reads up to the end of the file', async () => {
    writeFileSync(path, 'abc');
    const fd = await diskFileSystem.openToRead(path);
    expect((await readFully(diskFileSystem, fd, 10, 1)).toString()).toBe('bc');
    expect(await readFully(diskFileSystem, fd, 10, 3)).toHaveLength(0);
    await diskFileSystem.close(fd);
  });
});
