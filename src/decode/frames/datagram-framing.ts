import { HEADER_BYTES, writeHeader } from '../../lines/frame-header.ts';
import { BYTES } from '../../model/bytes.ts';
import { type BlockFramer, type BlockFraming, KEPT_OF_FRAME } from '../decode.ts';
import { createNewlineFraming } from './newline-framing.ts';

const { LESS_THAN, NEWLINE, RETURN } = BYTES;
const NUL = 0;

export interface DatagramFramingOptions {
  readonly maxFrameBytes: number;
  /** `lines`: each line of a datagram is a frame. `messages`: a message of syslog is one, however many lines it has. */
  readonly holds: 'lines' | 'messages';
  /** Of messages: the kind of their headers. */
  readonly kind: number;
}

/** Frames of datagrams: each `push` of a framer is one whole datagram. A frame of more than `maxFrameBytes` is skipped. */
export function createDatagramFraming(options: DatagramFramingOptions): BlockFraming {
  if (options.holds === 'messages')
    return { form: 'frames', create: (onTooLong) => new MessageFramer(options, onTooLong) };
  const lines = createNewlineFraming(options);
  return {
    form: 'lines',
    create(onTooLong) {
      const framer = lines.create(onTooLong);
      return {
        unfinished: 0,
        push(datagram, emit) {
          framer.push(datagram, emit);
          // The last line may have no newline: its end is that of the datagram.
          framer.end(emit);
        },
        end: () => undefined,
      };
    },
  };
}

/** Datagrams with messages of syslog, which begin with `<`; each line of any other is a frame. */
class MessageFramer implements BlockFramer {
  readonly unfinished = 0;
  readonly #options: DatagramFramingOptions;
  readonly #onTooLong: (beginning: Buffer, bytes: number) => void;
  /** The frames of a datagram. */
  #memory = Buffer.allocUnsafeSlow(4_096);
  #used = 0;

  constructor(options: DatagramFramingOptions, onTooLong: (beginning: Buffer, bytes: number) => void) {
    this.#options = options;
    this.#onTooLong = onTooLong;
  }

  push(datagram: Buffer, emit: (frames: Buffer) => void): void {
    if (datagram[0] === LESS_THAN) this.#add(datagram, emit);
    else this.#addLines(datagram, emit);
    this.#flush(emit);
  }

  end(): void {}

  #addLines(datagram: Buffer, emit: (frames: Buffer) => void): void {
    for (let at = 0; at < datagram.length; ) {
      const newline = datagram.indexOf(NEWLINE, at);
      const end = newline === -1 ? datagram.length : newline;
      this.#add(datagram.subarray(at, end), emit);
      at = end + 1;
    }
  }

  #add(frame: Buffer, emit: (frames: Buffer) => void): void {
    const payload = trimEnd(frame);
    if (payload.length === 0) return;
    if (payload.length > this.#options.maxFrameBytes) {
      // The frames before it go first.
      this.#flush(emit);
      this.#onTooLong(payload.subarray(0, KEPT_OF_FRAME), payload.length);
      return;
    }
    this.#reserve(HEADER_BYTES + payload.length);
    const start = writeHeader(this.#memory, this.#used, this.#options.kind, payload.length);
    this.#used = start + payload.copy(this.#memory, start);
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#memory.length));
    this.#memory.copy(larger, 0, 0, this.#used);
    this.#memory = larger;
  }

  #flush(emit: (frames: Buffer) => void): void {
    if (this.#used > 0) emit(this.#memory.subarray(0, this.#used));
    this.#used = 0;
  }
}

/** Without the line ends and NULs that senders put after a message. */
function trimEnd(frame: Buffer): Buffer {
  let end = frame.length;
  while (end > 0 && isTrailing(frame[end - 1])) end--;
  return frame.subarray(0, end);
}

function isTrailing(byte: number | undefined): boolean {
  return byte === NEWLINE || byte === RETURN || byte === NUL;
}
