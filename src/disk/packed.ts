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
  let left: Buffer = Buffer.alloc(0);
  let ended = false;
  let offset = 0;

  /** False at the end. */
  async function readMore(): Promise<boolean> {
    if (ended) return false;
    const result = await packed.next();
    if (result.done === true) ended = true;
    else left = left.length === 0 ? result.value : Buffer.concat([left, result.value]);
    return !ended;
  }

  return {
    async next() {
      while (left.length === 0) if (!(await readMore())) return undefined;
      const piece = left.subarray(0, PACKED_PIECE_BYTES);
      left = left.subarray(piece.length);
      offset += piece.length;
      return piece;
    },
    async peek(length) {
      while (left.length < length) if (!(await readMore())) break;
      return left.subarray(0, length);
    },
    unread(bytes) {
      if (bytes.length === 0) return;
      left = left.length === 0 ? bytes : Buffer.concat([bytes, left]);
      offset -= bytes.length;
    },
    get offset() {
      return offset;
    },
  };
}
