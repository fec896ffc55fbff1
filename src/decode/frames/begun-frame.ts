import { KEPT_OF_FRAME } from '../decode.ts';

const FIRST_BYTES = 1_024;
const NOTHING = Buffer.alloc(0);

/** The frame of a sender that is not whole yet. Of one that is longer than `maxBytes` only the beginning is kept. */
export class BegunFrame {
  readonly maxBytes: number;
  /** Bytes that are kept. */
  kept = 0;
  /** Bytes that came. */
  length = 0;
  #memory: Buffer = NOTHING;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** What is kept of it. */
  get beginning(): Buffer {
    return this.#memory.subarray(0, this.kept);
  }

  /** Copies. */
  add(bytes: Buffer): void {
    this.length += bytes.length;
    if (this.length > this.maxBytes) this.#keepBeginning(bytes);
    else this.#keep(bytes);
  }

  /** The frame, which is valid until the next call of `add`. The next one begins. */
  take(): { readonly bytes: Buffer; readonly length: number; readonly isTooLong: boolean } {
    const { length } = this;
    const bytes = this.#memory.subarray(0, this.kept);
    // Memory of a long frame goes with it: many connections may have one.
    if (this.#memory.length > FIRST_BYTES) this.#memory = NOTHING;
    this.kept = 0;
    this.length = 0;
    return { bytes, length, isTooLong: length > this.maxBytes };
  }

  #keep(bytes: Buffer): void {
    const needed = this.kept + bytes.length;
    if (needed > this.#memory.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(Math.max(FIRST_BYTES, needed, 2 * this.#memory.length), Math.max(needed, this.maxBytes)),
      );
      this.#memory.copy(larger, 0, 0, this.kept);
      this.#memory = larger;
    }
    this.kept += bytes.copy(this.#memory, this.kept);
  }

  #keepBeginning(bytes: Buffer): void {
    if (this.kept < KEPT_OF_FRAME) this.#keep(bytes.subarray(0, KEPT_OF_FRAME - this.kept));
    else if (this.kept > KEPT_OF_FRAME) {
      this.#memory = Buffer.from(this.#memory.subarray(0, KEPT_OF_FRAME));
      this.kept = KEPT_OF_FRAME;
    }
  }
}
