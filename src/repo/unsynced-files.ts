import type { FileSystem } from '../disk/file-system.ts';
import { inParallel } from '../disk/in-parallel.ts';
import type { Log } from '../log.ts';
import { type DataFolders, pathOfName } from './data-files.ts';

/**
 * Little at a time: commits wait for the disk behind such a sync. Only when a segment was retired, every 64 MiB, it took
 * 30 to 60 ms, and was the p99 of POST /logs at a steady 100,000 records a second.
 */
export const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
/** At least so many for each file: a sync costs something whatever there is to sync. */
const SYNC_BYTES_PER_FILE = 512 * 1024;

export interface UnsyncedFilesOptions {
  readonly files: FileSystem;
  readonly folders: DataFolders;
  /** After so many bytes their files are synced in the background. */
  readonly syncEveryBytes: number;
  readonly log: Log;
}

/** The data files of which the newest bytes stand safe only in the journal, by name, and their syncs beside the commits. */
export class UnsyncedFiles {
  /** A sync failed: what the files hold is not known until they were written again from the journal. */
  needsRestore = false;
  readonly #options: UnsyncedFilesOptions;
  readonly #names = new Set<string>();
  /** Since the background last began to sync. */
  #bytes = 0;
  #background: Promise<void> | undefined;

  constructor(options: UnsyncedFilesOptions) {
    this.#options = options;
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
  }

  delete(name: string): void {
    this.#names.delete(name);
  }

  clear(): void {
    this.#names.clear();
  }

  /** So many bytes more. The files stay on the list, for they grow meanwhile; what is left of them to sync is little. */
  grew(bytes: number): void {
    this.#bytes += bytes;
    const { syncEveryBytes, log } = this.#options;
    const enough = syncEveryBytes + (this.#names.size - 1) * Math.min(SYNC_BYTES_PER_FILE, syncEveryBytes);
    if (this.#bytes < enough || this.#background !== undefined) return;
    this.#bytes = 0;
    this.#background = this.sync(this.names)
      .catch((err: unknown) => {
        log.error('cannot sync files in the background; they are written again from the journal', { err });
      })
      .finally(() => {
        this.#background = undefined;
      });
  }

  /** Resolves when nothing is synced in the background. */
  async idle(): Promise<void> {
    await this.#background;
  }

  /** Rejects when one cannot be synced: then all are on the list again. */
  async sync(names: readonly string[]): Promise<void> {
    try {
      await inParallel(names, (name) => this.#syncByPath(name));
    } catch (error) {
      for (const name of names) this.#names.add(name);
      this.needsRestore = true;
      throw error;
    }
  }

  /** By a descriptor of its own: the one in use belongs to the commits that go on meanwhile. */
  async #syncByPath(name: string): Promise<void> {
    const { files, folders } = this.#options;
    const path = pathOfName(folders, name);
    if ((await files.size(path)) === undefined) return;
    const fd = await files.open(path);
    try {
      await files.sync(fd);
    } finally {
      await files.close(fd);
    }
  }
}
