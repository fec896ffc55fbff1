import { readFileSync } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import type { IdempotencyNote, OffsetNote } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';

/*
 * The commit journal: what is committed is what it says.
 *
 *   <stateDir>/journal-<number>.log          counting up; one, or two while the older is being retired
 *
 *   segment = "LFJRNL1\n" entry*             the first entry is a snapshot of the state
 *   entry   = length u32 | crc32(payload) u32 | payload              little endian; a length of 0 ends the segment
 *   payload = length of meta u32 | meta, JSON | inline data
 *
 * An entry either names what was written to the hour files and synced there (`inline` 0), or carries the bytes itself:
 * small commits are then one sync instead of two rounds, and the hour files are synced when the segment is retired.
 * An entry that is cut off or fails its checksum was never answered for; it and what follows do not count.
 *
 * Zeros are written ahead of small entries: a sync that does not have to make the file longer takes half the time
 * (bench/sync.ts).
 */
const MAGIC = Buffer.from('LFJRNL1\n');
const ENTRY_HEAD = 12;

/** Written behind an entry of up to SMALL_ENTRY bytes that ends beyond what was written ahead before. */
const AHEAD = Buffer.alloc(512 * 1024);
const SMALL_ENTRY = 64 * 1024;

/** A file as of this entry: its new committed length, and how many of the last bytes stand in the entry's inline data. */
export type FileNote = readonly [name: string, length: number, inline: number];

export interface EntryMeta {
  /** Counts entries. In a segment, those from the next segment's first `seq` on were given up and do not count. */
  readonly seq: number;
  readonly files?: readonly FileNote[];
  readonly keys?: readonly IdempotencyNote[];
  readonly offsets?: readonly OffsetNote[];
  readonly batchIds?: readonly string[];
  /** Hours summarised up to a length. */
  readonly summarised?: readonly (readonly [hour: Hour, bytes: number])[];
  /** In a snapshot: hours that wait for the aggregator. */
  readonly changed?: readonly Hour[];
}

export interface Entry {
  readonly meta: EntryMeta;
  readonly data: Buffer;
}

/** The entry as it stands in the file, and its length in bytes. */
export function encodeEntry(meta: EntryMeta, data: readonly Buffer[]): { buffers: readonly Buffer[]; bytes: number } {
  const json = Buffer.from(JSON.stringify(meta));
  const head = Buffer.allocUnsafe(ENTRY_HEAD);
  head.writeUInt32LE(json.length, 8);
  let length = 4 + json.length;
  let checksum = crc32(json, crc32(head.subarray(8)));
  for (const part of data) {
    length += part.length;
    checksum = crc32(part, checksum);
  }
  head.writeUInt32LE(length, 0);
  head.writeUInt32LE(checksum, 4);
  return { buffers: [head, json, ...data], bytes: 8 + length };
}

/** The whole entries from `start` on; stops, without an error, at the first that is not. */
export function* decodeEntries(bytes: Buffer, start: number): Generator<Entry & { readonly end: number }> {
  let at = start;
  while (at + ENTRY_HEAD <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const end = at + 8 + length;
    if (length < 4 || end > bytes.length) return;
    const payload = bytes.subarray(at + 8, end);
    if (crc32(payload) !== bytes.readUInt32LE(at + 4)) return;
    const dataStart = 4 + payload.readUInt32LE(0);
    // The checksum holds, so this is what encodeEntry wrote.
    const meta = JSON.parse(payload.toString('utf8', 4, dataStart)) as EntryMeta;
    yield { meta, data: payload.subarray(dataStart), end };
    at = end;
  }
}

export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly entries: readonly Entry[];
  /** Bytes behind the last whole entry, but for zeros: a commit that was under way when the process ended. */
  readonly tornBytes: number;
}

/** The segments of a state folder, oldest first. One whose snapshot cannot be read has no entries. */
export async function readSegments(stateDir: string): Promise<Segment[]> {
  const numbers = (await readdir(stateDir))
    .map((name) => /^journal-(\d+)\.log$/.exec(name)?.[1])
    .filter((text) => text !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  return numbers.map((number) => readSegment(number, segmentPath(stateDir, number)));
}

function readSegment(number: number, path: string): Segment {
  const bytes = readFileSync(path);
  const entries: Entry[] = [];
  let end = 0;
  if (bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    for (const entry of decodeEntries(bytes, MAGIC.length)) {
      entries.push(entry);
      end = entry.end;
    }
  }
  return { number, path, entries, tornBytes: lengthWithoutZeros(bytes, end) - end };
}

/** The length up to the last byte behind `start` that is not zero. */
function lengthWithoutZeros(bytes: Buffer, start: number): number {
  let length = bytes.length;
  while (length > start && bytes[length - 1] === 0) length--;
  return length;
}

/** Deletes retired segments, oldest first, so that what a crash leaves is always the newest ones. */
export async function removeSegments(segments: readonly { readonly path: string }[]): Promise<void> {
  for (const segment of segments) await unlink(segment.path);
}

export function segmentPath(stateDir: string, number: number): string {
  return join(stateDir, `journal-${String(number).padStart(8, '0')}.log`);
}

/** The segment being written. One append at a time; the caller sees to that. */
export class JournalWriter {
  readonly number: number;
  readonly path: string;
  readonly #files: FileSystem;
  readonly #durable: boolean;
  readonly #fd: number;
  #length: number;
  /** Up to where the file was written, be it with zeros. */
  #ahead: number;

  private constructor(options: { files: FileSystem; durable: boolean; number: number; path: string; fd: number }) {
    this.#files = options.files;
    this.#durable = options.durable;
    this.number = options.number;
    this.path = options.path;
    this.#fd = options.fd;
    this.#length = 0;
    this.#ahead = 0;
  }

  /** Starts a segment with a snapshot. When it rejects, no such segment counts: its first entry is not whole. */
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
      const { buffers, bytes } = encodeEntry(snapshot, []);
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
   * Resolves once the entry is as durable as configured. When it rejects, the entry does not count as long as the next
   * thing that happens is a new segment: the caller must not append here again.
   */
  async append(meta: EntryMeta, data: readonly Buffer[], options: { readonly sync: boolean }): Promise<void> {
    const { buffers, bytes } = encodeEntry(meta, data);
    try {
      await writeFully(this.#files, this.#fd, buffers, this.#length);
      await this.#writeAhead(this.#length + bytes, bytes);
      if (options.sync && this.#durable) await this.#files.sync(this.#fd);
    } catch (error) {
      await this.#files.truncate(this.path, this.#length).catch(() => undefined);
      throw error;
    }
    this.#length += bytes;
  }

  /** Becomes durable with the entry. Without it all is as well, but slower. */
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

  async close(): Promise<void> {
    await this.#files.close(this.#fd);
  }
}
