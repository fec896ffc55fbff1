import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { canonicalPath } from '../../disk/canonical-path.ts';
import type { FileSystem } from '../../disk/file-system.ts';
import { forget, openCheckpointFile } from './checkpoint-file.ts';
import { newId } from './checkpoint-format.ts';
import {
  FILE_START,
  type FilePosition,
  HEAD_BYTES,
  type KnownFile,
  type PackedState,
  type SliceBounds,
} from './files.ts';
import { Identification } from './identification.ts';
import { beginsAs, type Entry, hashHead, hasInodeOf, lookAt, type SeenFile } from './identity.ts';
import { KnownFiles } from './known-files.ts';

export type { SeenFile } from './identity.ts';

/**
 * `undecided`: it may be a copy in the making of a file that is known and still in its place, as gzip and copy-and-truncate make them. Ask
 * again later, with what is seen then. `empty`: it has no content, so no identity, and nothing to read.
 */
export type Identified = KnownFile | 'undecided' | 'empty';

/** What a run knows of the files that earlier runs, or itself, have read. One for each run and stream. */
export interface Checkpoint {
  /**
   * The entry of a file that is seen: the known one, found again wherever it was moved, or a new one, whose id is durable when this resolves.
   * Ask when a file is first seen, when another inode stands at its path, when it is shorter than it was, when it has grown while the entry
   * has `headBytes` under HEAD_BYTES, and once a day. Two paths may have one entry (links; a file and its finished copy): read it once.
   * Many may ask at once; they share syncs. Rejects when a new id cannot be written, or the place of a known file cannot be looked at.
   */
  identify(seen: SeenFile): Promise<Identified>;
  /**
   * These files stand there at a first start, and what they have now is not to be read, in whatever run they are identified. All are durable when
   * it resolves; a run that ends before leaves none, so that the next one is the first. Rejects when they cannot be written.
   */
  skip(files: readonly StandingFile[]): Promise<void>;
  /** Keeps the bounds of a slice that is about to be sent. Durable when it resolves. */
  note(id: string, bounds: SliceBounds): Promise<void>;
  /**
   * Everything before the position is delivered; noted bounds before it are dropped. A position before the known one changes nothing. Durable
   * when it resolves; when it rejects, the position is kept, and written with the next.
   */
  commit(id: string, position: FilePosition, format: string): Promise<void>;
  /** The packed file is delivered to its end. Written with the next that is written: a run that does not know it unpacks the file again. */
  finish(id: string, packed: PackedState): void;
  /** The entry as it is now. */
  get(id: string): KnownFile | undefined;
  /** All entries of the stream. */
  all(): readonly KnownFile[];
  /** Waits for what is under way, and lets others use the checkpoint file. */
  close(): Promise<void>;
}

export interface StandingFile {
  /** Absolute. */
  readonly path: string;
  readonly stats: Stats;
}

export interface CheckpointOptions {
  readonly stream: string;
  /** Told what a user should know, such as a torn end of the checkpoint file, or a file that was truncated and begins again. */
  readonly warn: (message: string) => void;
  /** Unix milliseconds. */
  readonly now?: () => number;
  readonly files?: FileSystem;
}

/** Opens the checkpoint file, or makes a new one. Rejects when another run uses it, or when it is damaged or not a checkpoint. */
export async function openCheckpoint(
  path: string,
  { stream, warn, now = Date.now, files }: CheckpointOptions,
): Promise<Checkpoint> {
  const file = await openCheckpointFile(path, { warn, now, ...(files && { files }) });
  const { known, save, change } = file;
  const identification = new Identification({ known, stream, warn, now, save, change, createId: newId });
  return {
    ...createPositions({ known, stream, now, save, change }),
    identify: (seen) => identification.identify(seen),
    close: file.close,
  };
}

export interface NoCheckpointOptions {
  readonly stream: string;
  /** What sets equal files of several hosts apart: the host's name, or what the user gave. */
  readonly source: string;
  readonly warn?: (message: string) => void;
  readonly now?: () => number;
}

/** Files that are new, after which those not seen for long are forgotten. */
const FORGET_EACH = 1_000;

/**
 * Nothing is remembered between runs: a file's id is made of source, stream, path and head, so that a repeated run makes the same keys. Such
 * keys also carry a hash of their slice, since a path and a head may come again with other content. Within the run files are found again.
 */
export function noCheckpoint({
  stream,
  source,
  warn = () => undefined,
  now = Date.now,
}: NoCheckpointOptions): Checkpoint {
  const known = new KnownFiles();
  let created = 0;
  const createId = ({ path, head }: SeenFile): string => {
    if (++created % FORGET_EACH === 0) forget(known, now());
    const name = [source, stream, path, hashHead(head, head.length)];
    for (let again = 0; ; again++) {
      const id = createHash('sha256')
        .update(JSON.stringify([...name, again]))
        .digest('base64url')
        .slice(0, 16);
      if (known.get(id) === undefined) return id;
    }
  };
  const save = (): Promise<void> => Promise.resolve();
  const change = (): void => undefined;
  const identification = new Identification({ known, stream, warn, now, save, change, createId });
  return {
    ...createPositions({ known, stream, now, save, change }),
    identify: (seen) => identification.identify(seen),
    close: () => Promise.resolve(),
  };
}

function withoutSkip(entry: Entry): Entry {
  if (entry.skip === undefined) return entry;
  const { skip: _skip, ...rest } = entry;
  return rest;
}

function entryOfStanding({ path, stats }: StandingFile, stream: string, seen: number): Entry {
  const firstPath = canonicalPath(path);
  return {
    ...{ id: newId(), stream, path, ...(firstPath !== path && { firstPath }) },
    ...{ device: stats.dev, inode: stats.ino, head: '', headBytes: 0, ...FILE_START, format: '', noted: [], seen },
    unread: { bytes: stats.size, bornMs: stats.birthtimeMs },
  };
}

interface PositionsOptions {
  readonly known: KnownFiles;
  readonly stream: string;
  readonly now: () => number;
  readonly save: (id: string) => Promise<void>;
  readonly change: (id: string) => void;
}

function createPositions({
  known,
  stream,
  now,
  save,
  change,
}: PositionsOptions): Omit<Checkpoint, 'identify' | 'close'> {
  function entryOf(id: string) {
    const entry = known.get(id);
    if (entry === undefined) throw new Error(`the checkpoint has no file id=${id}: it was not seen for long`);
    return entry;
  }

  /** A head that is shorter than what is delivered would not vouch for it when the file must be found by its head alone. */
  async function lengthenHead(entry: Entry, offset: number): Promise<void> {
    if (entry.headBytes >= Math.min(offset, HEAD_BYTES)) return;
    const seen = await lookAt(entry.path).catch(() => undefined);
    const now = known.get(entry.id);
    if (seen === undefined || now === undefined || !hasInodeOf(now, seen) || !beginsAs(now, seen)) return;
    known.set({ ...now, head: hashHead(seen.head, seen.head.length), headBytes: seen.head.length });
  }

  return {
    async skip(files) {
      const entries = files.map((file) => entryOfStanding(file, stream, now()));
      for (const entry of entries) known.set(entry);
      for (const { id } of entries) change(id);
      // All that has changed is written in one line.
      if (entries[0] !== undefined) await save(entries[0].id);
    },
    async note(id, bounds) {
      const entry = entryOf(id);
      const isNoted = entry.noted.some(({ from, to }) => from === bounds.from && to === bounds.to);
      const noted = [...entry.noted, { from: bounds.from, to: bounds.to }].sort(
        (a, b) => a.from - b.from || a.to - b.to,
      );
      if (!isNoted) known.set({ ...entry, noted });
      await save(id);
    },
    async commit(id, { offset, number, state }, format) {
      await lengthenHead(entryOf(id), offset);
      const entry = entryOf(id);
      if (offset >= entry.offset) {
        const noted = entry.noted.filter(({ to }) => to > offset);
        known.set({ ...withoutSkip(entry), offset, number, state, format, noted, seen: now() });
      }
      await save(id);
    },
    finish(id, finished) {
      const entry = known.get(id);
      if (entry === undefined) return;
      known.set({ ...entry, finished });
      change(id);
    },
    get: (id) => known.get(id),
    all: () => [...known.values()].filter((entry) => entry.stream === stream),
  };
}
