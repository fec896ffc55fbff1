/** The least that is taken, bytes. */
const LEAST_BYTES = 4 * 1024;

/**
 * Buffers that are used again. A new one of many kilobytes for each commit makes V8 mark its whole heap for each 64 MB of them: at
 * 100,000 records a second that took as much CPU time as storing them.
 */
export class MemoryPool {
  readonly #kept: Buffer[] = [];
  readonly #keepBytes: number;
  readonly #keepCount: number;

  /** Keeps up to `count` buffers of at least `bytes`; smaller ones are cheap. */
  constructor({ bytes, count }: { readonly bytes: number; readonly count: number }) {
    this.#keepBytes = bytes;
    this.#keepCount = count;
  }

  /** A buffer of at least `bytes`, a power of two for small ones. Its content is whatever was there. */
  take(bytes: number): Buffer {
    const index = bytes * 2 > this.#keepBytes ? this.#kept.findIndex((kept) => kept.length >= bytes) : -1;
    const [kept] = index === -1 ? [] : this.#kept.splice(index, 1);
    if (kept !== undefined) return kept;
    return Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
  }

  /** Nobody else may use it any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length >= this.#keepBytes && this.#kept.length < this.#keepCount) this.#kept.push(buffer);
  }
}
