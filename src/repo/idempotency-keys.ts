import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import type { Clock } from '../model/clock.ts';
import type { IdempotencyNote } from '../model/deliver.ts';
import { decodeEntries, encodeEntry } from './journal.ts';

/*
 * The idempotency keys in force, in memory and behind the journal.
 *
 *   <stateDir>/keys-<segment number>.log     journal entries that hold only `keys`: those of a retired segment
 *
 * A key reaches the disk in the commit of its batch. When that journal segment is retired, its keys alone move to a file
 * of their own, once; a file goes when its newest key is out of the window. So keeping a million keys costs what is new.
 */
const KEYS_PER_ENTRY = 10_000;

export interface IdempotencyLimits {
  readonly windowMs: number;
  readonly maxKeys: number;
}

interface KeyFile {
  readonly path: string;
  readonly newest: number;
}

export class IdempotencyKeys {
  readonly #limits: IdempotencyLimits;
  readonly #clock: Clock;
  /** In the order of first use, so the oldest come first. */
  readonly #notes = new Map<string, IdempotencyNote>();
  readonly #keyFiles: KeyFile[] = [];
  #sinceRetirement: IdempotencyNote[] = [];

  constructor(limits: IdempotencyLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Reads the key files of a state folder. The keys still in the journal come by `remember`. */
  async load(stateDir: string): Promise<void> {
    const names = (await readdir(stateDir)).filter((name) => /^keys-\d+\.log$/.test(name)).sort();
    for (const name of names) {
      const path = join(stateDir, name);
      let newest = 0;
      for (const { meta } of decodeEntries(readFileSync(path), 0)) {
        for (const note of meta.keys ?? []) {
          newest = Math.max(newest, note.time);
          this.#add(note);
        }
      }
      this.#keyFiles.push({ path, newest });
    }
  }

  find(key: string): IdempotencyNote | undefined {
    const note = this.#notes.get(key);
    return note !== undefined && this.#inForce(note) ? note : undefined;
  }

  size(): number {
    this.#forget();
    return this.#notes.size;
  }

  oldest(): number | undefined {
    this.#forget();
    return this.#first()?.time;
  }

  /** Called when the key's commit is durable. */
  remember(note: IdempotencyNote): void {
    this.#sinceRetirement.push(note);
    this.#add(note);
  }

  /** Cuts here: what comes from now on belongs to the next segment. Gives the keys that only older segments hold. */
  cut(): readonly IdempotencyNote[] {
    const notes = this.#sinceRetirement;
    this.#sinceRetirement = [];
    return notes;
  }

  /** Writes the keys of a segment about to be retired to their own file, and deletes files that are out of the window. */
  async save(options: {
    readonly files: FileSystem;
    readonly stateDir: string;
    readonly segment: number;
    readonly notes: readonly IdempotencyNote[];
    readonly durable: boolean;
  }): Promise<void> {
    const { files, stateDir, segment, durable } = options;
    const notes = options.notes.filter((note) => this.#inForce(note));
    if (notes.length > 0) {
      const path = join(stateDir, `keys-${String(segment).padStart(8, '0')}.log`);
      const fd = await files.open(path);
      try {
        await files.truncate(path, 0);
        let at = 0;
        for (let i = 0; i < notes.length; i += KEYS_PER_ENTRY) {
          const { buffers, bytes } = encodeEntry({ seq: 0, keys: notes.slice(i, i + KEYS_PER_ENTRY) }, []);
          await writeFully(files, fd, buffers, at);
          at += bytes;
        }
        if (durable) await files.sync(fd);
      } finally {
        await files.close(fd);
      }
      if (durable) await files.syncFolder(stateDir);
      this.#keyFiles.push({ path, newest: notes.reduce((newest, note) => Math.max(newest, note.time), 0) });
    }
    await this.#dropOldFiles();
  }

  async #dropOldFiles(): Promise<void> {
    const oldest = this.oldest() ?? Number.POSITIVE_INFINITY;
    while (this.#keyFiles[0] !== undefined && this.#keyFiles[0].newest < oldest) {
      await rm(this.#keyFiles[0].path, { force: true });
      this.#keyFiles.shift();
    }
  }

  #add(note: IdempotencyNote): void {
    this.#notes.delete(note.key);
    this.#notes.set(note.key, note);
    if (this.#notes.size > this.#limits.maxKeys) this.#forget();
  }

  #forget(): void {
    for (const [key, note] of this.#notes) {
      if (this.#notes.size <= this.#limits.maxKeys && this.#inForce(note)) return;
      this.#notes.delete(key);
    }
  }

  #inForce(note: IdempotencyNote): boolean {
    return note.time > this.#clock() - this.#limits.windowMs;
  }

  #first(): IdempotencyNote | undefined {
    return this.#notes.values().next().value;
  }
}
