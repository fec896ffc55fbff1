import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import { type EntryMeta, JournalWriter, removeSegments } from './journal.ts';
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
  readonly #store: string;
  #current: JournalWriter;
  #old: { readonly path: string }[];
  #retirement: Promise<void> | undefined;
  #failed = false;

  private constructor(
    options: SegmentedJournalOptions,
    parts: { store: string; current: JournalWriter; old: readonly { readonly path: string }[] },
  ) {
    this.#options = options;
    this.#store = parts.store;
    this.#current = parts.current;
    this.#old = [...parts.old];
  }

  /** Begins segment `number` after those that a start has read, and retires them: the data files are as they say. */
  static async open(
    options: SegmentedJournalOptions,
    start: {
      readonly number: number;
      readonly snapshot: EntryMeta;
      readonly old: readonly { readonly path: string }[];
    },
  ): Promise<SegmentedJournal> {
    const { files, stateDir, durable, sequence } = options;
    const { number, snapshot, old } = start;
    const { store = '', seq } = snapshot;
    const current = await JournalWriter.create({ files, stateDir, number, snapshot, durable });
    await sequence.save(store, seq);
    const journal = new SegmentedJournal(options, { store, current, old });
    await journal.#retire(number - 1, async () => undefined);
    return journal;
  }

  /** Length in bytes of the segment being written. */
  get length(): number {
    return this.#current.length;
  }

  /** Whether a new segment must, or should, begin before the next entry. */
  get isRotationDue(): boolean {
    return this.#failed || (this.length > this.#options.segmentBytes && this.#retirement === undefined);
  }

  /** Resolves once the entry is durable. When it rejects, the entry does not count, and a rotation is due. */
  async append(meta: EntryMeta, data: readonly Buffer[]): Promise<void> {
    try {
      await this.#current.append(meta, data, { sync: true });
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    await this.#options.sequence.save(this.#store, meta.seq);
  }

  /** Resolves when the new segment has begun; the older ones are still being retired. Rejects with all as it was. */
  async rotate({ snapshot, durable, release }: Rotation): Promise<void> {
    await this.settled();
    const { files, stateDir } = this.#options;
    const number = this.#current.number + 1;
    const next = await JournalWriter.create({ files, stateDir, number, snapshot, durable });
    this.#old.push(this.#current);
    await this.#current.close();
    this.#current = next;
    this.#failed = false;
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
    await this.#current.close();
    await this.#options.sequence.close();
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
      await removeSegments(segments);
    } catch (err) {
      const paths = segments.map(({ path }) => path);
      log.error('cannot retire old journal segments; they stay until the next rotation', { files: paths, err });
      this.#old = [...segments, ...this.#old];
    }
  }
}
