import { BYTES } from '../../model/bytes.ts';
import { type BlockFramer, type BlockFraming, KEPT_OF_FRAME } from '../decode.ts';
import { BegunFrame } from './begun-frame.ts';

const { NEWLINE } = BYTES;

/** A frame a line, with its newline. A line of more than `maxFrameBytes` is skipped to its end. */
export function createNewlineFraming({ maxFrameBytes }: { readonly maxFrameBytes: number }): BlockFraming {
  return { form: 'lines', create: (onTooLong) => new NewlineFramer(maxFrameBytes, onTooLong) };
}

const LINE_END = Buffer.of(NEWLINE);

class NewlineFramer implements BlockFramer {
  readonly #begun: BegunFrame;
  readonly #onTooLong: (beginning: Buffer, bytes: number) => void;

  constructor(maxFrameBytes: number, onTooLong: (beginning: Buffer, bytes: number) => void) {
    this.#begun = new BegunFrame(maxFrameBytes);
    this.#onTooLong = onTooLong;
  }

  get unfinished(): number {
    return this.#begun.kept;
  }

  push(piece: Buffer, emit: (frames: Buffer) => void): void {
    let from = 0;
    if (this.#begun.length > 0) {
      from = piece.indexOf(NEWLINE) + 1;
      this.#begun.add(from === 0 ? piece : piece.subarray(0, from));
      if (from === 0) return;
      this.#finish(emit);
    }
    const end = Math.max(from, piece.lastIndexOf(NEWLINE) + 1);
    if (end > from) this.#emitLines(piece.subarray(from, end), emit);
    if (end < piece.length) this.#begun.add(piece.subarray(end));
  }

  end(emit: (frames: Buffer) => void): void {
    if (this.#begun.length === 0) return;
    this.#begun.add(LINE_END);
    this.#finish(emit);
  }

  /** Whole lines of one piece. Only in a long piece can one be too long. */
  #emitLines(lines: Buffer, emit: (frames: Buffer) => void): void {
    const { maxBytes } = this.#begun;
    let from = 0;
    let at = 0;
    while (lines.length - at > maxBytes) {
      // The last line end within the limit; there is none in a line that is too long.
      const end = lines.lastIndexOf(NEWLINE, at + maxBytes - 1) + 1;
      if (end > at) {
        at = end;
        continue;
      }
      if (at > from) emit(lines.subarray(from, at));
      from = lines.indexOf(NEWLINE, at) + 1;
      this.#onTooLong(lines.subarray(at, Math.min(from, at + KEPT_OF_FRAME)), from - at);
      at = from;
    }
    if (lines.length > from) emit(lines.subarray(from));
  }

  #finish(emit: (frames: Buffer) => void): void {
    const { bytes, length, isTooLong } = this.#begun.take();
    if (isTooLong) this.#onTooLong(bytes, length);
    else emit(bytes);
  }
}
