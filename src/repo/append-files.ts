import { cutFile, type FileStatus, type FileSystem, writeFully } from '../disk/file-system.ts';
import { inParallel } from '../disk/in-parallel.ts';
import { codeOf, isOutOfDescriptors } from '../disk/missing.ts';
import { BYTES } from '../model/bytes.ts';
import type { DataFile } from './data-files.ts';

const { NEWLINE } = BYTES;

/** What another program did to a data file. */
export type FileChange = 'deleted or moved' | 'replaced' | 'shortened' | 'lengthened' | 'changed in place';

/** A data file was changed, or may have lost bytes, while a commit wrote to it. Nothing of the commit counts; it begins again. */
export class FileChangedError extends Error {
  override readonly name = 'FileChangedError';
}

/** So many files may be open at least, however few descriptors the process has left. */
const LEAST_OPEN = 4;

/**
 * The open data files; the least recently used are closed first. The caller runs at most one operation on a file at a
 * time, and none on a file that it drops.
 *
 * Another program may move, replace or shorten a file at any time. So the file at a path is compared with the one that
 * was opened, by device and inode: before a write, and again before the write is acknowledged.
 */
export class AppendFiles {
  readonly #files: FileSystem;
  readonly #maxOpen: number;
  /** Less than `#maxOpen` after the process had no descriptor left. */
  #maxNow: number;
  /** Descriptors, least recently used first. */
  readonly #open = new Map<DataFile, number>();
  /** The files as they were when they were opened; kept when they are closed. */
  readonly #identities = new WeakMap<DataFile, FileStatus>();
  /** Files whose bytes before the committed length are not what they were. */
  readonly #suspects = new WeakSet<DataFile>();

  constructor(options: { readonly files: FileSystem; readonly maxOpen: number }) {
    this.#files = options.files;
    this.#maxOpen = Math.max(1, options.maxOpen);
    this.#maxNow = this.#maxOpen;
  }

  get openCount(): number {
    return this.#open.size;
  }

  openFiles(): readonly DataFile[] {
    return [...this.#open.keys()];
  }

  isOpen(file: DataFile): boolean {
    return this.#open.has(file);
  }

  /** What became of a file that should have `length` bytes; undefined when it is as it should be. */
  changeOf(file: DataFile, length: number): FileChange | undefined {
    const found = this.#files.statusAt(file.path);
    if (found === undefined) return 'deleted or moved';
    if (!this.isSame(file, found)) return 'replaced';
    if (found.size !== length) return found.size < length ? 'shortened' : 'lengthened';
    return this.#suspects.has(file) ? 'changed in place' : undefined;
  }

  /** Whether the file that was written is still the one at its path, and has at least `length` bytes. */
  holds(file: DataFile, length: number): boolean {
    const found = this.#files.statusAt(file.path);
    return found !== undefined && this.isSame(file, found) && found.size >= length && !this.#suspects.has(file);
  }

  /** Slices of `list` whose files may all be open at once. */
  *rounds(list: Iterable<DataFile>): Generator<readonly DataFile[]> {
    const all = [...list];
    const count = this.#maxNow;
    for (let from = 0; from < all.length; from += count) yield all.slice(from, from + count);
  }

  /** Closes the least recently used files, so that those of `round` can all be open within the limit. */
  async makeRoom(round: readonly DataFile[]): Promise<void> {
    let excess = this.#open.size - this.#maxNow;
    if (excess + round.length <= 0) return;
    for (const file of round) if (!this.#open.has(file)) excess++;
    if (excess <= 0) return;
    const wanted = new Set(round);
    const unused = [...this.#open.keys()].filter((file) => !wanted.has(file));
    // All at once: a turn of the event loop for each would take seconds while it is busy.
    await inParallel(unused.slice(0, excess), (file) => this.drop(file));
  }

  /**
   * Writes all, each at its position, and then syncs those that have bytes. More files than may be open go in rounds: the later ones take
   * the descriptors of the first. Gives the time of the syncs, in ms.
   */
  async writeAll(
    plans: ReadonlyMap<
      DataFile,
      { readonly buffers: readonly Buffer[]; readonly bytes: number; readonly position: number }
    >,
    { sync }: { readonly sync: boolean },
  ): Promise<number> {
    let syncMs = 0;
    const written = [...plans.keys()].filter((file) => plans.get(file)?.bytes !== 0);
    for (const round of this.rounds(written)) {
      await this.makeRoom(round);
      await inParallel(round, async (file) => {
        const plan = plans.get(file);
        if (plan !== undefined) await this.write(file, plan.buffers, plan.position);
      });
      const began = performance.now();
      if (sync) await inParallel(round, (file) => this.sync(file));
      syncMs += performance.now() - began;
    }
    return syncMs;
  }

  /** FileChangedError when the bytes before `position` are not the end of a line any more. */
  async write(file: DataFile, buffers: readonly Buffer[], position: number): Promise<void> {
    const fd = await this.#descriptor(file);
    await writeFully(this.#files, fd, buffers, position);
    // A file that was emptied a moment ago has a hole before the new bytes.
    if (position === 0 || this.#files.byteAt(fd, position - 1) === NEWLINE) return;
    this.#suspects.add(file);
    throw new FileChangedError(`another program changed the data file while it was written file=${file.path}`);
  }

  async sync(file: DataFile): Promise<void> {
    await this.#files.sync(await this.#descriptor(file));
  }

  /** Syncs a file that may have lost its name, if it is open: answered records may be in it that only memory holds. */
  async syncIfOpen(file: DataFile): Promise<void> {
    const fd = this.#open.get(file);
    if (fd !== undefined) await this.#files.sync(fd);
  }

  /**
   * Takes back the up to `written` bytes that a failed commit left beyond `committed`, and closes the descriptor: one
   * that failed to sync must not be synced again. A file that was moved away is cut where it is.
   */
  async cutBack(
    file: DataFile,
    {
      committed,
      written,
      durable,
    }: { readonly committed: number; readonly written: number; readonly durable: boolean },
  ): Promise<void> {
    const fd = this.#open.get(file);
    try {
      const found = this.#files.statusAt(file.path);
      if (found !== undefined && this.isSame(file, found)) {
        await this.drop(file);
        if (found.size > committed) await cutFile(this.#files, { path: file.path, length: committed, durable });
      } else if (fd !== undefined) {
        const { size } = this.#files.statusOf(fd);
        if (size > committed && size <= committed + written) await this.#files.truncateOpen(fd, committed);
      }
    } finally {
      await this.drop(file);
    }
  }

  /** Closes the descriptor, because it failed or the file is no longer wanted. */
  async drop(file: DataFile): Promise<void> {
    const fd = this.#open.get(file);
    if (fd === undefined) return;
    this.#open.delete(file);
    await this.#files.close(fd).catch(() => undefined);
  }

  /** After a commit: closes the least recently used files beyond the limit, which recovers when descriptors were short. */
  async trim(): Promise<void> {
    await this.makeRoom([]);
    this.#maxNow = Math.min(this.#maxOpen, this.#maxNow * 2);
  }

  async closeAll(): Promise<void> {
    for (const file of [...this.#open.keys()]) await this.drop(file);
  }

  /** Whether it is the regular file that was opened last; any regular file for one that never was. */
  isSame(file: DataFile, found: FileStatus): boolean {
    const known = this.#identities.get(file);
    return found.isFile && (known === undefined || (known.ino === found.ino && known.dev === found.dev));
  }

  async #descriptor(file: DataFile): Promise<number> {
    const known = this.#open.get(file);
    if (known !== undefined) {
      this.#open.delete(file);
      this.#open.set(file, known);
      return known;
    }
    const before = this.#identities.get(file);
    const fd = await this.openAnew(file);
    if (before === undefined || this.isSame(file, before)) return fd;
    // The file of another program is not ours to write or to cut: the commit looks again.
    await this.drop(file);
    this.#identities.set(file, before);
    throw new FileChangedError(`another program replaced the data file file=${file.path}`);
  }

  /** Opens whatever regular file is at the path, and makes it when there is none. Gives the descriptor. */
  async openAnew(file: DataFile): Promise<number> {
    const fd = await this.#openOrExplain(file.path);
    const status = this.#files.statusOf(fd);
    if (!status.isFile) {
      await this.#files.close(fd);
      throw new Error(`cannot store in file=${file.path}: it is not a regular file; move it away`);
    }
    this.#open.set(file, fd);
    this.#identities.set(file, status);
    this.#suspects.delete(file);
    return fd;
  }

  async #openOrExplain(path: string): Promise<number> {
    try {
      return await this.#files.open(path);
    } catch (error) {
      if (isOutOfDescriptors(error)) this.#maxNow = Math.max(LEAST_OPEN, this.#open.size >> 1);
      if (codeOf(error) !== 'ELOOP') throw error;
      throw new Error(`cannot store in file=${path}: it is a symbolic link; move it away`, { cause: error });
    }
  }
}
