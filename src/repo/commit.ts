import type { FileSystem } from '../disk/file-system.ts';
import { inParallel } from '../disk/in-parallel.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { Hour } from '../model/hour.ts';
import { AppendFiles } from './append-files.ts';
import type { DataFile, DataFiles } from './data-files.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import type { EntryMeta, FileNote } from './journal.ts';
import { type Append, collectAppends, inlineData, keysOf, type Pending } from './pending.ts';
import { type Recovered, restoreFromJournal } from './recovery.ts';
import { SegmentedJournal } from './segmented-journal.ts';
import type { CommittedState } from './state.ts';
import { UnsyncedFiles } from './unsynced-files.ts';

export interface CommitterOptions {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly dataFiles: DataFiles;
  /** False for `storage.durability: os`: nothing is synced before the close. */
  readonly durable: boolean;
  readonly maxOpenFiles: number;
  /** A journal segment is followed by another when it has grown beyond this. */
  readonly segmentBytes: number;
  /** See unsynced-files.ts. */
  readonly syncEveryBytes: number;
  /** A commit of up to `bytes` + `bytesPerFile` for each file goes into the journal entry itself. */
  readonly inline: { readonly bytes: number; readonly bytesPerFile: number };
  readonly keys: IdempotencyKeys;
  readonly recovered: Recovered;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A small commit takes one sync: its bytes go into the journal entry. A large one is not written twice: it is synced in
 * its own files, side by side. The more files, the more their syncs cost. Measured by bench/append.ts.
 */
export const INLINE = { bytes: 256 * 1024, bytesPerFile: 32 * 1024 };

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
  readonly #journal: SegmentedJournal;
  /** The aggregator's cursors that advanced and are not in the journal yet. */
  #summaryCursors: (readonly [Hour, number])[] = [];

  private constructor(options: CommitterOptions, journal: SegmentedJournal) {
    this.#options = options;
    this.#state = options.recovered.state;
    this.#journal = journal;
    this.#unsynced = new UnsyncedFiles(options);
    this.#data = new AppendFiles({
      files: options.files,
      maxOpen: options.maxOpenFiles,
      durable: options.durable,
    });
  }

  /** Starts a new segment after the recovered ones, and retires those. */
  static async open(options: CommitterOptions): Promise<Committer> {
    const { state, segments, nextSegment, sequence } = options.recovered;
    const snapshot = state.snapshot(() => true);
    const journal = await SegmentedJournal.open(
      { ...options, sequence },
      { number: nextSegment, snapshot, old: segments },
    );
    state.apply({ seq: snapshot.seq });
    return new Committer(options, journal);
  }

  get journalBytes(): number {
    return this.#journal.length;
  }

  get openFiles(): number {
    return this.#data.openCount;
  }

  /** The next commit stores it. When it is lost, the aggregator only reads the hour once more. */
  advanceSummaryCursor(hour: Hour, bytes: number): void {
    const committed = this.#state.length(this.#options.dataFiles.ofHour(hour));
    if (committed !== undefined && committed !== bytes) return;
    this.#state.advanceSummaryCursor(hour);
    this.#summaryCursors.push([hour, bytes]);
  }

  /** Rejects when any batch of the group cannot be stored. Then everything is as it was. */
  async commit(group: readonly Pending[]): Promise<void> {
    const started = performance.now();
    const { metrics } = this.#options;
    await this.#prepareJournal();
    const appends = collectAppends(group, this.#options.dataFiles);
    await this.#adoptUnknown(appends);
    const bytes = await this.#store(group, appends);
    for (const { note } of group) for (const key of keysOf(note)) this.#options.keys.remember(key);
    await this.#data.trim();
    metrics.storedBytes.inc(bytes);
    metrics.commitBatches.observe(group.length);
    metrics.commitDuration.observe((performance.now() - started) / 1000);
  }

  /** Writes an entry without news, which shows that storage can be written. */
  async probe(): Promise<void> {
    await this.#prepareJournal();
    await this.#appendEntry({ seq: this.#state.nextSeq }, []);
  }

  /** Syncs all and leaves one small segment, so that the next start has nothing to do. */
  async close(): Promise<void> {
    await this.#unsynced.idle();
    await this.#rotate({ durable: true });
    await this.#data.closeAll();
    await this.#journal.close();
  }

  async #prepareJournal(): Promise<void> {
    await this.#restoreIfNeeded();
    if (this.#journal.isRotationDue) await this.#rotate({ durable: this.#options.durable });
  }

  /**
   * Stores the present length of files that the journal does not know, before the first byte goes to them. Without it,
   * a start could not tell which bytes an unfinished commit left there.
   */
  async #adoptUnknown(appends: ReadonlyMap<DataFile, Append>): Promise<void> {
    const adopted: FileNote[] = [];
    for (const file of appends.keys()) {
      const committed = this.#state.length(file);
      if (committed !== undefined) {
        if (await this.#data.isAsCommitted(file, committed)) {
          this.#uncut.delete(file);
          continue;
        }
        const { log } = this.#options;
        log.error('a data file was deleted or shortened while the service ran', { file: file.path, committed });
        this.#state.forget(file);
        this.#unsynced.delete(file);
      }
      adopted.push([file, await this.#data.adopt(file), 0]);
    }
    if (adopted.length > 0) await this.#appendEntry({ seq: this.#state.nextSeq, files: adopted }, []);
  }

  async #store(group: readonly Pending[], appends: ReadonlyMap<DataFile, Append>): Promise<number> {
    const { durable, metrics, inline: limits } = this.#options;
    let bytes = 0;
    for (const append of appends.values()) bytes += append.bytes;
    const inline = durable && bytes <= limits.bytes + appends.size * limits.bytesPerFile;
    try {
      await inParallel(appends, ([file, append]) => this.#data.write(file, append.buffers, this.#committed(file)));
      const written = performance.now();
      if (durable && !inline) await inParallel(appends.keys(), (file) => this.#data.sync(file));
      await this.#appendEntry(this.#entry(group, appends, inline), inline ? inlineData(appends) : []);
      metrics.syncDuration.observe((performance.now() - written) / 1000);
    } catch (error) {
      await this.#rollBack([...appends.keys()]);
      throw error;
    }
    for (const file of appends.keys()) {
      this.#touched.add(file);
      if (inline || !durable) this.#unsynced.add(file);
    }
    if (inline) this.#unsynced.grew(bytes);
    return bytes;
  }

  #entry(group: readonly Pending[], appends: ReadonlyMap<DataFile, Append>, inline: boolean): EntryMeta {
    const files: FileNote[] = [];
    for (const [file, { bytes }] of appends) files.push([file, this.#committed(file) + bytes, inline ? bytes : 0]);
    const notes = group.map((pending) => pending.note);
    const keys = notes.flatMap(keysOf);
    const offsets = notes.flatMap((note) => note.offsets ?? []);
    const batchIds = notes.flatMap((note) => note.batchIds ?? []);
    return {
      seq: this.#state.nextSeq,
      files,
      ...(keys.length > 0 && { keys }),
      ...(offsets.length > 0 && { offsets }),
      ...(batchIds.length > 0 && { batchIds }),
    };
  }

  async #appendEntry(meta: EntryMeta, data: readonly Buffer[]): Promise<void> {
    const summarised = this.#summaryCursors.filter(([hour]) => !this.#state.isChanged(hour));
    const whole = summarised.length > 0 ? { ...meta, summarised } : meta;
    await this.#journal.append(whole, data);
    this.#summaryCursors = [];
    this.#state.apply(whole);
  }

  #committed(file: DataFile): number {
    const length = this.#state.length(file);
    if (length === undefined) throw new Error(`the committed length of file=${file.path} is not known`);
    return length;
  }

  /** Back to the committed length, on new descriptors: one that failed to sync must not be synced again. */
  async #rollBack(touched: readonly DataFile[]): Promise<void> {
    const { files, log, durable } = this.#options;
    for (const file of touched) {
      await this.#data.drop(file);
      await files.truncate(file.path, this.#committed(file)).catch((err: unknown) => {
        this.#uncut.add(file);
        const message = 'cannot cut a file back to its committed length; the next commit tries again';
        log.warn(message, { file: file.path, err });
      });
    }
    if (durable && touched.some((file) => this.#unsynced.has(file))) this.#unsynced.needsRestore = true;
  }

  /** After a failed sync the kernel may have dropped bytes that were written. Writes them again from the journal. */
  async #restoreIfNeeded(): Promise<void> {
    if (!this.#unsynced.needsRestore) return;
    const { files, stateDir, dataFiles } = this.#options;
    const { list } = this.#unsynced;
    for (const file of list) await this.#data.drop(file);
    const committed = new Map(list.map((file) => [file, this.#state.length(file) ?? 0]));
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
    const { dataFiles } = this.#options;
    const changed = new Set(this.#state.changedHours().map((hour) => dataFiles.ofHour(hour)));
    const keep = [this.#touched, changed, this.#uncut];
    const snapshot = this.#state.snapshot((file) => this.#data.isOpen(file) || keep.some((set) => set.has(file)));
    const unsynced = durable ? this.#unsynced.list : [];
    const release = (): Promise<void> => {
      this.#unsynced.clear();
      return this.#unsynced.sync(unsynced);
    };
    await this.#journal.rotate({ snapshot, durable, release });
    this.#state.apply({ seq: snapshot.seq });
    this.#summaryCursors = [];
    this.#touched.clear();
  }
}
