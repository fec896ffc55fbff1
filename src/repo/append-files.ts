import { dirname } from 'node:path';
import { type FileSystem, makeFolder, writeFully } from '../disk/file-system.ts';
import { BYTES } from '../model/bytes.ts';

const { NEWLINE } = BYTES;

/**
 * The data files held open, least recently used first to go. Names are those of data-files.ts; the caller runs at most
 * one operation on a name at a time, and none on a name that it drops.
 */
export class AppendFiles {
  readonly #files: FileSystem;
  readonly #pathOf: (name: string) => string;
  readonly #maxOpen: number;
  readonly #durable: boolean;
  readonly #open = new Map<string, number>();

  constructor(options: {
    readonly files: FileSystem;
    readonly pathOf: (name: string) => string;
    readonly maxOpen: number;
    readonly durable: boolean;
  }) {
    this.#files = options.files;
    this.#pathOf = options.pathOf;
    this.#maxOpen = options.maxOpen;
    this.#durable = options.durable;
  }

  get openCount(): number {
    return this.#open.size;
  }

  isOpen(name: string): boolean {
    return this.#open.has(name);
  }

  /**
   * Makes sure of a file that the journal does not know: creates it, its folders and their entries durably, or takes it
   * as it stands. Gives its length in bytes. A last line that somebody left without its newline gets one: then nothing
   * of it is lost and no record of ours is glued to it.
   */
  async adopt(name: string): Promise<number> {
    const path = this.#pathOf(name);
    await this.drop(name);
    const size = await this.#files.size(path);
    if (size === undefined) await makeFolder(this.#files, dirname(path), this.#durable);
    const fd = await this.#descriptor(name);
    if (size === undefined) {
      if (this.#durable) await this.#files.syncFolder(dirname(path));
      return 0;
    }
    if (size === 0 || (await this.#files.readByte(fd, size - 1)) === NEWLINE) return size;
    await writeFully(this.#files, fd, [Buffer.from('\n')], size);
    return size + 1;
  }

  /**
   * Whether the file stands as the journal says, so that `committed` is the place to write. What lies beyond it was
   * left by a commit that failed, and is cut off. False for a file deleted or shortened behind our back.
   */
  async isAsCommitted(name: string, committed: number): Promise<boolean> {
    const fd = this.#open.get(name);
    if (fd !== undefined && this.#files.isLinked(fd)) return true;
    await this.drop(name);
    const path = this.#pathOf(name);
    const size = await this.#files.size(path);
    if (size === undefined || size < committed) return false;
    if (size > committed) await this.#files.truncate(path, committed);
    return true;
  }

  async write(name: string, buffers: readonly Buffer[], position: number): Promise<void> {
    await writeFully(this.#files, await this.#descriptor(name), buffers, position);
  }

  async sync(name: string): Promise<void> {
    await this.#files.sync(await this.#descriptor(name));
  }

  /** Gives up the descriptor, because it failed or the file behind it is no longer wanted. */
  async drop(name: string): Promise<void> {
    const fd = this.#open.get(name);
    if (fd === undefined) return;
    this.#open.delete(name);
    await this.#files.close(fd).catch(() => undefined);
  }

  /** Closes the least recently used files beyond the bound. Between commits only: a file in use must stay. */
  async trim(): Promise<void> {
    for (const name of this.#open.keys()) {
      if (this.#open.size <= this.#maxOpen) return;
      await this.drop(name);
    }
  }

  async closeAll(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.drop(name);
  }

  async #descriptor(name: string): Promise<number> {
    const known = this.#open.get(name);
    if (known !== undefined) {
      this.#open.delete(name);
      this.#open.set(name, known);
      return known;
    }
    const fd = await this.#files.open(this.#pathOf(name));
    this.#open.set(name, fd);
    return fd;
  }
}
