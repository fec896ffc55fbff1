import type { Checkpoint } from './checkpoint.ts';
import type { DeliverSlice, Slice } from './files.ts';
import type { ReadSlice } from './slice-reader.ts';

export interface WindowOptions {
  /** Slices under way, at most. */
  readonly concurrency: number;
  readonly deliver: DeliverSlice;
  readonly checkpoint: Pick<Checkpoint, 'note' | 'commit'>;
  /** Told in the order of the file when a slice, and all before it, are delivered. */
  readonly onDelivered: (slice: Slice) => void;
  /** Told of each slice when it is not under way any more, delivered or not. */
  readonly onSettled?: (slice: Slice) => void;
  /** Told when a position could not be written, which may be after the last slice was settled. */
  readonly onUnwritten?: () => void;
}

/**
 * The slices of one file that are under way: handed over in order, settled in order, whatever order they end in. The position moves over what
 * is delivered without a gap; after a failure it does not move, and nothing more is handed over.
 */
export class SliceWindow {
  readonly #options: WindowOptions;
  #underWay = 0;
  /** No slice that is settled has failed. */
  #isUnbroken = true;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves when the newest slice, and so each, was handed over. */
  #handedOver: Promise<void> = Promise.resolve();
  /** Resolves when the newest slice, and so each, is settled. */
  #settled: Promise<void> = Promise.resolve();
  /** Set while a push waits for room. */
  #onRoom: (() => void) | undefined;
  /** The newest commit waits while another is written: only the last position counts. */
  #toCommit: { readonly slice: Slice; readonly format: string } | undefined;
  #committing: Promise<void> | undefined;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Slices that are not settled. */
  get underWay(): number {
    return this.#underWay;
  }

  get hasRoom(): boolean {
    return this.#underWay < this.#options.concurrency;
  }

  /** Why nothing more is handed over. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Takes the next slice; resolves when it has room among those under way. Rejects with the first failure. One call at a time. */
  async push({ slice, mustNote }: ReadSlice, format: string): Promise<void> {
    while (!this.hasRoom && this.#failure === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onRoom = resolve;
      await promise;
    }
    if (this.#failure !== undefined) {
      this.#options.onSettled?.(slice);
      throw this.#failure.error;
    }
    this.#underWay++;
    const handedOver = this.#handOver(slice, mustNote);
    this.#handedOver = handedOver.then(
      () => {},
      () => {},
    );
    this.#settled = this.#settle(
      slice,
      format,
      handedOver.then(({ delivered }) => delivered),
    );
  }

  /** Resolves when all is delivered and the position is durable. Rejects with the first failure, when nothing is under way any more. */
  async drain(): Promise<void> {
    await this.#settled;
    await this.#committing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** In an object, since the next slice waits for the hand-over and not for the delivery. */
  async #handOver(slice: Slice, mustNote: boolean): Promise<{ readonly delivered: Promise<void> }> {
    const { checkpoint, deliver } = this.#options;
    const before = this.#handedOver;
    const noted = mustNote ? checkpoint.note(slice.id, { from: slice.from, to: slice.to }) : undefined;
    await Promise.all([before, noted]);
    if (this.#failure !== undefined) throw this.#failure.error;
    const delivered = deliver(slice);
    // Awaited in the order of the file; until then a failure must not count as unhandled.
    delivered.catch((error: unknown) => this.#fail(error));
    return { delivered };
  }

  async #settle(slice: Slice, format: string, delivered: Promise<void>): Promise<void> {
    const before = this.#settled;
    const outcome = delivered.then(
      () => true,
      (error: unknown) => {
        this.#fail(error);
        return false;
      },
    );
    await before;
    // The failure of a later slice does not take from this one: it is asked for its own outcome.
    const isDelivered = await outcome;
    this.#isUnbroken &&= isDelivered;
    this.#underWay--;
    if (this.#isUnbroken) {
      this.#commit(slice, format);
      this.#options.onDelivered(slice);
    }
    this.#options.onSettled?.(slice);
    this.#onRoom?.();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#onRoom?.();
  }

  #commit(slice: Slice, format: string): void {
    this.#toCommit = { slice, format };
    this.#committing ??= this.#writeCommits();
  }

  async #writeCommits(): Promise<void> {
    for (let next = this.#toCommit; next !== undefined; next = this.#toCommit) {
      this.#toCommit = undefined;
      try {
        await this.#options.checkpoint.commit(next.slice.id, next.slice.position, next.format);
      } catch (error) {
        this.#fail(error);
        this.#options.onUnwritten?.();
      }
    }
    this.#committing = undefined;
  }
}
