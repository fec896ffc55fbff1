import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from './file-system.ts';
import { openLineFile } from './line-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'line-file-'));
  path = join(folder, 'out');
});
afterEach(() => rmSync(folder, { recursive: true }));

const isLine = (bytes: Buffer) => bytes.toString().endsWith('}');
const read = () => readFileSync(path, 'latin1');

async function append(texts: readonly string[], files: FileSystem = diskFileSystem) {
  const file = await openLineFile(path, isLine, files);
  await file.append(texts.map((text) => Buffer.from(text))).finally(() => file.close());
  return file;
}

describe('a file of lines', () => {
  it('is made, and appended to by each run', async () => {
    expect((await append(['{1}\n', '{2}\n'])).mended).toBe('nothing');
    expect((await append(['{3}\n'])).mended).toBe('nothing');
    expect(read()).toBe('{1}\n{2}\n{3}\n');
  });

  it('loses the part of a line that a killed process left, and keeps a whole one', async () => {
    writeFileSync(path, '{1}\n{"par');
    expect((await append(['{2}\n'])).mended).toEqual({ cut: 5 });
    expect(read()).toBe('{1}\n{2}\n');
    writeFileSync(path, '{1}\n{2}');
    expect((await append(['{3}\n'])).mended).toBe('ended');
    expect(read()).toBe('{1}\n{2}\n{3}\n');
    const long = `{${'x'.repeat(200_000)}`;
    writeFileSync(path, `{1}\n${long}`);
    expect((await append(['{2}\n'])).mended).toEqual({ cut: long.length });
    expect(read()).toBe('{1}\n{2}\n');
  });

  it('is no link and no folder', async () => {
    symlinkSync('elsewhere', path);
    await expect(append(['{1}\n'])).rejects.toMatchObject({ code: 'ELOOP' });
    rmSync(path);
    await expect(openLineFile(folder, isLine)).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('has nothing of lines that could not be written, and all of them once they can', async () => {
    let room = 5;
    let syncs = 0;
    const files: FileSystem = {
      ...diskFileSystem,
      async write(fd, [first = Buffer.alloc(0)], position) {
        if (room === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        const part = first.subarray(0, Math.min(room, 3));
        room -= part.length;
        return diskFileSystem.write(fd, [part], position);
      },
      async sync(fd) {
        if (syncs++ === 0) throw Object.assign(new Error('broken'), { code: 'EIO' });
        await diskFileSystem.sync(fd);
      },
    };
    const file = await openLineFile(path, isLine, files);
    const lines = [Buffer.from('{1}\n{2}\n'), Buffer.from('{3}\n')];
    await expect(file.append(lines)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(read()).toBe('');
    room = 1_000;
    await expect(file.append(lines)).rejects.toMatchObject({ code: 'EIO' });
    expect(read()).toBe('');
    await file.append(lines);
    expect(read()).toBe('{1}\n{2}\n{3}\n');
    await file.close();
  });

  it('takes lines of two processes, each whole', async () => {
    const [one, two] = [await openLineFile(path, isLine), await openLineFile(path, isLine)];
    const texts: string[] = [];
    for (let i = 0; i < 100; i++) {
      texts.push(`{a${i}}\n`, `{b${i}}\n`);
      await Promise.all([one.append([Buffer.from(`{a${i}}\n`)]), two.append([Buffer.from(`{b${i}}\n`)])]);
    }
    expect(read().match(/.*\n/g)?.toSorted()).toEqual(texts.toSorted());
    await one.close();
    await two.close();
  });
});
