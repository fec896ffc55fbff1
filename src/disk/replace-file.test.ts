import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFileSync } from './replace-file.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-replace-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('replacing a file', () => {
  it.each([true, false])('writes all pieces, durable: %s', (durable) => {
    const path = join(dir, 'file');
    replaceFileSync(path, ['a', 'b'], { durable });
    replaceFileSync(path, ['c', '', 'd'], { durable, mode: 0o640 });
    expect(readFileSync(path, 'utf8')).toBe('cd');
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('leaves the old file and no other when it fails half way', () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'old');
    function* failing(): Generator<string> {
      yield 'new';
      throw new Error('no more');
    }
    expect(() => replaceFileSync(path, failing(), { durable: true })).toThrow('no more');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('removes what a crash left under the temporary name', () => {
    const path = join(dir, 'file');
    writeFileSync(`${path}.tmp`, 'x'.repeat(10_000));
    replaceFileSync(path, ['new'], { durable: true });
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });

  it.each([
    ['a link to a file', (path: string) => symlinkSync(join(dir, 'theirs'), path)],
    ['a link to nothing', (path: string) => symlinkSync(join(dir, 'none'), path)],
    ['a folder', (path: string) => mkdirSync(path)],
  ])('does not write through %s at the temporary name', (_what, put) => {
    writeFileSync(join(dir, 'theirs'), 'theirs');
    put(join(dir, 'file.tmp'));
    replaceFileSync(join(dir, 'file'), ['new'], { durable: true });
    expect(lstatSync(join(dir, 'file')).isFile()).toBe(true);
    expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('new');
    expect(readFileSync(join(dir, 'theirs'), 'utf8')).toBe('theirs');
    expect(readdirSync(dir).sort()).toEqual(['file', 'theirs']);
  });

  it('fails where there is no folder', () => {
    expect(() => replaceFileSync(join(dir, 'none', 'file'), ['x'], { durable: false })).toThrow('ENOENT');
  });
});
