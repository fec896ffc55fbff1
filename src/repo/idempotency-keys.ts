import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DamagedLog } from '../disk/damage-report.ts';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import { type EntryForm, scanLog } from '../disk/scan-log.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';
import type { Clock } from '../model/clock.ts';
import type { IdempotencyNote } from '../model/deliver.ts';

/*
 * The valid idempotency keys, in memory and on disk.
 *
 *   <stateDir>/keys-<number>.log             the keys of the journal segment with that number, which was retired
 *
 *   segment = entry*                         no magic; entries as disk/write-ahead-log.ts draws them, with seed 0:
 *     meta  = {"seq":0,"keys":[IdempotencyNote, …]}
 *     data  = nothing
 *
 * A key reaches the disk in the journal, in the commit of its batch. When that journal segment is retired, its keys move
 * to a file of their own, once. The file is deleted when its newest key has left the window. So a million keys cost
 * no more than the new ones among them.
 */
export const KEY_FILE_NAMES = createSegmentNames({ prefix: 'keys-', digits: 8, suffix: '.log' });
const KEYS_PER_ENTRY = 10_000;
export const KEYS_FORM: EntryForm = { metaStart: Buffer.from('{"seq":'), seedOf: () => 0 };

interface KeysMeta {
  readonly seq: 0;
  readonly keys: readonly IdempotencyNote[];
}

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

  /**
   * Reads the key files of a state folder. The keys that are still in the journal come by `remember`. Gives the files that
   * are damaged.
   */
  async load(stateDir: string): Promise<DamagedLog[]> {
    const damaged: DamagedLog[] = [];
    for (const number of await KEY_FILE_NAMES.list(stateDir)) {
      const path = join(stateDir, KEY_FILE_NAMES.of(number));
      let newest = 0;
      const { entries, damage } = scanLog(readFileSync(path), { start: 0, form: KEYS_FORM });
      if (damage.length > 0) damaged.push({ path, damage });
      for (const { meta } of entries) {
        // The checksum holds, so this is what `writeKeys` wrote.
        for (const note of (meta as KeysMeta).keys) {
          newest = Math.max(newest, note.time);
          this.#add(note);
        }
      }
      this.#keyFiles.push({ path, newest });
    }
    return damaged;
  }

  find(key: string): IdempotencyNote | undefined {
    const note = this.#notes.get(key);
    return note !== undefined && this.#isValid(note) ? note : undefined;
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

  /** Gives the keys that only the segments up to now hold. Later keys belong to the next segment. */
  cut(): readonly IdempotencyNote[] {
    const notes = this.#sinceRetirement;
    this.#sinceRetirement = [];
    return notes;
  }

  /** Writes the keys of a segment that is about to be retired to their own file. Deletes files that have left the window. */
  async save(options: {
    readonly files: FileSystem;
    readonly stateDir: string;
    readonly segment: number;
    readonly notes: readonly IdempotencyNote[];
    readonly durable: boolean;
  }): Promise<void> {
    const { files, stateDir, segment, durable } = options;
    const notes = options.notes.filter((note) => this.#isValid(note));
    if (notes.length > 0) {
      const path = join(stateDir, KEY_FILE_NAMES.of(segment));
      await writeKeys({ files, path, notes, durable });
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
      if (this.#notes.size <= this.#limits.maxKeys && this.#isValid(note)) return;
      this.#notes.delete(key);
    }
  }

  #isValid(note: IdempotencyNote): boolean {
    return note.time > this.#clock() - this.#limits.windowMs;
  }

  #first(): IdempotencyNote | undefined {
    return this.#notes.values().next().value;
  }
}

async function writeKeys(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly notes: readonly IdempotencyNote[];
  readonly durable: boolean;
}): Promise<void> {
  const { files, path, notes, durable } = options;
  const fd = await files.open(path);
  try {
    await files.truncate(path, 0);
    let at = 0;
    for (let i = 0; i < notes.length; i += KEYS_PER_ENTRY) {
      const meta: KeysMeta = { seq: 0, keys: notes.slice(i, i + KEYS_PER_ENTRY) };
      const entry = encodeEntry(meta, []);
      sealEntry(entry);
      await writeFully(files, fd, entry.buffers, at);
      at += entry.bytes;
    }
    if (durable) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
}
