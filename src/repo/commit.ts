import { isOutOfDescriptors } from '../disk/missing.ts';
import { type Adopted, Adoption } from './adoption.ts';
import { AppendFiles, FileChangedError } from './append-files.ts';
import { type CommitFiles, CommitJournal } from './commit-journal.ts';
import { checkInPlace, type FilePlan, planCommit } from './commit-plan.ts';
import { CommittedHours } from './committed-hours.ts';
import type { CommitterOptions } from './committer-options.ts';
import { type CompressedHourFile, type DataFile, type HourDataFile, hourOf } from './data-files.ts';
import { FormChange } from './form-change.ts';
import { FrameWriter } from './frame-writer.ts';
import { HourForms } from './hour-forms.ts';
import type { EntryMeta } from './journal-meta.ts';
import { type Append, collectAppends, countStreamBytes, entryOf, keysOf, type Pending } from './pending.ts';
import type { CommittedState } from './state.ts';
import { UnsyncedFiles } from './unsynced-files.ts';
import { WaitingLines } from './waiting-lines.ts';

type Appends = ReadonlyMap<DataFile, Append>;
type Plans = ReadonlyMap<DataFile, FilePlan>;

/** A commit begins again when another program changes its files meanwhile, or when descriptors are short. */
const MAX_ATTEMPTS = 3;

/**
 * Makes groups of batches durable. The caller commits one group at a time. A group is stored whole, or not at all and
 * the files are as they were.
 *
 * Invariant: a file's bytes up to its length in `state` are committed.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #state: CommittedState;
  readonly #data: AppendFiles;
  readonly #unsynced: UnsyncedFiles;
  readonly #waiting: WaitingLines;
  readonly #frames: FrameWriter;
  readonly #forms: HourForms;
  /** For readers. */
  readonly hours: CommittedHours;
  readonly formChange: FormChange;
  readonly #uncut: Set<DataFile>;
  readonly #adoption: Adoption;
  readonly #journal: CommitJournal;

  private constructor(options: CommitterOptions, files: CommitFiles, journal: CommitJournal) {
    this.#options = options;
    this.#journal = journal;
    this.#state = files.state;
    this.#data = files.data;
    this.#unsynced = files.unsynced;
    this.#waiting = files.waiting;
    this.#frames = files.frames;
    this.#uncut = files.uncut;
    this.#forms = new HourForms({ ...options, state: files.state });
    this.#adoption = new Adoption({ ...options, ...files });
    this.hours = new CommittedHours({ ...options, ...files, forms: this.#forms });
    this.formChange = new FormChange({
      ...options,
      ...files,
      journal,
      forms: this.#forms,
      adopt: (file) => this.#adopt(file),
    });
  }

  /** Starts a new segment of the journal after the recovered ones. */
  static async open(options: CommitterOptions): Promise<Committer> {
    const { state } = options.recovered;
    const parts = {
      state,
      data: new AppendFiles({ files: options.files, maxOpen: options.maxOpenFiles }),
      unsynced: new UnsyncedFiles(options),
      waiting: new WaitingLines(options.waiting),
      uncut: new Set<DataFile>(),
    };
    const frames = new FrameWriter({ ...options, ...parts });
    const files = { ...parts, frames };
    return new Committer(options, files, await CommitJournal.open(options, files));
  }

  get journalBytes(): number {
    return this.#journal.length;
  }

  /** False after another program deleted or replaced the state folder, or before the first segment could be made. */
  get isJournalInPlace(): boolean {
    return this.#journal.isInPlace;
  }

  /** Why the first segment could not be made at the start. */
  get startFailure(): unknown {
    return this.#journal.startFailure;
  }

  get openFiles(): number {
    return this.#data.openCount;
  }

  /** The next commit stores it. When it is lost, the aggregator only reads the hour once more. */
  advanceSummaryCursor(hour: HourDataFile, bytes: number): void {
    this.#journal.advanceSummaryCursor(hour, bytes);
  }

  /** Between two commits: writes again what a failed sync may have lost. */
  restore(): Promise<void> {
    return this.#journal.restoreIfNeeded();
  }

  /** Whether lines of compressed hours wait to become frames. */
  get hasWaiting(): boolean {
    return this.#waiting.bytes > 0;
  }

  /** Between two commits: makes frames of lines that have waited long enough, in files as other programs left them. */
  async writeFrames(list: readonly CompressedHourFile[] = this.#waiting.due()): Promise<void> {
    if (list.length === 0) return;
    try {
      await this.#prepare();
      await this.#adoptUnknown(list);
      await this.#frames.write(list);
    } catch (err) {
      this.#options.log.error('cannot write frames; their lines are safe in the journal', { err });
    }
  }

  /** Rejects when any batch of the group cannot be stored. Then everything is as it was. */
  async commit(group: readonly Pending[]): Promise<void> {
    const started = performance.now();
    const { metrics } = this.#options;
    const collected = collectAppends(group, this.#options.dataFiles);
    let bytes: number | undefined;
    for (let attempt = 1; bytes === undefined; attempt++) bytes = await this.#attempt(group, collected, attempt);
    for (const { note } of group) for (const key of keysOf(note)) this.#options.keys.remember(key);
    await this.#data.trim();
    metrics.storedBytes.inc(bytes);
    countStreamBytes(collected, metrics);
    metrics.commitBatches.observe(group.length);
    metrics.commitDuration.observe((performance.now() - started) / 1000);
  }

  /** Undefined when the commit must begin again, on the files as they are now. */
  async #attempt(group: readonly Pending[], collected: Appends, attempt: number): Promise<number | undefined> {
    let adopted: Adopted | undefined;
    try {
      await this.#prepare();
      const appends = await this.#byFile(collected);
      adopted = await this.#adoptUnknown(appends.keys());
      return await this.#store(group, appends);
    } catch (error) {
      if (adopted !== undefined) await this.#adoption.undo(adopted);
      const mayWork = error instanceof FileChangedError || isOutOfDescriptors(error);
      if (!mayWork || attempt === MAX_ATTEMPTS) throw error;
      return undefined;
    }
  }

  /** What each file gets: the plain one of an hour, or the compressed one. */
  async #byFile(collected: Appends): Promise<Appends> {
    const appends = new Map<DataFile, Append>();
    for (const [wanted, append] of collected) {
      const file = this.#forms.fileFor(wanted);
      appends.set(file instanceof Promise ? await file : file, append);
    }
    return appends;
  }

  /** Opens files, or makes them, for a commit that comes later. Gives what undoes it when that commit fails. */
  async prepare(hours: readonly DataFile[]): Promise<() => Promise<void>> {
    this.#state.removed.refuse(hours);
    await this.#prepare();
    const files = await Promise.all(hours.map((hour) => this.#forms.fileFor(hour)));
    const adopted = await this.#adoptUnknown(files);
    return async () => adopted && this.#adoption.undo(adopted);
  }

  async #adopt(file: DataFile): Promise<void> {
    await this.#prepare();
    await this.#adoptUnknown([file]);
    this.#journal.touch(file);
  }

  /** Writes an entry without news, which shows that storage can be written. */
  probe(): Promise<void> {
    return this.#note({});
  }

  /** Removes a day of dead letters, or an hour with those of its stream before it. From then on nothing here holds or writes their files. */
  async remove(file: DataFile): Promise<void> {
    await this.#note({ removed: [file] });
    await this.#adoption.release((other) => hourOf(other) === file || other === file || this.#state.removed.has(other));
  }

  /** Writes an entry of its own. */
  async #note(news: Pick<EntryMeta, 'removed'>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#prepare();
        await this.#journal.append({ seq: this.#state.nextSeq, ...news }, []);
        return;
      } catch (error) {
        if (!(error instanceof FileChangedError) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Syncs all and leaves one small segment of the journal. */
  async close(): Promise<void> {
    await this.writeFrames(this.#waiting.files);
    await this.#journal.close();
  }

  async #prepare(): Promise<void> {
    await this.#journal.prepare();
    if (this.#uncut.size > 0) await this.#adoption.cutLeftovers();
  }

  /**
   * Stores the present length of files that the journal does not know, before the first byte goes to them. Without it,
   * a start could not tell which bytes an unfinished commit left there.
   */
  async #adoptUnknown(list: Iterable<DataFile>): Promise<Adopted | undefined> {
    const adopted = await this.#adoption.adopt(list);
    if (adopted === undefined) return undefined;
    try {
      await this.#journal.append({ seq: this.#state.nextSeq, files: adopted.notes }, adopted.data);
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
    const isSmall = bytes <= limits.bytes + appends.size * limits.bytesPerFile;
    await this.#frames.makeRoom(isSmall ? bytes : 0);
    const plans = await planCommit(appends, { state: this.#state, waiting: this.#waiting, isSmall, durable });
    try {
      const syncMs = await this.#data.writeAll(plans, { sync: durable && !isSmall });
      const written = performance.now();
      const planned = [...plans.values()];
      const entry = entryOf(group, { seq: this.#state.nextSeq, files: planned.map(({ note }) => note) });
      await this.#journal.append(
        entry,
        planned.flatMap(({ inline }) => inline),
        () => checkInPlace(plans, { data: this.#data, unsynced: this.#unsynced }),
      );
      metrics.syncDuration.observe((performance.now() - written + syncMs) / 1000);
    } catch (error) {
      await this.#rollBack(plans);
      throw error;
    }
    this.#settle(plans, { isSynced: durable && !isSmall });
    return bytes;
  }

  /** What a commit that counts leaves to be done later. */
  #settle(plans: Plans, { isSynced }: { readonly isSynced: boolean }): void {
    let unsyncedBytes = 0;
    for (const { file, bytes, inline, waiting } of plans.values()) {
      this.#journal.touch(file);
      if (file.kind === 'compressed hour') {
        if (inline.length > 0) this.#waiting.add(file, waiting);
        else this.#waiting.delete(file);
      }
      if (isSynced || bytes === 0) continue;
      this.#unsynced.add(file);
      unsyncedBytes += bytes;
    }
    if (unsyncedBytes > 0 && this.#options.durable) this.#unsynced.grew(unsyncedBytes);
  }

  /** Back to the committed length, on new descriptors. Not while a start may find the entry: it names these bytes. */
  async #rollBack(plans: Plans): Promise<void> {
    const { log, durable } = this.#options;
    const { isInDoubt } = this.#journal;
    for (const { file, position, bytes } of plans.values()) {
      if (bytes === 0) continue;
      if (isInDoubt) this.#uncut.add(file);
      const back = { committed: position, written: bytes, durable };
      const done = isInDoubt ? this.#data.drop(file) : this.#data.cutBack(file, back);
      await done.catch((err: unknown) => {
        this.#uncut.add(file);
        const message = 'cannot cut a file back to its committed length; the next commit tries again';
        log.warn(message, { file: file.path, err });
      });
      if (durable && this.#unsynced.has(file)) this.#unsynced.needsRestore = true;
    }
  }
}
