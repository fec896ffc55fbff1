import * as fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { diskFileSystem, type FileSystem, FOLDER_MODE } from './file-system.ts';
import { codeOf } from './missing.ts';

/*
 * A new folder survives a power cut once its name is synced, and the name stands in the folder above it. The functions
 * whose names end in `Sync` block the thread, as Node's own do: they are for threads that serve no requests.
 */

/**
 * Creates a folder with its parents. When `durable`, it is there after a power cut. Each level is synced before the next is
 * made, so a process that dies meanwhile leaves one name at most that is not durable: that of the innermost folder there
 * is. Its name is synced again in any case.
 */
export async function makeFolder(files: FileSystem, path: string, durable: boolean): Promise<void> {
  const target = resolve(path);
  if (!durable) {
    await files.makeFolder(target);
    return;
  }
  const { missing, found } = lookUpwards(files, target);
  await syncIfReadable(files, dirname(found));
  // Fails where something else stands.
  if (missing.length === 0) await files.makeFolder(target);
  for (const folder of missing) {
    await files.makeFolder(folder);
    await files.syncFolder(dirname(folder));
  }
}

/** What is missing of a path, the outermost first, and the innermost part that is there. */
function lookUpwards(files: Pick<FileSystem, 'statusAt'>, target: string) {
  const missing: string[] = [];
  let found = target;
  for (; files.statusAt(found) === undefined && found !== dirname(found); found = dirname(found))
    missing.unshift(found);
  return { missing, found };
}

/** A folder that this user may not read is one in which somebody else has made ours. */
async function syncIfReadable(files: FileSystem, path: string): Promise<void> {
  try {
    await files.syncFolder(path);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
  }
}

/**
 * Creates a folder with its parents and syncs nothing. Gives the folders that are new, the outermost first, and the
 * folders that hold their names, for the caller to sync: once for many new folders in one.
 */
export async function createFolder(
  files: FileSystem,
  path: string,
): Promise<{ readonly made: string[]; readonly toSync: string[] }> {
  const target = resolve(path);
  const first = await files.makeFolder(target);
  if (first === undefined) return { made: [], toSync: [] };
  const toSync = [...parentsOfNew(target, first)];
  return { made: [...toSync.slice(0, -1).reverse(), target], toSync };
}

/** `makeFolder`, blocking. */
export function makeFolderSync(path: string, durable: boolean): void {
  const target = resolve(path);
  const { missing, found } = durable ? lookUpwards(diskFileSystem, target) : { missing: [], found: target };
  if (durable) syncIfReadableSync(dirname(found));
  // Fails where something else stands.
  if (missing.length === 0) fs.mkdirSync(target, { recursive: true, mode: FOLDER_MODE });
  for (const folder of missing) {
    fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    syncPathSync(dirname(folder));
  }
}

/**
 * `makeFolderSync` for a writer that comes to the same folder again and again. The name of a folder that is there is synced
 * once, not for each file in it.
 */
export function createFolderMaker(durable: boolean): (path: string) => void {
  let last: string | undefined;
  return (path) => {
    if (path === last && diskFileSystem.statusAt(path) !== undefined) return;
    last = undefined;
    makeFolderSync(path, durable);
    last = path;
  };
}

function syncIfReadableSync(path: string): void {
  try {
    syncPathSync(path);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
  }
}

/** The folders that hold a new name, when all from `first` down to `target` are new. */
function* parentsOfNew(target: string, first: string): Generator<string> {
  for (let made = target; made.length >= first.length; made = dirname(made)) yield dirname(made);
}

/** Makes one file with its length, or the names in one folder, durable. Blocks the thread. */
export function syncPathSync(path: string): void {
  const fd = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
