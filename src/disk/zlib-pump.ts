import type { Duplex } from 'node:stream';
import type { PackedSource } from './packed.ts';

/** How a decompressor of node:zlib came to its end. `open`: the source ended before the packed data did. */
export type PumpEnd = 'done' | 'open' | { readonly failure: Error };

export interface PumpStream extends Duplex {
  /** Bytes that the decompressor has consumed. */
  readonly bytesWritten: number;
}

/** For `chunkSize` of the stream. */
export const UNPACKED_PIECE_BYTES = 64 * 1024;

/** Pieces that wait for the caller before the decompressor is stopped. */
const MAX_WAITING = 2;

/**
 * Unpacks by a stream of node:zlib, and yields all that it gives. The stream's own ways do not do: its iterator throws away what it has when
 * there is an error, and it takes whatever stands after the packed data. Here those bytes are given back to the source. Destroys the stream.
 *
 * `isWhole`: whether the data may end where the source ends, as the stream's end says; otherwise the stream must see its end by itself.
 */
export async function* pump(
  stream: PumpStream,
  source: PackedSource,
  { isWhole }: { readonly isWhole: 'asked' | 'never' },
): AsyncGenerator<Buffer, PumpEnd> {
  const waiting: Buffer[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  stream.on('data', (piece: Buffer) => {
    waiting.push(piece);
    if (waiting.length >= MAX_WAITING) stream.pause();
    wake();
  });
  stream.on('end', () => wake());
  stream.on('error', (error) => {
    failure = error;
    wake();
  });

  /** Yields what comes until the work is done and nothing of it is left in the stream. */
  async function* drain(isDone: () => boolean): AsyncGenerator<Buffer, void> {
    for (;;) {
      for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) yield piece;
      if (failure !== undefined || stream.readableEnded || (isDone() && stream.readableLength === 0)) return;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      stream.resume();
      await woken;
    }
  }

  let fed = 0;
  try {
    for (let piece = await source.next(); piece !== undefined; piece = await source.next()) {
      fed += piece.length;
      let isTaken = false;
      stream.write(piece, () => {
        isTaken = true;
        wake();
      });
      yield* drain(() => isTaken);
      if (failure !== undefined) return { failure };
      const surplus = fed - stream.bytesWritten;
      if (surplus > 0) {
        source.unread(piece.subarray(piece.length - surplus));
        return 'done';
      }
    }
    if (isWhole === 'never') return 'open';
    stream.end();
    yield* drain(() => false);
    if (failure === undefined) return 'done';
    return isEarlyEnd(failure) ? 'open' : { failure };
  } finally {
    stream.destroy();
  }
}

function isEarlyEnd(error: Error): boolean {
  return 'code' in error && error.code === 'Z_BUF_ERROR';
}
