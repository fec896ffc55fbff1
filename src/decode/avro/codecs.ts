import zlib from 'node:zlib';
import { snappyLength, unpackSnappy } from './snappy.ts';

/** Of a block that unpacks to more bytes: writers make blocks of 16 KiB to 1 MiB, and a larger one would hold up other requests. */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024;

/** Why a block cannot be unpacked. */
export class PackedFault extends Error {
  override readonly name = 'PackedFault';
}

/** Unpacks the data of a block. `claim` is told of memory before it is made. Throws PackedFault, and what `claim` throws. */
export type Codec = (packed: Buffer, claim: (bytes: number) => void) => Buffer;

/** fastavro leaves three bytes of the checksum of zlib's format after a block of deflate. */
const DEFLATE_SPARE = 4;

/** By their names in the metadata of a file. */
export const CODECS: ReadonlyMap<string, Codec> = new Map<string, Codec>([
  ['null', (data) => data],
  ['deflate', inSteps(DEFLATE_SPARE, (packed, options) => zlib.inflateRawSync(packed, { ...options, info: true }))],
  ['zstandard', inSteps(0, (packed, options) => zlib.zstdDecompressSync(packed, { ...options, ...ZSTD, info: true }))],
  ['snappy', unsnap],
]);

/** A block packs to a tenth, about: most need the first step alone. */
const USUAL_RATIO = 10;
const LEAST_ROOM = 64 * 1024;
/** A frame with a larger window is refused before it is made. */
const ZSTD = { params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } };

type Unpack = (packed: Buffer, options: { readonly maxOutputLength: number }) => unknown;

/** With room for what is usual, and only if it does not fit, with room for as much as there may be. `mostExtra`: bytes that may follow. */
function inSteps(mostExtra: number, unpack: Unpack): Codec {
  return function unpackBlock(packed, claim) {
    const usual = Math.min(Math.max(packed.length * USUAL_RATIO, LEAST_ROOM), MAX_BLOCK_BYTES);
    for (let room = usual; ; room = MAX_BLOCK_BYTES) {
      claim(room);
      try {
        // With `info`, zlib's functions return the engine beside the buffer. Their types do not say so.
        const { buffer, engine } = unpack(packed, { maxOutputLength: room }) as {
          readonly buffer: Buffer;
          readonly engine: { readonly bytesWritten: number };
        };
        const extra = packed.length - engine.bytesWritten;
        if (extra > mostExtra) throw new PackedFault(`it has ${extra} bytes after its end`);
        return buffer;
      } catch (error) {
        if (error instanceof PackedFault) throw error;
        if (!isTooLarge(error)) throw new PackedFault(error instanceof Error ? error.message : String(error));
        if (room === MAX_BLOCK_BYTES) throw tooLarge();
      }
    }
  };
}

const CHECKSUM_BYTES = 4;

/** Of Avro: a block of Snappy, and the CRC-32 of its text in big endian. */
function unsnap(packed: Buffer, claim: (bytes: number) => void): Buffer {
  const block = packed.subarray(0, Math.max(packed.length - CHECKSUM_BYTES, 0));
  const head = snappyLength(block);
  if (head === undefined) throw new PackedFault('it is no block of snappy');
  if (head.length > MAX_BLOCK_BYTES) throw tooLarge();
  claim(head.length);
  const text = unpackSnappy(block, head.length, head.start);
  if (text === undefined) throw new PackedFault('it is no block of snappy');
  if (zlib.crc32(text) !== packed.readUInt32BE(block.length)) throw new PackedFault('its checksum is wrong');
  return text;
}

function tooLarge(): PackedFault {
  return new PackedFault(`it unpacks to more than ${MAX_BLOCK_BYTES} bytes; write smaller blocks`);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
