import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { MAX_ZSTD_WINDOW, readNeed } from './window.ts';

const { constants } = zlib;
const KIB = 1024;
const MIB = 1024 * KIB;

function brotli(body: Uint8Array, windowLog: number): Buffer {
  const params = { [constants.BROTLI_PARAM_LGWIN]: windowLog, [constants.BROTLI_PARAM_QUALITY]: 5 };
  return zlib.brotliCompressSync(body, { params });
}

/** A frame that does not know its length, as a client sends that packs while it writes. */
async function zstdStream(body: Uint8Array, windowLog: number): Promise<Buffer> {
  const packer = zlib.createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } });
  packer.write(body);
  packer.end();
  return Buffer.concat(await packer.toArray());
}

const SKIPPED = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

describe('readNeed', () => {
  test.each(['gzip', 'deflate'] as const)('%s needs 32 KiB', (coding) => {
    expect(readNeed(zlib.gzipSync('x'), coding)).toEqual({ window: 32 * KIB, exact: undefined });
  });

  test.each([10, 11, 15, 16, 17, 18, 21, 22, 24])('reads a brotli window of 2^%i bytes', (windowLog) => {
    // More than one block.
    const body = brotli(Buffer.alloc(17 * MIB), windowLog);
    expect(readNeed(body, 'br')).toEqual({ window: 2 ** windowLog, exact: undefined });
  });

  test.each([1, 500, 70_000, 900_000, 3_000_000])('reads that a brotli body has one block of %i bytes', (bytes) => {
    const need = readNeed(brotli(Buffer.alloc(bytes, 'ab'), 24), 'br');
    expect(need.exact).toBe(bytes);
    expect(need.window).toBeGreaterThanOrEqual(bytes);
    expect(need.window).toBeLessThanOrEqual(Math.max(1_024, bytes * 2));
  });

  test('reads the length of brotli blocks that are stored as they are', () => {
    const noise = Buffer.from(
      Array.from({ length: 200_000 }, (_, i) => (Math.imul(i * i + 7, 2_654_435_761) >>> 13) & 255),
    );
    for (const quality of [0, 1, 5]) {
      const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
      for (const bytes of [1, 2, 40]) {
        const body = zlib.brotliCompressSync(noise.subarray(0, bytes), { params });
        expect(readNeed(body, 'br').exact).toBe(bytes);
      }
    }
  });

  test('reads an empty brotli body, and one of no bytes', () => {
    expect(readNeed(brotli(Buffer.alloc(0), 22), 'br').exact).toBe(0);
    expect(readNeed(Buffer.alloc(0), 'br')).toEqual({ window: 2 ** 16, exact: undefined });
  });

  test('knows the large windows that RFC 7932 does not have', () => {
    const params = { [constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [constants.BROTLI_PARAM_LGWIN]: 30 };
    const body = zlib.brotliCompressSync(Buffer.alloc(100), { params });
    expect(readNeed(body, 'br').window).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([10, 17, 20, 23, 27])('reads a zstd window of 2^%i bytes', async (windowLog) => {
    expect(readNeed(await zstdStream(Buffer.from('abc'), windowLog), 'zstd').window).toBe(2 ** windowLog);
  });

  test.each([3, 255, 256, 70_000, 900_000])('a zstd frame of one segment needs its %i bytes', (bytes) => {
    const params = { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: 21 };
    const body = zlib.zstdCompressSync(Buffer.alloc(bytes, 'abc'), { params });
    expect(readNeed(body, 'zstd').window).toBe(bytes);
  });

  test('reads the windows of all frames of a zstd body', async () => {
    const small = zlib.zstdCompressSync('small', { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    const large = await zstdStream(Buffer.from('large'), 22);
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31) % 251));
    const blocks = zlib.zstdCompressSync(noise);
    for (const first of [small, SKIPPED, blocks, Buffer.concat([small, SKIPPED, blocks])]) {
      expect(readNeed(Buffer.concat([first, large]), 'zstd').window).toBe(2 ** 22);
    }
  });

  test('takes a zstd body of very many blocks or frames for one with the largest window', () => {
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00]);
    const blocks = Buffer.concat([head, Buffer.alloc(3 * 100_000)]);
    expect(readNeed(blocks, 'zstd').window).toBe(MAX_ZSTD_WINDOW);
    const frame = zlib.zstdCompressSync('');
    const frames = Buffer.concat(Array.from({ length: 20_000 }, () => frame));
    expect(readNeed(frames, 'zstd').window).toBe(MAX_ZSTD_WINDOW);
  });

  test.each([0, 1, 4, 5, 6, 8])('does not read beyond a zstd body that is cut after %i bytes', (length) => {
    expect(() => readNeed(zlib.zstdCompressSync('abc').subarray(0, length), 'zstd')).not.toThrow();
    expect(() => readNeed(SKIPPED.subarray(0, length), 'zstd')).not.toThrow();
  });
});
