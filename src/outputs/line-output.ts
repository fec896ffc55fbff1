import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { GroupCommit } from '../disk/group-commit.ts';
import { type LineFile, openLineFile } from '../disk/line-file.ts';
import { BY_BYTES, failedTo, isJson } from './line-writes.ts';
import { type FilePlace, OutputState } from './output-state.ts';

/** Lines of one slice of a file: of each output in the order of the paths. */
export interface OutputSlice {
  /** Of the file. */
  readonly id: string;
  /** Bytes of the file; slices of one file come in order. */
  readonly from: number;
  readonly to: number;
  /** Whole lines. */
  readonly lines: readonly Buffer[];
}

/** Files of lines to which each slice is appended exactly once, though the process is killed at any moment. */
export interface LineOutput {
  /**
   * Resolves when the lines are in their files, synced: `written` now, or `known` since before. Slices at the same time share the syncs.
   * Rejects, naming what failed, when they cannot be written: nothing of the slice counts as written then, and it may be handed over again.
   */
  write(slice: OutputSlice): Promise<'written' | 'known'>;
  /** After the writes under way. */
  close(): Promise<void>;
}

export interface LineOutputOptions {
  /** Of the files of lines. */
  readonly paths: readonly string[];
  /** Of the file that remembers what is written. It lies in the same folder. */
  readonly state: string;
  /** What an earlier run has left, and what was done about it. */
  readonly notify: (message: string) => void;
  readonly files?: FileSystem;
}

/*
 * A write is durable in this order:
 *
 *   lines appended and synced → the state appended and synced: {"sizes":[[inode,bytes],…],"slices":{"id":to,…}}
 *
 * So at a start the files are as long as the last state says, or longer by lines that no state knows: these are cut off, and their slices
 * come again. A slice that the state knows is not written again. A file that was moved away, or cut by somebody else, begins from scratch.
 */
interface Waiting {
  readonly slice: OutputSlice;
  readonly bytes: number;
  resolve(outcome: 'written' | 'known'): void;
  reject(error: unknown): void;
}

/** Opens the files, or makes them, in a folder that no other process writes to. Rejects where one cannot be opened. */
export async function openLineOutput(options: LineOutputOptions): Promise<LineOutput> {
  const { paths, notify, files = diskFileSystem } = options;
  const state = await OutputState.open(options.state, files);
  for (const [index, path] of paths.entries()) await cutToState(path, state.sizes?.[index], { files, notify });
  const outputs = await Promise.all(paths.map((path) => OutputFile.open(path, { files, notify })));
  await state.replace(outputs.map((output) => output.place()));
  return new Outputs(outputs, state);
}

async function cutToState(
  path: string,
  known: FilePlace | undefined,
  { files, notify }: { readonly files: FileSystem; readonly notify: (message: string) => void },
): Promise<void> {
  const status = files.statusAt(path);
  if (known === undefined || status === undefined || !status.isFile) return;
  const [inode, bytes] = known;
  if (status.ino !== inode || status.size <= bytes) return;
  await files.truncate(path, bytes);
  notify(`${path}: ${status.size - bytes} bytes of a write that was not finished were cut off; they are written again`);
}

class OutputFile {
  readonly #path: string;
  readonly #files: FileSystem;
  #file: LineFile;
  #inode: number;

  private constructor(path: string, files: FileSystem, file: LineFile) {
    this.#path = path;
    this.#files = files;
    this.#file = file;
    this.#inode = files.statusAt(path)?.ino ?? 0;
  }

  static async open(
    path: string,
    { files, notify }: { readonly files: FileSystem; readonly notify: (message: string) => void },
  ): Promise<OutputFile> {
    const file = await openLines(path, files);
    if (file.mended !== 'nothing')
      notify(`${path}: the last line had no end; it was ended, or cut off where it was not whole`);
    return new OutputFile(path, files, file);
  }

  /** Of now: others may have moved or cut the file. */
  place(): FilePlace {
    const status = this.#files.statusAt(this.#path);
    return [status?.ino ?? 0, status?.size ?? 0];
  }

  async append(lines: readonly Buffer[]): Promise<void> {
    if (lines.every(({ length }) => length === 0)) return;
    try {
      if (this.place()[0] !== this.#inode) await this.#openAgain();
      await this.#file.append(lines);
    } catch (cause) {
      throw failedTo('write', this.#path, cause);
    }
  }

  /** Takes back lines that no state knows. */
  async cutTo([inode, bytes]: FilePlace): Promise<void> {
    const [present, length] = this.place();
    if (present === inode && length > bytes) await this.#files.truncate(this.#path, bytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** A file of that name that is there no more was moved away. */
  async #openAgain(): Promise<void> {
    const next = await openLines(this.#path, this.#files);
    await this.#file.close();
    this.#file = next;
    this.#inode = this.place()[0];
  }
}

async function openLines(path: string, files: FileSystem): Promise<LineFile> {
  return openLineFile(path, isJson, files).catch((cause: unknown) => {
    throw failedTo('open', path, cause);
  });
}

class Outputs implements LineOutput {
  readonly #outputs: readonly OutputFile[];
  readonly #state: OutputState;
  readonly #commits = new GroupCommit<Waiting>({ commit: (group) => this.#commit(group), limits: [BY_BYTES] });
  /** A write has failed: what it left is taken back before the next. */
  #isBroken = false;
  /** Where the first slice of a file begins that could not be written: one after it must not become the end of what is known. */
  readonly #failedFrom = new Map<string, number>();

  constructor(outputs: readonly OutputFile[], state: OutputState) {
    this.#outputs = outputs;
    this.#state = state;
  }

  write(slice: OutputSlice): Promise<'written' | 'known'> {
    const { promise, resolve, reject } = Promise.withResolvers<'written' | 'known'>();
    const bytes = slice.lines.reduce((sum, { length }) => sum + length, 0);
    this.#commits.add({ slice, bytes, resolve, reject });
    return promise;
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    for (const output of this.#outputs) await output.close();
    await this.#state.close();
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const ends = new Map<string, number>();
    const fresh: Waiting[] = [];
    for (const one of group) {
      const { id, from, to } = one.slice;
      const end = ends.get(id) ?? this.#state.endOf(id);
      const failedFrom = this.#failedFrom.get(id) ?? Number.POSITIVE_INFINITY;
      if (end >= to) one.resolve('known');
      else if (end > from) one.reject(new Error(`bytes ${from} to ${to} of a file are written up to ${end} only`));
      else if (from > failedFrom) one.reject(new Error(`bytes from ${failedFrom} of the file are not written`));
      else {
        this.#failedFrom.delete(id);
        ends.set(id, to);
        fresh.push(one);
      }
    }
    try {
      await this.#write(fresh, ends);
      for (const { resolve } of fresh) resolve('written');
    } catch (error) {
      this.#isBroken = true;
      for (const { slice, reject } of fresh) {
        if (!this.#failedFrom.has(slice.id)) this.#failedFrom.set(slice.id, slice.from);
        reject(error);
      }
    }
  }

  async #write(group: readonly Waiting[], ends: ReadonlyMap<string, number>): Promise<void> {
    if (this.#isBroken) await this.#takeBack();
    if (group.length === 0) return;
    for (const [index, output] of this.#outputs.entries()) {
      await output.append(group.map(({ slice }) => slice.lines[index] ?? NOTHING));
    }
    await this.#state.append(
      this.#outputs.map((output) => output.place()),
      ends,
    );
  }

  /** The state first: a kill between the two finds files that are longer than it says, and cuts them. */
  async #takeBack(): Promise<void> {
    const sizes = this.#state.sizes ?? [];
    await this.#state.replace(sizes);
    for (const [index, output] of this.#outputs.entries()) {
      const size = sizes[index];
      if (size !== undefined) await output.cutTo(size);
    }
    this.#isBroken = false;
  }
}

const NOTHING = Buffer.alloc(0);
