import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskFileSystem, type FileSystem } from './file-system.ts';
import { createFolderMaker, makeFolder, makeFolderSync } from './folders.ts';
import { syncedBy } from './synced-paths.case.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'logforge-folder-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** The real disk, and a list of the folders that it synced. */
function recording(): { files: FileSystem; synced: string[] } {
  const synced: string[] = [];
  const syncFolder = async (path: string): Promise<void> => {
    // A loop that does not end would go on syncing.
    if (synced.push(path) > 10) throw new Error('too many folders are synced');
    await diskFileSystem.syncFolder(path);
  };
  return { files: { ...diskFileSystem, syncFolder }, synced };
}

describe('a new folder', () => {
  const makes = (name: string) =>
    it(`${name} is made with its parents, and every name is synced before the next is made`, async () => {
      const { files, synced } = recording();
      const path = join(dir, name);
      await makeFolder(files, path, true);
      expect(existsSync(path)).toBe(true);
      const expected: string[] = [];
      for (let made = path; made !== dir; made = dirname(made)) expected.unshift(dirname(made));
      // A process that died may have made the innermost folder that there is.
      expected.unshift(dirname(dir));
      expect(synced).toEqual(expected);
    });

  makes('logs');
  makes('a');
  makes('a/b/c');

  it('is made with its parents by the call that blocks, and not made twice', () => {
    const path = join(dir, 'a/b');
    makeFolderSync(path, true);
    makeFolderSync(path, true);
    expect(statSync(path).mode & 0o777).toBe(0o750);
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o750);
  });

  it('has its name synced by the call that blocks, each before the next is made, and its parent again: a process may have died', () => {
    expect(syncedBy(() => makeFolderSync(join(dir, 'a/b'), true))).toEqual([dirname(dir), dir, join(dir, 'a')]);
    expect(syncedBy(() => makeFolderSync(join(dir, 'a/b'), true))).toEqual([join(dir, 'a')]);
    expect(syncedBy(() => makeFolderSync(join(dir, 'a/b'), false))).toEqual([]);
  });

  it('has its name synced once by a writer that comes to it again, and again after it was deleted', () => {
    const path = join(dir, 'a');
    mkdirSync(path);
    const make = createFolderMaker(true);
    expect(syncedBy(() => make(path))).toEqual([dir]);
    expect(syncedBy(() => make(path))).toEqual([]);
    rmSync(path, { recursive: true });
    expect(syncedBy(() => make(path))).toEqual([dirname(dir), dir]);
  });

  it('is made by a short relative name, too', async () => {
    const { files, synced } = recording();
    await makeFolder(files, relative(process.cwd(), join(dir, 'a')), true);
    expect(synced).toEqual([dirname(dir), dir]);
  });

  it('is made in the working directory, too', async () => {
    const { files, synced } = recording();
    const here = process.cwd();
    process.chdir(dir);
    try {
      await makeFolder(files, 'a', true);
      expect(synced).toEqual([dirname(realpathSync(dir)), realpathSync(dir)]);
    } finally {
      process.chdir(here);
    }
  });

  it('that exists already costs one sync: a process that died may have made it', async () => {
    const { files, synced } = recording();
    await makeFolder(files, dir, true);
    expect(synced).toEqual([dirname(dir)]);
  });
});
