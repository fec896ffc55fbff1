import { HEADER_BYTES, writeHeader } from '../../lines/frame-header.ts';
import { BYTES, isDigit } from '../../model/bytes.ts';
import { type BlockFramer, type BlockFraming, FrameError, KEPT_OF_FRAME } from '../decode.ts';
import { BegunFrame } from './begun-frame.ts';

const { LESS_THAN, NEWLINE, RETURN, SPACE, ZERO } = BYTES;

/** Digits of a length. */
const MAX_DIGITS = 8;
/** The frames of a block, before it is emitted. */
const BLOCK_BYTES = 256 * 1024;

export interface CountedFramingOptions {
  readonly maxFrameBytes: number;
  /** Of the payloads, for their headers. */
  readonly kind: number;
  /**
   * Both ways of RFC 6587: a frame that does not begin with a length and `<`, with which each message of syslog begins, ends at a newline
   * (3.4.2). Senders of syslog do either, and relays both on one connection.
   */
  readonly orLines: boolean;
}

/** `LENGTH SP PAYLOAD`, the octet counting of RFC 6587, 3.4.1. A frame of more than `maxFrameBytes` is skipped. */
export function createCountedFraming(options: CountedFramingOptions): BlockFraming {
  const block = new FrameBlock(options.kind);
  return { form: 'frames', create: (onTooLong) => new CountedFramer(options, block, onTooLong) };
}

/** Payloads on their way into a block of frames. All framers of an input share it: it is empty between two pieces. */
class FrameBlock {
  readonly #kind: number;
  readonly #memory = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;

  constructor(kind: number) {
    this.#kind = kind;
  }

  add(payload: Buffer, emit: (frames: Buffer) => void): void {
    const bytes = HEADER_BYTES + payload.length;
    if (this.#used + bytes > BLOCK_BYTES) this.flush(emit);
    if (bytes > BLOCK_BYTES) {
      const long = Buffer.allocUnsafeSlow(bytes);
      payload.copy(long, writeHeader(long, 0, this.#kind, payload.length));
      emit(long);
      return;
    }
    const start = writeHeader(this.#memory, this.#used, this.#kind, payload.length);
    this.#used = start + payload.copy(this.#memory, start);
  }

  flush(emit: (frames: Buffer) => void): void {
    if (this.#used > 0) emit(this.#memory.subarray(0, this.#used));
    this.#used = 0;
  }
}

class CountedFramer implements BlockFramer {
  readonly #options: CountedFramingOptions;
  readonly #block: FrameBlock;
  readonly #onTooLong: (beginning: Buffer, bytes: number) => void;
  readonly #begun: BegunFrame;
  /** The digits of a length that is not whole. */
  #digits = 0;
  #length = 0;
  /** What ends the frame under way. */
  #state: 'between' | 'digits' | 'payload' | 'line' = 'between';
  /** Of a payload: bytes that it lacks. */
  #missing = 0;

  constructor(
    options: CountedFramingOptions,
    block: FrameBlock,
    onTooLong: (beginning: Buffer, bytes: number) => void,
  ) {
    this.#options = options;
    this.#block = block;
    this.#onTooLong = onTooLong;
    this.#begun = new BegunFrame(options.maxFrameBytes);
  }

  get unfinished(): number {
    return this.#begun.kept;
  }

  push(piece: Buffer, emit: (frames: Buffer) => void): void {
    try {
      for (let at = 0; at < piece.length; ) at = this.#step(piece, at, emit);
    } finally {
      this.#block.flush(emit);
    }
  }

  end(emit: (frames: Buffer) => void): void {
    if (this.#state === 'digits' && this.#options.orLines) this.#toLine('');
    if (this.#state === 'line') {
      this.#finishBegun(emit);
      this.#block.flush(emit);
    } else if (this.#state !== 'between') {
      const text = `the connection was closed in the middle of a frame, ${this.#missing} bytes before its end`;
      throw new FrameError(text, this.#begun.beginning);
    }
  }

  /** Gives the offset after what it took. */
  #step(piece: Buffer, at: number, emit: (frames: Buffer) => void): number {
    switch (this.#state) {
      case 'between':
        return this.#begin(piece, at);
      case 'digits':
        return this.#readDigit(piece, at);
      case 'payload':
        return this.#readPayload(piece, at, emit);
      case 'line':
        return this.#readLine(piece, at, emit);
    }
  }

  #begin(piece: Buffer, at: number): number {
    const byte = piece[at] as number;
    // rsyslog and others put a newline after a counted frame, and lines may be empty.
    if (byte === NEWLINE || byte === RETURN) return at + 1;
    if (isDigit(byte) && byte !== ZERO) {
      this.#state = 'digits';
      this.#digits = 0;
      this.#length = 0;
      return at;
    }
    if (!this.#options.orLines)
      throw new FrameError(`byte ${byte} where the length of a frame should begin`, piece.subarray(at));
    this.#state = 'line';
    return at;
  }

  #readDigit(piece: Buffer, at: number): number {
    const byte = piece[at] as number;
    if (isDigit(byte) && this.#digits < MAX_DIGITS) {
      this.#digits++;
      this.#length = this.#length * 10 + byte - ZERO;
      return at + 1;
    }
    if (byte === SPACE) {
      this.#state = 'payload';
      this.#missing = this.#length;
      return at + 1;
    }
    if (this.#options.orLines) {
      this.#toLine('');
      return at;
    }
    throw new FrameError(
      `byte ${byte} in the length of a frame, where a digit or a space should be`,
      piece.subarray(at),
    );
  }

  /** The frame is a line that begins with the digits that were read. */
  #toLine(after: string): void {
    this.#begun.add(Buffer.from(`${this.#length}${after}`));
    this.#state = 'line';
  }

  #readPayload(piece: Buffer, at: number, emit: (frames: Buffer) => void): number {
    if (this.#options.orLines && this.#begun.length === 0 && piece[at] !== LESS_THAN) {
      this.#toLine(' ');
      return at;
    }
    const end = at + this.#missing;
    if (end > piece.length) {
      this.#begun.add(piece.subarray(at));
      this.#missing = end - piece.length;
      return piece.length;
    }
    this.#finish(piece.subarray(at, end), emit);
    return end;
  }

  #readLine(piece: Buffer, at: number, emit: (frames: Buffer) => void): number {
    const newline = piece.indexOf(NEWLINE, at);
    if (newline === -1) {
      this.#begun.add(piece.subarray(at));
      return piece.length;
    }
    this.#finish(piece.subarray(at, newline), emit);
    return newline + 1;
  }

  /** The frame ends with these bytes. */
  #finish(tail: Buffer, emit: (frames: Buffer) => void): void {
    if (this.#begun.length === 0 && tail.length <= this.#options.maxFrameBytes) {
      this.#state = 'between';
      this.#block.add(tail, emit);
      return;
    }
    this.#begun.add(tail);
    this.#finishBegun(emit);
  }

  #finishBegun(emit: (frames: Buffer) => void): void {
    this.#state = 'between';
    const { bytes, length, isTooLong } = this.#begun.take();
    if (!isTooLong) {
      this.#block.add(bytes, emit);
      return;
    }
    // The frames before it go first.
    this.#block.flush(emit);
    this.#onTooLong(bytes.subarray(0, KEPT_OF_FRAME), length);
  }
}
