import type { Deliver, OffsetNote } from '../model/deliver.ts';
import type { Hour, StreamHour } from '../model/hour.ts';
import type { KnownKey, UsedKey } from '../model/key-table.ts';
import type { StreamName } from '../model/stream.ts';

/** The part of an hour's file that is committed: only these bytes may be read. */
export interface CommittedHour extends StreamHour {
  /** Absolute path of the NDJSON file. */
  readonly path: string;
  /** Committed length in bytes; always the end of a line. */
  readonly bytes: number;
}

/**
 * Our own disk: hourly files and the commit journal that says how long they are. One process owns it, and in that
 * process one thread.
 *
 * An `append` is atomic (the whole batch with its note, or nothing), durable as configured when it resolves, and
 * ordered: batches are stored in the order of the calls, but for those over many hours (many-hours.ts). Any number of calls
 * may run at once; they share commits.
 */
export interface Repo {
  /** Stores a batch. UnavailableError when it cannot (disk full, I/O error, closing): then nothing of it is stored. */
  readonly append: Deliver;

  /** The valid idempotency keys. */
  readonly idempotency: {
    find(used: UsedKey): KnownKey | undefined;
    /** Unix ms: the time by which keys age. It does not jump with the clock. New keys are stamped with it. */
    now(): number;
    /** Keys remembered now. */
    size(): number;
    /** Unix ms of the oldest key remembered; undefined when there is none. */
    oldest(): number | undefined;
    /** Memory that they take, in bytes. */
    bytes(): number;
  };

  /** The next offset of each partition, as committed with the data. */
  offsets(): readonly OffsetNote[];

  /** Whether a queue message with this batch-id is already stored, however long ago (see batch-id-set.ts). */
  hasBatchId(batchId: string): boolean;

  /** Hours that are longer than the aggregator's cursor. The cost depends on how many are listed, not on history. */
  changedHours(): readonly CommittedHour[];

  /**
   * Moves the aggregator's cursor: the summary of `hour` has read its file up to `bytes`. Has no effect when the file is
   * longer by now. Stored with the next commit: after a crash before it, the hour is listed once more.
   */
  advanceSummaryCursor(hour: StreamHour, bytes: number): void;

  /** The committed part of one hour, undefined where there is none. */
  committedHour(hour: StreamHour): Promise<CommittedHour | undefined>;

  readonly retention: Retention;

  /** Rejects with the reason when storage cannot be written now. Creates no file. */
  checkWritable(): Promise<void>;

  /** Damage that was found on disk and that nobody has taken note of yet, for people to read; undefined when there is none. */
  damage(): Promise<string | undefined>;

  /** Commits all batches that wait, syncs, releases the lock. Later appends are refused with UnavailableError. */
  close(): Promise<void>;
}

/** An hour that has files. */
export interface HourOnDisk extends StreamHour {
  /** Their lengths together. */
  readonly bytes: number;
}

/** What ends, for ever. The journal says so first, durably; then the files go. What a kill leaves of them is deleted by whoever asks again. */
export interface Retention {
  /** The first hour of a stream that takes records: the hour after the newest removed one. MIN_HOUR where none was removed. */
  firstHour(stream: StreamName): Hour;

  /**
   * Removes the hour and all hours of its stream before it. Resolves true once that is durable: they have no committed part, are not
   * listed, and a batch with a record of them is refused with UnavailableError. Their files are left: see hours-on-disk.ts. `mayGo` is asked
   * at the last moment; when it says no, nothing happens. Rejects when the journal cannot be written.
   */
  removeHours(upTo: StreamHour, mayGo?: () => boolean): Promise<boolean>;

  /** Runs work on the files between two commits. */
  between<T>(work: () => Promise<T>): Promise<T>;

  /** Whether the hour is longer than the aggregator's cursor: it would be listed as changed. */
  isUnsummarised(at: StreamHour): boolean;

  /** The days that have a file of dead letters, `2015-05-17`, oldest first. */
  deadLetterDays(): Promise<readonly string[]>;

  /** Deletes the file of a day of dead letters, `2015-05-17`. Commits wait meanwhile. Rejects when that fails; a later dead letter of the day begins it again. */
  removeDeadLetters(day: string): Promise<void>;
}
