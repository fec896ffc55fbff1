import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/**
 * The bytes that node:http is given at once. It reads every request in them before any is answered, so this limits the
 * requests of a client that pipelines: with a whole read of 64 KiB it would be 2,500.
 */
const PIECE_BYTES = 4 * 1024;

/**
 * A connection that node:http serves. The fast path reads the socket and feeds the bytes into this stream, which node:http
 * serves in place of a socket: it accepts any Duplex, and calls the socket methods below where they exist.
 */
export class ForwardedSocket extends Duplex {
  readonly socket: Socket;
  /** Bytes that node:http was not given yet. While there are any, the socket is paused. */
  #rest: Buffer | undefined;
  #isHeld = false;
  #isGiving = false;
  /** Bytes that come are dropped. */
  #isIgnoring = false;
  /** The client ended its side. */
  #isEnded = false;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true, readableHighWaterMark: PIECE_BYTES });
    this.socket = socket;
    socket.on('end', () => this.feedEnd());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.on('timeout', () => this.emit('timeout'));
  }

  /** This stream has everything that node:http and this server use of a socket. */
  asSocket(): Socket {
    return this as Duplex as Socket;
  }

  /** Takes bytes of the socket. False: the socket must pause, and is resumed when all are given on. */
  feed(bytes: Buffer): boolean {
    if (this.#isIgnoring) return true;
    if (bytes.length > 0) this.#rest = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#give();
    return this.#rest === undefined;
  }

  /** No more bytes come. */
  feedEnd(): void {
    this.#isEnded = true;
    this.#give();
  }

  /** Takes back bytes that were given to node:http and not read, to give them again before all others. */
  giveBack(bytes: Buffer): void {
    if (this.#isIgnoring) return;
    if (this.readableLength > 0) {
      this.unshift(bytes);
      return;
    }
    this.#rest = this.#rest === undefined ? bytes : Buffer.concat([bytes, this.#rest]);
    setImmediate(() => this.#give());
  }

  /** Gives node:http no more bytes, until `goOn`. */
  hold(): void {
    this.#isHeld = true;
  }

  goOn(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#give();
  }

  /** Drops all that node:http was not given yet, and all that comes. It is read still: a reset would take the client's answers away. */
  ignoreRest(): void {
    this.#isIgnoring = true;
    this.#rest = undefined;
    if (!this.destroyed) this.socket.resume();
  }

  #give(): void {
    // A push calls node:http, which may answer at once and so come back here.
    if (this.#isGiving || this.destroyed) return;
    this.#isGiving = true;
    let goesOn = true;
    while (goesOn && !this.#isHeld && this.#rest !== undefined) {
      const rest = this.#rest;
      this.#rest = rest.length > PIECE_BYTES ? rest.subarray(PIECE_BYTES) : undefined;
      goesOn = this.push(rest.subarray(0, PIECE_BYTES));
    }
    this.#isGiving = false;
    if (this.#rest !== undefined) return;
    if (!this.#isEnded) this.socket.resume();
    else if (!this.readableEnded) this.#end();
  }

  #end(): void {
    this.#isEnded = false;
    this.push(null);
  }

  /** As of a TLSSocket. */
  get encrypted(): boolean {
    return this.socket instanceof TLSSocket;
  }

  get remoteAddress(): string | undefined {
    return this.socket.remoteAddress;
  }

  setTimeout(ms: number, listener?: () => void): this {
    this.socket.setTimeout(ms);
    if (listener !== undefined) this.once('timeout', listener);
    return this;
  }

  setNoDelay(isOn?: boolean): this {
    this.socket.setNoDelay(isOn);
    return this;
  }

  setKeepAlive(isOn?: boolean, initialDelayMs?: number): this {
    this.socket.setKeepAlive(isOn, initialDelayMs);
    return this;
  }

  /** Closes after everything that was written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  override _read(): void {
    this.#give();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  /** One write for the head and the body of an answer. */
  override _writev(
    chunks: readonly { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const last = chunks.length - 1;
    this.socket.cork();
    for (const [at, { chunk }] of chunks.entries()) {
      if (at === last) this.socket.write(chunk, done);
      else this.socket.write(chunk);
    }
    this.socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}
