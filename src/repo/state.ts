import type { OffsetNote } from '../model/deliver.ts';
import { BatchIdSet } from './batch-id-set.ts';
import type { DataFile, HourDataFile } from './data-files.ts';
import type { EntryMeta, FileNote } from './journal-meta.ts';
import { RemovedHours } from './removed-hours.ts';

/**
 * The sum of all journal entries. The running service and the start after a crash use the same `apply`, so they cannot
 * disagree. Idempotency keys are kept apart (idempotency-keys.ts): there may be a million of them.
 */
export class CommittedState {
  #seq = 0;
  /** Committed length of each file that was written since the snapshot before the last. */
  readonly #lengths = new Map<DataFile, number>();
  readonly #offsets = new Map<string, OffsetNote>();
  readonly #batchIds = new BatchIdSet();
  /** Hours whose file is longer than the aggregator's cursor. */
  readonly #changed = new Set<HourDataFile>();
  #store: string | undefined;
  /** Those above 0. */
  readonly #generations = new Map<DataFile, number>();
  readonly removed = new RemovedHours();

  /** The number that the next entry takes. */
  get nextSeq(): number {
    return this.#seq;
  }

  apply(meta: EntryMeta): void {
    this.#seq = meta.seq + 1;
    // Before the files: an hour that grew in this entry has grown after the aggregator read it.
    for (const [file] of meta.summarised ?? []) this.#changed.delete(file);
    for (const [file, length] of meta.files ?? []) {
      const before = this.#lengths.get(file);
      this.#lengths.set(file, length);
      if (file.kind === 'hour' && before !== undefined && before !== length) this.#changed.add(file);
    }
    for (const note of meta.offsets ?? []) this.#offsets.set(`${note.topic}/${note.partition}`, note);
    for (const id of meta.batchIds ?? []) this.#batchIds.add(id);
    for (const file of meta.changed ?? []) this.#changed.add(file);
    this.#store = meta.store ?? this.#store;
    for (const [file, generation] of meta.generations ?? []) this.#generations.set(file, generation);
    if (meta.removed !== undefined) this.#remove(meta.removed);
  }

  #remove(list: readonly DataFile[]): void {
    for (const file of list) this.removed.add(file);
    const isGone = (file: DataFile): boolean => list.includes(file) || this.removed.has(file);
    for (const known of [this.#lengths, this.#changed, this.#generations])
      for (const file of [...known.keys()]) if (isGone(file)) known.delete(file as HourDataFile);
  }

  /** The first entry of a new segment. Forgets the files that `keep` does not want. */
  snapshot(keep: (file: DataFile) => boolean): EntryMeta {
    for (const file of [...this.#lengths.keys()]) if (!keep(file)) this.#lengths.delete(file);
    return {
      seq: this.#seq,
      files: [...this.#lengths].map(([file, length]): FileNote => [file, length, 0]),
      offsets: [...this.#offsets.values()],
      batchIds: this.#batchIds.toTexts(),
      changed: [...this.#changed],
      ...(this.#store !== undefined && { store: this.#store }),
      ...(this.#generations.size > 0 && { generations: [...this.#generations] }),
      ...(this.removed.newest.length > 0 && { removed: this.removed.newest }),
    };
  }

  /** Committed length in bytes; undefined for a file that the journal does not know. */
  length(file: DataFile): number | undefined {
    return this.#lengths.get(file);
  }

  files(): IterableIterator<[DataFile, number]> {
    return this.#lengths.entries();
  }

  /** The file was deleted or shortened by hand: its length in the journal is wrong. The rest of it stays as it is. */
  forget(file: DataFile): void {
    this.#lengths.delete(file);
    if (file.kind === 'hour') this.#changed.add(file);
  }

  /** The next entry gets at least this number. */
  raiseNextSeq(seq: number): void {
    this.#seq = Math.max(this.#seq, seq);
  }

  /** What a start found out about a file, when the journal does not know all of it. */
  setLength(file: DataFile, length: number): void {
    this.#lengths.set(file, length);
    if (file.kind === 'hour') this.#changed.add(file);
  }

  /** The aggregator looks at the hour again. */
  markChanged(file: HourDataFile): void {
    this.#changed.add(file);
  }

  /** The random name of the state folder; undefined until it has got one. */
  get store(): string | undefined {
    return this.#store;
  }

  nameStore(name: string): void {
    this.#store = name;
  }

  generation(file: DataFile): number {
    return this.#generations.get(file) ?? 0;
  }

  /** From now on an offset in the file may mean another record than before. */
  beginGeneration(file: DataFile): void {
    this.#generations.set(file, this.generation(file) + 1);
  }

  isChanged(file: HourDataFile): boolean {
    return this.#changed.has(file);
  }

  /** The aggregator has read the hour to its committed end. */
  advanceSummaryCursor(file: HourDataFile): void {
    this.#changed.delete(file);
  }

  offsets(): readonly OffsetNote[] {
    return [...this.#offsets.values()];
  }

  hasBatchId(id: string): boolean {
    return this.#batchIds.has(id);
  }

  changedHours(): readonly HourDataFile[] {
    return [...this.#changed];
  }
}
