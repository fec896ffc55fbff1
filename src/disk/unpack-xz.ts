import { ReadableStream } from 'node:stream/web';
import { type PackedEnd, type PackedSource, UnpackError } from './packed.ts';

type Lzma = typeof import('@napi-rs/lzma/xz');

/** What the library says (lzma-rust2) where the data ends in the middle, and where something else stands after it. */
const CUT = 'failed to fill whole buffer';
const TRAILING = 'invalid data after stream';

/** xz (tukaani.org/xz/xz-file-format.txt), by a native library that is there for most platforms. */
export async function* unpackXz(source: PackedSource): AsyncGenerator<Buffer, PackedEnd> {
  const { decompressStream } = await loadLibrary();
  let readFailure: unknown;
  const packed = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await source.next();
          if (piece === undefined) controller.close();
          else controller.enqueue(piece);
        } catch (error) {
          readFailure = error;
          throw error;
        }
      },
    },
    { highWaterMark: 0 },
  );
  try {
    for await (const piece of decompressStream(packed))
      yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    return 'whole';
  } catch (error) {
    if (readFailure !== undefined) throw readFailure;
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.includes(CUT)) return 'cut';
    if (reason.includes(TRAILING)) return 'trailing';
    throw new UnpackError(`the xz data is damaged: ${reason}`, { cause: error });
  }
}

async function loadLibrary(): Promise<Lzma> {
  try {
    return await import('@napi-rs/lzma/xz');
  } catch (cause) {
    throw new UnpackError('xz is not supported on this machine: xz -dc FILE | logforge replay -', { cause });
  }
}
