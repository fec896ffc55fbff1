import type { Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsent } from '../../disk/missing.ts';
import { statusOf } from '../../disk/status-of.ts';

/** A file as it was known: where it was seen last, and its inode. */
export interface Known {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

/**
 * Where files stand that are not in their place: in the same folder, under another name. Undefined where they are not, or the folder cannot be
 * read. An inode may be that of another file by now.
 */
export async function* findMoved<File extends Known>(
  files: readonly File[],
  onError: (folder: string, error: Error) => void,
): AsyncGenerator<readonly [file: File, place: FoundInode | undefined], void> {
  for (const [folder, wanted] of Map.groupBy(files, ({ path }) => dirname(path))) {
    const found = await findInodes(folder, new Set(wanted.map(({ inode }) => inode))).catch((error: Error) => {
      onError(folder, error);
      return new Map<number, FoundInode>();
    });
    for (const file of wanted) {
      const place = found.get(file.inode);
      yield [file, place?.stats.dev === file.device ? place : undefined];
    }
  }
}

export interface FoundInode {
  readonly path: string;
  readonly stats: Stats;
}

/** Where files of these inodes stand in a folder, by inode. Those that are not there are left out. Rejects when the folder cannot be read. */
async function findInodes(folder: string, inodes: ReadonlySet<number>): Promise<Map<number, FoundInode>> {
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
    // One that may not be looked at is none of those that were.
    const stats = statusOf(path);
    if (stats?.isFile() && inodes.has(stats.ino)) found.set(stats.ino, { path, stats });
  }
  return found;
}
