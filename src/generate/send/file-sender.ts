import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { piecesOf } from '../batch/pieces.ts';
import type { Batch, Outcome, SendContext, Sender } from '../generate.ts';
import { backoffMs, describeError, Tally } from './outcome.ts';

export interface FileOptions extends SendContext {
  readonly path: string;
  /** Bytes of a file, after which the next one begins; undefined: it grows. */
  readonly rotateBytes?: number | undefined;
  /** Older files that are kept: path.1 is the newest of them. */
  readonly keep: number;
}

const MAX_WRITE_BYTES = 1024 * 1024;

/** Appends to a file. Where a write fails in the middle of a frame the next one writes its rest first, so no frame is broken. */
export function createFileSender(options: FileOptions): Sender {
  return new FileSender(options);
}

class FileSender implements Sender {
  readonly #options: FileOptions;
  readonly #maxBytes: number;
  #file: FileHandle | undefined;
  #size = 0;
  /** Of a frame whose beginning is in the file. It is written before anything else. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(options: FileOptions) {
    this.#options = options;
    this.#maxBytes = options.rotateBytes ?? Number.POSITIVE_INFINITY;
  }

  async send(batch: Batch): Promise<Outcome> {
    const tally = new Tally();
    for (const { bytes, records } of piecesOf(batch, Math.min(MAX_WRITE_BYTES, this.#maxBytes))) {
      const problem = await this.#append(bytes);
      if (problem === undefined) tally.sent(records, bytes.length);
      else if (problem.begun) tally.unsure(records, problem.failure);
      else tally.failed(records, problem.failure);
    }
    return tally.outcome();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  destroy(): void {}

  /** Resolves with undefined when all bytes are written, else with why not. `begun`: some of them are. */
  async #append(bytes: Buffer): Promise<{ readonly failure: string; readonly begun: boolean } | undefined> {
    const { path, retries, stopped, notify, wait } = this.#options;
    let isTaken = false;
    for (let attempt = 0; ; attempt++) {
      try {
        if (!isTaken && this.#isFullFor(bytes)) await this.#rotate();
        const file = await this.#ready();
        await this.#writeRest(file);
        if (isTaken) return undefined;
        this.#rest = bytes;
        isTaken = true;
        await this.#writeRest(file);
        return undefined;
      } catch (error) {
        const failure = `cannot write ${path}: ${describeError(error)}`;
        if (attempt < retries && !stopped.aborted) {
          notify(failure);
          await wait(backoffMs(attempt));
          continue;
        }
        const begun = isTaken && this.#rest.length < bytes.length;
        // The bytes belong to the caller again.
        if (isTaken) this.#rest = begun ? Buffer.from(this.#rest) : Buffer.alloc(0);
        return { failure, begun };
      }
    }
  }

  #isFullFor(bytes: Buffer): boolean {
    return this.#rest.length === 0 && this.#size > 0 && this.#size + bytes.length > this.#maxBytes;
  }

  async #ready(): Promise<FileHandle> {
    if (this.#file === undefined) {
      this.#file = await open(this.#options.path, 'a');
      this.#size = (await this.#file.stat()).size;
    }
    if (this.#size === 0 && this.#rest.length === 0) this.#rest = this.#options.head;
    return this.#file;
  }

  async #writeRest(file: FileHandle): Promise<void> {
    while (this.#rest.length > 0) {
      const { bytesWritten } = await file.write(this.#rest);
      this.#size += bytesWritten;
      this.#rest = this.#rest.subarray(bytesWritten);
    }
  }

  /** path becomes path.1, path.1 becomes path.2; what would be after path.KEEP goes. */
  async #rotate(): Promise<void> {
    const { path, keep } = this.#options;
    await this.close();
    if (keep === 0) await rm(path, { force: true });
    for (let number = keep; number > 0; number--) {
      const from = number === 1 ? path : `${path}.${number - 1}`;
      await rename(from, `${path}.${number}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
}
