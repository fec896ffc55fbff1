import { dirname } from 'node:path';
import { type FileSystem, readFully, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import { BYTES } from '../model/bytes.ts';
import type { DataFile } from './data-files.ts';

const { NEWLINE } = BYTES;

/**
 * The open data files; the least recently used are closed first. The caller runs at most one operation on a file at a
 * time, and none on a file that it drops.
 */
export class AppendFiles {
  readonly #files: FileSystem;
  readonly #maxOpen: number;
  readonly #durable: boolean;
  /** Descriptors, least recently used first. */
  readonly #open = new Map<DataFile, number>();

  constructor(options: { readonly files: FileSystem; readonly maxOpen: number; readonly durable: boolean }) {
    this.#files = options.files;
    this.#maxOpen = options.maxOpen;
    this.#durable = options.durable;
  }

  get openCount(): number {
    return this.#open.size;
  }

  isOpen(file: DataFile): boolean {
    return this.#open.has(file);
  }

  /**
   * Prepares a file that the journal does not know. Creates it, its folders and their names durably, or takes it as it
   * is. Gives its length in bytes. A last line without its newline gets one, so that no later record joins it.
   */
  async adopt(file: DataFile): Promise<number> {
    const folder = dirname(file.path);
    await this.drop(file);
    const size = await this.#files.size(file.path);
    if (size === undefined) await makeFolder(this.#files, folder, this.#durable);
    const fd = await this.#descriptor(file);
    if (size === undefined) {
      if (this.#durable) await this.#files.syncFolder(folder);
      return 0;
    }
    if (size === 0) return 0;
    const [last] = await readFully(this.#files, fd, 1, size - 1);
    if (last === NEWLINE) return size;
    await writeFully(this.#files, fd, [Buffer.from('\n')], size);
    return size + 1;
  }

  /**
   * Whether the file is as the journal says, so that new bytes go to `committed`. Bytes beyond it, which a failed commit
   * left, are cut off. False for a file that somebody deleted or shortened.
   */
  async isAsCommitted(file: DataFile, committed: number): Promise<boolean> {
    const fd = this.#open.get(file);
    if (fd !== undefined && this.#files.isLinked(fd)) return true;
    await this.drop(file);
    const size = await this.#files.size(file.path);
    if (size === undefined || size < committed) return false;
    if (size > committed) await this.#files.truncate(file.path, committed);
    return true;
  }

  async write(file: DataFile, buffers: readonly Buffer[], position: number): Promise<void> {
    await writeFully(this.#files, await this.#descriptor(file), buffers, position);
  }

  async sync(file: DataFile): Promise<void> {
    await this.#files.sync(await this.#descriptor(file));
  }

  /** Closes the descriptor, because it failed or the file is no longer wanted. */
  async drop(file: DataFile): Promise<void> {
    const fd = this.#open.get(file);
    if (fd === undefined) return;
    this.#open.delete(file);
    await this.#files.close(fd).catch(() => undefined);
  }

  /** Closes the least recently used files beyond the limit. Only between commits, when none is in use. */
  async trim(): Promise<void> {
    for (const file of this.#open.keys()) {
      if (this.#open.size <= this.#maxOpen) return;
      await this.drop(file);
    }
  }

  async closeAll(): Promise<void> {
    for (const file of [...this.#open.keys()]) await this.drop(file);
  }

  async #descriptor(file: DataFile): Promise<number> {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
      return known;
    }
    const fd = await this.#files.open(file.path);
    this.#open.set(file, fd);
    return fd;
  }
}
