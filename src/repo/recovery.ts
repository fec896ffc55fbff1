import { randomBytes } from 'node:crypto';
import type { DamageReport } from '../disk/damage-report.ts';
import type { FileSystem } from '../disk/file-system.ts';
import { writeAgain } from '../disk/write-again.ts';
import type { Log } from '../log.ts';
import type { DataFile, DataFiles } from './data-files.ts';
import { listAllHours } from './hour-file.ts';
import type { IdempotencyKeys, LoadedKeys } from './idempotency-keys.ts';
import { type Entry, liveEntries, readSegments, type Segment } from './journal-reader.ts';
import { scanAnswers, scanKeys } from './key-files.ts';
import { mendKeyFile } from './mend-keys.ts';
import { keepUnknownHours, restoreFiles } from './restore-files.ts';
import { SequenceFile } from './sequence-file.ts';
import { CommittedState } from './state.ts';

/** What a start finds: the committed state, and the segments that it came from, which the caller retires. */
export interface Recovered {
  readonly state: CommittedState;
  readonly segments: readonly Segment[];
  readonly nextSegment: number;
  readonly sequence: SequenceFile;
  /** Makes the data files as the journal says. To be run before the first commit; to run it twice changes nothing. */
  readonly mend: () => Promise<void>;
}

export interface RecoveryOptions {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly logsDir: string;
  readonly dataFiles: DataFiles;
  readonly keys: IdempotencyKeys;
  /** What `keys.load` found. */
  readonly loadedKeys: LoadedKeys;
  readonly durable: boolean;
  /** No commit is larger, in bytes. More than this beyond the committed length was not left by a commit. */
  readonly maxCommitBytes: number;
  readonly report: DamageReport;
  readonly log: Log;
  /** The folders were restored: an offset of any hour may mean another record than before. */
  readonly beginsGenerations?: boolean;
}

/** A state folder that is not there yet. */
export function nothingToRecover(options: Pick<RecoveryOptions, 'files' | 'logsDir' | 'log'>): Recovered {
  const state = new CommittedState();
  const sequence = new SequenceFile(options);
  nameStore(state, sequence, []);
  return { state, segments: [], nextSegment: 1, sequence, mend: async () => {} };
}

/**
 * Reads the journal. A disk may be full or read-only at a start, so only damage is written down here, where that can be. `mend` makes
 * the data files as the journal says: writes bytes again that only the journal has, cuts a file off at its committed length, and reports
 * a file that is shorter. The cost depends on the files that the last segments name, not on history.
 *
 * When the journal lost entries, it cannot say how long a file is. Then no whole line is cut off: it may have been answered.
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { files, stateDir, logsDir, dataFiles, keys, loadedKeys, report, log } = options;
  const segments = await readSegments(stateDir, dataFiles);
  const sequence = new SequenceFile({ files, logsDir, log });
  await report.tellRanges('journal', segments, {
    corrected: 'an entry of the commit journal was damaged and could be corrected; nothing is lost',
    unreadable: 'the commit journal is damaged; records stay in their files',
  });
  const areKeysKept = await report.tellRanges('keys', loadedKeys.keys, {
    corrected: 'an entry of a file of idempotency keys was damaged and could be corrected; nothing is lost',
    unreadable: 'a file of idempotency keys is damaged; repeats of some batches will be stored again',
  });
  const areAnswersKept = await report.tellRanges('keys', loadedKeys.answers, {
    corrected: 'an entry of a file of answers was damaged and could be corrected; nothing is lost',
    unreadable: 'a file of answers is damaged; some repeats are answered without their list of errors',
  });
  const torn = segments.reduce((bytes, segment) => bytes + segment.tornBytes, 0);
  if (torn > 0)
    log.info('the commit journal ends in an unfinished entry, which was never acknowledged', { stateDir, bytes: torn });

  const entries = liveEntries(segments);
  const state = new CommittedState();
  for (const { meta } of entries) {
    state.apply(meta);
    for (const note of meta.keys ?? []) keys.remember(note);
  }
  const isIncomplete = await findLoss({ ...options, segments, entries, state, sequence });
  nameStore(state, sequence, segments);
  if (options.beginsGenerations === true) {
    for (const hour of await listAllHours(logsDir)) {
      const file = dataFiles.ofHour(hour);
      if (!state.removed.has(file)) state.beginGeneration(file);
    }
  }
  const restored = new Set<DataFile>();
  const tried = new Set<DataFile>();
  const mend = async (): Promise<void> => {
    if (areKeysKept) for (const { path } of loadedKeys.keys) mendKeyFile(path, scanKeys);
    if (areAnswersKept) for (const { path } of loadedKeys.answers) mendKeyFile(path, scanAnswers);
    const places = [
      ...segments.map(({ path, newest }) => ({ path, from: newest })),
      ...loadedKeys.unsynced.map((path) => ({ path, from: 0 })),
    ];
    if (options.durable && places.length > 0) await makeDurable({ files, stateDir, places });
    await restoreFiles({ ...options, state, entries, isIncomplete, restored, tried });
    if (isIncomplete) await keepUnknownHours({ ...options, state });
  };
  return { state, segments, nextSegment: (segments.at(-1)?.number ?? 0) + 1, sequence, mend };
}

/**
 * A process that died may not have synced its newest entry, or could not. It counts from now on. So it must not go in a power cut
 * between the snapshot that has its records and the file that gets its keys: a repeat of the batch would be stored again. Nor may a
 * later segment go and leave an earlier one with an entry that was given up, nor a file of keys whose segments go.
 */
async function makeDurable({
  files,
  stateDir,
  places,
}: Pick<RecoveryOptions, 'files' | 'stateDir'> & {
  readonly places: readonly { readonly path: string; readonly from: number }[];
}): Promise<void> {
  for (const { path, from } of places) {
    // Opening would make it.
    if (files.statusAt(path) === undefined) continue;
    const fd = await files.open(path);
    try {
      await writeAgain(files, fd, { from, size: files.statusOf(fd).size });
    } catch (cause) {
      throw new Error(`cannot sync file=${path}`, { cause });
    } finally {
      await files.close(fd);
    }
  }
  await files.syncFolder(stateDir);
}

interface Findings extends RecoveryOptions {
  readonly segments: readonly Segment[];
  readonly entries: readonly Entry[];
  readonly state: CommittedState;
  readonly sequence: SequenceFile;
}

/** Whether the journal lost entries, for whatever reason. Tells the reason when nobody has yet. */
async function findLoss(findings: Findings): Promise<boolean> {
  const { segments, entries, state, sequence, stateDir, logsDir, report } = findings;
  if (segments.some(({ damage }) => damage.some(({ isCorrected }) => !isCorrected))) return true;
  const tell = async (reason: string): Promise<true> => {
    await report.tell({ kind: 'state', file: stateDir, offset: 0, bytes: 0, reason });
    return true;
  };
  const { found } = sequence;
  if (segments.length > 0 && entries.length === 0) {
    // A first start that died has left this too.
    if (found === undefined && (await listAllHours(logsDir)).length === 0) return false;
    return tell('cannot read the commit journal; data files are taken as they are');
  }
  if (found !== undefined && found.store !== (state.store ?? found.store)) {
    return tell('the state folder is not the one that belongs to the hour files; records stay in their files');
  }
  if (found !== undefined && segments.length === 0) {
    return tell('the state folder is empty, and there are hour files of an earlier one; records stay in their files');
  }
  const isBehind = found !== undefined && (state.store === undefined || found.seq >= state.nextSeq);
  // Of a service that ran while it was copied, the hour files are later than the journal. Its number was copied before both.
  const isCopy = findings.beginsGenerations === true && found !== undefined;
  if (isBehind || (!isCopy && (await bytesBeyond(findings)) > findings.maxCommitBytes)) {
    return tell(
      'the commit journal is older than the hour files, or lost its newest entries; records stay in their files',
    );
  }
  return false;
}

/** Bytes of the data files beyond their committed lengths. */
async function bytesBeyond({ files, state }: Findings): Promise<number> {
  let bytes = 0;
  for (const [{ path }, committed] of state.files()) bytes += Math.max(0, ((await files.size(path)) ?? 0) - committed);
  return bytes;
}

/** The number of the next entry is higher than any before it, though the journal may have lost the highest. */
function nameStore(state: CommittedState, { found }: SequenceFile, segments: readonly Segment[]): void {
  if (state.store === undefined) {
    const isSame = found !== undefined && segments.length > 0;
    state.nameStore(isSame ? found.store : randomBytes(8).toString('hex'));
  }
  if (found !== undefined && found.store === state.store) state.raiseNextSeq(found.seq + 1);
}
