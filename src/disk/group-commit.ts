/*
 * Group commit: entries that arrive while one group is being made durable form the next group, so that they share its
 * cost. Whatever is slow once however much it carries uses this: a sync, a send to a broker, a message to a thread.
 */

export interface GroupCommitOptions<Entry> {
  /**
   * Makes one group durable and settles whoever waits for its entries, oldest first. One call at a time: the next group
   * forms until the promise resolves. It must not reject.
   */
  readonly commit: (group: Entry[]) => Promise<void>;
  /** A group takes entries while its sums stay within all limits, and always the first. Without limits, all that wait. */
  readonly limits?: readonly GroupLimit<Entry>[];
  /**
   * Called before each group is taken, when at least one entry waits; more may join until the promise resolves.
   * `isFirst`: no group was committed right before, so nothing has waited yet.
   */
  readonly gather?: (isFirst: boolean) => Promise<void> | undefined;
}

export interface GroupLimit<Entry> {
  weigh(entry: Entry): number;
  /** Asked once for each group. */
  max(): number;
}

export class GroupCommit<Entry> {
  readonly #options: GroupCommitOptions<Entry>;
  readonly #limits: readonly GroupLimit<Entry>[];
  readonly #waiting: Entry[] = [];
  /** What runs between two groups. They never reject. */
  readonly #works: (() => Promise<void>)[] = [];
  /** Resolves when nothing waits or runs; it is then undefined again. */
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<Entry>) {
    this.#options = options;
    this.#limits = options.limits ?? [];
  }

  /** How many entries wait for a group. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The entry that has waited longest. */
  get oldest(): Entry | undefined {
    return this.#waiting[0];
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#running ??= this.#run();
  }

  /** Takes out all that wait. The caller settles them. */
  withdraw(): Entry[] {
    return this.#waiting.splice(0);
  }

  /** Runs `work` before the next group, which waits until it settles. Works and groups take turns, so none waits for ever. */
  between<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#works.push(() => {
      const result = work();
      resolve(result);
      return result.then(
        () => undefined,
        () => undefined,
      );
    });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when nothing waits or runs. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    for (let isFirst = true; this.#works.length > 0 || this.#waiting.length > 0; ) {
      await this.#works.shift()?.();
      if (this.#waiting.length === 0) continue;
      await this.#options.gather?.(isFirst);
      isFirst = false;
      // Whoever gathered may have withdrawn them.
      if (this.#waiting.length > 0) await this.#options.commit(this.#take());
    }
    this.#running = undefined;
  }

  #take(): Entry[] {
    let count = this.#waiting.length;
    for (const limit of this.#limits) count = Math.min(count, countWithin(this.#waiting, limit));
    return this.#waiting.splice(0, count);
  }
}

/** For `gather`: resolves in the next turn of the event loop, so that all entries of this turn share a group. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How many of the first entries stay within the limit; at least one. */
function countWithin<Entry>(entries: readonly Entry[], limit: GroupLimit<Entry>): number {
  let left = limit.max();
  let count = 0;
  for (const entry of entries) {
    left -= limit.weigh(entry);
    if (left < 0 && count > 0) break;
    count++;
  }
  return count;
}
