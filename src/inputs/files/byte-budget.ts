/** Bytes that many readers share. Who asks first gets first, so readers that ask for each slice take turns. */
export class ByteBudget {
  readonly #bytes: number;
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly resolve: (isTaken: boolean) => void }[] = [];
  #isClosed = false;

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#free = bytes;
  }

  /** Bytes that readers have now. */
  get taken(): number {
    return this.#bytes - this.#free;
  }

  /** Resolves when the bytes are taken; false: the budget is closed, nothing was taken. More than the whole budget is never free. */
  take(bytes: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push({ bytes, resolve });
    this.#serve();
    return promise;
  }

  /** Gives bytes back. Negative: more was used than taken, which later takers wait for. */
  give(bytes: number): void {
    this.#free += bytes;
    this.#serve();
  }

  /** Whoever waits gets nothing. */
  close(): void {
    this.#isClosed = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.resolve(true);
    }
  }
}
