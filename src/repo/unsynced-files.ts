import type { FileSystem } from '../disk/file-system.ts';
import { inParallelUpTo } from '../disk/in-parallel.ts';
import type { Log } from '../log.ts';
import type { DataFile } from './data-files.ts';

/**
 * Few bytes at a time, because commits wait while the disk works on such a sync. One sync of all 64 MiB when a segment
 * was retired took 30 to 60 ms, which was the p99 of POST /logs at a steady 100,000 records a second.
 */
export const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
/** At least this much for each file: a sync has a cost of its own, however few bytes there are. */
const SYNC_BYTES_PER_FILE = 512 * 1024;
/** Each sync takes a descriptor. There are no more threads for them than this. */
const SYNCS_AT_ONCE = 16;

export interface UnsyncedFilesOptions {
  readonly files: FileSystem;
  /** After this many bytes their files are synced in the background. */
  readonly syncEveryBytes: number;
  readonly log: Log;
}

/** The data files whose newest bytes are durable only in the journal, and their syncs in the background. */
export class UnsyncedFiles {
  /** A sync failed. The content of the files is not known until it was written again from the journal. */
  needsRestore = false;
  readonly #options: UnsyncedFilesOptions;
  readonly #list = new Set<DataFile>();
  /** Bytes added since the last sync in the background began. */
  #bytes = 0;
  #background: Promise<void> | undefined;

  constructor(options: UnsyncedFilesOptions) {
    this.#options = options;
  }

  get list(): readonly DataFile[] {
    return [...this.#list];
  }

  has(file: DataFile): boolean {
    return this.#list.has(file);
  }

  /** Whether a failed sync may have lost bytes of the file. */
  mayHaveLost(file: DataFile): boolean {
    return this.needsRestore && this.#list.has(file);
  }

  add(file: DataFile): void {
    this.#list.add(file);
  }

  delete(file: DataFile): void {
    this.#list.delete(file);
  }

  clear(): void {
    this.#list.clear();
  }

  /** The files on the list grew by this much. They stay on it after a sync in the background: they may grow meanwhile. */
  grew(bytes: number): void {
    this.#bytes += bytes;
    const { syncEveryBytes, log } = this.#options;
    const enough = syncEveryBytes + (this.#list.size - 1) * Math.min(SYNC_BYTES_PER_FILE, syncEveryBytes);
    if (this.#bytes < enough || this.#background !== undefined) return;
    this.#bytes = 0;
    this.#background = this.sync(this.list)
      .catch((err: unknown) => {
        log.error('cannot sync files in the background; the next commit writes them again from the journal', { err });
      })
      .finally(() => {
        this.#background = undefined;
      });
  }

  /** Resolves when nothing is synced in the background. */
  async idle(): Promise<void> {
    await this.#background;
  }

  /** Rejects when one of the files cannot be synced. Then all of them are on the list again. */
  async sync(list: readonly DataFile[]): Promise<void> {
    try {
      await inParallelUpTo(SYNCS_AT_ONCE, list, (file) => this.#syncOne(file));
    } catch (error) {
      for (const file of list) this.#list.add(file);
      this.needsRestore = true;
      throw error;
    }
  }

  /** Uses a descriptor of its own: commits go on and may close theirs. */
  async #syncOne({ path }: DataFile): Promise<void> {
    const { files } = this.#options;
    // Another program's FIFO or link holds nothing of ours; the next commit says that the file was replaced.
    if (files.statusAt(path)?.isFile !== true) return;
    const fd = await files.open(path);
    try {
      await files.sync(fd);
    } catch (error) {
      throw new Error(`cannot sync file=${path}`, { cause: error });
    } finally {
      await files.close(fd);
    }
  }
}
