import type { DamageReport } from '../disk/damage-report.ts';
import { cutFile, type FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { CompressedHourFile, DataFile, DataFiles, HourDataFile } from './data-files.ts';
import { ForeignHourError, type FramesLength, keepWholeFrames, NO_FRAMES } from './frames-file.ts';
import { listAllHours } from './hour-file.ts';
import { type Entry, liveEntries, readSegments } from './journal-reader.ts';
import { type InlineWrite, inlineWrites, restore } from './restore.ts';
import { restoreFrames, syncedFrames } from './restore-frames.ts';
import type { CommittedState } from './state.ts';
import { keepWholeLines } from './whole-lines.ts';

interface Restoring {
  readonly files: FileSystem;
  readonly durable: boolean;
  readonly report: DamageReport;
  readonly log: Log;
  readonly state: CommittedState;
  /** The journal lost entries, so it cannot say where a file ends. */
  readonly isIncomplete: boolean;
}

/** Makes the data files as the entries say. */
export async function restoreFiles(
  options: Restoring & {
    readonly entries: readonly Entry[];
    /** Files that an earlier run has restored. */
    readonly restored: Set<DataFile>;
    /** Files that an earlier run has begun with. */
    readonly tried: Set<DataFile>;
  },
): Promise<void> {
  const { state, entries, restored, tried } = options;
  const inline = inlineWrites(entries);
  const synced = syncedFrames(entries);
  for (const [file, journalLength] of [...state.files()]) {
    if (restored.has(file)) continue;
    const writes = inline.get(file) ?? [];
    const isRetry = tried.has(file);
    tried.add(file);
    const done =
      file.kind === 'compressed hour'
        ? restoreCompressed({ ...options, file, base: synced.get(file) ?? NO_FRAMES, writes })
        : restoreFile({ ...options, file, journalLength, writes, isRetry });
    await done.catch((cause: unknown) => {
      throw new Error(`cannot restore file=${file.path}`, { cause });
    });
    restored.add(file);
  }
}

async function restoreCompressed(
  options: Restoring & {
    readonly file: CompressedHourFile;
    readonly base: FramesLength;
    readonly writes: readonly InlineWrite[];
  },
): Promise<void> {
  const { files, durable, log, report, state, isIncomplete, file, base, writes } = options;
  const { logical } = state.linesOf(file);
  const closesGaps = isIncomplete ? report : undefined;
  const restored = await restoreFrames({ files, path: file.path, base, logical, writes, durable, closesGaps });
  if (restored === undefined || (restored.missing > 0 && !isIncomplete)) {
    const message = 'a compressed hour has less than was committed: somebody shortened, replaced or deleted it';
    log.error(message, { file: file.path, committed: state.length(file), lines: logical });
    state.forget(file);
    state.beginGeneration(file);
    return;
  }
  state.setFrames(file, restored.frames, restored.frames.lines);
  if (restored.missing === 0 && !restored.hasUnknown) return;
  state.markChanged(file.of);
  state.beginGeneration(file);
}

async function restoreFile(
  options: Restoring & {
    readonly file: DataFile;
    readonly journalLength: number;
    readonly writes: readonly InlineWrite[];
    readonly isRetry: boolean;
  },
): Promise<void> {
  const { files, durable, log, report, state, isIncomplete, file, journalLength, writes, isRetry } = options;
  const { path } = file;
  const closesGaps = isIncomplete;
  const { size, gap } = await restore({ files, path, writes, committed: journalLength, durable, closesGaps });
  const committed = journalLength - gap;
  if (size > committed && isIncomplete) {
    state.setLength(file, await keepWholeLines({ files, path, from: committed, size, report }));
    state.beginGeneration(file);
  } else if (size > committed) {
    await cutFile(files, { path, length: committed, durable });
    log.info('cut off bytes that were not committed', { file: path, committed, bytes: size - committed });
  } else if (size < committed) {
    const message = 'a data file is shorter than committed: somebody shortened or deleted it';
    log.error(message, { file: path, committed, size });
    state.forget(file);
    state.beginGeneration(file);
  } else if (gap > 0) {
    state.setLength(file, size);
    state.beginGeneration(file);
  } else if (isRetry && durable && files.statusAt(path) !== undefined) {
    // The run before may have cut it, and not synced that.
    await cutFile(files, { path, length: committed, durable });
  }
}

/** The lost entries may have named any hour. So all hours end with a whole line, and the aggregator looks at them again. */
export async function keepUnknownHours(options: {
  readonly files: FileSystem;
  readonly logsDir: string;
  readonly dataFiles: DataFiles;
  readonly report: DamageReport;
  readonly state: CommittedState;
}): Promise<void> {
  const { files, logsDir, dataFiles, report, state } = options;
  for (const hour of await listAllHours(logsDir)) {
    const file = dataFiles.ofHour(hour);
    if (state.removed.has(file)) continue;
    if (state.fileOf(file) === undefined) {
      if (files.statusAt(file.path)?.isFile === true) await endLastLine({ files, file, report, state });
      if (files.statusAt(file.compressed.path)?.isFile === true)
        await endLastFrame({ files, file, report, state }).catch((error: unknown) => {
          // What others put there holds nothing of ours. The first record of the hour tells of it.
          if (!(error instanceof ForeignHourError)) throw error;
        });
    }
    state.markChanged(file);
  }
}

async function endLastFrame(options: {
  readonly files: FileSystem;
  readonly file: HourDataFile;
  readonly report: DamageReport;
  readonly state: CommittedState;
}): Promise<void> {
  const { files, file, report, state } = options;
  const { path } = file.compressed;
  const fd = await files.open(path);
  try {
    const { size } = files.statusOf(fd);
    const { length } = await keepWholeFrames({ files, fd, path, report });
    if (length !== size) state.beginGeneration(file);
  } finally {
    await files.close(fd);
  }
}

async function endLastLine(options: {
  readonly files: FileSystem;
  readonly file: DataFile;
  readonly report: DamageReport;
  readonly state: CommittedState;
}): Promise<void> {
  const { files, file, report, state } = options;
  const size = (await files.size(file.path)) ?? 0;
  const length = await keepWholeLines({ files, path: file.path, from: 0, size, report });
  if (length !== size) state.beginGeneration(file);
}

/**
 * Writes the bytes of these files again that a failed sync may have lost. Their journal entries are durable. Of a compressed hour all
 * committed lines are in frames then.
 */
export async function restoreFromJournal(options: {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly dataFiles: DataFiles;
  readonly state: CommittedState;
  readonly list: readonly DataFile[];
}): Promise<void> {
  const { files, stateDir, dataFiles, state, list } = options;
  // The newest entry may have been given up: what it would add is not committed.
  const given = liveEntries(await readSegments(stateDir, dataFiles));
  const entries = given.filter(({ meta }) => meta.seq < state.nextSeq);
  const writes = inlineWrites(entries);
  const synced = syncedFrames(entries);
  for (const file of list) {
    const ofFile = writes.get(file) ?? [];
    if (file.kind !== 'compressed hour') {
      await restore({ files, path: file.path, writes: ofFile, committed: state.length(file) ?? 0, durable: true });
      continue;
    }
    const { logical } = state.linesOf(file);
    const base = synced.get(file) ?? NO_FRAMES;
    const restored = await restoreFrames({ files, path: file.path, base, logical, writes: ofFile, durable: true });
    // What another program did to it is found when the next commit compares the file.
    if (restored?.missing === 0) state.setFrames(file, restored.frames);
  }
}
