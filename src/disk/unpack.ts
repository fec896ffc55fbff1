import * as zlib from 'node:zlib';
import { createPackedSource, type PackedEnd, type PackedSource, UnpackError } from './packed.ts';
import { unpackGzip } from './unpack-gzip.ts';
import { pump, UNPACKED_PIECE_BYTES } from './zlib-pump.ts';

/** How content is packed, by its first bytes, whatever its name says. */
export type Packing = 'plain' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** First bytes that packingOf needs to be certain. */
export const PACKING_BYTES = 6;

const GZIP = Buffer.of(0x1f, 0x8b);
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
/** After the first byte of a skippable frame, 0x50 to 0x5f. */
const ZSTD_SKIPPABLE = Buffer.of(0x2a, 0x4d, 0x18);
const XZ = Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00);
const BZIP2 = Buffer.from('BZh');
/** The first two bytes of a block, and those of the end where there is no block. */
const BZIP2_BLOCKS = [Buffer.of(0x31, 0x41), Buffer.of(0x17, 0x72)];

/**
 * The packing of content that begins with these bytes. Fewer than PACKING_BYTES are taken for all there is: such a beginning of a gzip, zstd
 * or xz file, which no text has, is one that is cut.
 */
export function packingOf(head: Uint8Array): Packing {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (begins(bytes, GZIP, 1)) return 'gzip';
  if (begins(bytes, ZSTD, 2)) return 'zstd';
  if (((bytes[0] ?? 0) & 0xf0) === 0x50 && begins(bytes.subarray(1), ZSTD_SKIPPABLE, 3)) return 'zstd';
  if (begins(bytes, XZ, 1)) return 'xz';
  if (begins(bytes, BZIP2, 3) && BZIP2_BLOCKS.some((block) => begins(bytes.subarray(4), block, 2))) return 'bzip2';
  return 'plain';
}

/** Whether the bytes begin with the magic ones, or are the first of them: at least so many. */
function begins(bytes: Buffer, magic: Buffer, atLeast: number): boolean {
  const length = Math.min(bytes.length, magic.length);
  return length >= atLeast && magic.subarray(0, length).equals(bytes.subarray(0, length));
}

/** No piece of unpacked content is longer. */
export const MAX_UNPACKED_PIECE_BYTES = 256 * 1024;

/**
 * The unpacked content, piece by piece, none over MAX_UNPACKED_PIECE_BYTES, each as soon as it can be had; returns how it ended. Plain content
 * passes as it comes. Reads at most 1.5 MiB further than the caller asks. Throws UnpackError after the pieces that could be had, and what the
 * reading of the packed bytes throws. A caller that stops early ends the reading, too.
 */
export async function* unpack(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer, PackedEnd> {
  const iterator = packed[Symbol.asyncIterator]();
  try {
    const source = createPackedSource(iterator);
    const packing = packingOf(await source.peek(PACKING_BYTES));
    if (packing === 'gzip') return yield* unpackGzip(source);
    if (packing === 'zstd') return yield* unpackZstd(source);
    if (packing === 'xz') throw new UnpackError('xz is not supported: xz -dc FILE | logforge replay -');
    if (packing === 'bzip2') throw new UnpackError('bzip2 is not supported: bzip2 -dc FILE | logforge replay -');
    for (let piece = await source.next(); piece !== undefined; piece = await source.next()) yield piece;
    return 'whole';
  } finally {
    await iterator.return?.();
  }
}

/** zstd (RFC 8878): frames and skippable frames, which node:zlib reads one after the other. */
async function* unpackZstd(source: PackedSource): AsyncGenerator<Buffer, PackedEnd> {
  const end = yield* pump(zlib.createZstdDecompress({ chunkSize: UNPACKED_PIECE_BYTES }), source, { isWhole: 'asked' });
  if (end === 'open') return 'cut';
  if (end !== 'done') throw new UnpackError(`the zstd data is damaged: ${end.failure.message}`, { cause: end.failure });
  return (await source.peek(1)).length === 0 ? 'whole' : 'trailing';
}
