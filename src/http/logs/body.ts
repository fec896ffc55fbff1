import { IncomingMessage } from 'node:http';
import type { BodyBuffers } from './body-buffers.ts';
import type { Reservation } from './in-flight.ts';

/** Why a body was not read to its end. */
export type BodyFailure = 'too-large' | 'overloaded' | 'evicted' | 'timeout' | 'malformed' | 'aborted';

/** Takes a body piece by piece, as the parser finds it, until `end` or the first `fail`. */
export interface BodySink {
  /** The sink owns the chunk. */
  data(chunk: Buffer): void;
  end(): void;
  fail(failure: BodyFailure): void;
}

/**
 * A request whose body can go straight from the parser to a sink, without the buffers, events and ticks of a Readable.
 * They cost a sixth of the CPU time of a small request (bench/http-path.ts). Without a sink it behaves like any
 * IncomingMessage.
 */
export class BodyRequest extends IncomingMessage {
  sink: BodySink | undefined = undefined;

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const { sink } = this;
    if (sink === undefined) return super.push(chunk, encoding);
    if (chunk === null) {
      this.sink = undefined;
      sink.end();
      return super.push(null);
    }
    if (chunk instanceof Buffer) sink.data(chunk);
    return true;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { sink } = this;
    this.sink = undefined;
    sink?.fail('aborted');
    super._destroy(error, callback);
  }
}

/** The least memory for a chunked body that comes in pieces. */
const FIRST_CAPACITY = 64 * 1024;
/**
 * Memory for a body of declared length is taken with its first bytes, at most this much; when that is full, four times as
 * much. So a length that is only announced costs nothing, and a batch of 1000 records is not copied.
 */
const FIRST_DECLARED = 256 * 1024;
const GROWTH = 4;

const NOTHING = Buffer.alloc(0);

/** Told once how a body ended. */
export interface BodyOwner {
  collected(outcome: Buffer | BodyFailure): void;
}

/**
 * Collects a body into one Buffer, and reserves its bytes as they arrive. The Buffer grows by a factor when it is full, so
 * that a body sent byte by byte costs no more than another. A body that comes in one piece is not copied.
 */
export class BodyCollector implements BodySink {
  readonly #declared: number | undefined;
  readonly #maxBytes: number;
  readonly #reservation: Reservation;
  readonly #buffers: BodyBuffers;
  readonly #owner: BodyOwner;
  #body: Buffer | undefined = undefined;
  #length = 0;
  #settled = false;

  constructor(options: {
    readonly declared: number | undefined;
    readonly maxBytes: number;
    readonly reservation: Reservation;
    readonly buffers: BodyBuffers;
    readonly owner: BodyOwner;
  }) {
    this.#declared = options.declared;
    this.#maxBytes = options.maxBytes;
    this.#reservation = options.reservation;
    this.#buffers = options.buffers;
    this.#owner = options.owner;
  }

  /** The bytes that have arrived. */
  get arrived(): number {
    return this.#length;
  }

  /**
   * Free memory for at least `bytes` of a body of declared length, and never for more than is missing. The caller writes
   * there itself and then calls `wrote`.
   */
  space(bytes = 1): Buffer {
    const needed = this.#length + bytes;
    if (this.#body === undefined || this.#body.length < needed) this.#enlarge(needed);
    return (this.#body ?? NOTHING).subarray(this.#length);
  }

  wrote(bytes: number): void {
    if (this.#settled || !this.#reserve(bytes)) return;
    this.#length += bytes;
  }

  data(chunk: Buffer): void {
    if (this.#settled || !this.#reserve(chunk.length)) return;
    if (this.#length === 0 && (this.#declared === undefined || this.#declared === chunk.length)) {
      this.#body = chunk;
    } else {
      this.#append(chunk);
    }
    this.#length += chunk.length;
  }

  end(): void {
    this.#settle(this.#body?.subarray(0, this.#length) ?? Buffer.alloc(0));
  }

  fail(failure: BodyFailure): void {
    this.#settle(failure);
  }

  expire(): void {
    this.#settle('timeout');
  }

  /** It was among the slowest when the limit of bytes in flight was reached. */
  evict(): void {
    this.#settle('evicted');
  }

  #append(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (this.#body === undefined || this.#body.length < needed) this.#enlarge(needed);
    this.#body?.set(chunk, this.#length);
  }

  #enlarge(needed: number): void {
    const declared = this.#declared;
    const before = this.#body;
    const capacity =
      declared === undefined
        ? Math.min(this.#maxBytes, Math.max(FIRST_CAPACITY, needed, this.#length * 2))
        : Math.min(declared, Math.max(FIRST_DECLARED, needed, this.#length * GROWTH));
    const larger = declared === undefined ? Buffer.allocUnsafe(capacity) : this.#buffers.take(capacity);
    this.#body = larger;
    if (before === undefined) return;
    larger.set(before.subarray(0, this.#length));
    this.#buffers.give(before);
  }

  #reserve(bytes: number): boolean {
    if (this.#length + bytes > this.#maxBytes) this.#settle('too-large');
    else if (!this.#reservation.grow(bytes)) this.#settle('overloaded');
    return !this.#settled;
  }

  #settle(outcome: Buffer | BodyFailure): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#body = undefined;
    this.#owner.collected(outcome);
  }
}
