import type { OffsetNote, Position } from '../model/deliver.ts';
import { BatchIdSet } from './batch-id-set.ts';
import { type CompressedHourFile, type DataFile, type HourDataFile, hourOf } from './data-files.ts';
import type { FramesLength } from './frames-file.ts';
import { type EntryMeta, type FileNote, type LinesNote, logicalLength } from './journal-meta.ts';
import { RemovedHours } from './removed-hours.ts';

/**
 * Sources whose position is kept. Each writes its position down itself soon after a commit; that of the journal counts where a kill came
 * between the two, so only the last ones to move are asked for.
 */
const MAX_POSITIONS = 10_000;

/**
 * The sum of all journal entries. The running service and the start after a crash use the same `apply`, so they cannot
 * disagree. Idempotency keys are kept apart (idempotency-keys.ts): there may be a million of them.
 */
export class CommittedState {
  #seq = 0;
  /** Committed length on disk of each file that was written since the snapshot before the last. Of an hour only one form is in it. */
  readonly #lengths = new Map<DataFile, number>();
  readonly #lines = new Map<CompressedHourFile, LinesNote>();
  readonly #offsets = new Map<string, OffsetNote>();
  /** By source, the one that moved last at the end. */
  readonly #positions = new Map<string, Position>();
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
    for (const note of meta.files ?? []) this.#applyFile(note);
    for (const note of meta.offsets ?? []) this.#offsets.set(`${note.topic}/${note.partition}`, note);
    for (const position of meta.positions ?? []) this.#move(position);
    for (const id of meta.batchIds ?? []) this.#batchIds.add(id);
    for (const file of meta.changed ?? []) this.#changed.add(file);
    this.#store = meta.store ?? this.#store;
    for (const [file, generation] of meta.generations ?? []) this.#generations.set(file, generation);
    if (meta.removed !== undefined) this.#remove(meta.removed);
  }

  #move(position: Position): void {
    this.#positions.delete(position.source);
    this.#positions.set(position.source, position);
    if (this.#positions.size <= MAX_POSITIONS) return;
    const oldest = this.#positions.keys().next();
    if (oldest.done !== true) this.#positions.delete(oldest.value);
  }

  #remove(list: readonly DataFile[]): void {
    for (const file of list) this.removed.add(file);
    for (const file of [...this.#lengths.keys()]) if (this.#isGone(file, list)) this.#forgetForm(file);
    for (const file of [...this.#changed]) if (this.#isGone(file, list)) this.#changed.delete(file);
    for (const file of [...this.#generations.keys()]) if (this.#isGone(file, list)) this.#generations.delete(file);
  }

  #isGone(file: DataFile, list: readonly DataFile[]): boolean {
    return list.includes(hourOf(file) ?? file) || this.removed.has(file);
  }

  #applyFile(note: FileNote): void {
    const [file, length, , lines] = note;
    const hour = hourOf(file);
    const before = hour === undefined ? undefined : this.logicalLength(hour);
    if (file.kind === 'compressed hour') {
      this.#lengths.delete(file.of);
      if (lines !== undefined) this.#lines.set(file, lines);
    } else if (file.kind === 'hour') this.#forgetForm(file.compressed);
    this.#lengths.set(file, length);
    if (hour !== undefined && before !== undefined && before !== logicalLength(note)) this.#changed.add(hour);
  }

  #forgetForm(file: DataFile): void {
    this.#lengths.delete(file);
    if (file.kind === 'compressed hour') this.#lines.delete(file);
  }

  /** The first entry of a new segment. Forgets the files that `keep` does not want. */
  snapshot(keep: (file: DataFile) => boolean): EntryMeta {
    for (const file of [...this.#lengths.keys()]) if (!keep(file)) this.#forgetForm(file);
    return {
      seq: this.#seq,
      files: [...this.#lengths].map(([file, length]) => this.#noteOf(file, length)),
      offsets: [...this.#offsets.values()],
      ...(this.#positions.size > 0 && { positions: [...this.#positions.values()] }),
      batchIds: this.#batchIds.toTexts(),
      changed: [...this.#changed],
      ...(this.#store !== undefined && { store: this.#store }),
      ...(this.#generations.size > 0 && { generations: [...this.#generations] }),
      ...(this.removed.newest.length > 0 && { removed: this.removed.newest }),
    };
  }

  #noteOf(file: DataFile, length: number): FileNote {
    const lines = file.kind === 'compressed hour' ? this.#lines.get(file) : undefined;
    return lines === undefined ? [file, length, 0] : [file, length, 0, lines];
  }

  /** The file that has the records of an hour; undefined where the journal does not know. */
  fileOf(hour: HourDataFile): HourDataFile | CompressedHourFile | undefined {
    if (this.#lengths.has(hour.compressed)) return hour.compressed;
    return this.#lengths.has(hour) ? hour : undefined;
  }

  /** Committed bytes of an hour's lines; undefined where the journal does not know. */
  logicalLength(hour: HourDataFile): number | undefined {
    return this.#lines.get(hour.compressed)?.logical ?? this.#lengths.get(hour);
  }

  /** Of a compressed hour: how much of its lines is in frames, and their committed length. */
  linesOf(file: CompressedHourFile): LinesNote {
    return this.#lines.get(file) ?? { framed: 0, logical: 0 };
  }

  /** Lines that were committed before have become frames, or a start has found these. */
  setFrames(file: CompressedHourFile, { length, lines }: FramesLength, logical = this.linesOf(file).logical): void {
    this.#lengths.set(file, length);
    this.#lines.set(file, { framed: lines, logical });
  }

  /** Committed length on disk in bytes; undefined for a file that the journal does not know. */
  length(file: DataFile): number | undefined {
    return this.#lengths.get(file);
  }

  files(): IterableIterator<[DataFile, number]> {
    return this.#lengths.entries();
  }

  /** The file was deleted or shortened by hand: its length in the journal is wrong. The rest of it stays as it is. */
  forget(file: DataFile): void {
    this.#forgetForm(file);
    this.#changeHourOf(file);
  }

  #changeHourOf(file: DataFile): void {
    const hour = hourOf(file);
    if (hour !== undefined) this.#changed.add(hour);
  }

  /** The next entry gets at least this number. */
  raiseNextSeq(seq: number): void {
    this.#seq = Math.max(this.#seq, seq);
  }

  /** What a start found out about a file, when the journal does not know all of it. */
  setLength(file: DataFile, length: number): void {
    this.#lengths.set(file, length);
    this.#changeHourOf(file);
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
    return this.#generations.get(hourOf(file) ?? file) ?? 0;
  }

  /** From now on an offset in the file may mean another record than before. */
  beginGeneration(file: DataFile): void {
    this.#generations.set(hourOf(file) ?? file, this.generation(file) + 1);
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

  position(source: string): string | undefined {
    return this.#positions.get(source)?.next;
  }

  hasBatchId(id: string): boolean {
    return this.#batchIds.has(id);
  }

  changedHours(): readonly HourDataFile[] {
    return [...this.#changed];
  }
}
