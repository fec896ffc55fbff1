import type { FileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import type { IdempotencyKeys } from './idempotency-keys.ts';
import { type EntryMeta, JournalWriter, removeSegments } from './journal.ts';

export interface SegmentedJournalOptions {
  readonly files: FileSystem;
  readonly stateDir: string;
  readonly durable: boolean;
  readonly keys: IdempotencyKeys;
  /** A segment is due to be followed by another when it grew beyond this. */
  readonly segmentBytes: number;
  readonly log: Log;
}

/** How a new segment begins, and what must be done before the older ones may go. */
interface Rotation {
  readonly snapshot: EntryMeta;
  readonly durable: boolean;
  /** Makes safe elsewhere what stands only in the older segments. Runs beside later commits. */
  readonly release: () => Promise<void>;
}

/**
 * The journal as a row of segments: one is written, and when it is long enough the next begins with a snapshot and the
 * older ones are retired in the background. A crash at any point leaves segments that tell the same story.
 */
export class SegmentedJournal {
  readonly #options: SegmentedJournalOptions;
  #current: JournalWriter;
  #old: { readonly path: string }[];
  #retirement: Promise<void> | undefined;
  #failed = false;

  private constructor(
    options: SegmentedJournalOptions,
    parts: { current: JournalWriter; old: readonly { readonly path: string }[] },
  ) {
    this.#options = options;
    this.#current = parts.current;
    this.#old = [...parts.old];
  }

  /** Begins segment `number` behind those that a start has read, and retires them: the files are as they say. */
  static async open(
    options: SegmentedJournalOptions,
    start: {
      readonly number: number;
      readonly snapshot: EntryMeta;
      readonly old: readonly { readonly path: string }[];
    },
  ): Promise<SegmentedJournal> {
    const { files, stateDir, durable } = options;
    const { number, snapshot, old } = start;
    const current = await JournalWriter.create({ files, stateDir, number, snapshot, durable });
    const journal = new SegmentedJournal(options, { current, old });
    await journal.#retire(number - 1, async () => undefined);
    return journal;
  }

  /** Length in bytes of the segment being written. */
  get length(): number {
    return this.#current.length;
  }

  /** Whether a new segment must come before the next entry, or should. */
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
  }

  /** Resolves when the new segment is there; the retirement of the older ones goes on. Rejects with all as it was. */
  async rotate({ snapshot, durable, release }: Rotation): Promise<void> {
    await this.#retirement;
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

  async close(): Promise<void> {
    await this.#retirement;
    await this.#current.close();
  }

  /** Never rejects: what cannot be retired stays, and goes with the next round. */
  async #retire(last: number, release: () => Promise<void>): Promise<void> {
    const { files, stateDir, durable, keys, log } = this.#options;
    const segments = this.#old;
    const notes = keys.cut();
    this.#old = [];
    try {
      await release();
      await keys.save({ files, stateDir, segment: last, notes, durable });
      await removeSegments(segments);
    } catch (err) {
      log.error('cannot retire the old journal segments; they stay until the next round', { err });
      this.#old = [...segments, ...this.#old];
      for (const note of notes) keys.remember(note);
    }
  }
}
