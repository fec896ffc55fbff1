import { dirname } from 'node:path';
import type { DamageReport } from '../disk/damage-report.ts';
import { cutFile, type FileSystem, writeFully } from '../disk/file-system.ts';
import { createFolder } from '../disk/folders.ts';
import { inParallelUpTo } from '../disk/in-parallel.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { isDefaultStream } from '../model/stream.ts';
import type { AppendFiles, FileChange } from './append-files.ts';
import { type DataFile, hourOf } from './data-files.ts';
import { type FramesLength, keepWholeFrames, NO_FRAMES } from './frames-file.ts';
import { FILE_START } from './hour-frames.ts';
import type { FileNote } from './journal-meta.ts';
import type { CommittedState } from './state.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';
import type { WaitingLines } from './waiting-lines.ts';
import { endLines } from './whole-lines.ts';

/** What `adopt` made on the disk. */
interface Made {
  readonly files: readonly DataFile[];
  /** The outermost first. */
  readonly folders: readonly string[];
}

/** Files or folders that are opened, made or synced at once: few turns of a busy event loop, and not all descriptors in one. */
const AT_ONCE = 256;

export interface AdoptionOptions {
  readonly files: FileSystem;
  readonly state: CommittedState;
  readonly data: AppendFiles;
  readonly unsynced: UnsyncedFiles;
  readonly waiting: WaitingLines;
  readonly report: DamageReport;
  /** Files that a failed commit left longer than committed. */
  readonly uncut: Set<DataFile>;
  readonly durable: boolean;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Files that a commit takes over as they are, or makes. */
export interface Adopted {
  /** For the journal. */
  readonly notes: readonly FileNote[];
  /** What the notes count as inline. */
  readonly data: readonly Buffer[];
  readonly made: Made;
}

/**
 * How a commit takes over the files that the journal does not know: new ones, those of before, and those that another
 * program changed while the service ran. Any of them counts as it is found, in whole lines.
 */
export class Adoption {
  readonly #options: AdoptionOptions;
  /** Files that another program changed, until they are taken as they are. */
  readonly #changed = new Set<DataFile>();

  constructor(options: AdoptionOptions) {
    this.#options = options;
  }

  /** Adopts those of `list` that the journal does not know, or not any more; undefined when it knows all. */
  async adopt(list: Iterable<DataFile>): Promise<Adopted | undefined> {
    const { state } = this.#options;
    const unknown: DataFile[] = [];
    for (const file of list) {
      const committed = state.length(file);
      if (committed === undefined || (await this.#isUnknownNow(file, committed))) unknown.push(file);
    }
    if (unknown.length === 0) return undefined;
    const { lengths, made } = await this.#adoptAll(unknown);
    // From 0: what the journal has of a file that stood there before must never be written into this one.
    const notes = unknown.flatMap((file): FileNote[] => {
      const { length, lines } = lengths.get(file) ?? NO_FRAMES;
      if (file.kind !== 'compressed hour')
        return [
          [file, 0, 0],
          [file, length, 0],
        ];
      // Answered lines that are in no file: the entry that had them does not count any more, so this one has them.
      const waiting = this.#options.waiting.bytesOf(file);
      return [
        [file, 0, 0, { framed: 0, logical: 0 }],
        [file, length, waiting, { framed: lines, logical: lines + waiting }],
      ];
    });
    return { notes, data: unknown.flatMap((file) => this.#waitingOf(file)), made };
  }

  #waitingOf(file: DataFile): Buffer[] {
    const pieces = file.kind === 'compressed hour' ? this.#options.waiting.piecesOf(file) : [];
    return pieces.map(({ lines }) => lines);
  }

  /**
   * Cuts back what failed commits left, also in hours that get no more records. The journal must not be in doubt. What cannot be cut is
   * tried again before the next commit.
   */
  async cutLeftovers(): Promise<void> {
    const { data, state, uncut, log } = this.#options;
    for (const file of [...uncut]) {
      const committed = state.length(file);
      const change = committed === undefined ? undefined : data.changeOf(file, committed);
      if (change === undefined) uncut.delete(file);
      if (change !== 'lengthened' || committed === undefined) continue;
      await this.#cut(file, committed).catch((err: unknown) => {
        log.warn('cannot cut a file back to its committed length; the next commit tries again', {
          file: file.path,
          err,
        });
      });
    }
  }

  async #cut(file: DataFile, committed: number): Promise<void> {
    const { files, data, uncut, durable } = this.#options;
    await data.drop(file);
    await cutFile(files, { path: file.path, length: committed, durable });
    uncut.delete(file);
  }

  /** The commit failed: what it made goes again, and no descriptor stays. */
  async undo({ notes, made }: Adopted): Promise<void> {
    const { data, state, uncut, files } = this.#options;
    await this.#unmake(made);
    const areGone = await this.#syncRemoval(made);
    for (const file of made.files) {
      // Its entry in the journal has lines that wait.
      if (this.#waitingOf(file).length > 0) continue;
      // One that could not be cut back, or that may come back after a power cut, stays known, as empty.
      if (!areGone) uncut.add(file);
      if (!areGone || files.statusAt(file.path) !== undefined) continue;
      uncut.delete(file);
      state.forget(file);
    }
    for (const [file] of notes) await data.drop(file);
  }

  /** Whether another program changed the file: it is then unknown. Nothing is awaited for a file that is as it should be. */
  #isUnknownNow(file: DataFile, committed: number): boolean | Promise<boolean> {
    const { data, uncut } = this.#options;
    const change = data.changeOf(file, committed);
    if (change !== undefined) return this.#takeAsFound(file, committed, change);
    uncut.delete(file);
    return false;
  }

  /** False when the file is only longer by what a failed commit left: it is cut. */
  async #takeAsFound(file: DataFile, committed: number, change: FileChange): Promise<boolean> {
    const { log, metrics, data, unsynced, uncut } = this.#options;
    if (change === 'lengthened' && uncut.has(file)) {
      await this.#cut(file, committed);
      return false;
    }
    // A failed commit removed the file that it had made, and could not sync that.
    if (change === 'deleted or moved' && committed === 0 && uncut.has(file)) {
      this.#forget(file);
      return true;
    }
    metrics.filesChanged.inc();
    log.error('another program changed a data file; it is taken as it is', { file: file.path, change, committed });
    // Answered records may be in it that only the journal holds, and the journal forgets it.
    if (unsynced.has(file)) await data.syncIfOpen(file).catch(() => undefined);
    this.#forget(file);
    if (file.kind === 'compressed hour') this.#changed.add(file);
    return true;
  }

  /** Retention removed these files: nothing holds them any more. */
  async release(isGone: (file: DataFile) => boolean): Promise<void> {
    const { data, unsynced, waiting, uncut } = this.#options;
    for (const file of waiting.files) if (isGone(file)) waiting.delete(file);
    for (const file of new Set([...data.openFiles(), ...unsynced.list, ...uncut])) {
      if (!isGone(file)) continue;
      await data.drop(file);
      unsynced.delete(file);
      uncut.delete(file);
    }
  }

  #forget(file: DataFile): void {
    const { unsynced, state, uncut } = this.#options;
    unsynced.delete(file);
    state.forget(file);
    uncut.delete(file);
  }

  /**
   * Prepares files that the journal does not know. Creates them, their folders and their names durably, or takes them as
   * they are. A last line without its newline gets one, so that no later record joins it. When it rejects, it has
   * removed again what it made.
   */
  async #adoptAll(list: readonly DataFile[]): Promise<{ lengths: ReadonlyMap<DataFile, FramesLength>; made: Made }> {
    const { files: disk, data, durable } = this.#options;
    const lengths = new Map<DataFile, FramesLength>();
    const files: DataFile[] = [];
    const folders = new Set<string>();
    const toSync = new Set<string>();
    const adopt = async (file: DataFile): Promise<void> => {
      await data.drop(file);
      if (disk.statusAt(file.path) === undefined) {
        const folder = await createFolder(disk, dirname(file.path));
        for (const path of folder.made) folders.add(path);
        for (const path of folder.toSync) toSync.add(path);
        files.push(file);
      }
      // Also of a file that is there: a process that died may have made it, or a folder above it, and not synced its name.
      for (const path of foldersAbove(file)) toSync.add(path);
      lengths.set(file, await this.#endOf(file, await data.openAnew(file)));
    };
    try {
      for (const round of data.rounds(list)) {
        await data.makeRoom(round);
        await inParallelUpTo(AT_ONCE, round, adopt);
      }
      if (durable) await inParallelUpTo(AT_ONCE, toSync, (path) => disk.syncFolder(path));
      return { lengths, made: { files, folders: [...folders] } };
    } catch (error) {
      await this.#unmake({ files, folders: [...folders] });
      for (const file of list) await data.drop(file);
      throw error;
    }
  }

  /** Removes files that are empty, and folders, after the commit that made them failed. What cannot be removed stays. */
  async #unmake({ files, folders }: Made): Promise<void> {
    const { files: disk, data } = this.#options;
    for (const file of files) {
      const found = disk.statusAt(file.path);
      const empty = file.kind === 'compressed hour' ? FILE_START.length : 0;
      const isOurs = found !== undefined && found.size <= empty && data.isSame(file, found);
      await data.drop(file);
      if (isOurs) await disk.remove(file.path).catch(() => undefined);
    }
    for (const folder of folders.toReversed()) await disk.removeFolder(folder).catch(() => undefined);
  }

  /** Makes it durable that files have lost their names. Resolves false when that fails. */
  async #syncRemoval({ files, folders }: Made): Promise<boolean> {
    const { files: disk, durable } = this.#options;
    if (!durable) return true;
    const removed = new Set([...files, ...folders.map((path) => ({ path }))].map(({ path }) => dirname(path)));
    const left = [...removed].filter((path) => disk.statusAt(path) !== undefined);
    return inParallelUpTo(AT_ONCE, left, (path) => disk.syncFolder(path)).then(
      () => true,
      () => false,
    );
  }

  async #endOf(file: DataFile, fd: number): Promise<FramesLength> {
    const { files, report } = this.#options;
    if (file.kind === 'compressed hour') {
      const isOrdered = this.#changed.has(file);
      const found = await keepWholeFrames({ files, fd, path: file.path, isOrdered, report });
      this.#changed.delete(file);
      if (found.length > 0) return found;
      await writeFully(files, fd, [FILE_START], 0);
      return { length: FILE_START.length, lines: 0 };
    }
    const length = await endLines(files, fd);
    return { length, lines: length };
  }
}

/** The folders that hold the names of a file, of its day, and of its stream. */
function foldersAbove(file: DataFile): string[] {
  const folder = dirname(file.path);
  const hour = hourOf(file);
  if (hour === undefined) return [folder];
  const ofDays = dirname(folder);
  return isDefaultStream(hour.stream) ? [folder, ofDays] : [folder, ofDays, dirname(ofDays)];
}
