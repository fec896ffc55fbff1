import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import type { Coding } from './content.ts';
import type { Reservation } from './in-flight.ts';

/** Why a body could not be unpacked: it is at fault, too large once unpacked, or there is no room for it now. */
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
 * Bodies that unpack to at most this are unpacked in place, the others in zlib's own threads. In place a batch of 1000
 * (100 KiB) costs 0.1 ms, over the threads 0.4; and no bomb can hold up the loop for more than this takes, 2 ms.
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
 * Unpacks a whole body, to at most `maxBytes`: what would go beyond is never made. What is unpacked is counted in
 * `reservation` beside the packed body, and alone when it is done. Fails with UnpackError, thrown or rejected.
 */
export function unpack(
  body: Buffer,
  coding: Packing,
  limits: { readonly maxBytes: number; readonly reservation: Reservation },
): Buffer | Promise<Buffer> {
  const unpacker: Unpacker = UNPACKERS[coding === 'deflate' ? deflateKind(body) : coding];
  const small = unpackInPlace(body, coding, unpacker, limits.maxBytes);
  if (small === undefined) return unpackStreaming(body, coding, unpacker, limits);
  if (!limits.reservation.grow(small.length)) throw new UnpackError('overloaded', 'no room for the unpacked body');
  limits.reservation.shrinkTo(small.length);
  return small;
}

/** undefined when it is too large for that, be it allowed or not. */
function unpackInPlace(body: Buffer, coding: Packing, unpacker: Unpacker, maxBytes: number): Buffer | undefined {
  const guess = guessUnpackedLength(body, coding);
  if (body.length > IN_PLACE_PACKED_BYTES || guess > IN_PLACE_BYTES) return undefined;
  const maxOutputLength = Math.min(maxBytes, IN_PLACE_BYTES);
  try {
    // With `info`, zlib's functions give the engine beside the buffer; their types do not know.
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
      else if (!reservation.grow(chunk.length)) fail(new UnpackError('overloaded', 'no room for the unpacked body'));
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

/** zlib stops in silence where the coded data ends: whatever is behind it was not looked at. */
function checkAllRead(body: Buffer, coding: Packing, bytesRead: number): void {
  if (bytesRead === body.length) return;
  throw new UnpackError('undecodable', `the ${coding} body has ${body.length - bytesRead} bytes behind its end`);
}

/** What the first chunk of output should hold: gzip says its length (mod 2^32) at the end, for others a usual ratio. */
function guessUnpackedLength(body: Buffer, coding: Packing): number {
  const guess = coding === 'gzip' && body.length >= 18 ? body.readUInt32LE(body.length - 4) + 1 : body.length * 10;
  return Math.max(guess, 1024);
}

/** RFC 9110 means the zlib format by "deflate", but some senders leave its header out: RFC 1950 says how it looks. */
function deflateKind(body: Buffer): 'zlib' | 'raw' {
  if (body.length < 2) return 'zlib';
  const header = body.readUInt16BE(0);
  return (header & 0x0f00) === 0x0800 && header % 31 === 0 ? 'zlib' : 'raw';
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

function tooLarge(maxBytes: number): UnpackError {
  return new UnpackError('too-large', `the unpacked body is larger than ${maxBytes} bytes`);
}

function undecodable(coding: Packing, error: unknown): UnpackError {
  if (error instanceof UnpackError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  return new UnpackError('undecodable', `cannot decode the ${coding} body: ${cause}`);
}
