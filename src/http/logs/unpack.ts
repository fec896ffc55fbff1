import { availableParallelism } from 'node:os';
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { formatBytes } from '../quantity.ts';
import type { Reservation } from './in-flight.ts';
import { createTurns, type Turns } from './turns.ts';
import { MAX_ZSTD_WINDOW, type Need, type Packing, readNeed } from './window.ts';

type Reason = 'undecodable' | 'too-large' | 'overloaded' | 'busy';

/** A body could not be unpacked: its bytes are wrong, it is too large once unpacked, or there is no room or turn for it now. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
  readonly reason: Reason;
  constructor(reason: Reason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Bodies that unpack to at most this are unpacked in this thread, larger ones in zlib's threads. Here a batch of 1000
 * records (100 KiB) costs 0.1 ms, in zlib's threads 0.4 ms. A body that unpacks to far more than it seems to blocks the
 * event loop for 2 ms at most.
 */
const IN_PLACE_BYTES = 1024 * 1024;
const IN_PLACE_PACKED_BYTES = 256 * 1024;
/** The steps in zlib's threads: so much goes in and so much comes out at once. Between two steps the disk gets its turn. */
const STEP_INPUT_BYTES = 64 * 1024;
const STEP_OUTPUT_BYTES = 256 * 1024;

/** A window beyond this is large. A brotli decoder fills its whole window before any byte comes out: 16 MiB take 40 ms. */
const LARGE_WINDOW = 1024 * 1024;
/**
 * Bodies in zlib's threads at once: one core is left to this thread, which all other requests need. With six at once on two
 * cores, a commit beside them took three times as long.
 */
const AT_ONCE = Math.max(1, Math.min(4, availableParallelism() - 1));
const LARGE_AT_ONCE = 1;
/** Bodies of each kind that may wait for their turn. Each of them is in memory and counted. */
const MAX_WAITING = 256;
const MAX_WAIT_MS = 2_000;

const ZSTD_OPTIONS = { params: { [zlib.constants.ZSTD_d_windowLogMax]: Math.log2(MAX_ZSTD_WINDOW) } };

interface Unpacker {
  inPlace(
    body: Buffer,
    options: { readonly info: true; readonly maxOutputLength: number; readonly chunkSize: number },
  ): unknown;
  stream(options: { readonly chunkSize: number }): Transform & zlib.Zlib;
}

const UNPACKERS = {
  gzip: { inPlace: zlib.gunzipSync, stream: (options) => zlib.createGunzip(options) },
  zlib: { inPlace: zlib.inflateSync, stream: (options) => zlib.createInflate(options) },
  raw: { inPlace: zlib.inflateRawSync, stream: (options) => zlib.createInflateRaw(options) },
  br: { inPlace: zlib.brotliDecompressSync, stream: (options) => zlib.createBrotliDecompress(options) },
  zstd: {
    inPlace: (body, options) => zlib.zstdDecompressSync(body, { ...options, ...ZSTD_OPTIONS }),
    stream: (options) => zlib.createZstdDecompress({ ...options, ...ZSTD_OPTIONS }),
  },
} satisfies Record<string, Unpacker>;

export interface UnpackLimits {
  readonly maxBytes: number;
  readonly reservation: Reservation;
}

/**
 * Unpacks a whole body, to at most `maxBytes`; what comes beyond is not produced. While it unpacks, `reservation` counts
 * the packed bytes, the decoder's window and the unpacked bytes, afterwards the unpacked ones alone. Throws or rejects with
 * UnpackError.
 */
export type Unpack = (body: Buffer, coding: Packing, limits: UnpackLimits) => Buffer | Promise<Buffer>;

export interface UnpackOptions {
  /** Called for each body that got no turn. */
  readonly onRefused?: () => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

export function createUnpack(options: UnpackOptions = {}): Unpack {
  const { onRefused, now = () => performance.now() } = options;
  const limits = { maxWaiting: MAX_WAITING, maxWaitMs: MAX_WAIT_MS, now };
  const small = createTurns({ ...limits, atOnce: AT_ONCE });
  const large = createTurns({ ...limits, atOnce: LARGE_AT_ONCE });

  return (body, coding, limits) => {
    const unpacker: Unpacker = UNPACKERS[coding === 'deflate' ? deflateKind(body) : coding];
    const need = readNeed(body, coding);
    checkWindow(need, coding);
    const done = unpackInPlace({ body, coding, unpacker, need, limits });
    if (done !== undefined) return done;
    const turns = need.window > LARGE_WINDOW ? large : small;
    return unpackInTurn(turns, { body, coding, unpacker, need, limits }, onRefused);
  };
}

interface Job {
  readonly body: Buffer;
  readonly coding: Packing;
  readonly unpacker: Unpacker;
  readonly need: Need;
  readonly limits: UnpackLimits;
}

/** undefined when the unpacked body is too large for this thread, whether or not `maxBytes` allows it. */
function unpackInPlace(job: Job): Buffer | undefined {
  const { body, coding, unpacker, need, limits } = job;
  const { maxBytes, reservation } = limits;
  const guess = need.exact === undefined ? guessUnpackedLength(body, coding) : need.exact + 1;
  if (body.length > IN_PLACE_PACKED_BYTES || guess > IN_PLACE_BYTES) return undefined;
  // Of the output of a brotli decoder nothing is seen, and nothing stopped, before its window is full.
  if (coding === 'br' && need.exact === undefined) return undefined;
  // The part of the window that is used before the output is too large.
  if (!reservation.grow(Math.min(need.window, IN_PLACE_BYTES))) throw overloaded();
  const maxOutputLength = Math.min(maxBytes, IN_PLACE_BYTES);
  try {
    const chunkSize = Math.max(guess, 1024);
    // With `info`, zlib's functions return the engine beside the buffer. Their types do not say so.
    const { buffer, engine } = unpacker.inPlace(body, { info: true, maxOutputLength, chunkSize }) as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    checkAllRead(body, coding, engine.bytesWritten);
    if (!reservation.grow(buffer.length)) throw overloaded();
    reservation.shrinkTo(buffer.length);
    return buffer;
  } catch (error) {
    if (!isTooLarge(error)) throw undecodable(coding, error);
    if (maxOutputLength === maxBytes) throw tooLarge(maxBytes);
    reservation.shrinkTo(body.length);
    return undefined;
  }
}

async function unpackInTurn(turns: Turns, job: Job, onRefused?: () => void): Promise<Buffer> {
  if (!(await turns.take())) {
    onRefused?.();
    throw new UnpackError('busy', 'too many large bodies wait to be unpacked; nothing was stored');
  }
  try {
    // Before the decoder takes it.
    if (!job.limits.reservation.grow(job.need.window)) throw overloaded();
    return await unpackInSteps(job);
  } catch (error) {
    // Before the next one begins.
    job.limits.reservation.shrinkTo(job.body.length);
    throw error;
  } finally {
    turns.done();
  }
}

/** In zlib's threads. A step that has begun ends before the next one, and before its decoder is freed. */
function unpackInSteps({ body, coding, unpacker, limits }: Job): Promise<Buffer> {
  const { maxBytes, reservation } = limits;
  return new Promise((resolve, reject) => {
    const stream = unpacker.stream({ chunkSize: STEP_OUTPUT_BYTES });
    const chunks: Buffer[] = [];
    let length = 0;
    let at = 0;
    const fail = (error: UnpackError) => {
      stream.destroy();
      chunks.length = 0;
      reject(error);
    };
    const feed = () => {
      if (stream.destroyed || stream.writableEnded) return;
      const step = body.subarray(at, at + STEP_INPUT_BYTES);
      at += step.length;
      if (at < body.length) stream.write(step, feed);
      else stream.end(step);
    };
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) fail(tooLarge(maxBytes));
      else if (!reservation.grow(chunk.length)) fail(overloaded());
      else chunks.push(chunk);
    });
    stream.on('error', (error) => fail(undecodable(coding, error)));
    stream.on('end', () => {
      try {
        checkAllRead(body, coding, stream.bytesWritten);
        stream.destroy();
        reservation.shrinkTo(length);
        resolve(Buffer.concat(chunks, length));
      } catch (error) {
        fail(undecodable(coding, error));
      }
    });
    feed();
  });
}

function checkWindow({ window }: Need, coding: Packing): void {
  if (coding === 'br' && window === Number.POSITIVE_INFINITY) {
    throw new UnpackError('undecodable', 'cannot decode the br body: its window is larger than 16 MiB (RFC 7932)');
  }
  if (coding === 'zstd' && window > MAX_ZSTD_WINDOW) {
    const limit = formatBytes(MAX_ZSTD_WINDOW);
    throw new UnpackError('undecodable', `cannot decode the zstd body: its window is larger than ${limit} (RFC 9659)`);
  }
}

/** zlib stops without an error where the coded data ends, and does not read the bytes after it. */
function checkAllRead(body: Buffer, coding: Packing, bytesRead: number): void {
  if (bytesRead === body.length) return;
  throw new UnpackError('undecodable', `the ${coding} body has ${body.length - bytesRead} bytes after its end`);
}

/** The size of the first output chunk. gzip has its length (mod 2^32) at the end; for others a usual ratio is assumed. */
function guessUnpackedLength(body: Buffer, coding: Packing): number {
  return coding === 'gzip' && body.length >= 18 ? body.readUInt32LE(body.length - 4) + 1 : body.length * 10;
}

/** By "deflate", RFC 9110 means the zlib format. Some senders leave out its header, which RFC 1950 describes. */
function deflateKind(body: Buffer): 'zlib' | 'raw' {
  if (body.length < 2) return 'zlib';
  const header = body.readUInt16BE(0);
  return (header & 0x0f00) === 0x0800 && header % 31 === 0 ? 'zlib' : 'raw';
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

function overloaded(): UnpackError {
  return new UnpackError('overloaded', 'too many request bytes in flight');
}

function tooLarge(maxBytes: number): UnpackError {
  return new UnpackError(
    'too-large',
    `the unpacked body is larger than ${formatBytes(maxBytes)} (server.maxBodyBytes)`,
  );
}

function undecodable(coding: Packing, error: unknown): UnpackError {
  if (error instanceof UnpackError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  return new UnpackError('undecodable', `cannot decode the ${coding} body: ${cause}`);
}
