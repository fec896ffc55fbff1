import type { OffsetNote } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';
import { BatchIdSet } from './batch-id-set.ts';
import { hourOfName } from './data-files.ts';
import type { EntryMeta, FileNote } from './journal.ts';

/**
 * What the journal adds up to. The running service and the start after a crash use the same `apply`, so they cannot
 * disagree. Idempotency keys are kept apart (idempotency-keys.ts): there may be a million of them.
 */
export class CommittedState {
  #seq = 0;
  /** Committed length by file, for each file written since the last snapshot but one. */
  readonly #lengths = new Map<string, number>();
  readonly #offsets = new Map<string, OffsetNote>();
  readonly #batchIds = new BatchIdSet();
  readonly #changed = new Set<Hour>();

  /** The number that the next entry takes. */
  get nextSeq(): number {
    return this.#seq;
  }

  apply(meta: EntryMeta): void {
    this.#seq = meta.seq + 1;
    // Before the files: an hour that was summarised and grew in the same entry has grown since.
    for (const [hour] of meta.summarised ?? []) this.#changed.delete(hour);
    for (const [name, length] of meta.files ?? []) {
      const before = this.#lengths.get(name);
      this.#lengths.set(name, length);
      const hour = hourOfName(name);
      if (hour !== undefined && before !== undefined && before !== length) this.#changed.add(hour);
    }
    for (const note of meta.offsets ?? []) this.#offsets.set(`${note.topic}/${note.partition}`, note);
    for (const id of meta.batchIds ?? []) this.#batchIds.add(id);
    for (const hour of meta.changed ?? []) this.#changed.add(hour);
  }

  /** Where a new segment starts from. `keep` says which files are still worth knowing. */
  snapshot(keep: (name: string) => boolean): EntryMeta {
    for (const name of [...this.#lengths.keys()]) if (!keep(name)) this.#lengths.delete(name);
    return {
      seq: this.#seq,
      files: [...this.#lengths].map(([name, length]): FileNote => [name, length, 0]),
      offsets: [...this.#offsets.values()],
      batchIds: this.#batchIds.toTexts(),
      changed: [...this.#changed],
    };
  }

  length(name: string): number | undefined {
    return this.#lengths.get(name);
  }

  files(): IterableIterator<[string, number]> {
    return this.#lengths.entries();
  }

  /** A file is no longer what the journal says: gone, or shortened by hand. What is left is taken as it stands. */
  forget(name: string): void {
    this.#lengths.delete(name);
    const hour = hourOfName(name);
    if (hour !== undefined) this.#changed.add(hour);
  }

  isChanged(hour: Hour): boolean {
    return this.#changed.has(hour);
  }

  /** An hour needs no look until it grows again. */
  markSummarised(hour: Hour): void {
    this.#changed.delete(hour);
  }

  offsets(): readonly OffsetNote[] {
    return [...this.#offsets.values()];
  }

  hasBatchId(id: string): boolean {
    return this.#batchIds.has(id);
  }

  changedHours(): readonly Hour[] {
    return [...this.#changed];
  }
}
