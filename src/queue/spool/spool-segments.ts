import { join } from 'node:path';
import type { DamageReport } from '../../disk/damage-report.ts';
import { diskFileSystem, type FileSystem, removeIfThere, writeFully } from '../../disk/file-system.ts';
import { makeFolder } from '../../disk/folders.ts';
import type { EncodedEntry } from '../../disk/write-ahead-log.ts';
import type { Log } from '../../log.ts';
import { scanRest } from './spool-damage.ts';
import { decodeBatches, SEGMENT_NAMES, type SpoolEntry, sealInGroup } from './spool-format.ts';
import { createHeadFile, type HeadFile } from './spool-head.ts';
import { recoverSpool, type Segment } from './spool-recovery.ts';
import { readWindow } from './spool-window.ts';

export interface SpoolSegmentsOptions {
  readonly dir: string;
  /** A segment is followed by another when it has reached this length. */
  readonly segmentBytes: number;
  readonly report: DamageReport;
  readonly log: Log;
  readonly files?: FileSystem | undefined;
}

interface Parts {
  readonly dir: string;
  readonly segmentBytes: number;
  readonly report: DamageReport;
  readonly files: FileSystem;
  readonly headFile: HeadFile;
  readonly segments: Segment[];
  readonly head: number;
  readonly tail: number;
}

/**
 * The entries of a spool on disk, from the sequence `head` to before `tail`. Groups are appended at the tail, each
 * synced; entries are read and deleted at the head. One append and one read at a time.
 */
export class SpoolSegments {
  readonly #dir: string;
  readonly #files: FileSystem;
  readonly #report: DamageReport;
  readonly #segmentBytes: number;
  readonly #headFile: HeadFile;
  /** Oldest first. The last one is written to while `#writer` is open. */
  readonly #segments: Segment[];
  #writer: number | undefined;
  #head: number;
  #tail: number;
  /** Where the last read ended, in the segment of that sequence. */
  #cursor: { readonly sequence: number; readonly position: number } | undefined;
  /** Changes to the list of segments wait for each other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts) {
    this.#dir = parts.dir;
    this.#files = parts.files;
    this.#report = parts.report;
    this.#segmentBytes = parts.segmentBytes;
    this.#headFile = parts.headFile;
    this.#segments = parts.segments;
    this.#head = parts.head;
    this.#tail = parts.tail;
  }

  /** Recovers what the last run left, by the rules of spool-recovery.ts. */
  static async open(options: SpoolSegmentsOptions): Promise<SpoolSegments> {
    const { dir, segmentBytes, report, log, files = diskFileSystem } = options;
    await makeFolder(files, dir, true);
    await files.syncFolder(dir);
    const headFile = createHeadFile({ dir, files, log });
    const recovered = await recoverSpool({ dir, savedHead: await headFile.read(), files, report, log });
    await headFile.begin(recovered.head);
    const spool = new SpoolSegments({ dir, segmentBytes, report, files, headFile, ...recovered });
    await spool.#deleteDelivered();
    return spool;
  }

  get head(): number {
    return this.#head;
  }

  get tail(): number {
    return this.#tail;
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Appends entries as one synced group, or none of them: rejects with the disk's error. */
  append(entries: readonly EncodedEntry[]): Promise<void> {
    return this.#inTurn(() => this.#append(entries));
  }

  async #append(entries: readonly EncodedEntry[]): Promise<void> {
    const { fd, segment } = await this.#writable();
    for (const [after, entry] of entries.entries()) sealInGroup(entry, { sequence: this.#tail + after, after });
    try {
      await writeFully(
        this.#files,
        fd,
        entries.flatMap(({ buffers }) => buffers),
        segment.bytes,
      );
      await this.#files.sync(fd);
    } catch (error) {
      // This descriptor must not be synced again, so the next append begins a segment of its own. Bytes that cannot be cut
      // off here have sequences of that segment, and do not count.
      await this.#files.truncate(segment.path, segment.bytes).catch(() => undefined);
      await this.#closeWriter();
      throw error;
    }
    for (const { bytes } of entries) segment.bytes += bytes;
    this.#tail += entries.length;
    if (segment.bytes >= this.#segmentBytes) await this.#closeWriter();
  }

  /** Entries from `sequence` on, up to about `maxBytes`, at least one; none at the tail. Leaves out those that cannot be read. */
  async read(sequence: number, maxBytes: number): Promise<SpoolEntry[]> {
    let at = sequence;
    while (at < this.#tail) {
      const index = this.#segments.findLastIndex(({ first }) => first <= at);
      const segment = this.#segments[index];
      const end = this.#segments[index + 1]?.first ?? this.#tail;
      if (segment === undefined) return [];
      const entries = await this.#readSegment(segment, at, end, maxBytes);
      if (entries.length > 0) return entries;
      const lost = { kind: 'spool', file: segment.path, offset: segment.bytes, bytes: 0 } as const;
      const reason = 'the spool is damaged; batches are lost';
      await this.#report.tell({ ...lost, reason }, undefined, { from: at, batches: end - at });
      at = end;
    }
    return [];
  }

  /** Everything before `sequence` is no longer needed. Not synced: after a crash some of it may be read again. */
  async advanceHead(sequence: number): Promise<void> {
    this.#head = Math.max(this.#head, Math.min(sequence, this.#tail));
    await this.#inTurn(() => this.#deleteDelivered());
    await this.#headFile.save(this.#head);
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#closeWriter());
    await this.#headFile.save(this.#head);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #readSegment(segment: Segment, from: number, end: number, maxBytes: number): Promise<SpoolEntry[]> {
    const fd = await this.#files.openToRead(segment.path);
    try {
      const continues = this.#cursor?.sequence === from && from > segment.first;
      let position = continues ? (this.#cursor?.position ?? 0) : 0;
      let sequence = continues ? from : segment.first;
      const entries: SpoolEntry[] = [];
      let read = 0;
      while (sequence < end && position < segment.bytes && read < maxBytes) {
        const window = await readWindow(this.#files, fd, position, segment.bytes);
        const found = endsOf(decodeBatches(window, sequence, end), position);
        if (found.length === 0) {
          const place = { path: segment.path, position, size: segment.bytes, sequence };
          const rest = await scanRest({ files: this.#files, fd, report: this.#report, ...place });
          found.push(...rest.entries.filter((entry) => entry.sequence < end));
          if (found.length === 0) break;
        }
        for (const entry of found) {
          if (entry.sequence >= from) {
            if (read >= maxBytes) break;
            entries.push(entry);
            read += entry.bytes;
          }
          position = entry.fileEnd;
          sequence = entry.sequence + 1;
        }
      }
      this.#cursor = { sequence, position };
      return entries;
    } finally {
      await this.#files.close(fd);
    }
  }

  /** The segment that takes the next group, and its descriptor. */
  async #writable(): Promise<{ readonly fd: number; readonly segment: Segment }> {
    const last = this.#segments.at(-1);
    if (this.#writer !== undefined && last !== undefined) return { fd: this.#writer, segment: last };
    const segment = { first: this.#tail, path: join(this.#dir, SEGMENT_NAMES.of(this.#tail)), bytes: 0 };
    const fd = await this.#files.open(segment.path);
    this.#writer = fd;
    try {
      await this.#files.truncate(segment.path, 0);
      await this.#files.syncFolder(this.#dir);
    } catch (error) {
      await this.#closeWriter();
      throw error;
    }
    // A failed append may have left an empty segment, which has the same name.
    if (last?.first === segment.first) this.#segments.pop();
    this.#segments.push(segment);
    return { fd, segment };
  }

  async #closeWriter(): Promise<void> {
    const fd = this.#writer;
    this.#writer = undefined;
    if (fd !== undefined) await this.#files.close(fd).catch(() => undefined);
  }

  /** Deletes the segments before the head. The one that is written to is deleted when the spool is empty. */
  async #deleteDelivered(): Promise<void> {
    if (this.#head === this.#tail) await this.#closeWriter();
    while (this.#segments.length > 0 && (this.#segments[1]?.first ?? this.#tail) <= this.#head) {
      if (this.#segments.length === 1 && this.#writer !== undefined) return;
      const segment = this.#segments.shift();
      if (segment === undefined) return;
      await removeIfThere(this.#files, segment.path);
      // Before the next one: a power cut must not take a later segment and leave an earlier one, which looks like damage.
      await this.#files.syncFolder(this.#dir);
    }
  }
}

/** Entries that follow each other from `position` on, and where each ends in its file. */
function endsOf(entries: readonly SpoolEntry[], position: number): (SpoolEntry & { readonly fileEnd: number })[] {
  let fileEnd = position;
  return entries.map((entry) => {
    fileEnd += entry.bytes;
    return { ...entry, fileEnd };
  });
}
