import { statSync } from 'node:fs';
import type { FileSystem } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import { createDirectoryLock, DirectoryInUseError, type DirectoryLock } from '../disk/lock.ts';
import type { Log } from '../log.ts';

interface Step {
  /** What it does, for an operator. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * What must be done on the disk before the first commit: make the folders, lock them, mend the data files. When the disk
 * is full, read-only or not ours to write, the service starts nevertheless, serves what it can read, and tries again
 * before each commit and at each readiness check.
 */
export class Opening {
  readonly #log: Log;
  readonly #lock: DirectoryLock;
  readonly #left: Step[] = [];
  #failure: Error | undefined;

  private constructor(lock: DirectoryLock, log: Log) {
    this.#lock = lock;
    this.#log = log;
  }

  /** Makes and locks the folders. Rejects only with DirectoryInUseError: then the start must fail. */
  static async begin(options: {
    readonly files: FileSystem;
    readonly folders: readonly string[];
    readonly durable: boolean;
    readonly log: Log;
  }): Promise<Opening> {
    const { files, folders, durable, log } = options;
    const lock = createDirectoryLock(folders);
    const opening = new Opening(lock, log);
    try {
      for (const folder of folders)
        await opening.#attempt({ name: `make folder=${folder}`, run: () => makeFolder(files, folder, durable) });
      await opening.#attempt({ name: 'lock the folders', run: async () => lock.complete() });
      return opening;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Runs the step now; later when something before it is left to do, or when it fails. */
  async afterwards(name: string, run: Step['run']): Promise<void> {
    if (this.#failure === undefined) await this.#attempt({ name, run });
    else this.#left.push({ name, run });
  }

  /** Why something is left to do; undefined when all is done. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Does what is left, in order. Rejects with the reason when something still fails. */
  readonly finish = async (): Promise<void> => {
    if (this.#failure === undefined) return;
    for (let step = this.#left[0]; step !== undefined; step = this.#left[0]) {
      try {
        await step.run();
      } catch (error) {
        this.#failure = explain(step, error);
        throw this.#failure;
      }
      this.#left.shift();
    }
    this.#failure = undefined;
    this.#log.info('the storage can be written now');
  };

  async #attempt(step: Step): Promise<void> {
    try {
      await step.run();
    } catch (error) {
      if (error instanceof DirectoryInUseError) throw error;
      this.#failure ??= explain(step, error);
      this.#left.push(step);
    }
  }

  /** Takes the locks whose files were deleted. */
  readonly relock = (): void => this.#lock.complete();

  release(): void {
    this.#lock.release();
  }
}

/** Rejects a start whose state cannot be looked at: it may hold a journal. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (error) {
    throw explain({ name: `read folder=${path}` }, error);
  }
}

/** Says what could not be done and why, and whose the folder must be where rights are missing. */
function explain({ name }: Pick<Step, 'name'>, cause: unknown): Error {
  const reason = reasonOf(cause);
  const denied = /\b(?:EACCES|EPERM)\b/.test(reason);
  const remedy = denied ? `; the service runs as uid ${process.getuid?.()} and must own its folders` : '';
  return new Error(`cannot ${name}: ${reason}${remedy}`, { cause });
}

/** The message, with that of its cause: the reason is often there alone. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
