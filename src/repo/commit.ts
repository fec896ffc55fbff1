import { isOutOfDescriptors } from '../disk/missing.ts';
import { type Adopted, Adoption } from './adoption.ts';
import { AppendFiles, FileChangedError } from './append-files.ts';
import { closeWithoutRotation } from './close-without-rotation.ts';
import type { CommitterOptions } from './committer-options.ts';
import type { DataFile, HourDataFile } from './data-files.ts';
import type { EntryMeta } from './journal-meta.ts';
import { type Append, collectAppends, countStreamBytes, entryOf, inlineData, keysOf, type Pending } from './pending.ts';
import { restoreFromJournal } from './recovery.ts';
import { SegmentedJournal } from './segmented-journal.ts';
import type { CommittedState } from './state.ts';
import { UnsyncedFiles } from './unsynced-files.ts';

type Appends = ReadonlyMap<DataFile, Append>;

/** A commit begins again when another program changes its files meanwhile, or when descriptors are short. */
const MAX_ATTEMPTS = 3;

/**
 * Makes groups of batches durable. The caller commits one group at a time. A group is stored whole, or not at all and
 * the files are as they were.
 *
 * Invariants: a file's bytes up to its length in `state` are committed. The newest bytes of `#unsynced` files are
 * durable only in the journal, so no segment is deleted before they are synced.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #state: CommittedState;
  readonly #data: AppendFiles;
  readonly #unsynced: UnsyncedFiles;
  /** Files written since the current segment began. */
  readonly #touched = new Set<DataFile>();
  /** Files that a failed commit left longer than committed and that could not be cut back yet. */
  readonly #uncut = new Set<DataFile>();
  readonly #adoption: Adoption;
  readonly #journal: SegmentedJournal;
  /** The aggregator's cursors that advanced and are not in the journal yet. */
  #summaryCursors: (readonly [HourDataFile, number])[] = [];

  private constructor(options: CommitterOptions, journal: SegmentedJournal) {
    this.#options = options;
    this.#state = options.recovered.state;
    this.#journal = journal;
    this.#unsynced = new UnsyncedFiles(options);
    this.#data = new AppendFiles({ files: options.files, maxOpen: options.maxOpenFiles });
    const parts = { state: this.#state, data: this.#data, unsynced: this.#unsynced, uncut: this.#uncut };
    this.#adoption = new Adoption({ ...options, ...parts });
  }

  /** Starts a new segment after the recovered ones, and retires those. */
  static async open(options: CommitterOptions): Promise<Committer> {
    const { state, segments, nextSegment, sequence } = options.recovered;
    const snapshot = state.snapshot(() => true);
    const first = { number: nextSegment, snapshot, old: segments, notReady: options.opening.failure };
    const journal = await SegmentedJournal.open({ ...options, sequence }, first);
    state.apply({ seq: snapshot.seq });
    return new Committer(options, journal);
  }

  get journalBytes(): number {
    return this.#journal.length;
  }

  /** False after another program deleted or replaced the state folder, or before the first segment could be made. */
  get isJournalInPlace(): boolean {
    return this.#journal.isInPlace();
  }

  /** Why the first segment could not be made at the start. */
  get startFailure(): unknown {
    return this.#journal.startFailure;
  }

  get openFiles(): number {
    return this.#data.openCount;
  }

  /** The next commit stores it. When it is lost, the aggregator only reads the hour once more. */
  advanceSummaryCursor(file: HourDataFile, bytes: number): void {
    const committed = this.#state.length(file);
    if (committed !== undefined && committed !== bytes) return;
    this.#state.advanceSummaryCursor(file);
    this.#summaryCursors.push([file, bytes]);
  }

  /** Rejects when any batch of the group cannot be stored. Then everything is as it was. */
  async commit(group: readonly Pending[]): Promise<void> {
    const started = performance.now();
    const { metrics } = this.#options;
    const appends = collectAppends(group, this.#options.dataFiles);
    let bytes: number | undefined;
    for (let attempt = 1; bytes === undefined; attempt++) bytes = await this.#attempt(group, appends, attempt);
    for (const { note } of group) for (const key of keysOf(note)) this.#options.keys.remember(key);
    await this.#data.trim();
    metrics.storedBytes.inc(bytes);
    countStreamBytes(appends, metrics);
    metrics.commitBatches.observe(group.length);
    metrics.commitDuration.observe((performance.now() - started) / 1000);
  }

  /** Undefined when the commit must begin again, on the files as they are now. */
  async #attempt(group: readonly Pending[], appends: Appends, attempt: number): Promise<number | undefined> {
    let adopted: Adopted | undefined;
    try {
      await this.#prepareJournal();
      adopted = await this.#adoptUnknown(appends.keys());
      return await this.#store(group, appends);
    } catch (error) {
      if (adopted !== undefined) await this.#adoption.undo(adopted);
      const mayWork = error instanceof FileChangedError || isOutOfDescriptors(error);
      if (!mayWork || attempt === MAX_ATTEMPTS) throw error;
      return undefined;
    }
  }

  /** Opens files, or makes them, for a commit that comes later. Gives what undoes it when that commit fails. */
  async prepare(files: readonly DataFile[]): Promise<() => Promise<void>> {
    this.#state.removed.refuse(files);
    await this.#prepareJournal();
    const adopted = await this.#adoptUnknown(files);
    return async () => adopted && this.#adoption.undo(adopted);
  }

  /** Writes an entry without news, which shows that storage can be written. */
  probe(): Promise<void> {
    return this.#note({});
  }

  /** Removes a day of dead letters, or an hour with those of its stream before it. From then on nothing here holds or writes their files. */
  async remove(file: DataFile): Promise<void> {
    await this.#note({ removed: [file] });
    await this.#adoption.release((other) => other === file || this.#state.removed.has(other));
  }

  /** Writes an entry of its own. */
  async #note(news: Pick<EntryMeta, 'removed'>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#prepareJournal();
        await this.#appendEntry({ seq: this.#state.nextSeq, ...news }, []);
        return;
      } catch (error) {
        if (!(error instanceof FileChangedError) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Syncs all and leaves one small segment, so that the next start has nothing to do. On a full disk it leaves the old ones. */
  async close(): Promise<void> {
    await this.#unsynced.idle();
    try {
      await this.#options.opening.finish();
      await this.#rotate({ durable: true });
    } catch (err) {
      await closeWithoutRotation({ ...this.#options, journal: this.#journal, unsynced: this.#unsynced }, err);
    } finally {
      await this.#data.closeAll();
      await this.#journal.close();
    }
  }

  async #prepareJournal(): Promise<void> {
    if (this.#options.opening.failure !== undefined) await this.#options.opening.finish();
    await this.#restoreIfNeeded();
    if (this.#journal.isRotationDue) await this.#renewJournal();
    if (this.#uncut.size > 0) await this.#adoption.cutLeftovers();
  }

  async #renewJournal(): Promise<void> {
    const { opening, log, stateDir, durable } = this.#options;
    const wasInPlace = this.#journal.isInPlace();
    await this.#rotate({ durable });
    if (wasInPlace) return;
    opening.relock();
    log.error('the commit journal was deleted or moved while the service ran; a new one has begun', { stateDir });
  }

  /**
   * Stores the present length of files that the journal does not know, before the first byte goes to them. Without it,
   * a start could not tell which bytes an unfinished commit left there.
   */
  async #adoptUnknown(list: Iterable<DataFile>): Promise<Adopted | undefined> {
    const adopted = await this.#adoption.adopt(list);
    if (adopted === undefined) return undefined;
    try {
      await this.#appendEntry({ seq: this.#state.nextSeq, files: adopted.notes }, []);
    } catch (error) {
      await this.#adoption.undo(adopted);
      throw error;
    }
    return adopted;
  }

  async #store(group: readonly Pending[], appends: Appends): Promise<number> {
    const { durable, metrics, inline: limits } = this.#options;
    let bytes = 0;
    for (const append of appends.values()) bytes += append.bytes;
    const inline = durable && bytes <= limits.bytes + appends.size * limits.bytesPerFile;
    try {
      const positionOf = (file: DataFile): number => this.#committed(file);
      const syncMs = await this.#data.writeAll(appends, { positionOf, sync: durable && !inline });
      const written = performance.now();
      const entry = entryOf(group, { seq: this.#state.nextSeq, appends, positionOf, inline });
      const isInPlace = (): void => this.#checkInPlace(appends);
      await this.#appendEntry(entry, inline ? inlineData(appends) : [], isInPlace);
      metrics.syncDuration.observe((performance.now() - written + syncMs) / 1000);
    } catch (error) {
      await this.#rollBack(appends);
      throw error;
    }
    for (const file of appends.keys()) {
      this.#touched.add(file);
      if (inline || !durable) this.#unsynced.add(file);
    }
    if (inline) this.#unsynced.grew(bytes);
    return bytes;
  }

  /** Between the last sync and the answer: what is answered must stand where its readers look for it. */
  #checkInPlace(appends: Appends): void {
    for (const [file, { bytes }] of appends) {
      if (this.#data.holds(file, this.#committed(file) + bytes)) continue;
      throw new FileChangedError(`another program changed the data file while it was written file=${file.path}`);
    }
  }

  /** `check` runs when the entry is durable. When it throws, the entry does not count. */
  async #appendEntry(meta: EntryMeta, data: readonly Buffer[], check?: () => void): Promise<void> {
    const summarised = this.#summaryCursors.filter(([file]) => !this.#state.isChanged(file));
    const whole = summarised.length > 0 ? { ...meta, summarised } : meta;
    await this.#journal.append(whole, data, check);
    this.#summaryCursors = [];
    this.#state.apply(whole);
  }

  #committed(file: DataFile): number {
    const length = this.#state.length(file);
    if (length === undefined) throw new Error(`the committed length of file=${file.path} is not known`);
    return length;
  }

  /** Back to the committed length, on new descriptors. Not while a start may find the entry: it names these bytes. */
  async #rollBack(appends: Appends): Promise<void> {
    const { log, durable } = this.#options;
    const { isInDoubt } = this.#journal;
    for (const [file, { bytes }] of appends) {
      const committed = this.#committed(file);
      if (isInDoubt) this.#uncut.add(file);
      const done = isInDoubt ? this.#data.drop(file) : this.#data.cutBack(file, { committed, written: bytes, durable });
      await done.catch((err: unknown) => {
        this.#uncut.add(file);
        const message = 'cannot cut a file back to its committed length; the next commit tries again';
        log.warn(message, { file: file.path, err });
      });
      if (durable && this.#unsynced.has(file)) this.#unsynced.needsRestore = true;
    }
  }

  /** After a failed sync the kernel may have dropped bytes that were written. Writes them again from the journal. */
  async #restoreIfNeeded(): Promise<void> {
    // A journal that is not ours any more restores nothing. The next rotation begins one from what the files have.
    if (!this.#unsynced.needsRestore || !this.#journal.isInPlace()) return;
    const { files, stateDir, dataFiles } = this.#options;
    const committed = new Map<DataFile, number>();
    for (const file of this.#unsynced.list) {
      await this.#data.drop(file);
      const length = this.#state.length(file) ?? 0;
      // Not into a file that another program put there.
      if (this.#data.holds(file, length)) committed.set(file, length);
    }
    await restoreFromJournal({ files, stateDir, dataFiles, committed });
    this.#unsynced.needsRestore = false;
  }

  /**
   * Starts a new segment. Files that need the older segments are synced in the background before those are deleted. A
   * sync may have failed before, in the background too: what it lost must be written again while the segments are there.
   */
  async #rotate({ durable }: { readonly durable: boolean }): Promise<void> {
    await this.#journal.settled();
    await this.#restoreIfNeeded();
    const keep = [this.#touched, new Set<DataFile>(this.#state.changedHours()), this.#uncut];
    const snapshot = this.#state.snapshot((file) => this.#data.isOpen(file) || keep.some((set) => set.has(file)));
    const unsynced = durable ? this.#unsynced.list : [];
    const isLost = !this.#journal.isInPlace();
    const release = async (): Promise<void> => {
      this.#unsynced.clear();
      if (isLost) this.#unsynced.needsRestore = false;
      await this.#unsynced.sync(unsynced);
      await this.#unsynced.idle(); // When it has failed meanwhile, this sync wrote nothing: only the segments have the bytes.
      if (this.#unsynced.needsRestore) throw new Error('a sync in the background has failed meanwhile');
    };
    await this.#journal.rotate({ snapshot, durable, release });
    this.#state.apply({ seq: snapshot.seq });
    this.#summaryCursors = [];
    this.#touched.clear();
  }
}
