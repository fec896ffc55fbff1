import type { Deliver, OffsetNote } from '../model/deliver.ts';
import type { Hour, StreamHour } from '../model/hour.ts';
import type { KnownKey, UsedKey } from '../model/key-table.ts';
import type { StreamName } from '../model/stream.ts';
import type { FramesLength } from './frames-file.ts';

/** An hour that is longer than the aggregator's cursor. */
export interface ChangedHour extends StreamHour {
  /** Of its plain file, for the log. */
  readonly path: string;
  /** Committed length of its plain lines in bytes. */
  readonly bytes: number;
}

/** The part of an hour that is committed: only these lines may be read. May be handed to another thread. */
export interface CommittedHour extends StreamHour {
  /** Absolute path of its file. Only `openHour` opens it. */
  readonly path: string;
  /** Committed length of the plain lines in bytes; always the end of a line. */
  readonly bytes: number;
  /** Of a compressed hour: its committed length on disk, and how many bytes of lines are in it. */
  readonly frames?: FramesLength;
  /** Of a compressed hour: the committed lines after those, which only the journal has. */
  readonly waiting?: Uint8Array;
}

/** The lines of an hour, open for reading. Its calls block, so they are for threads that serve no requests. */
export interface HourFile {
  /** Length in bytes when it was opened. Lines that are not committed may count. */
  readonly size: number;
  /** Reads up to `length` bytes at `position` into `target` at `offset`, and gives how many; 0 at the end. */
  read(target: Buffer, offset: number, length: number, position: number): number;
  close(): void;
}

/** A part of an hour that cannot be read. What stands before it and after it can. May be handed to another thread. */
export interface HourDamage {
  /** Where its lines begin in the plain hour, and their bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** In the file. */
  readonly position: number;
  readonly reason: string;
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

  /** How far a source has been read, as committed with the data; undefined where that is not known, as of one that did not move for long. */
  position(source: string): string | undefined;

  /** Whether a queue message with this batch-id is already stored, however long ago (see batch-id-set.ts). */
  hasBatchId(batchId: string): boolean;

  /** Hours that are longer than the aggregator's cursor. The cost depends on how many are listed, not on history. */
  changedHours(): readonly ChangedHour[];

  /**
   * Moves the aggregator's cursor: the summary of `hour` has read its lines up to `bytes`. Has no effect when they are
   * more by now. Stored with the next commit: after a crash before it, the hour is listed once more.
   */
  advanceSummaryCursor(hour: StreamHour, bytes: number): void;

  /** The committed part of one hour, undefined where there is none. */
  committedHour(hour: StreamHour): Promise<CommittedHour | undefined>;

  readonly retention: Retention;
  readonly compaction: Compaction;

  /** Rejects with the reason when storage cannot be written now. Creates no file. */
  checkWritable(): Promise<void>;

  /** A reader found damage in an hour: it is logged, counted and noted for `damage`, once for each place. */
  reportDamage(hour: StreamHour, damage: HourDamage): Promise<void>;

  /** Damage that was found on disk and that nobody has taken note of yet, for people to read; undefined when there is none. */
  damage(): Promise<string | undefined>;

  /** Commits all batches that wait, syncs, releases the lock. Later appends are refused with UnavailableError. */
  close(): Promise<void>;
}

/** Makes compressed hours of plain ones. One call at a time. */
export interface Compaction {
  /**
   * Compresses a plain hour. Gives the bytes of its file before and after; undefined when it is not plain, or got lines meanwhile: then it is
   * as before. Rejects when it cannot be written, and with PackingStoppedError after `signal`; then too it is as before.
   */
  compress(at: StreamHour, signal: AbortSignal): Promise<{ readonly from: number; readonly to: number } | undefined>;

  /** Deletes what an interrupted call left of an hour's other form. */
  clean(at: StreamHour, signal?: AbortSignal): Promise<void>;
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

  /** Whether the hour, or one of its stream before it, is longer than the aggregator's cursor: `removeHours` would remove what is not summarised. */
  hasUnsummarised(upTo: StreamHour): boolean;

  /** The days that have a file of dead letters, `2015-05-17`, oldest first. */
  deadLetterDays(): Promise<readonly string[]>;

  /** Deletes the file of a day of dead letters, `2015-05-17`. Commits wait meanwhile. Rejects when that fails; a later dead letter of the day begins it again. */
  removeDeadLetters(day: string): Promise<void>;
}
