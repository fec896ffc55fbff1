import type { FileHandle } from 'node:fs/promises';
import type { FileReading } from '../../decode/decode.ts';
import type { PackedEnd } from '../../disk/packed.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Content } from './content.ts';
import { BLOCK_BYTES, type DeliverSlice, type KnownFile, type Slice } from './files.ts';
import { MIN_CHARGE_BYTES } from './follower.ts';
import { beginsWith, readAt } from './identity.ts';
import type { CreateBoundary } from './slice-cutter.ts';
import { type ReadSlice, SliceReader } from './slice-reader.ts';
import { SliceWindow } from './window.ts';

export interface LiveReadingOptions {
  readonly name: string;
  readonly handle: FileHandle;
  readonly known: KnownFile;
  /** The first bytes of the file as it was identified, at most HEAD_BYTES. */
  readonly head: Buffer;
  readonly reading: FileReading;
  readonly createBoundary: CreateBoundary;
  readonly batch?: number | undefined;
  readonly concurrency: number;
  readonly deliver: DeliverSlice;
  readonly checkpoint: Pick<Checkpoint, 'note' | 'commit'>;
  readonly budget: ByteBudget;
  readonly onDelivered: (slice: Slice) => void;
  /** There is room for another slice, or none is under way any more. */
  readonly onSettled: () => void;
}

/** `more`: there is something to read at once. `rest`: not before the file grows or a slice is settled. `replaced`: it has another content now. */
export type ReadOutcome = 'more' | 'rest' | 'replaced';

/** Read with a block, so that its last frame is mostly whole. */
const AHEAD_BYTES = 16 * 1024;

/**
 * One content on an open descriptor, which is read while it grows. While slices are under way what comes gathers in the file, so that a load
 * makes larger slices. Between two calls nothing is held but the beginning of a frame that is too long.
 */
export class LiveReading {
  readonly #options: LiveReadingOptions;
  readonly #reader: SliceReader;
  readonly #window: SliceWindow;
  #head: Buffer;

  constructor(options: LiveReadingOptions) {
    this.#options = options;
    this.#reader = new SliceReader(options);
    this.#head = options.head;
    const onSettled = (slice: Slice) => {
      options.budget.give(chargeOf(slice));
      options.onSettled();
    };
    this.#window = new SliceWindow({ ...options, onSettled, onUnwritten: options.onSettled });
  }

  get id(): string {
    return this.#options.known.id;
  }

  get head(): Buffer {
    return this.#head;
  }

  /** After the last slice. */
  get offset(): number {
    return this.#reader.position.offset;
  }

  get isQuiet(): boolean {
    return this.#window.underWay === 0;
  }

  /** Why nothing more is delivered. */
  get failure(): unknown {
    return this.#window.failure;
  }

  /** Writes the position where the reading began: an earlier one could not. Rejects as Checkpoint.commit. */
  commit(): Promise<void> {
    const { checkpoint, known, reading } = this.#options;
    return checkpoint.commit(known.id, this.#reader.position, reading.format);
  }

  /** Resolves when nothing is under way any more. Rejects with the failure. */
  settled(): Promise<void> {
    return this.#window.drain();
  }

  /** The file has more of its head than it had: the same file with a longer one. */
  lengthen(head: Buffer): void {
    this.#head = head;
  }

  /** Hands over the next slice of a plain file that is so long now, if there is one and it has room. */
  async read(size: number): Promise<ReadOutcome> {
    const reader = this.#reader;
    if (size < reader.added) return 'replaced';
    if (size === reader.added || !this.#window.hasRoom) return 'rest';
    const border = (Math.floor(this.offset / BLOCK_BYTES) + 1) * BLOCK_BYTES;
    if (!this.isQuiet && size < border) return 'rest';
    const length = Math.max(border - reader.added, 0) + AHEAD_BYTES;
    reader.add(await readAt(this.#options.handle, reader.added, Math.min(length, size - reader.added)));
    if (!this.#isSame()) return 'replaced';
    const whole = reader.next();
    const isAll = reader.added >= size;
    const read = whole ?? (isAll && this.isQuiet ? reader.partial() : undefined);
    if (read === undefined && !isAll) return 'more';
    if (read !== undefined) await this.#push(read);
    reader.rewind();
    return read !== undefined && this.offset < size ? 'more' : 'rest';
  }

  /** Hands over all that is left of a file that nobody writes to any more. The last frame may be unfinished. */
  async finish(size: number): Promise<void> {
    const reader = this.#reader;
    while (reader.added < size) {
      const piece = await readAt(this.#options.handle, reader.added, Math.min(BLOCK_BYTES, size - reader.added));
      if (piece.length === 0 || !this.#isSame()) return;
      reader.add(piece);
      for (let read = reader.next(); read !== undefined; read = reader.next()) await this.#push(read);
    }
    await this.#pushRest();
  }

  /**
   * Hands over the whole of a packed file. Between two slices others have their turn: the caller has taken BLOCK_BYTES of the budget. Returns
   * how it ended, and nothing where the budget was closed.
   */
  async readPacked(content: Content): Promise<PackedEnd | undefined> {
    const { budget } = this.#options;
    const reader = this.#reader;
    const pieces = content.pieces(this.offset);
    for (;;) {
      const step = await this.#nextOf(pieces);
      if (step.done === true) {
        if (step.value !== 'cut') await this.#pushRest();
        else await this.#pushPart();
        return step.value;
      }
      if (step.value === 'quiet') continue;
      reader.add(step.value);
      for (let read = reader.next(); read !== undefined; read = reader.next()) {
        await this.#push(read);
        budget.give(BLOCK_BYTES);
        const isTaken = await budget.take(BLOCK_BYTES);
        if (isTaken) continue;
        budget.give(-BLOCK_BYTES);
        return undefined;
      }
    }
  }

  /** Damaged content gives its lines first. */
  async #nextOf<Step>(pieces: { next(): Promise<Step> }): Promise<Step> {
    try {
      return await pieces.next();
    } catch (error) {
      await this.#pushPart();
      throw error;
    }
  }

  async #pushPart(): Promise<void> {
    const part = this.#reader.partial();
    if (part !== undefined) await this.#push(part);
  }

  async #pushRest(): Promise<void> {
    const reader = this.#reader;
    for (let read = reader.next() ?? reader.last(); read !== undefined; read = reader.next() ?? reader.last()) {
      await this.#push(read);
    }
  }

  async #push(read: ReadSlice): Promise<void> {
    this.#options.budget.give(-chargeOf(read.slice));
    await this.#window.push(read, this.#reader.format);
  }

  /** Bytes count only if the head is still the same after they were read: a file may be truncated and written again at any moment. */
  #isSame(): boolean {
    return beginsWith(this.#options.handle, this.#head);
  }
}

function chargeOf({ bytes }: Slice): number {
  return Math.max(bytes.length, MIN_CHARGE_BYTES);
}
