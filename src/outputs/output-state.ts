import { readFileSync } from 'node:fs';
import type { FileSystem } from '../disk/file-system.ts';
import { type LineFile, openLineFile } from '../disk/line-file.ts';
import { isMissing } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';

/** A file, and what makes it the same one: its inode and its length. */
export type FilePlace = readonly [inode: number, bytes: number];

/** Files whose ends are remembered; of more the ones that were written longest ago are forgotten. */
const MAX_IDS = 100_000;
/** The state is written as a whole when it has grown by so much, or to twice what it was. */
const MIN_GROWTH_BYTES = 1024 * 1024;

interface StateLine {
  readonly sizes: readonly FilePlace[];
  readonly slices: Readonly<Record<string, number>>;
}

/**
 * What is written: how long the files of lines are, and how far each file that was read is in them. A file of lines of JSON, of which the last
 * holds for the sizes, and for each id its last one.
 */
export class OutputState {
  readonly #path: string;
  readonly #files: FileSystem;
  readonly #ends = new Map<string, number>();
  #file: LineFile | undefined;
  #sizes: readonly FilePlace[] | undefined;
  #grown = 0;
  #maxGrowth = MIN_GROWTH_BYTES;

  private constructor(path: string, files: FileSystem) {
    this.#path = path;
    this.#files = files;
  }

  /** Reads the state, if there is one. A last line that is not whole is none. Throws where the file is no state. */
  static async open(path: string, files: FileSystem): Promise<OutputState> {
    const state = new OutputState(path, files);
    const lines = readText(path).split('\n').slice(0, -1);
    for (const [index, line] of lines.entries()) {
      const read = parseLine(line);
      if (read === undefined)
        throw new Error(`cannot read path=${path}: line ${index + 1} is not of a state of logforge collect`);
      state.#take(read);
    }
    return state;
  }

  /** As it was last written; undefined before that. */
  get sizes(): readonly FilePlace[] | undefined {
    return this.#sizes;
  }

  /** The byte of the file up to which it is written; 0 for one that is not known. */
  endOf(id: string): number {
    return this.#ends.get(id) ?? 0;
  }

  /** Durable when it resolves; when it rejects, nothing has changed, but the file may: `replace` it before the next call. */
  async append(sizes: readonly FilePlace[], ends: ReadonlyMap<string, number>): Promise<void> {
    const line: StateLine = { sizes, slices: Object.fromEntries(ends) };
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    if (this.#file === undefined) throw new Error(`cannot write path=${this.#path}: it is not open`);
    await this.#file.append([bytes]).catch((cause: unknown) => {
      throw new Error(`cannot write path=${this.#path}: ${(cause as Error).message}`, { cause });
    });
    this.#take(line);
    this.#grown += bytes.length;
    // The lines are durable; a state that cannot be shortened now is shortened later.
    if (this.#grown > this.#maxGrowth) await this.replace(sizes).catch(() => undefined);
  }

  /** Writes the state as a whole, with these sizes. Durable when it resolves. */
  async replace(sizes: readonly FilePlace[]): Promise<void> {
    const slices = Object.fromEntries(this.#ends);
    const text = `${JSON.stringify({ sizes, slices } satisfies StateLine)}\n`;
    await this.#file?.close();
    this.#file = undefined;
    replaceFileSync(this.#path, [text], { durable: true, mode: 0o640 });
    this.#file = await openLineFile(this.#path, (bytes) => parseLine(bytes.toString()) !== undefined, this.#files);
    this.#sizes = sizes;
    this.#grown = 0;
    this.#maxGrowth = Math.max(MIN_GROWTH_BYTES, text.length);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  #take({ sizes, slices }: StateLine): void {
    this.#sizes = sizes;
    for (const [id, end] of Object.entries(slices)) {
      this.#ends.delete(id);
      this.#ends.set(id, end);
    }
    for (const id of this.#ends.keys()) {
      if (this.#ends.size <= MAX_IDS) break;
      this.#ends.delete(id);
    }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

function parseLine(line: string): StateLine | undefined {
  try {
    const read = JSON.parse(line) as Partial<StateLine> | null;
    const isState = Array.isArray(read?.sizes) && typeof read.slices === 'object' && read.slices !== null;
    return isState ? (read as StateLine) : undefined;
  } catch {
    return undefined;
  }
}
