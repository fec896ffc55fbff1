import type { FileSystem } from '../disk/file-system.ts';
import { inParallel } from '../disk/in-parallel.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { Hour } from '../model/hour.ts';
import { AppendFiles } from './append-files.ts';
import { type DataFolders, nameOfHour, pathOfName } from './data-files.ts';
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
  readonly folders: DataFolders;
  /** False for `storage.durability: os`: nothing is synced but at the close. */
  readonly durable: boolean;
  readonly maxOpenFiles: number;
  /** A journal segment is followed by another when it grew beyond this. */
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
 * One sync in all for a small commit, whose bytes stand in the journal entry; a large one is not written twice but
 * synced in its own files, side by side. The more files, the dearer their syncs. Measured by bench/append.ts.
 */
export const INLINE = { bytes: 256 * 1024, bytesPerFile: 32 * 1024 };

/**
 * Makes groups of batches durable, one group at a time; the caller sees to that. A group is stored whole, or not at all
 * and the files are as they were.
 *
 * Invariants: a file's bytes up to its length in `state` are committed. Those of `#unsynced` files are safe only in the
 * journal; no segment is deleted before they are synced.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #state: CommittedState;
  readonly #data: AppendFiles;
  readonly #unsynced: UnsyncedFiles;
  readonly #touched = new Set<string>();
  /** Files that a failed commit left longer than committed and that could not be cut back yet. */
  readonly #uncut = new Set<string>();
  readonly #journal: SegmentedJournal;
  #summarised: (readonly [Hour, number])[] = [];

  private constructor(options: CommitterOptions, journal: SegmentedJournal) {
    this.#options = options;
    this.#state = options.recovered.state;
    this.#journal = journal;
    this.#unsynced = new UnsyncedFiles(options);
    this.#data = new AppendFiles({
      files: options.files,
      pathOf: (name) => pathOfName(options.folders, name),
      maxOpen: options.maxOpenFiles,
      durable: options.durable,
    });
  }

  /** Starts a new segment behind the recovered ones, and retires those. */
  static async open(options: CommitterOptions): Promise<Committer> {
    const { state, segments, nextSegment } = options.recovered;
    const snapshot = state.snapshot(() => true);
    const journal = await SegmentedJournal.open(options, { number: nextSegment, snapshot, old: segments });
    state.apply({ seq: snapshot.seq });
    return new Committer(options, journal);
  }

  get journalBytes(): number {
    return this.#journal.length;
  }

  get openFiles(): number {
    return this.#data.openCount;
  }

  /** Remembers it with the next commit: losing it costs the aggregator a look. */
  markSummarised(hour: Hour, bytes: number): void {
    if (this.#state.length(nameOfHour(hour)) !== bytes && this.#state.length(nameOfHour(hour)) !== undefined) return;
    this.#state.markSummarised(hour);
    this.#summarised.push([hour, bytes]);
  }

  /** Rejects, with everything as it was, when any of the group cannot be stored. */
  async commit(group: readonly Pending[]): Promise<void> {
    const started = performance.now();
    const { metrics } = this.#options;
    await this.#prepareJournal();
    const appends = collectAppends(group);
    await this.#adoptUnknown(appends);
    const bytes = await this.#store(group, appends);
    for (const { note } of group) for (const key of keysOf(note)) this.#options.keys.remember(key);
    await this.#data.trim();
    metrics.storedBytes.inc(bytes);
    metrics.commitBatches.observe(group.length);
    metrics.commitDuration.observe((performance.now() - started) / 1000);
  }

  /** An entry that says nothing new: shows that storage can be written. */
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
    if (this.#unsynced.needsRestore) await this.#restore(this.#unsynced.names);
    if (this.#journal.isRotationDue) await this.#rotate({ durable: this.#options.durable });
  }

  /**
   * Puts the present length of files that the journal does not know on record before the first byte goes to them:
   * without it, a start could not tell what a commit that died half way left there.
   */
  async #adoptUnknown(appends: ReadonlyMap<string, Append>): Promise<void> {
    const adopted: FileNote[] = [];
    for (const name of appends.keys()) {
      const committed = this.#state.length(name);
      if (committed !== undefined) {
        if (await this.#data.isAsCommitted(name, committed)) {
          this.#uncut.delete(name);
          continue;
        }
        this.#options.log.error('file was deleted or shortened while we wrote to it', { name, committed });
        this.#state.forget(name);
        this.#unsynced.delete(name);
      }
      adopted.push([name, await this.#data.adopt(name), 0]);
    }
    if (adopted.length > 0) await this.#appendEntry({ seq: this.#state.nextSeq, files: adopted }, []);
  }

  async #store(group: readonly Pending[], appends: ReadonlyMap<string, Append>): Promise<number> {
    const { durable, metrics, inline: limits } = this.#options;
    let bytes = 0;
    for (const append of appends.values()) bytes += append.bytes;
    const inline = durable && bytes <= limits.bytes + appends.size * limits.bytesPerFile;
    try {
      await inParallel(appends, ([name, append]) => this.#data.write(name, append.buffers, this.#committed(name)));
      const written = performance.now();
      if (durable && !inline) await inParallel(appends.keys(), (name) => this.#data.sync(name));
      await this.#appendEntry(this.#entry(group, appends, inline), inline ? inlineData(appends) : []);
      metrics.syncDuration.observe((performance.now() - written) / 1000);
    } catch (error) {
      await this.#rollBack([...appends.keys()]);
      throw error;
    }
    for (const name of appends.keys()) {
      this.#touched.add(name);
      if (inline || !durable) this.#unsynced.add(name);
    }
    if (inline) this.#unsynced.grew(bytes);
    return bytes;
  }

  #entry(group: readonly Pending[], appends: ReadonlyMap<string, Append>, inline: boolean): EntryMeta {
    const files: FileNote[] = [];
    for (const [name, { bytes }] of appends) files.push([name, this.#committed(name) + bytes, inline ? bytes : 0]);
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
    const summarised = this.#summarised.filter(([hour]) => !this.#state.isChanged(hour));
    const whole = summarised.length > 0 ? { ...meta, summarised } : meta;
    await this.#journal.append(whole, data);
    this.#summarised = [];
    this.#state.apply(whole);
  }

  #committed(name: string): number {
    const length = this.#state.length(name);
    if (length === undefined) throw new Error(`file=${name} is not on record`);
    return length;
  }

  /** Core to the committed length, on new descriptors: one that failed to sync once must not be asked again. */
  async #rollBack(names: readonly string[]): Promise<void> {
    const { files, folders, log } = this.#options;
    for (const name of names) {
      await this.#data.drop(name);
      const path = pathOfName(folders, name);
      await files.truncate(path, this.#committed(name)).catch((err: unknown) => {
        this.#uncut.add(name);
        log.warn('cannot cut a file back to its committed length; the next commit tries again', { file: path, err });
      });
    }
    if (names.some((name) => this.#unsynced.has(name)) && this.#options.durable) this.#unsynced.needsRestore = true;
  }

  /** After a failed sync the kernel may have dropped bytes that we held for written: takes them from the journal. */
  async #restore(names: readonly string[]): Promise<void> {
    const { files, stateDir, folders } = this.#options;
    for (const name of names) await this.#data.drop(name);
    const committed = new Map(names.map((name) => [name, this.#state.length(name) ?? 0]));
    await restoreFromJournal({ files, stateDir, folders, committed });
    this.#unsynced.needsRestore = false;
  }

  /** Starts a new segment; what stands only in the old ones is synced in the background before they go. */
  async #rotate({ durable }: { readonly durable: boolean }): Promise<void> {
    const changed = new Set(this.#state.changedHours().map(nameOfHour));
    const keep = [this.#touched, changed, this.#uncut];
    const snapshot = this.#state.snapshot((name) => this.#data.isOpen(name) || keep.some((set) => set.has(name)));
    const unsynced = durable ? this.#unsynced.names : [];
    const release = (): Promise<void> => {
      this.#unsynced.clear();
      return this.#unsynced.sync(unsynced);
    };
    await this.#journal.rotate({ snapshot, durable, release });
    this.#state.apply({ seq: snapshot.seq });
    this.#summarised = [];
    this.#touched.clear();
  }
}
