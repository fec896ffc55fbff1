import { type FileHandle, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import { encodeHead, lengthOf, parseSegmentName, type SpoolEntry, segmentName } from './spool-format.ts';
import { entriesIn, readWindow } from './spool-window.ts';

/** The disk's edge, so that a test can make it fail. */
export interface SpoolDisk {
  open(path: string, flags: string): Promise<FileHandle>;
}

export const spoolDisk: SpoolDisk = { open: (path, flags) => open(path, flags) };

interface Segment {
  readonly first: number;
  readonly path: string;
  /** Committed bytes. */
  bytes: number;
}

const HEAD_FILE = 'head';

/**
 * The entries of a spool on disk: appended at the tail in groups, each synced; read and given up at the head. One append
 * and one read at a time. Sequences from `head` to `tail` are there.
 */
export class SpoolSegments {
  readonly #dir: string;
  readonly #disk: SpoolDisk;
  readonly #log: Log;
  readonly #segmentBytes: number;
  /** Oldest first; the last one is written to. */
  readonly #segments: Segment[];
  #writer: FileHandle | undefined;
  #head: number;
  #tail: number;
  /** Where the next read goes on, if it goes on. */
  #cursor: { readonly sequence: number; readonly position: number } | undefined;
  #savedHead: Promise<void> = Promise.resolve();
  /** Whatever changes the list of segments takes its turn. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: {
    readonly dir: string;
    readonly disk: SpoolDisk;
    readonly log: Log;
    readonly segmentBytes: number;
    readonly segments: Segment[];
    readonly head: number;
    readonly tail: number;
  }) {
    this.#dir = parts.dir;
    this.#disk = parts.disk;
    this.#log = parts.log;
    this.#segmentBytes = parts.segmentBytes;
    this.#segments = parts.segments;
    this.#head = parts.head;
    this.#tail = parts.tail;
  }

  /** Finds what the last run left, and cuts off what it did not finish writing. */
  static async open(options: {
    readonly dir: string;
    readonly segmentBytes: number;
    readonly log: Log;
    readonly disk?: SpoolDisk | undefined;
  }): Promise<SpoolSegments> {
    const { dir, segmentBytes, log, disk = spoolDisk } = options;
    await mkdir(dir, { recursive: true });
    await syncFolder(dir);
    const firsts = (await readdir(dir)).flatMap((name) => parseSegmentName(name) ?? []).sort((a, b) => a - b);
    const saved = await readHead(join(dir, HEAD_FILE));
    const segments: Segment[] = [];
    let tail = Math.max(saved, firsts.at(-1) ?? 0);
    for (const first of firsts) {
      const path = join(dir, segmentName(first));
      const file = await disk.open(path, 'r+');
      try {
        const { size } = await file.stat();
        segments.push({ first, path, bytes: size });
      } finally {
        await file.close();
      }
    }
    const spool = new SpoolSegments({ dir, disk, log, segmentBytes, segments, head: 0, tail });
    const last = segments.at(-1);
    if (last !== undefined) tail = Math.max(saved, await spool.#recoverLast(last));
    spool.#tail = tail;
    spool.#head = Math.min(tail, Math.max(saved, firsts[0] ?? saved));
    await spool.#dropDrained();
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

  /** Appends bodies as one synced group, or none of them: rejects with the disk's error. */
  append(bodies: readonly (readonly Buffer[])[]): Promise<void> {
    return this.#inTurn(() => this.#append(bodies));
  }

  async #append(bodies: readonly (readonly Buffer[])[]): Promise<void> {
    const last = this.#segments.at(-1);
    const segment = this.#writer === undefined || last === undefined ? await this.#startSegment() : last;
    const buffers = bodies.flatMap((body, index) => [encodeHead(body, this.#tail + index), ...body]);
    const bytes = lengthOf(buffers);
    try {
      if (this.#writer === undefined) throw new Error('the segment is not open');
      await writeAll(this.#writer, buffers, segment.bytes);
      await this.#writer.datasync();
    } catch (error) {
      // A failed sync must not be asked again on this descriptor: the next append begins a segment of its own. What this
      // one leaves behind, where it cannot be cut off, lies beyond that one's first entry.
      await this.#writer?.truncate(segment.bytes).catch(() => undefined);
      await this.#closeWriter();
      throw error;
    }
    segment.bytes += bytes;
    this.#tail += bodies.length;
    if (segment.bytes >= this.#segmentBytes) await this.#closeWriter();
  }

  /** Entries from `sequence` on, up to about `maxBytes`, at least one; none at the tail. Damaged ones are left out. */
  async read(sequence: number, maxBytes: number): Promise<SpoolEntry[]> {
    let at = sequence;
    while (at < this.#tail) {
      const index = this.#segments.findLastIndex(({ first }) => first <= at);
      const segment = this.#segments[index];
      const end = this.#segments[index + 1]?.first ?? this.#tail;
      if (segment === undefined) return [];
      const entries = await this.#readSegment(segment, at, end, maxBytes);
      if (entries.length > 0) return entries;
      this.#log.error('the spool is damaged; batches are lost', { file: segment.path, from: at, batches: end - at });
      at = end;
    }
    return [];
  }

  /** Everything before `sequence` is no longer needed. Not synced: at worst some of it is read again. */
  async giveUp(sequence: number): Promise<void> {
    this.#head = Math.max(this.#head, Math.min(sequence, this.#tail));
    await this.#inTurn(() => this.#dropDrained());
    await this.#saveHead();
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#closeWriter());
    await this.#saveHead();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #readSegment(segment: Segment, from: number, end: number, maxBytes: number): Promise<SpoolEntry[]> {
    const file = await this.#disk.open(segment.path, 'r');
    try {
      const goesOn = this.#cursor?.sequence === from && from > segment.first;
      let position = goesOn ? (this.#cursor?.position ?? 0) : 0;
      let sequence = goesOn ? from : segment.first;
      const entries: SpoolEntry[] = [];
      let taken = 0;
      while (sequence < end && position < segment.bytes && taken < maxBytes) {
        const window = await readWindow(file, position, segment.bytes, sequence);
        const found = entriesIn(window, sequence, end);
        if (found.length === 0) break;
        for (const entry of found) {
          if (entry.sequence >= from && taken < maxBytes) {
            entries.push(entry);
            taken += entry.bytes;
          } else if (entry.sequence >= from) break;
          position += entry.bytes;
          sequence = entry.sequence + 1;
        }
      }
      this.#cursor = { sequence, position };
      return entries;
    } finally {
      await file.close();
    }
  }

  /** How far the last segment is whole: that is its committed length. Resolves with the sequence behind it. */
  async #recoverLast(segment: Segment): Promise<number> {
    const file = await this.#disk.open(segment.path, 'r+');
    try {
      const { size } = await file.stat();
      let position = 0;
      let sequence = segment.first;
      for (;;) {
        const found = entriesIn(await readWindow(file, position, size, sequence), sequence, Number.MAX_SAFE_INTEGER);
        if (found.length === 0) break;
        sequence += found.length;
        position += found.reduce((sum, { bytes }) => sum + bytes, 0);
      }
      if (position < size) {
        this.#log.warn('cut off what was not written to its end', { file: segment.path, bytes: size - position });
        await file.truncate(position);
        await file.datasync();
      }
      segment.bytes = position;
      return sequence;
    } finally {
      await file.close();
    }
  }

  async #startSegment(): Promise<Segment> {
    const path = join(this.#dir, segmentName(this.#tail));
    this.#writer = await this.#disk.open(path, 'w+');
    await syncFolder(this.#dir);
    // One that a failed append left empty has the same name.
    if (this.#segments.at(-1)?.first === this.#tail) this.#segments.pop();
    const segment = { first: this.#tail, path, bytes: 0 };
    this.#segments.push(segment);
    return segment;
  }

  async #closeWriter(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close().catch(() => undefined);
  }

  /** Deletes segments that lie before the head; the one written to goes when nothing is left at all. */
  async #dropDrained(): Promise<void> {
    if (this.#head === this.#tail) await this.#closeWriter();
    while (this.#segments.length > 0 && (this.#segments[1]?.first ?? this.#tail) <= this.#head) {
      if (this.#segments.length === 1 && this.#writer !== undefined) return;
      const [segment] = this.#segments.splice(0, 1);
      if (segment !== undefined) await rm(segment.path, { force: true });
    }
  }

  #saveHead(): Promise<void> {
    this.#savedHead = this.#savedHead
      .then(() => writeFile(join(this.#dir, HEAD_FILE), `${this.#head}\n`))
      .catch((err: unknown) => this.#log.warn('cannot write how far the spool is drained', { err, fold: 'head' }));
    return this.#savedHead;
  }
}

async function writeAll(file: FileHandle, buffers: readonly Buffer[], position: number): Promise<void> {
  const whole = Buffer.concat(buffers);
  for (let written = 0; written < whole.length; ) {
    const { bytesWritten } = await file.write(whole, written, whole.length - written, position + written);
    written += bytesWritten;
  }
}

async function readHead(path: string): Promise<number> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return 0;
  try {
    const text = await file.readFile('utf8');
    return /^\d{1,15}\n$/.test(text) ? Number(text) : 0;
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
