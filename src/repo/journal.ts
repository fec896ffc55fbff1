import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { cutFile, type FileStatus, type FileSystem, writeFully } from '../disk/file-system.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';
import { type EntryMeta, encodeMeta } from './journal-meta.ts';

/*
 * The commit journal. A batch is committed when the journal says so.
 *
 *   <stateDir>/journal-<number>.log          counting up; two while the older one is being retired, otherwise one
 *
 *   segment = "LFJRNL2\n" entry*             the first entry is a snapshot of the state
 *   entry                                    as disk/write-ahead-log.ts draws it:
 *     seed  = CRC-32 of "LFJRNL2\n", the segment's number u32 and the entry's position u48
 *     meta  = EntryMeta below, as JSON       begins with {"seq":
 *     data  = inline data                    the bytes of the files in `files`, one after the other
 *
 *   files       = [note, …]                      a data file stands in it by its name (data-files.ts)
 *   note        = [name, length, inline]         of a plain file
 *               | [name, length, inline, {"form":"zstd","framed":n,"logical":n}]     of a compressed hour: `length` on disk, the
 *                                                lines in frames, and all lines. The first entry that has an hour in
 *                                                another form than before is the moment when it changes
 *   generations = [[name, generation], …]        of hours whose generation is above 0
 *   keys        = [IdempotencyNote, …]           with `owner` where an API key was asked for
 *   positions   = [[source, next], …]                         how far a source has been read; for Kafka it is `offsets`
 *   summarised  = [[hour, length], …]            an hour of the stream access is its number, any other stands by its name
 *   changed     = [hour, …]
 *   removed     = [hour, …]                      it and all hours of its stream before it are removed for ever; or dlq/2015-05-17, a day
 *                                                of dead letters that was deleted, and that later entries may begin again
 *
 * The seed makes an entry valid in its own place only, so a reader can find the next entry after a damaged one.
 *
 * Later versions add to this form and do not replace it. The room is this rule: a member of the meta whose name begins
 * with `x-` may be skipped; its loss costs work, not records. Any other member, and any name of a file, that a reader does
 * not know comes from a later version, and the start stops before it changes anything.
 * A new member inside a note needs a kind of note of its own, because readers do not look for it.
 *
 * Journal 1 ("LFJRNL1\n", version 1.0.0) has seed 0, and no `store`, `generations` or `owner`. It is read, not written.
 *
 * An entry either names what was written to the data files and synced there (`inline` 0), or carries the bytes itself.
 * A small commit then takes one sync instead of two rounds, and its data files are synced later.
 *
 * Zeros are written ahead of small entries: a sync takes half the time when the file does not grow (bench/sync.ts).
 */
export const MAGIC = Buffer.from('LFJRNL2\n');
const NAMES = createSegmentNames({ prefix: 'journal-', digits: 8, suffix: '.log' });

/** Written after an entry of up to SMALL_ENTRY bytes that ends beyond the zeros written before. */
const AHEAD = Buffer.alloc(512 * 1024);
const SMALL_ENTRY = 64 * 1024;

const PLACE = Buffer.alloc(10);
const MAGIC_SEED = crc32(MAGIC);

/** The seed of the checksum of the entry at `position` in this segment. */
export function seedAt(segment: number, position: number): number {
  PLACE.writeUInt32LE(segment, 0);
  PLACE.writeUIntLE(position, 4, 6);
  return crc32(PLACE, MAGIC_SEED);
}

/** The numbers of the segments in a state folder, in ascending order. */
export function listSegments(stateDir: string): Promise<number[]> {
  return NAMES.list(stateDir);
}

export function segmentPath(stateDir: string, number: number): string {
  return join(stateDir, NAMES.of(number));
}

/** The segment that is being written. The caller makes one append at a time. */
export class JournalWriter {
  readonly number: number;
  readonly path: string;
  readonly #files: FileSystem;
  readonly #durable: boolean;
  readonly #fd: number;
  readonly #identity: FileStatus;
  #length: number;
  /** Where the newest entry begins. */
  #newest = MAGIC.length;
  /** Length in bytes up to which the file was written, zeros included. */
  #ahead: number;

  private constructor(options: { files: FileSystem; durable: boolean; number: number; path: string; fd: number }) {
    this.#files = options.files;
    this.#durable = options.durable;
    this.number = options.number;
    this.path = options.path;
    this.#fd = options.fd;
    this.#identity = options.files.statusOf(options.fd);
    this.#length = 0;
    this.#ahead = 0;
  }

  /** Starts a segment with a snapshot. When it rejects, the segment does not count: its first entry is not whole. */
  static async create(options: {
    readonly files: FileSystem;
    readonly stateDir: string;
    readonly number: number;
    readonly snapshot: EntryMeta;
    readonly durable: boolean;
  }): Promise<JournalWriter> {
    const { files, stateDir, number, snapshot, durable } = options;
    const path = segmentPath(stateDir, number);
    const fd = await files.open(path);
    const journal = new JournalWriter({ files, durable, number, path, fd });
    try {
      await files.truncate(path, 0);
      const entry = encodeEntry(encodeMeta(snapshot), []);
      sealEntry(entry, seedAt(number, MAGIC.length));
      const { buffers, bytes } = entry;
      await writeFully(files, fd, [MAGIC, ...buffers], 0);
      if (durable) {
        await files.sync(fd);
        await files.syncFolder(stateDir);
      }
      journal.#length = MAGIC.length + bytes;
      return journal;
    } catch (error) {
      await files.truncate(path, 0).catch(() => undefined);
      await files.close(fd);
      throw error;
    }
  }

  /** Length in bytes up to the last whole entry. */
  get length(): number {
    return this.#length;
  }

  /**
   * Resolves once the entry is as durable as configured. When it rejects, the caller must take it back, and must not append
   * here again, but start a new segment: then the entry does not count.
   */
  async append(meta: EntryMeta, data: readonly Buffer[], options: { readonly sync: boolean }): Promise<void> {
    const entry = encodeEntry(encodeMeta(meta), data);
    sealEntry(entry, seedAt(this.number, this.#length));
    const { buffers, bytes } = entry;
    await writeFully(this.#files, this.#fd, buffers, this.#length);
    await this.#writeAhead(this.#length + bytes, bytes);
    if (options.sync && this.#durable) await this.#files.sync(this.#fd);
    this.#newest = this.#length;
    this.#length += bytes;
  }

  /**
   * Cuts off what stands after `length`, on a new descriptor: one that failed to sync must not be synced again. Resolves
   * false when that fails. Then a start may find the entry until the next segment begins.
   */
  async takeBack(length: number): Promise<boolean> {
    const found = this.#files.statusAt(this.path);
    if (found === undefined || !this.isFile(found)) return true;
    try {
      await cutFile(this.#files, { path: this.path, length, durable: this.#durable });
      this.#length = length;
      return true;
    } catch {
      return false;
    }
  }

  /** The zeros become durable with the entry. They only make later syncs faster. */
  async #writeAhead(end: number, entryBytes: number): Promise<void> {
    if (!this.#durable || end <= this.#ahead) return;
    this.#ahead = end;
    if (entryBytes > SMALL_ENTRY) return;
    try {
      await writeFully(this.#files, this.#fd, [AHEAD], end);
      this.#ahead = end + AHEAD.length;
    } catch {
      // A full disk may still have room for entries.
    }
  }

  /** Whether the segment is still the file at its path, with all that was written: a start reads what is there. */
  isInPlace(): boolean {
    const found = this.#files.statusAt(this.path);
    if (found === undefined || !this.isFile(found) || found.size < this.#length) return false;
    // No entry, and not the magic, ends in a zero: one before the newest entry is the hole of a file that was emptied.
    return (this.#files.byteAt(this.#fd, this.#newest - 1) ?? 0) !== 0;
  }

  /** Whether it is the file that is written here. */
  isFile({ dev, ino }: Pick<FileStatus, 'dev' | 'ino'>): boolean {
    return dev === this.#identity.dev && ino === this.#identity.ino;
  }

  async close(): Promise<void> {
    await this.#files.close(this.#fd);
  }
}
