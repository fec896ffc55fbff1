import { dirname } from 'node:path';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import type { Log } from '../log.ts';
import { type DataFolders, pathOfName } from './data-files.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import { type Entry, readSegments, type Segment } from './journal.ts';
import { CommittedState } from './state.ts';

/** What a start finds: the state as committed, and the segments it came from, which the caller retires. */
export interface Recovered {
  readonly state: CommittedState;
  readonly segments: readonly Segment[];
  readonly nextSegment: number;
}

/**
 * Brings the data files to what the journal says: bytes that stand only in the journal are written again, what lies
 * beyond a committed length is cut off, and a file that is shorter than committed is reported. Costs the files that the
 * last segments name, however much history there is. Running it twice changes nothing.
 */
export async function recover(options: {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly folders: DataFolders;
  readonly keys: IdempotencyKeys;
  readonly durable: boolean;
  readonly log: Log;
}): Promise<Recovered> {
  const { files, stateDir, folders, keys, durable, log } = options;
  const segments = await readSegments(stateDir);
  const entries = liveEntries(segments);
  if (segments.length > 0 && entries.length === 0) {
    log.error('the commit journal cannot be read; files are taken as they stand', { stateDir });
  }
  const torn = segments.reduce((bytes, segment) => bytes + segment.tornBytes, 0);
  if (torn > 0) log.info('commit journal ends in an unfinished entry, which never counted', { bytes: torn });

  const state = new CommittedState();
  for (const { meta } of entries) {
    state.apply(meta);
    for (const note of meta.keys ?? []) keys.remember(note);
  }
  const inline = inlineWrites(entries);
  for (const [name, committed] of [...state.files()]) {
    const path = pathOfName(folders, name);
    const size = await restore({ files, path, writes: inline.get(name) ?? [], committed, durable });
    if (size > committed) {
      await files.truncate(path, committed);
      log.info('cut off what was not committed', { file: path, committed, bytes: size - committed });
    } else if (size < committed) {
      log.error('file is shorter than committed: somebody shortened or deleted it', { file: path, committed, size });
      state.forget(name);
    }
  }
  return { state, segments, nextSegment: (segments.at(-1)?.number ?? 0) + 1 };
}

/** The entries that count, in order: those that a later segment starts behind were given up. */
function liveEntries(segments: readonly Segment[]): Entry[] {
  const readable = segments.filter((segment) => segment.entries.length > 0);
  return readable.flatMap((segment, i) => {
    const nextSeq = readable[i + 1]?.entries[0]?.meta.seq ?? Number.POSITIVE_INFINITY;
    return segment.entries.filter((entry) => entry.meta.seq < nextSeq);
  });
}

interface InlineWrite {
  readonly start: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** The bytes that stand in the journal, by file and in order of writing. */
function inlineWrites(entries: readonly Entry[]): Map<string, InlineWrite[]> {
  const writes = new Map<string, InlineWrite[]>();
  for (const { meta, data } of entries) {
    let at = 0;
    for (const [name, length, inline] of meta.files ?? []) {
      const ofFile = writes.get(name)?.filter((write) => write.end <= length - inline) ?? [];
      if (inline > 0) {
        ofFile.push({ start: length - inline, end: length, bytes: data.subarray(at, at + inline) });
        at += inline;
      }
      writes.set(name, ofFile);
    }
  }
  return writes;
}

/** Writes what the journal holds of a file, and gives the file's length; 0 when there is none. */
async function restore(options: {
  readonly files: FileSystem;
  readonly path: string;
  readonly writes: readonly InlineWrite[];
  readonly committed: number;
  readonly durable: boolean;
}): Promise<number> {
  const { files, path, writes, committed, durable } = options;
  const found = await files.size(path);
  if (writes.length === 0 || (found === undefined && writes[0]?.start !== 0)) return found ?? 0;
  await makeFolder(files, dirname(path), durable);
  const fd = await files.open(path);
  let size = found ?? 0;
  try {
    for (const { start, end, bytes } of writes) {
      // A gap cannot be filled: the file was shortened by hand, and that is reported.
      if (start > size) break;
      await writeFully(files, fd, [bytes], start);
      size = Math.max(size, end);
    }
    if (durable && size >= committed) await files.sync(fd);
  } finally {
    await files.close(fd);
  }
  if (durable && found === undefined) await files.syncFolder(dirname(path));
  return size;
}

/** Writes again, on a new descriptor, what a failed sync may have lost of these files; their journal entries are durable. */
export async function restoreFromJournal(options: {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly folders: DataFolders;
  readonly committed: ReadonlyMap<string, number>;
}): Promise<void> {
  const { files, stateDir, folders, committed } = options;
  const writes = inlineWrites(liveEntries(await readSegments(stateDir)));
  for (const [name, length] of committed) {
    const path = pathOfName(folders, name);
    await restore({ files, path, writes: writes.get(name) ?? [], committed: length, durable: true });
  }
}
