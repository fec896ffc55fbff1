import type { DamagedLog } from '../disk/damage-report.ts';
import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../model/clock.ts';
import type { IdempotencyNote } from '../model/deliver.ts';
import { KeyTable, type KnownKey, type UsedKey } from '../model/key-table.ts';
import { listSegments } from './journal.ts';
import { settleAges, type TimeMark } from './key-ages.ts';
import {
  type KeysEntry,
  listAnswerFiles,
  listKeyFiles,
  readAnswers,
  readKeyFile,
  removeAnswers,
  removeKeyFile,
  writeAnswers,
  writeKeyFile,
} from './key-files.ts';

/*
 * The valid idempotency keys, in memory (model/key-table.ts) and on disk (key-files.ts).
 *
 * A key reaches the disk in the journal, in the commit of its batch. When that journal segment is retired, its keys move
 * to a file of their own, once. The file is deleted when all of its keys are forgotten. So a million keys cost no more
 * than the new ones among them.
 */

export interface IdempotencyLimits {
  readonly windowMs: number;
  readonly maxKeys: number;
}

export interface KeyClocks {
  readonly clock: Clock;
  /** Milliseconds from any origin, which never jump. */
  readonly elapsed: Clock;
}

interface KeyFile {
  readonly number: number;
  /** The sequence after that of its last key. */
  readonly end: number;
  hasAnswers: boolean;
  /** Version 1.0.0 wrote it. */
  readonly isOlder: boolean;
}

/** Keys by their sequence, the end not included. */
export interface KeyRange {
  readonly from: number;
  readonly to: number;
}

/** What a start found in the files. */
export interface LoadedKeys {
  /** Those that are damaged. */
  readonly keys: readonly DamagedLog[];
  readonly answers: readonly DamagedLog[];
  /** Whole ones that a process may have written and not synced when it died. Their segments must not go before they are durable. */
  readonly unsynced: readonly string[];
}

export const NOTHING_LOADED: LoadedKeys = { keys: [], answers: [], unsynced: [] };

export class IdempotencyKeys {
  readonly #windowMs: number;
  readonly #clocks: KeyClocks;
  readonly #table: KeyTable;
  readonly #marks: TimeMark[] = [];
  /** Oldest first. */
  #files: KeyFile[] = [];
  /** The numbers of files that were not written to their end, and of answer files that have no key file. */
  readonly #orphans = new Set<number>();
  /** The first key that is in no key file. */
  #unsaved = 1;
  /** The time by which keys age. Before `begin` no key is too old. */
  #now: Clock = () => Number.NEGATIVE_INFINITY;
  /** Whether the next file must be written even without keys: it says what time it is. */
  #mustMark = false;

  constructor({ windowMs, maxKeys }: IdempotencyLimits, clocks: KeyClocks) {
    this.#windowMs = windowMs;
    this.#clocks = clocks;
    this.#table = new KeyTable({ maxKeys });
  }

  /**
   * Reads the key files of a state folder. The keys that are still in the journal come by `remember`, then `begin`. Gives
   * what must be done about the files.
   */
  async load(stateDir: string): Promise<LoadedKeys> {
    const [oldestSegment] = await listSegments(stateDir);
    const loaded = { keys: [] as DamagedLog[], answers: [] as DamagedLog[], unsynced: [] as string[] };
    let saved = this.#table.end;
    for (const number of await listKeyFiles(stateDir)) {
      const mayBeUnfinished = oldestSegment !== undefined && number >= oldestSegment;
      const { isUnfinished, entries, ...log } = readKeyFile({ stateDir, number, mayBeUnfinished });
      if (log.damage.length > 0) loaded.keys.push(log);
      const first = this.#table.end;
      const isOlder = this.#addEntries(entries);
      if (isUnfinished) {
        // Its keys come again from the journal, and are saved again. Then it is deleted.
        this.#orphans.add(number);
        continue;
      }
      const found = readAnswers({ stateDir, number });
      if (found !== undefined && found.damage.length > 0) loaded.answers.push(found);
      if (mayBeUnfinished) loaded.unsynced.push(log.path, ...(found === undefined ? [] : [found.path]));
      for (const [place, check, text] of found?.answers ?? []) this.#table.restoreText(first + place, check, text);
      this.#files.push({ number, end: this.#table.end, hasAnswers: found !== undefined, isOlder });
      saved = this.#table.end;
    }
    for (const number of await listAnswerFiles(stateDir)) {
      if (!this.#files.some((file) => file.number === number)) this.#orphans.add(number);
    }
    // Files of the older form are written again in the present form, by the first `save`.
    if (!this.#files.some((file) => file.isOlder)) this.#unsaved = saved;
    return loaded;
  }

  /** Gives whether they have the older form. */
  #addEntries(entries: readonly KeysEntry[]): boolean {
    let isOlder = false;
    for (const { notes, records, now } of entries) {
      isOlder ||= notes.length > 0;
      for (const note of notes) this.#table.add(note);
      this.#table.addRecords(records);
      if (now !== undefined) this.#marks.push({ sequence: this.#table.end, time: now });
    }
    return isOlder;
  }

  /** Decides how old the keys are that were read. From here on they age. */
  begin(log: Pick<Log, 'warn'>): void {
    const { clock, elapsed } = this.#clocks;
    const { now, gap, jumped } = settleAges({ table: this.#table, marks: this.#marks, time: clock(), elapsed });
    this.#now = now;
    this.#mustMark = jumped;
    if (gap === undefined) return;
    const [newest, here] = [gap.newest, gap.clock].map(describeTime);
    log.warn('the clock does not go on from the newest idempotency key; keys keep their age', { newest, clock: here });
  }

  /** Unix ms: the time by which keys age (key-ages.ts). */
  now(): number {
    return this.#now();
  }

  find(used: UsedKey): KnownKey | undefined {
    return this.#table.find(used, this.#now() - this.#windowMs);
  }

  size(): number {
    this.#forget();
    return this.#table.size;
  }

  oldest(): number | undefined {
    this.#forget();
    return this.#table.oldest();
  }

  /** Memory of the keys and of their long answers. */
  bytes(): number {
    return this.#table.bytes;
  }

  /** Called when the key's commit is durable. */
  remember(note: IdempotencyNote): void {
    const now = this.#now();
    // A time to come is that of another machine, whose clock is ahead. While the journal is read, it is kept.
    this.#table.add(note, now < note.time && Number.isFinite(now) ? now : note.time);
    this.#forget();
  }

  /** The keys that only the segments up to now hold. Later keys belong to the next segment. */
  cut(): KeyRange {
    return { from: this.#unsaved, to: this.#table.end };
  }

  /**
   * Writes the keys of segments that are about to be retired to a file of their own. Deletes files whose keys are all
   * forgotten. After a failure, the next `cut` gives these keys again.
   */
  async save(options: {
    readonly files: FileSystem;
    readonly stateDir: string;
    readonly segment: number;
    readonly range: KeyRange;
    readonly durable: boolean;
  }): Promise<void> {
    const { files, stateDir, segment, range, durable } = options;
    this.#forget();
    const { records, texts } = this.#table.copy(range.from, range.to);
    if (records.length > 0 || this.#mustMark) {
      // Never the name of a file that is there: it may hold keys of an earlier segment.
      const number = Math.max(segment, (this.#files.at(-1)?.number ?? 0) + 1);
      const place = { files, stateDir, number, durable };
      const hasAnswers = texts.length > 0;
      // An orphan of this number must not become the answers of these keys.
      if (!hasAnswers && this.#orphans.has(number)) await removeAnswers(files, { stateDir, number });
      this.#orphans.add(number);
      if (hasAnswers) await writeAnswers({ ...place, answers: texts });
      await writeKeyFile({ ...place, records, now: this.#now() });
      if (durable) await files.syncFolder(stateDir);
      this.#files.push({ number, end: range.to, hasAnswers, isOlder: false });
      this.#orphans.delete(number);
      this.#mustMark = false;
    }
    this.#unsaved = range.to;
    await this.#dropFiles(files, stateDir);
  }

  async #dropFiles(files: FileSystem, stateDir: string): Promise<void> {
    for (const number of this.#orphans) await removeKeyFile(files, { stateDir, number });
    this.#orphans.clear();
    const isDone = ({ end, isOlder }: KeyFile): boolean => end <= this.#table.head || (isOlder && end <= this.#unsaved);
    for (const { number } of this.#files.filter(isDone)) await removeKeyFile(files, { stateDir, number });
    this.#files = this.#files.filter((file) => !isDone(file));
    for (const file of this.#files) {
      if (!file.hasAnswers || file.end > this.#table.oldestText) continue;
      await removeAnswers(files, { stateDir, number: file.number });
      file.hasAnswers = false;
    }
  }

  #forget(): void {
    this.#table.dropUntil(this.#now() - this.#windowMs);
  }
}

function describeTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
