import { type Stats, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../../disk/missing.ts';

export interface FoundInode {
  readonly path: string;
  readonly stats: Stats;
}

/** Where files of these inodes stand in a folder, by inode. Those that are not there are left out. Rejects when the folder cannot be read. */
export async function findInodes(folder: string, inodes: ReadonlySet<number>): Promise<Map<number, FoundInode>> {
  const found = new Map<number, FoundInode>();
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return found;
    throw error;
  }
  for (const name of names) {
    const path = join(folder, name);
    const stats = statOf(path);
    if (stats?.isFile() && inodes.has(stats.ino)) found.set(stats.ino, { path, stats });
  }
  return found;
}

/** Undefined for a file that may not be looked at, too: it is none of those that were. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
