import { PermanentError } from '../model/deliver.ts';

/**
 * How packed content ended. `cut`: it ends in the middle; all that could be had of it was given. `trailing`: what stands after it is
 * something else, and was not read; zeros after gzip are padding.
 */
export type PackedEnd = 'whole' | 'cut' | 'trailing';

/** Packed content is damaged, or of a kind that is not supported. */
export class UnpackError extends PermanentError {
  override readonly name = 'UnpackError';
}

/** Packed bytes in pieces, some of which can be given back. Holds at most what it was asked for and the piece that was read last. */
export interface PackedSource {
  /** The next bytes, at most PACKED_PIECE_BYTES of them; undefined at the end. */
  next(): Promise<Buffer | undefined>;
  /** The next `length` bytes, or fewer at the end, which stay to be read. */
  peek(length: number): Promise<Buffer>;
  /** Puts bytes in front of those to come. */
  unread(bytes: Buffer): void;
  /** Offset of the next byte. */
  readonly offset: number;
}

const PACKED_PIECE_BYTES = 64 * 1024;

export function createPackedSource(packed: AsyncIterator<Buffer>): PackedSource {
  /** The bytes from `at` on are to be read. */
  let bytes: Buffer = Buffer.alloc(0);
  let at = 0;
  let ended = false;
  let offset = 0;

  const left = (): number => bytes.length - at;

  /** False at the end. */
  async function readMore(): Promise<boolean> {
    if (ended) return false;
    const result = await packed.next();
    if (result.done === true) ended = true;
    else {
      bytes = left() === 0 ? result.value : Buffer.concat([bytes.subarray(at), result.value]);
      at = 0;
    }
    return !ended;
  }

  /** Mostly they are given back as they were given: a file of many small members would be copied for each of them. */
  function stepsBack(given: Buffer): boolean {
    return (
      given.length <= at && given.buffer === bytes.buffer && given.byteOffset + given.length === bytes.byteOffset + at
    );
  }

  return {
    async next() {
      while (left() === 0) if (!(await readMore())) return undefined;
      const piece = bytes.subarray(at, at + PACKED_PIECE_BYTES);
      at += piece.length;
      offset += piece.length;
      return piece;
    },
    async peek(length) {
      while (left() < length) if (!(await readMore())) break;
      return bytes.subarray(at, at + length);
    },
    unread(given) {
      offset -= given.length;
      if (stepsBack(given)) at -= given.length;
      else {
        bytes = Buffer.concat([given, bytes.subarray(at)]);
        at = 0;
      }
    },
    get offset() {
      return offset;
    },
  };
}
