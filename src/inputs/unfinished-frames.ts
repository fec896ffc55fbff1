interface Unfinished {
  /** Bytes that are kept of the frame that is not whole. */
  readonly unfinished: number;
  /** When it was begun. */
  readonly begunAt: number;
}

/** Frames of all connections of an input that are not whole: together they have a limit, in bytes. */
export class UnfinishedFrames<C extends Unfinished> {
  readonly #maxBytes: number;
  /** What each has, as it was noted. */
  readonly #noted = new Map<C, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Notes what a connection has now. */
  note(connection: C): void {
    const { unfinished } = connection;
    this.#bytes += unfinished - (this.#noted.get(connection) ?? 0);
    if (unfinished === 0) this.#noted.delete(connection);
    else this.#noted.set(connection, unfinished);
  }

  /**
   * Beyond the limit the connection to close, so that the others can go on: that whose frame was begun first, as by a client that sends a
   * byte a second.
   */
  excess(): C | undefined {
    if (this.#bytes <= this.#maxBytes) return undefined;
    let slowest: C | undefined;
    for (const one of this.#noted.keys()) {
      if (slowest === undefined || one.begunAt < slowest.begunAt) slowest = one;
    }
    return slowest;
  }
}
