import { promisify } from 'node:util';
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib';
import { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } from '@platformatic/wasm-utils';
import { CompressionCodecs, CompressionTypes } from './library.ts';

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);
const zstdAsync = promisify(zstdCompress);
const unzstdAsync = promisify(zstdDecompress);

/** Snappy as the Java client frames it: a magic, two versions, then blocks with their length before them. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

export function decompressSnappy(buffer: Buffer): Buffer {
  if (!buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyDecompress(buffer);
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < buffer.length; ) {
    const length = buffer.readUInt32BE(at);
    const end = at + 4 + length;
    if (end > buffer.length) throw new Error(`a snappy block of ${length} bytes is incomplete`);
    blocks.push(snappyDecompress(buffer.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}

const CODECS: readonly (readonly [number, Codec])[] = [
  [
    CompressionTypes.GZIP,
    { compress: ({ buffer }) => gzipAsync(buffer, { level: 1 }), decompress: (buffer) => gunzipAsync(buffer) },
  ],
  [
    CompressionTypes.Snappy,
    { compress: async ({ buffer }) => snappyCompress(buffer), decompress: async (buffer) => decompressSnappy(buffer) },
  ],
  [
    CompressionTypes.LZ4,
    { compress: async ({ buffer }) => lz4Compress(buffer), decompress: async (buffer) => lz4Decompress(buffer) },
  ],
  [CompressionTypes.ZSTD, { compress: ({ buffer }) => zstdAsync(buffer), decompress: (buffer) => unzstdAsync(buffer) }],
];

/** kafkajs has only gzip. At the first record batch of another codec it stops reading the partition permanently. */
export function registerCodecs(): void {
  const table: Record<number, () => Codec> = CompressionCodecs;
  for (const [type, codec] of CODECS) table[type] = () => codec;
}
