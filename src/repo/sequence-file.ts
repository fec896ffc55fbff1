import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import { isMissing } from '../disk/missing.ts';
import type { Log } from '../log.ts';

/*
 * The number of the newest commit, kept beside the hour files:
 *
 *   <logsDir>/.logforge.seq     store, 16 hex digits | " " | seq, 16 digits | " " | CRC-32 of what is before it, 8 hex digits | "\n"
 *
 * It is written after the journal entry with this `seq` is durable. So when it is ahead of the journal, the journal has
 * lost entries: they were damaged or cut off, or the state folder is from an older backup than the hour files. Without it
 * such a start would look like the start after a crash, which cuts off what was not committed.
 *
 * It is not synced, and a kill may leave it behind by the commits of 50 ms. After a power cut it may be older or unreadable,
 * and then it says nothing.
 */
const NAME = '.logforge.seq';
/** Between two writes, in milliseconds. */
const PAUSE_MS = 50;
const FORM = /^(([0-9a-f]{16}) (\d{16})) ([0-9a-f]{8})\n$/;

export interface Sequence {
  readonly store: string;
  readonly seq: number;
}

/** Never rejects: a service that cannot write it only notices less at its next start. */
export class SequenceFile {
  readonly path: string;
  /** What the last run left. */
  readonly found: Sequence | undefined;
  readonly #files: FileSystem;
  readonly #log: Log | undefined;
  #fd: number | undefined;
  #newest: Sequence | undefined;
  #writing: Promise<void> | undefined;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor({
    files,
    logsDir,
    log,
  }: { readonly files: FileSystem; readonly logsDir: string; readonly log: Log | undefined }) {
    this.path = join(logsDir, NAME);
    this.found = read(this.path);
    this.#files = files;
    this.#log = log;
  }

  /**
   * Takes the number of a commit that is durable. It is written at once, and then at most every PAUSE_MS: no answer waits for it, and a
   * write for each commit of one record cost a tenth of their rate.
   */
  save(store: string, seq: number): void {
    this.#newest = { store, seq };
    if (this.#timer !== undefined || this.#writing !== undefined) return;
    const left = this.#writtenAt + PAUSE_MS - performance.now();
    if (left <= 0) this.#writeSoon();
    else this.#timer = setTimeout(() => this.#writeSoon(), left).unref();
  }

  #writeSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#newest;
    if (next === undefined || this.#writing !== undefined) return;
    this.#newest = undefined;
    this.#writing = this.#write(next).finally(() => {
      this.#writing = undefined;
      this.#writtenAt = performance.now();
      const { store, seq } = this.#newest ?? next;
      if (this.#newest !== undefined) this.save(store, seq);
    });
  }

  async #write({ store, seq }: Sequence): Promise<void> {
    const text = `${store} ${String(seq).padStart(16, '0')}`;
    try {
      this.#fd ??= await this.#files.open(this.path);
      await writeFully(this.#files, this.#fd, [Buffer.from(`${text} ${checksum(text)}\n`)], 0);
    } catch (err) {
      const message = 'cannot write the number of the newest commit; the next start may not notice a damaged journal';
      this.#log?.warn(message, { file: this.path, err, fold: this.path });
    }
  }

  /** Resolves when the newest number is written. */
  async settled(): Promise<void> {
    while (this.#newest !== undefined || this.#writing !== undefined) {
      this.#writeSoon();
      await this.#writing;
    }
  }

  async close(): Promise<void> {
    await this.settled();
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#files.close(fd).catch(() => undefined);
  }
}

function read(path: string): Sequence | undefined {
  try {
    const [, text = '', store = '', seq, sum] = FORM.exec(readFileSync(path, 'latin1')) ?? [];
    return sum === checksum(text) ? { store, seq: Number(seq) } : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(`cannot read file=${path}`, { cause: error });
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
