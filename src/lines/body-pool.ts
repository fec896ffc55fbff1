/** Bodies of at most so many bytes are kept, so many of them: what a sender has under way at once. */
const MAX_KEPT_BYTES = 1024 * 1024;
const MAX_KEPT = 4;
/** Memory is made in multiples of this, so that the next body has room in it. */
const ROUND_BYTES = 128 * 1024;

/**
 * Memory of bodies that were sent, for the next ones. Without it V8 counts each body as garbage from outside its heap, and marks the whole heap
 * every few dozen of them.
 */
export class BodyPool {
  readonly #free: Buffer[] = [];

  /** A copy, with memory of its own until `release` is called: then nobody may read it any more. */
  copyOf(bytes: Buffer): { readonly body: Buffer; readonly release: () => void } {
    const memory = this.#take(bytes.length);
    bytes.copy(memory);
    let isReleased = false;
    return {
      body: memory.subarray(0, bytes.length),
      release: () => {
        if (!isReleased) this.#give(memory);
        isReleased = true;
      },
    };
  }

  #take(bytes: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= bytes);
    if (at >= 0 && bytes > 0) return this.#free.splice(at, 1)[0] as Buffer;
    return Buffer.allocUnsafeSlow(Math.ceil(bytes / ROUND_BYTES) * ROUND_BYTES);
  }

  /** Of more than it keeps the largest stay: a file of small slices must not take the room of those of others. */
  #give(memory: Buffer): void {
    if (memory.length === 0 || memory.length > MAX_KEPT_BYTES) return;
    this.#free.push(memory);
    this.#free.sort((a, b) => a.length - b.length);
    if (this.#free.length > MAX_KEPT) this.#free.shift();
  }
}
