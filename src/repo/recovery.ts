import { dirname } from 'node:path';
import { type FileSystem, writeFully } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import type { Log } from '../log.ts';
import type { DataFile, DataFiles } from './data-files.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import { type Entry, readSegments, type Segment } from './journal.ts';
import { CommittedState } from './state.ts';

/** What a start finds: the committed state, and the segments that it came from, which the caller retires. */
export interface Recovered {
  readonly state: CommittedState;
  readonly segments: readonly Segment[];
  readonly nextSegment: number;
  /** Makes the data files as the journal says. To be run before the first commit; to run it twice changes nothing. */
  readonly mend: () => Promise<void>;
}

/** A state folder that is not there yet. */
export function nothingToRecover(): Recovered {
  return { state: new CommittedState(), segments: [], nextSegment: 1, mend: async () => {} };
}

/**
 * Reads the journal, and writes nothing: a disk may be full or read-only at a start. `mend` makes the data files as the
 * journal says: writes bytes again that only the journal has, cuts a file off at its committed length, and reports a
 * file that is shorter. The cost depends on the files that the last segments name, not on history.
 */
export async function recover(options: {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly dataFiles: DataFiles;
  readonly keys: IdempotencyKeys;
  readonly durable: boolean;
  readonly log: Log;
}): Promise<Recovered> {
  const { files, stateDir, dataFiles, keys, durable, log } = options;
  const segments = await readSegments(stateDir, dataFiles);
  const entries = liveEntries(segments);
  if (segments.length > 0 && entries.length === 0) {
    log.error('cannot read the commit journal; data files are taken as they are', { stateDir });
  }
  const torn = segments.reduce((bytes, segment) => bytes + segment.tornBytes, 0);
  if (torn > 0)
    log.info('the commit journal ends in an unfinished entry, which was never acknowledged', { stateDir, bytes: torn });

  const state = new CommittedState();
  for (const { meta } of entries) {
    state.apply(meta);
    for (const note of meta.keys ?? []) keys.remember(note);
  }
  const inline = inlineWrites(entries);
  const mend = async (): Promise<void> => {
    for (const [file, committed] of [...state.files()]) {
      const { path } = file;
      const size = await restore({ files, path, writes: inline.get(file) ?? [], committed, durable }).catch((cause) => {
        throw new Error(`cannot restore file=${path}`, { cause });
      });
      if (size > committed) {
        await files.truncate(path, committed);
        log.info('cut off bytes that were not committed', { file: path, committed, bytes: size - committed });
      } else if (size < committed) {
        log.error('a data file is shorter than committed: somebody shortened or deleted it', {
          file: path,
          committed,
          size,
        });
        state.forget(file);
      }
    }
  };
  return { state, segments, nextSegment: (segments.at(-1)?.number ?? 0) + 1, mend };
}

/** The entries that count, in order. An entry whose `seq` a later segment starts with, or goes beyond, was given up. */
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

/** The inline data of the entries, by file and in order of writing. */
function inlineWrites(entries: readonly Entry[]): Map<DataFile, InlineWrite[]> {
  const writes = new Map<DataFile, InlineWrite[]>();
  for (const { meta, data } of entries) {
    let at = 0;
    for (const [file, length, inline] of meta.files ?? []) {
      const ofFile = writes.get(file)?.filter((write) => write.end <= length - inline) ?? [];
      if (inline > 0) {
        ofFile.push({ start: length - inline, end: length, bytes: data.subarray(at, at + inline) });
        at += inline;
      }
      writes.set(file, ofFile);
    }
  }
  return writes;
}

/** Writes the inline data of a file again, and gives the file's length; 0 when there is no file. */
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
      // The file was shortened by hand, and the gap cannot be filled. The caller reports it.
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

/** Writes the bytes of these files again that a failed sync may have lost. Their journal entries are durable. */
export async function restoreFromJournal(options: {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly dataFiles: DataFiles;
  readonly committed: ReadonlyMap<DataFile, number>;
}): Promise<void> {
  const { files, stateDir, dataFiles, committed } = options;
  const writes = inlineWrites(liveEntries(await readSegments(stateDir, dataFiles)));
  for (const [file, length] of committed) {
    // The newest entry may have been given up: what it would add is not committed.
    const committedWrites = writes.get(file)?.filter(({ end }) => end <= length) ?? [];
    await restore({ files, path: file.path, writes: committedWrites, committed: length, durable: true });
  }
}
