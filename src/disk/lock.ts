import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another process owns the data directory. */
export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
}

export interface DirectoryLock {
  release(): void;
}

const FILE_NAME = '.logforge.lock';

/**
 * Takes sole ownership of folders that exist. Throws DirectoryInUseError when another process owns one of them.
 *
 * Node has no call to lock a file, but its SQLite has: an exclusive transaction takes a POSIX lock. The kernel releases
 * it however the process ends, containers that share the volume respect it, and there is no stale pid file. The file
 * stays empty.
 */
export function lockDirectories(folders: readonly string[]): DirectoryLock {
  const locks: DatabaseSync[] = [];
  const release = (): void => {
    for (const database of locks.splice(0)) database.close();
  };
  for (const folder of new Set(folders)) {
    try {
      locks.push(lockOne(join(folder, FILE_NAME)));
    } catch (error) {
      release();
      if (isBusy(error)) throw new DirectoryInUseError(`another logforge process owns ${folder}`);
      throw new Error(`cannot lock folder=${folder}`, { cause: error });
    }
  }
  return { release };
}

function lockOne(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLITE_BUSY, see sqlite.org/rescode.html */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}
