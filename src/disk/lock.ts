import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another process owns the data directory. */
export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
}

export interface DirectoryLock {
  /**
   * Takes the locks that could not be taken, and those whose files were deleted. Throws DirectoryInUseError when another
   * process owns a folder, and any other error when a lock cannot be taken now.
   */
  complete(): void;
  release(): void;
}

/** Another process, or another part of this one, has locked the file. */
export class FileInUseError extends Error {
  override readonly name = 'FileInUseError';
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
  const lock = createDirectoryLock(folders);
  try {
    lock.complete();
  } catch (error) {
    lock.release();
    throw error;
  }
  return lock;
}

/** The lock, with nothing locked before `complete`: for folders that may not exist yet, or cannot be written now. */
export function createDirectoryLock(folders: readonly string[]): DirectoryLock {
  const locks = new Map<string, DatabaseSync>();
  return {
    complete() {
      let failure: unknown;
      for (const folder of new Set(folders)) {
        const path = join(folder, FILE_NAME);
        if (locks.has(folder) && existsSync(path)) continue;
        locks.get(folder)?.close();
        locks.delete(folder);
        try {
          locks.set(folder, lockOne(path));
        } catch (error) {
          // The others are looked at too: a folder that another process owns is the worse news.
          if (isBusy(error)) throw new DirectoryInUseError(`another logforge process owns ${folder}`);
          failure ??= new Error(`cannot lock folder=${folder}`, { cause: error });
        }
      }
      if (failure !== undefined) throw failure;
    },
    release() {
      for (const database of locks.values()) database.close();
      locks.clear();
    },
  };
}

/**
 * Locks a file that is there for this alone, as lockDirectories does. It is made where there is none, and stays. Throws FileInUseError, or what
 * the system says. Gives the function that releases it.
 */
export function lockFile(path: string): () => void {
  try {
    const database = lockOne(path);
    return () => database.close();
  } catch (error) {
    throw isBusy(error)
      ? new FileInUseError(`path=${path} is locked`)
      : new Error(`cannot lock path=${path}`, { cause: error });
  }
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
