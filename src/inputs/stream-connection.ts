import { type BlockFramer, type BlockFraming, FrameError, KEPT_OF_FRAME } from '../decode/decode.ts';

/** The socket of a connection, as far as it is read here. */
export interface StreamSocket {
  readonly remoteAddress?: string | undefined;
  pause(): unknown;
  resume(): unknown;
  /** Nothing more is written: the client sees our end. */
  end(): unknown;
  destroy(): unknown;
  /** Ends our side, and destroys it then. */
  destroySoon(): unknown;
}

export interface ConnectionEvents {
  /** Whole frames: memory that is used again after the call. */
  readonly onFrames: (frames: Buffer) => void;
  /** A frame that cannot be read: its beginning, and why. */
  readonly onUnread: (beginning: Buffer, reason: string) => void;
  /** The milliseconds for which it must not be read, asked when a hold is over. Absent: it is read then. */
  readonly onHeld?: () => number;
}

/** The way from the pieces of one connection to whole frames. */
export class Connection {
  readonly #socket: StreamSocket;
  readonly #framer: BlockFramer;
  readonly #events: ConnectionEvents;
  #isOpen = true;
  #isPaused = false;
  #held: NodeJS.Timeout | undefined;
  #releasedAt: number;
  #isFresh = true;
  #hasProgress = false;
  /** When the frame that is not whole was begun, by `performance.now()`. */
  begunAt: number;
  lastReadAt: number;

  constructor(socket: StreamSocket, framing: BlockFraming, maxFrameBytes: number, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#framer = framing.create((beginning, bytes) => {
      this.#hasProgress = true;
      const reason = `a frame of ${bytes} bytes is longer than ${maxFrameBytes} (maxFrameBytes)`;
      events.onUnread(Buffer.from(beginning), reason);
    });
    this.lastReadAt = performance.now();
    this.begunAt = this.lastReadAt;
    this.#releasedAt = this.lastReadAt;
  }

  /** Where the client is; undefined for a Unix socket. */
  get client(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** False when it was closed, by either side: nothing that still comes is taken. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether nothing was read from it yet. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  /** Bytes that are kept of the frame that is not whole. */
  get unfinished(): number {
    return this.#isOpen ? this.#framer.unfinished : 0;
  }

  /** False while it is held: the client sends more than its rate. */
  get isRead(): boolean {
    return this.#isOpen && this.#held === undefined;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.isRead) this.#socket.resume();
  }

  /** Since when it may be read, as far as its rate says, by `performance.now()`; undefined while it is held. */
  get readSince(): number | undefined {
    return this.#held === undefined ? this.#releasedAt : undefined;
  }

  /** Does not read for so long, milliseconds, and then as long as `onHeld` says. */
  hold(ms: number): void {
    if (ms <= 0 || !this.#isOpen) return;
    clearTimeout(this.#held);
    this.#held = setTimeout(() => this.#endHold(), ms);
    this.#socket.pause();
  }

  #endHold(): void {
    const ms = this.#isOpen ? (this.#events.onHeld?.() ?? 0) : 0;
    if (ms > 0) this.hold(ms);
    else this.#release();
  }

  #release(): void {
    clearTimeout(this.#held);
    this.#held = undefined;
    this.#releasedAt = performance.now();
    if (this.#isOpen && !this.#isPaused) this.#socket.resume();
  }

  /** Takes what was read. Throws FrameError where the connection can be read no further; the frames before are passed on. */
  push(bytes: Buffer): void {
    this.#isFresh = false;
    this.#hasProgress = this.#framer.unfinished === 0;
    this.lastReadAt = performance.now();
    try {
      this.#framer.push(bytes, this.#pass);
    } catch (error) {
      this.#isOpen = false;
      throw error;
    }
    if (this.#hasProgress) this.begunAt = this.lastReadAt;
  }

  /** The client has ended its side: what it left is a frame where that may be one. Throws FrameError where it is none. It is closed. */
  finish(): void {
    this.#isOpen = false;
    this.#socket.destroySoon();
    this.#framer.end(this.#pass);
  }

  /** We tell the client that we end, and still read what it sends. */
  endOurSide(): void {
    this.#socket.end();
    // At a stop all that had been sent is read.
    if (this.#held !== undefined) this.#release();
  }

  /** Closes it. The frame under way is put aside with the reason. Without a reason it is lost, and true is given if there was one. */
  close(reason: string | undefined): boolean {
    const left = this.#isOpen ? this.#takeLeft() : undefined;
    this.#isOpen = false;
    clearTimeout(this.#held);
    this.#socket.destroy();
    if (left === undefined) return false;
    if (reason === undefined) return true;
    this.#events.onUnread(left, reason);
    return false;
  }

  readonly #pass = (frames: Buffer): void => {
    this.#hasProgress = true;
    this.#events.onFrames(frames);
  };

  /** The beginning of the frame that is not whole. */
  #takeLeft(): Buffer | undefined {
    let left: Buffer | undefined;
    try {
      this.#framer.end((frame) => {
        left = Buffer.from(frame.subarray(0, KEPT_OF_FRAME));
      });
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      left = error.bytes;
    }
    return left;
  }
}
