import { PartError } from './part-error.ts';

/** The most bytes of a varint: it has 64 bits, seven to a byte. https://protobuf.dev/programming-guides/encoding/#varints */
const MAX_BYTES = 10;
/** Of a tag or a length, which have 32 bits. */
const MAX_SHORT_BYTES = 5;
const MORE = 0x80;

/** Reads varints of [at, end) one after the other. */
export class VarintReader {
  /** After the varint that was read last. */
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A number of at most 32 bits: a tag or a length. `what` names it in the PartError. */
  readShort(at: number, end: number, what: string): number {
    const bytes = this.#bytes;
    let value = 0;
    let factor = 1;
    for (let i = at; i < end; i++) {
      const byte = bytes[i] as number;
      value += (byte & 0x7f) * factor;
      if (byte < MORE) {
        this.at = i + 1;
        if (value > 0xffffffff) throw new PartError(at, `${what} has more than 32 bits`);
        return value;
      }
      if (i - at === MAX_SHORT_BYTES - 1) throw new PartError(at, `${what} has more than ${MAX_SHORT_BYTES} bytes`);
      factor *= 128;
    }
    throw new PartError(at, `${what} is cut off`);
  }

  /** Passes over a number of at most 64 bits. */
  pass(at: number, end: number, what: string): void {
    const bytes = this.#bytes;
    for (let i = at; i < end; i++) {
      if ((bytes[i] as number) < MORE) {
        this.at = i + 1;
        return;
      }
      if (i - at === MAX_BYTES - 1) throw new PartError(at, `${what} has more than ${MAX_BYTES} bytes`);
    }
    throw new PartError(at, `${what} is cut off`);
  }
}
