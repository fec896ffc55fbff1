import { type FileSystem, removeIfThere } from '../disk/file-system.ts';
import { makeFolder } from '../disk/folders.ts';
import type { Log } from '../log.ts';
import { FileChangedError } from './append-files.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import { JournalWriter, listSegments, segmentPath } from './journal.ts';
import type { EntryMeta } from './journal-meta.ts';
import type { SequenceFile } from './sequence-file.ts';

export interface SegmentedJournalOptions {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly durable: boolean;
  readonly keys: IdempotencyKeys;
  /** A segment is due to be followed by another when it has grown beyond this. */
  readonly segmentBytes: number;
  /** Gets the number of each entry that is durable. */
  readonly sequence: SequenceFile;
  readonly log: Log;
}

/** How a new segment begins, and what must happen before the older ones are deleted. */
interface Rotation {
  readonly snapshot: EntryMeta;
  readonly durable: boolean;
  /** Makes what only the older segments hold durable elsewhere. Runs while later commits go on. */
  readonly release: () => Promise<void>;
}

/**
 * The journal as a row of segments. One is written. When it is long enough, the next begins with a snapshot, and the
 * older ones are retired in the background. After a crash at any point, the segments add up to the same state.
 */
export class SegmentedJournal {
  readonly #options: SegmentedJournalOptions;
  /** Undefined until the first segment could be made. */
  #current: JournalWriter | undefined;
  #nextNumber: number;
  /** The number of a segment that could not be begun and may have left a file. */
  #attempted: number | undefined;
  #old: { readonly path: string }[];
  #retirement: Promise<void> | undefined;
  #failed = false;
  #isInDoubt = false;
  #startFailure: unknown;
  /** The name of the store, as the newest snapshot has it. */
  #store = '';

  private constructor(
    options: SegmentedJournalOptions,
    parts: { nextNumber: number; old: readonly { readonly path: string }[] },
  ) {
    this.#options = options;
    this.#nextNumber = parts.nextNumber;
    this.#old = [...parts.old];
  }

  /**
   * Begins segment `number` after those that a start has read, and retires them: the data files are as they say. On a
   * disk that cannot be written they stay, and a rotation is due: `startFailure` says why.
   */
  static async open(
    options: SegmentedJournalOptions,
    start: {
      readonly number: number;
      readonly snapshot: EntryMeta;
      readonly old: readonly { readonly path: string }[];
      /** Why the data files are not as the segments say yet. Then no segment begins, and none is retired. */
      readonly notReady?: unknown;
    },
  ): Promise<SegmentedJournal> {
    const { files, stateDir, durable } = options;
    const { number, snapshot, old } = start;
    const journal = new SegmentedJournal(options, { nextNumber: number, old });
    try {
      if (start.notReady !== undefined) throw start.notReady;
      journal.#attempted = number;
      journal.#current = await JournalWriter.create({ files, stateDir, number, snapshot, durable });
      journal.#nextNumber++;
      journal.#saveSequence(snapshot);
      await options.sequence.settled();
      await journal.#retire(number - 1, async () => undefined);
    } catch (error) {
      journal.#startFailure = error;
    }
    return journal;
  }

  /** Why the start made no segment; undefined when it did. */
  get startFailure(): unknown {
    return this.#startFailure;
  }

  /** Length in bytes of the segment being written. */
  get length(): number {
    return this.#current?.length ?? 0;
  }

  /** Whether a new segment must, or should, begin before the next entry. */
  get isRotationDue(): boolean {
    return (
      this.#current === undefined ||
      this.#failed ||
      (this.length > this.#options.segmentBytes && this.#retirement === undefined)
    );
  }

  /** Whether a start may find the entry that failed. It does not once a new segment has begun. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** False when another program deleted, moved or replaced the segment being written, or the state folder. */
  isInPlace(): boolean {
    return this.#current?.isInPlace() !== false;
  }

  /**
   * Resolves once the entry is durable, where a start finds it, and `check` did not throw. When it rejects, the entry
   * does not count, and a rotation is due.
   */
  async append(meta: EntryMeta, data: readonly Buffer[], check?: () => void): Promise<void> {
    const current = this.#current;
    if (current === undefined) throw new Error('the commit journal has no segment');
    const { length } = current;
    try {
      await current.append(meta, data, { sync: true });
      if (!current.isInPlace())
        throw new FileChangedError(`the commit journal was deleted or moved file=${current.path}`);
      check?.();
    } catch (error) {
      this.#failed = true;
      this.#isInDoubt = !(await current.takeBack(length));
      throw error;
    }
    this.#options.sequence.save(this.#store, meta.seq);
  }

  /** Resolves when the new segment has begun; the older ones are still being retired. Rejects with all as it was. */
  async rotate({ snapshot, durable, release }: Rotation): Promise<void> {
    await this.settled();
    const { files, stateDir } = this.#options;
    const number = this.#nextNumber;
    if (this.#current?.isInPlace() !== true) {
      await makeFolder(files, stateDir, durable);
      await this.#refuseOtherJournal();
    }
    this.#attempted = number;
    const next = await JournalWriter.create({ files, stateDir, number, snapshot, durable });
    this.#nextNumber++;
    if (this.#current !== undefined) {
      this.#old.push(this.#current);
      await this.#current.close();
    }
    this.#current = next;
    this.#failed = false;
    this.#isInDoubt = false;
    this.#saveSequence(snapshot);
    const done = this.#retire(number - 1, release).finally(() => {
      if (this.#retirement === done) this.#retirement = undefined;
    });
    this.#retirement = done;
  }

  /** Resolves when no segment is being retired. */
  async settled(): Promise<void> {
    await this.#retirement;
  }

  async close(): Promise<void> {
    await this.#retirement;
    await this.#current?.close();
    await this.#options.sequence.close();
  }

  #saveSequence({ store = '', seq }: EntryMeta): void {
    this.#store = store;
    this.#options.sequence.save(store, seq);
  }

  /**
   * A segment that this run has not read or written belongs to another state folder, put in the place of ours. A start
   * would add both up, so nothing may be written beside it.
   */
  async #refuseOtherJournal(): Promise<void> {
    const { files, stateDir } = this.#options;
    const known = new Set(this.#old.map(({ path }) => path));
    for (const number of await listSegments(stateDir)) {
      const path = segmentPath(stateDir, number);
      const found = files.statusAt(path);
      if (known.has(path) || number === this.#attempted || found === undefined) continue;
      if (path === this.#current?.path && this.#current.isFile(found)) continue;
      const advice = 'stop the service, put the right folder there and start it again';
      throw new Error(`the state folder was replaced by another, which has a journal file=${path}; ${advice}`);
    }
  }

  /** Never rejects: segments that cannot be retired stay until the next rotation. */
  async #retire(last: number, release: () => Promise<void>): Promise<void> {
    const { files, stateDir, durable, keys, log } = this.#options;
    const segments = this.#old;
    const range = keys.cut();
    this.#old = [];
    try {
      await release();
      await keys.save({ files, stateDir, segment: last, range, durable });
      await removeSegments(files, { stateDir, segments, durable });
    } catch (err) {
      const paths = segments.map(({ path }) => path);
      log.error('cannot retire old journal segments; they stay until the next rotation', { files: paths, err });
      this.#old = [...segments, ...this.#old];
    }
  }
}

/**
 * Deletes retired segments, oldest first, so that a crash always leaves the newest ones. When `durable`, each deletion but
 * the last is synced before the next: of an older segment without a newer one, a start would take lengths of files that
 * have grown since. The last is synced when the next segment begins.
 */
async function removeSegments(
  files: FileSystem,
  {
    stateDir,
    segments,
    durable,
  }: { stateDir: string; segments: readonly { readonly path: string }[]; durable: boolean },
): Promise<void> {
  for (const [index, { path }] of segments.entries()) {
    if (durable && index > 0) await files.syncFolder(stateDir);
    await removeIfThere(files, path);
  }
}
