import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { formatBytes } from '../quantity.ts';
import type { Coding } from './content.ts';
import type { Reservation } from './in-flight.ts';

/** A body could not be unpacked: its bytes are wrong, it is too large once unpacked, or there is no room for it now. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
  readonly reason: 'undecodable' | 'too-large' | 'overloaded';
  constructor(reason: 'undecodable' | 'too-large' | 'overloaded', message: string) {
    super(message);
    this.reason = reason;
  }
}

type Packing = Exclude<Coding, 'identity'>;

/**
 * Bodies that unpack to at most this are unpacked in this thread, larger ones in zlib's threads. Here a batch of 1000
 * records (100 KiB) costs 0.1 ms, in zlib's threads 0.4 ms. A body that unpacks to far more than it seems to blocks the
 * event loop for 2 ms at most.
 */
const IN_PLACE_BYTES = 1024 * 1024;
const IN_PLACE_PACKED_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** RFC 9659: content coded with zstd must not ask for a window of more than 8 MiB. */
const ZSTD_OPTIONS = { params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } };

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

/**
 * Unpacks a whole body, to at most `maxBytes`; bytes beyond are never produced. While it unpacks, `reservation` counts the
 * packed and the unpacked bytes, afterwards the unpacked ones alone. Throws or rejects with UnpackError.
 */
export function unpack(
  body: Buffer,
  coding: Packing,
  limits: { readonly maxBytes: number; readonly reservation: Reservation },
): Buffer | Promise<Buffer> {
  const unpacker: Unpacker = UNPACKERS[coding === 'deflate' ? deflateKind(body) : coding];
  const small = unpackInPlace(body, coding, unpacker, limits.maxBytes);
  if (small === undefined) return unpackStreaming(body, coding, unpacker, limits);
  if (!limits.reservation.grow(small.length)) throw new UnpackError('overloaded', 'too many request bytes in flight');
  limits.reservation.shrinkTo(small.length);
  return small;
}

/** undefined when the unpacked body is too large for this thread, whether or not `maxBytes` allows it. */
function unpackInPlace(body: Buffer, coding: Packing, unpacker: Unpacker, maxBytes: number): Buffer | undefined {
  const guess = guessUnpackedLength(body, coding);
  if (body.length > IN_PLACE_PACKED_BYTES || guess > IN_PLACE_BYTES) return undefined;
  const maxOutputLength = Math.min(maxBytes, IN_PLACE_BYTES);
  try {
    // With `info`, zlib's functions return the engine beside the buffer. Their types do not say so.
    const { buffer, engine } = unpacker.inPlace(body, { info: true, maxOutputLength, chunkSize: guess }) as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    checkAllRead(body, coding, engine.bytesWritten);
    return buffer;
  } catch (error) {
    if (!isTooLarge(error)) throw undecodable(coding, error);
    if (maxOutputLength === maxBytes) throw tooLarge(maxBytes);
    return undefined;
  }
}

function unpackStreaming(
  body: Buffer,
  coding: Packing,
  unpacker: Unpacker,
  limits: { readonly maxBytes: number; readonly reservation: Reservation },
): Promise<Buffer> {
  const { maxBytes, reservation } = limits;
  return new Promise((resolve, reject) => {
    const stream = unpacker.stream({ chunkSize: CHUNK_BYTES });
    const chunks: Buffer[] = [];
    let length = 0;
    const fail = (error: UnpackError) => {
      stream.destroy();
      chunks.length = 0;
      reject(error);
    };
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) fail(tooLarge(maxBytes));
      else if (!reservation.grow(chunk.length)) fail(new UnpackError('overloaded', 'too many request bytes in flight'));
      else chunks.push(chunk);
    });
    stream.on('error', (error) => fail(undecodable(coding, error)));
    stream.on('end', () => {
      try {
        checkAllRead(body, coding, stream.bytesWritten);
        reservation.shrinkTo(length);
        resolve(Buffer.concat(chunks, length));
      } catch (error) {
        fail(undecodable(coding, error));
      }
    });
    stream.end(body);
  });
}

/** zlib stops without an error where the coded data ends, and does not read the bytes after it. */
function checkAllRead(body: Buffer, coding: Packing, bytesRead: number): void {
  if (bytesRead === body.length) return;
  throw new UnpackError('undecodable', `the ${coding} body has ${body.length - bytesRead} bytes after its end`);
}

/** The size of the first output chunk. gzip has its length (mod 2^32) at the end; for others a usual ratio is assumed. */
function guessUnpackedLength(body: Buffer, coding: Packing): number {
  const guess = coding === 'gzip' && body.length >= 18 ? body.readUInt32LE(body.length - 4) + 1 : body.length * 10;
  return Math.max(guess, 1024);
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
