import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileStatus, type FileSystem, writeFully } from '../disk/file-system.ts';
import { createSegmentNames } from '../disk/segment-names.ts';
import { type EncodedEntry, encodeEntry, sealEntry, wholeEntries } from '../disk/write-ahead-log.ts';
import type { IdempotencyNote, OffsetNote } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';
import type { DataFile, DataFiles } from './data-files.ts';

/*
 * The commit journal. A batch is committed when the journal says so.
 *
 *   <stateDir>/journal-<number>.log          counting up; two while the older one is being retired, otherwise one
 *
 *   segment = "LFJRNL1\n" entry*             the first entry is a snapshot of the state
 *   entry                                    as disk/write-ahead-log.ts draws it, with seed 0:
 *     meta  = EntryMeta below, as JSON       a data file stands in it by its name (data-files.ts)
 *     data  = inline data                    the bytes of the files in `files`, one after the other
 *
 * An entry either names what was written to the data files and synced there (`inline` 0), or carries the bytes itself.
 * A small commit then takes one sync instead of two rounds, and its data files are synced later.
 * An entry that is cut off or fails its checksum was never acknowledged. It and the entries after it do not count.
 *
 * Zeros are written ahead of small entries: a sync takes half the time when the file does not grow (bench/sync.ts).
 */
const MAGIC = Buffer.from('LFJRNL1\n');
const NAMES = createSegmentNames({ prefix: 'journal-', digits: 8, suffix: '.log' });

/** Written after an entry of up to SMALL_ENTRY bytes that ends beyond the zeros written before. */
const AHEAD = Buffer.alloc(512 * 1024);
const SMALL_ENTRY = 64 * 1024;

/** A file as of this entry: its new committed length, and how many of the last bytes are the entry's inline data. */
export type FileNote = readonly [file: DataFile, length: number, inline: number];

/** Its keys are those of the JSON. */
export interface EntryMeta {
  /** Counts entries. In a segment, the entries from the next segment's first `seq` on were given up and do not count. */
  readonly seq: number;
  readonly files?: readonly FileNote[];
  readonly keys?: readonly IdempotencyNote[];
  readonly offsets?: readonly OffsetNote[];
  readonly batchIds?: readonly string[];
  /** The aggregator's cursors that advanced: the length up to which the summary of an hour has read its file. */
  readonly summarised?: readonly (readonly [hour: Hour, bytes: number])[];
  /** In a snapshot: hours whose file is longer than the aggregator's cursor. */
  readonly changed?: readonly Hour[];
}

type StoredMeta = Omit<EntryMeta, 'files'> & {
  readonly files?: readonly (readonly [name: string, length: number, inline: number])[];
};

export interface Entry {
  readonly meta: EntryMeta;
  readonly data: Buffer;
}

/** The entry as it stands in the file. */
function encode(meta: EntryMeta, data: readonly Buffer[]): EncodedEntry {
  const { files, ...rest } = meta;
  const stored: StoredMeta =
    files === undefined
      ? rest
      : { ...meta, files: files.map(([{ name }, length, inline]) => [name, length, inline] as const) };
  const entry = encodeEntry(stored, data);
  sealEntry(entry);
  return entry;
}

/** The checksum of the entry holds, so `meta` is what `encode` wrote. */
function decodeMeta(meta: unknown, dataFiles: DataFiles): EntryMeta {
  const { files, ...rest } = meta as StoredMeta;
  if (files === undefined) return rest;
  return { ...rest, files: files.map(([name, length, inline]) => [dataFiles.named(name), length, inline] as const) };
}

export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly entries: readonly Entry[];
  /** Bytes after the last whole entry, without trailing zeros: a commit that was running when the process ended. */
  readonly tornBytes: number;
}

/** The files of a state folder's segments, oldest first. */
export async function listSegments(stateDir: string): Promise<{ readonly number: number; readonly path: string }[]> {
  return (await NAMES.list(stateDir)).map((number) => ({ number, path: segmentPath(stateDir, number) }));
}

/** The segments of a state folder, oldest first. One whose snapshot cannot be read has no entries. */
export async function readSegments(stateDir: string, dataFiles: DataFiles): Promise<Segment[]> {
  const numbers = await NAMES.list(stateDir);
  return numbers.map((number) => {
    const path = segmentPath(stateDir, number);
    try {
      return readSegment(number, path, dataFiles);
    } catch (error) {
      throw new Error(`cannot read the commit journal file=${path}`, { cause: error });
    }
  });
}

function readSegment(number: number, path: string, dataFiles: DataFiles): Segment {
  const bytes = readFileSync(path);
  const entries: Entry[] = [];
  let end = 0;
  if (bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    for (const { meta, data, end: next } of wholeEntries(bytes, MAGIC.length)) {
      entries.push({ meta: decodeMeta(meta, dataFiles), data });
      end = next;
    }
  }
  return { number, path, entries, tornBytes: lengthWithoutZeros(bytes, end) - end };
}

/** The length up to the last byte after `start` that is not zero. */
function lengthWithoutZeros(bytes: Buffer, start: number): number {
  let length = bytes.length;
  while (length > start && bytes[length - 1] === 0) length--;
  return length;
}

/** Deletes retired segments, oldest first, so that a crash always leaves the newest ones. */
export async function removeSegments(segments: readonly { readonly path: string }[]): Promise<void> {
  for (const segment of segments) await rm(segment.path, { force: true });
}

function segmentPath(stateDir: string, number: number): string {
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
      const { buffers, bytes } = encode(snapshot, []);
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
   * Resolves once the entry is as durable as configured. When it rejects, the caller must not append here again, but
   * start a new segment: then the entry does not count.
   */
  async append(meta: EntryMeta, data: readonly Buffer[], options: { readonly sync: boolean }): Promise<void> {
    const { buffers, bytes } = encode(meta, data);
    try {
      await writeFully(this.#files, this.#fd, buffers, this.#length);
      await this.#writeAhead(this.#length + bytes, bytes);
      if (options.sync && this.#durable) await this.#files.sync(this.#fd);
    } catch (error) {
      await this.#files.truncate(this.path, this.#length).catch(() => undefined);
      throw error;
    }
    this.#newest = this.#length;
    this.#length += bytes;
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
