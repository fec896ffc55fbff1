import { HEADER_BYTES, isFrameKind } from '../../lines/frame-header.ts';
import { type BlockFramer, type BlockFraming, FrameError, KEPT_OF_FRAME } from '../decode.ts';
import { BegunFrame } from './begun-frame.ts';

/** A length beyond this is none: the sender is out of step. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Frames with a header of their kind and length (frame-header.ts), mixed on one connection. A frame of more than `maxFrameBytes` is skipped.
 * An unknown kind is left to the decoder where its length may be one.
 */
export function createUniversalFraming({ maxFrameBytes }: { readonly maxFrameBytes: number }): BlockFraming {
  return { form: 'frames', create: (onTooLong) => new UniversalFramer(maxFrameBytes, onTooLong) };
}

class UniversalFramer implements BlockFramer {
  readonly #maxFrameBytes: number;
  readonly #onTooLong: (beginning: Buffer, bytes: number) => void;
  /** The frame that is not whole, with its header. */
  readonly #begun: BegunFrame;
  /** Bytes that it lacks; of one whose header is not whole, those that the header lacks. */
  #missing = HEADER_BYTES;

  constructor(maxFrameBytes: number, onTooLong: (beginning: Buffer, bytes: number) => void) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#onTooLong = onTooLong;
    this.#begun = new BegunFrame(maxFrameBytes + HEADER_BYTES);
  }

  get unfinished(): number {
    return this.#begun.kept;
  }

  push(piece: Buffer, emit: (frames: Buffer) => void): void {
    let at = 0;
    while (this.#begun.length > 0) {
      const end = at + this.#missing;
      if (end > piece.length) {
        this.#missing = end - piece.length;
        this.#begun.add(piece.subarray(at));
        return;
      }
      this.#begun.add(piece.subarray(at, end));
      at = end;
      if (this.#begun.length === HEADER_BYTES) this.#missing = this.#payloadBytes(this.#begun.beginning, 0);
      if (this.#begun.length > HEADER_BYTES || this.#missing === 0) this.#finish(emit);
    }
    this.#pushWhole(piece, at, emit);
  }

  end(): void {
    const { length } = this.#begun;
    if (length > 0)
      throw new FrameError(
        `the connection was closed in the middle of a frame, after ${length} bytes`,
        this.#begun.beginning,
      );
  }

  /** The frames of a piece that are whole in it are one block. */
  #pushWhole(piece: Buffer, from: number, emit: (frames: Buffer) => void): void {
    let start = from;
    let at = from;
    const emitBefore = (end: number) => {
      if (end > start) emit(piece.subarray(start, end));
      start = end;
    };
    while (piece.length - at >= HEADER_BYTES) {
      let bytes: number;
      try {
        bytes = this.#payloadBytes(piece, at);
      } catch (error) {
        emitBefore(at);
        throw error;
      }
      const end = at + HEADER_BYTES + bytes;
      if (end > piece.length) break;
      if (bytes > this.#maxFrameBytes) {
        emitBefore(at);
        start = end;
        const kept = Math.min(end, at + HEADER_BYTES + KEPT_OF_FRAME);
        this.#onTooLong(piece.subarray(at + HEADER_BYTES, kept), bytes);
      }
      at = end;
    }
    emitBefore(at);
    if (at === piece.length) return;
    this.#begun.add(piece.subarray(at));
    const { length } = this.#begun;
    this.#missing =
      length < HEADER_BYTES ? HEADER_BYTES - length : HEADER_BYTES + this.#payloadBytes(piece, at) - length;
  }

  #finish(emit: (frames: Buffer) => void): void {
    this.#missing = HEADER_BYTES;
    const { bytes, length, isTooLong } = this.#begun.take();
    if (isTooLong) this.#onTooLong(bytes.subarray(HEADER_BYTES), length - HEADER_BYTES);
    else emit(bytes);
  }

  /** Bytes of the payload whose header stands at `at`. */
  #payloadBytes(bytes: Buffer, at: number): number {
    const kind = bytes[at] as number;
    const length = bytes.readUInt32BE(at + 1);
    const isKnown = isFrameKind(kind);
    const most = isKnown ? MOST_BYTES : this.#maxFrameBytes;
    if (length <= most) return length;
    const what = isKnown ? `a frame of ${length} bytes` : `a frame of the unknown format ${kind} and ${length} bytes`;
    throw new FrameError(`${what}: expected a format from 1 to 4 and at most ${most} bytes`, bytes.subarray(at));
  }
}
