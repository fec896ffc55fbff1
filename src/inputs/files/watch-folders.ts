import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { statusOf } from '../../disk/status-of.ts';

export interface FolderWatch {
  /** Watches these folders, and no others. Those that cannot be watched are tried again with the next call. */
  set(folders: ReadonlySet<string>): void;
  close(): void;
}

/** The system's own limits may be lower. Files in further folders are found by polling. */
const MAX_FOLDERS = 1_000;

/**
 * Wakes whoever polls: `onChange` is told of a path that may have changed, or may be there or not there any more (`isEntry`). It may miss
 * changes, and some file systems tell of none, so it makes polling faster and does not replace it.
 */
export function watchFolders(onChange: (path: string, isEntry: boolean) => void): FolderWatch {
  const watchers = new Map<string, { readonly watcher: FSWatcher; readonly inode: number | undefined }>();

  function drop(folder: string): void {
    watchers.get(folder)?.watcher.close();
    watchers.delete(folder);
  }

  function add(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (name !== null) onChange(join(folder, name), event === 'rename');
      });
      watchers.set(folder, { watcher, inode: statusOf(folder)?.ino });
      // The folder has gone, or the system has no watches left.
      watcher.on('error', () => drop(folder));
    } catch {
      // As above: polling alone must do.
    }
  }

  return {
    set(folders) {
      for (const [folder, { inode }] of watchers) {
        // A folder that was deleted and made again is another one, of which the watcher of the first tells nothing.
        if (!folders.has(folder) || inode !== statusOf(folder)?.ino) drop(folder);
      }
      for (const folder of folders) if (!watchers.has(folder) && watchers.size < MAX_FOLDERS) add(folder);
    },
    close() {
      for (const folder of watchers.keys()) drop(folder);
    },
  };
}
