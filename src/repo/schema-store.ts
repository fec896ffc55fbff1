import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DamageReport } from '../disk/damage-report.ts';
import { diskFileSystem, type FileSystem, removeIfThere, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import { isMissing } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';
import { type SchemaEvent, SchemaTable } from '../model/schema-table.ts';
import { type LogState, readSchemaLogs, seedOf } from './schema-log.ts';

/*
 * What the schema registry holds, durable.
 *
 *   <dir>/<name>-<number>.log     a log of changes that begins with a snapshot of everything; only the newest is needed
 *   <dir>/<name>.ids              text: no id above this number has been given
 *
 *   log   = entry*                entries as disk/write-ahead-log.ts draws them, each with the seed of its number in the log
 *   meta  = {"schemas":n,"of":k,"events":[SchemaEvent, …]}
 *
 *     schemas: the number of the entry, from 0
 *     of:      how many entries the snapshot has. A log with fewer was not written to its end, and the one before it holds
 *
 * A change is one entry, so it is made as a whole. It is synced before it is applied in memory and answered. Every start, and a log
 * that has grown, writes a new log with a snapshot, syncs it, and deletes the old one. So nothing is ever appended to a file
 * that another process left, nor to one that failed to sync. What was in a failed entry is not given again: neither its id nor its
 * number of a version.
 *
 * Damage (disk/scan-log.ts) is kept, reported and corrected where one bit is wrong. Ids above those that can be read may be lost
 * with it. They are not given again because of the second file, nor are numbers of versions: see `afterLoss`.
 */

/** Pieces of a snapshot, in UTF-16 units of JSON. */
const PIECE_LENGTH = 1024 * 1024;
/** A log is written again when what was appended to it is larger than this, and than its snapshot. */
const GROWTH_BYTES = 1024 * 1024;
/** Ids that are reserved at once, so that the second file is seldom written. */
const RESERVED_IDS = 1_000;
/** Ids that are left out when the log is damaged and the second file is gone. */
const LOST_IDS = 1_000_000;

export interface SchemaStoreOptions {
  /** A folder that this process owns. Made if it is missing. */
  readonly dir: string;
  /** Of the files. Default `schemas`. */
  readonly name?: string;
  readonly files?: FileSystem;
  readonly report: DamageReport;
  readonly log: { warn(message: string, fields?: Readonly<Record<string, unknown>>): void };
  /** See GROWTH_BYTES. */
  readonly growthBytes?: number;
}

/** Told of each change once it is durable and applied. The change is answered when the promise settles. */
export type SchemaListener = (events: readonly SchemaEvent[]) => Promise<void>;

export interface SchemaStore {
  readonly table: SchemaTable;
  /**
   * Makes a change durable, applies it, and waits for the listeners. One call at a time. Rejects when it cannot be stored; nothing
   * is then changed, but the ids and numbers of versions in it are used up.
   */
  append(events: readonly SchemaEvent[]): Promise<void>;
  /** Gives a function that ends it. */
  subscribe(listener: SchemaListener): () => void;
  /** Rejects when the store could not be written when it was last tried, and cannot be now. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Reads what the last run left. On a disk that cannot be written it opens nevertheless, and tries again with each change. */
export async function openSchemaStore(options: SchemaStoreOptions): Promise<SchemaStore> {
  const store = new LogStore(options);
  await store.open();
  return store;
}

/** The log that is written now. */
interface OpenLog {
  readonly fd: number;
  readonly path: string;
  readonly snapshotBytes: number;
  bytes: number;
  entries: number;
}

class LogStore implements SchemaStore {
  readonly table = new SchemaTable();
  readonly #options: Required<SchemaStoreOptions>;
  readonly #names: ReturnType<typeof createSegmentNames>;
  readonly #listeners = new Set<SchemaListener>();
  /** Undefined until one is written, and after a failure. */
  #current: OpenLog | undefined;
  #number = 0;
  #reserved = 0;

  constructor(options: SchemaStoreOptions) {
    const { name = 'schemas', files = diskFileSystem, growthBytes = GROWTH_BYTES } = options;
    this.#options = { ...options, name, files, growthBytes };
    this.#names = createSegmentNames({ prefix: `${name}-`, digits: 8, suffix: '.log' });
  }

  async open(): Promise<void> {
    const { log, dir } = this.#options;
    this.#load(await readSchemaLogs({ ...this.#options, names: this.#names }));
    try {
      await this.#begin();
    } catch (err) {
      log.warn('cannot write the schema registry; what is registered is served, and each change tries again', {
        dir,
        err,
      });
    }
  }

  async append(events: readonly SchemaEvent[]): Promise<void> {
    try {
      if (this.#current === undefined) await this.#begin();
      this.#reserve(events);
      await this.#write(events);
    } catch (error) {
      await this.#abandon();
      this.table.apply(events.flatMap(burn));
      throw new Error(`cannot store a change of the schema registry in ${this.#options.dir}`, { cause: error });
    }
    this.table.apply(events);
    await this.#compact();
    await Promise.all(Array.from(this.#listeners, (listener) => listener(events)));
  }

  subscribe(listener: SchemaListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async check(): Promise<void> {
    if (this.#current === undefined) await this.#begin();
  }

  async close(): Promise<void> {
    await this.#abandon();
  }

  #load({ events, number, isLossy, lostEntries }: LogState): void {
    this.#number = number;
    this.table.apply(events);
    const reserved = this.#readReserved();
    this.#reserved = reserved ?? 0;
    if (isLossy) this.table.apply([...afterLoss(this.table, { reserved, lostEntries })]);
  }

  /** Writes a new log with a snapshot, and deletes those before it. */
  async #begin(): Promise<void> {
    const { files, dir } = this.#options;
    await makeFolder(files, dir, true);
    const before = await this.#names.list(dir);
    const number = Math.max(this.#number, ...before) + 1;
    const path = join(dir, this.#names.of(number));
    const fd = await files.open(path);
    try {
      const pieces = [...inPieces(this.table.events())];
      let bytes = 0;
      for (const [at, events] of pieces.entries())
        bytes += await this.#writeEntry(fd, bytes, at, { of: pieces.length, events });
      await files.sync(fd);
      await files.syncFolder(dir);
      this.#number = number;
      this.#current = { fd, path, snapshotBytes: bytes, bytes, entries: pieces.length };
    } catch (error) {
      await files.close(fd);
      throw error;
    }
    await this.#deleteOld(before);
  }

  /** An old log that cannot be deleted costs space: a start reads the newest. */
  async #deleteOld(numbers: readonly number[]): Promise<void> {
    const { files, dir, log } = this.#options;
    try {
      for (const number of numbers) await removeIfThere(files, join(dir, this.#names.of(number)));
      await files.syncFolder(dir);
    } catch (err) {
      log.warn('cannot delete an old log of the schema registry', { dir, err });
    }
  }

  async #write(events: readonly SchemaEvent[]): Promise<void> {
    const { files } = this.#options;
    const current = this.#current;
    if (current === undefined) throw new Error('no log is open');
    current.bytes += await this.#writeEntry(current.fd, current.bytes, current.entries, { events });
    current.entries++;
    await files.sync(current.fd);
    const there = files.statusAt(current.path);
    const ours = files.statusOf(current.fd);
    if (there?.ino !== ours.ino || there.dev !== ours.dev)
      throw new Error(`another program replaced path=${current.path}`);
  }

  async #writeEntry(fd: number, at: number, number: number, meta: object): Promise<number> {
    const entry = encodeEntry({ schemas: number, ...meta }, []);
    sealEntry(entry, seedOf(number));
    await writeFully(this.#options.files, fd, entry.buffers, at);
    return entry.bytes;
  }

  async #compact(): Promise<void> {
    const current = this.#current;
    if (current === undefined || current.bytes < 2 * current.snapshotBytes + this.#options.growthBytes) return;
    await this.#abandon();
    try {
      await this.#begin();
    } catch (err) {
      this.#options.log.warn('cannot write the log of the schema registry again; the next change tries again', { err });
    }
  }

  async #abandon(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    try {
      await this.#options.files.close(current.fd);
    } catch (err) {
      // What was answered is synced.
      this.#options.log.warn('cannot close the log of the schema registry', { path: current.path, err });
    }
  }

  get #idsPath(): string {
    return join(this.#options.dir, `${this.#options.name}.ids`);
  }

  #reserve(events: readonly SchemaEvent[]): void {
    const highest = Math.max(...events.map((event) => ('id' in event ? event.id : 0)));
    if (highest <= this.#reserved) return;
    const reserved = highest + RESERVED_IDS;
    replaceFileSync(this.#idsPath, [`${reserved}\n`], { durable: true, mode: 0o640 });
    this.#reserved = reserved;
  }

  #readReserved(): number | undefined {
    try {
      const text = readFileSync(this.#idsPath, 'utf8');
      return /^\d{1,15}\n$/.test(text) ? Number(text) : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

/** What a change that may be on disk uses up. */
function burn(event: SchemaEvent): SchemaEvent[] {
  if (event.kind !== 'version') return [];
  const { subject, version, id } = event;
  return [
    { kind: 'used', subject, version },
    { kind: 'used-ids', id },
  ];
}

/**
 * After damage nobody knows what was lost: at most so many entries, each of which gave one id and one number of one subject. None of
 * them is given again.
 */
function* afterLoss(
  table: SchemaTable,
  { reserved, lostEntries }: { readonly reserved: number | undefined; readonly lostEntries: number },
): Generator<SchemaEvent> {
  yield { kind: 'used-ids', id: reserved ?? table.nextId + LOST_IDS };
  for (const subject of table.names()) {
    yield { kind: 'used', subject, version: table.nextVersion(subject) - 1 + lostEntries };
  }
  yield { kind: 'used', subject: null, version: table.floor + lostEntries };
}

function* inPieces(events: Iterable<SchemaEvent>): Generator<SchemaEvent[]> {
  let piece: SchemaEvent[] = [];
  let length = 0;
  for (const event of events) {
    piece.push(event);
    length += event.kind === 'version' ? event.schema.length : 100;
    if (length < PIECE_LENGTH) continue;
    yield piece;
    piece = [];
    length = 0;
  }
  if (piece.length > 0) yield piece;
}
