import type { AppendFiles } from './append-files.ts';
import type { CommitterOptions } from './committer-options.ts';
import type { DataFile, HourDataFile } from './data-files.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { EntryMeta, FileNote } from './journal-meta.ts';
import { restoreFromJournal } from './restore-files.ts';
import { SegmentedJournal } from './segmented-journal.ts';
import type { CommittedState } from './state.ts';
import type { UnsyncedFiles } from './unsynced-files.ts';
import type { WaitingLines } from './waiting-lines.ts';

export interface CommitFiles {
  readonly state: CommittedState;
  readonly data: AppendFiles;
  readonly unsynced: UnsyncedFiles;
  readonly waiting: WaitingLines;
  readonly frames: FrameWriter;
  /** Files that a failed commit left longer than committed and that could not be cut back yet. */
  readonly uncut: Set<DataFile>;
}

interface WaitingEntry {
  readonly notes: readonly FileNote[];
  readonly data: readonly Buffer[];
}

/**
 * The commit journal, and what the data files need before a segment of it goes: their newest bytes may be durable in it alone.
 *
 * Invariant: no segment is deleted before the `unsynced` files that need it are synced, and before the lines that wait in it are in frames
 * or in the next one.
 */
export class CommitJournal {
  readonly #options: CommitterOptions;
  readonly #files: CommitFiles;
  readonly #journal: SegmentedJournal;
  /** Files written since the current segment began. */
  readonly #touched = new Set<DataFile>();
  /** Compressed hours whose restore has begun and not ended: it cuts them first, so they may be shorter than committed. */
  readonly #restoring = new Set<DataFile>();
  /** How often bytes were written again that a failed sync may have lost: until then readers may have missed them. */
  restores = 0;
  /** The aggregator's cursors that advanced and are not in the journal yet. */
  #summaryCursors: (readonly [HourDataFile, number])[] = [];

  private constructor(options: CommitterOptions, files: CommitFiles, journal: SegmentedJournal) {
    this.#options = options;
    this.#files = files;
    this.#journal = journal;
  }

  /** Starts a new segment after the recovered ones, and retires those. */
  static async open(options: CommitterOptions, files: CommitFiles): Promise<CommitJournal> {
    const { state, segments, nextSegment, sequence } = options.recovered;
    const snapshot = state.snapshot(() => true);
    const first = { number: nextSegment, snapshot, old: segments, notReady: options.opening.failure };
    const journal = await SegmentedJournal.open({ ...options, sequence }, first);
    state.apply({ seq: snapshot.seq });
    return new CommitJournal(options, files, journal);
  }

  /** Length in bytes of the segment that is written. */
  get length(): number {
    return this.#journal.length;
  }

  /** False after another program deleted or replaced the state folder, or before the first segment could be made. */
  get isInPlace(): boolean {
    return this.#journal.isInPlace();
  }

  /** Whether a start may find an entry that failed. */
  get isInDoubt(): boolean {
    return this.#journal.isInDoubt;
  }

  /** Why the first segment could not be made at the start. */
  get startFailure(): unknown {
    return this.#journal.startFailure;
  }

  /** The next entry stores it. When it is lost, the aggregator only reads the hour once more. */
  advanceSummaryCursor(hour: HourDataFile, bytes: number): void {
    const { state } = this.#files;
    const committed = state.logicalLength(hour);
    if (committed !== undefined && committed !== bytes) return;
    state.advanceSummaryCursor(hour);
    this.#summaryCursors.push([hour, bytes]);
  }

  /** The file was written in this segment. */
  touch(file: DataFile): void {
    this.#touched.add(file);
  }

  /** Makes it ready for the next entry. */
  async prepare(): Promise<void> {
    const { opening } = this.#options;
    if (opening.failure !== undefined) await opening.finish();
    await this.restoreIfNeeded();
    if (this.#journal.isRotationDue) await this.#renew();
  }

  /** `check` runs when the entry is durable. When it throws, the entry does not count. */
  async append(meta: EntryMeta, data: readonly Buffer[], check?: () => void): Promise<void> {
    const { state } = this.#files;
    const summarised = this.#summaryCursors.filter(([hour]) => !state.isChanged(hour));
    const whole = summarised.length > 0 ? { ...meta, summarised } : meta;
    await this.#journal.append(whole, data, check);
    this.#summaryCursors = [];
    state.apply(whole);
  }

  /** After a failed sync the kernel may have dropped bytes that were written. Writes them again from the journal. */
  async restoreIfNeeded(): Promise<void> {
    const { state, data, unsynced, waiting } = this.#files;
    // A journal that is not ours any more restores nothing. The next rotation begins one from what the files have.
    if (!unsynced.needsRestore || !this.#journal.isInPlace()) return;
    const { files, stateDir, dataFiles } = this.#options;
    const list: DataFile[] = [];
    for (const file of unsynced.list) {
      await data.drop(file);
      // Not into a file that another program put there.
      const least = this.#restoring.has(file) ? 0 : (state.length(file) ?? 0);
      if (data.holds(file, least)) list.push(file);
    }
    for (const file of list) if (file.kind === 'compressed hour') this.#restoring.add(file);
    await restoreFromJournal({ files, stateDir, dataFiles, state, list });
    for (const file of list) {
      if (file.kind !== 'compressed hour') continue;
      const { framed, logical } = state.linesOf(file);
      if (framed === logical) waiting.delete(file);
    }
    this.#restoring.clear();
    unsynced.needsRestore = false;
    this.restores++;
  }

  /** Syncs all and leaves one small segment, so that the next start has nothing to do. On a full disk it leaves the old ones. */
  async close(): Promise<void> {
    const { unsynced, data } = this.#files;
    await unsynced.idle();
    try {
      await this.#options.opening.finish();
      await this.#rotate({ durable: true });
    } catch (err) {
      await this.#closeWithoutRotation(err);
    } finally {
      await data.closeAll();
      await this.#journal.close();
    }
  }

  /** The journal has all that was answered, if it is where a start finds it. If not, the files must have it. */
  async #closeWithoutRotation(cause: unknown): Promise<void> {
    const { log, durable, stateDir } = this.#options;
    const { unsynced } = this.#files;
    const isKept = this.#journal.isInPlace();
    try {
      if (!durable || !isKept) await unsynced.sync(unsynced.list);
    } catch (error) {
      const loss = `cannot sync at the stop; answered records may be lost stateDir=${stateDir}`;
      if (!isKept) throw new Error(loss, { cause: error });
    }
    const message = 'cannot begin a new journal segment at the stop; the next start reads the present one';
    log.warn(message, { stateDir, err: cause });
  }

  async #renew(): Promise<void> {
    const { opening, log, stateDir, durable } = this.#options;
    const wasInPlace = this.#journal.isInPlace();
    await this.#rotate({ durable });
    if (wasInPlace) return;
    opening.relock();
    log.error('the commit journal was deleted or moved while the service ran; a new one has begun', { stateDir });
  }

  /**
   * Starts a new segment. Files that need the older segments are synced in the background before those are deleted. A
   * sync may have failed before, in the background too: what it lost must be written again while the segments are there.
   */
  async #rotate({ durable }: { readonly durable: boolean }): Promise<void> {
    const { state, data, unsynced, waiting, frames, uncut } = this.#files;
    await this.#journal.settled();
    await this.restoreIfNeeded();
    const isLost = !this.#journal.isInPlace();
    await frames.write(waiting.files);
    const carried = this.#waitingEntry();
    const keep = [
      this.#touched,
      new Set<DataFile>(state.changedHours().flatMap((hour) => state.fileOf(hour) ?? [])),
      uncut,
    ];
    const snapshot = state.snapshot((file) => data.isOpen(file) || keep.some((set) => set.has(file)));
    const toSync = durable ? unsynced.list : [];
    const begun = Promise.withResolvers<void>();
    const release = async (): Promise<void> => {
      await begun.promise;
      // What it lost is written again from the older segments, before the next commit.
      if (unsynced.needsRestore && !isLost) throw new Error('a sync in the background failed while the segment began');
      unsynced.clear();
      if (isLost) unsynced.needsRestore = false;
      await unsynced.sync(toSync);
      // When it has failed meanwhile, this sync wrote nothing: only the segments have the bytes.
      await unsynced.idle();
      if (unsynced.needsRestore) throw new Error('a sync in the background has failed meanwhile');
    };
    await this.#journal.rotate({ snapshot, durable, release });
    state.apply({ seq: snapshot.seq });
    await this.#carry(carried).then(begun.resolve, (error: unknown) => {
      begun.reject(error);
      throw error;
    });
    this.#summaryCursors = [];
    this.#touched.clear();
  }

  /** Lines that go on waiting, because their file cannot be written or another program changed it. */
  #waitingEntry(): WaitingEntry {
    const { state, waiting } = this.#files;
    const notes = waiting.files.map((file): FileNote => {
      const length = state.length(file);
      if (length === undefined) throw new Error(`lines wait in the commit journal for file=${file.path}; move it away`);
      return [file, length, waiting.bytesOf(file), state.linesOf(file)];
    });
    return { notes, data: waiting.files.flatMap((file) => waiting.piecesOf(file).map(({ lines }) => lines)) };
  }

  /** Only the older segments have these lines. */
  async #carry({ notes, data }: WaitingEntry): Promise<void> {
    if (notes.length > 0) await this.append({ seq: this.#files.state.nextSeq, files: notes }, data);
  }
}
