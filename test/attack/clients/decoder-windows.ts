import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { HostileClient } from '../attack.ts';
import { ask, post, repeat } from '../wire.ts';

/**
 * Bodies of some 50 bytes that make a decoder take its largest window: 16 MiB for brotli, 8 and 128 MiB for zstd. Ten come each second,
 * and every ten seconds a hundred at once. Half unpack to 64 MiB of spaces, which is over every limit, half to nothing but a blank.
 */
export const decoderWindows: HostileClient = {
  name: 'decoder windows',
  phase: 'open',
  run: async (attack) => {
    const one = () => ask(attack, attack.random.pick(REQUESTS));
    const hundred = async () => void (await Promise.all(Array.from({ length: 100 }, one)));
    await Promise.all([
      repeat(attack, { everyMs: 100, atOnce: 20 }, one),
      repeat(attack, { everyMs: 10_000, atOnce: 1 }, hundred),
    ]);
  },
};

function packBodies(): Buffer[] {
  const large = Buffer.alloc(64 * 1024 * 1024, ' ');
  const small = Buffer.from(' ');
  return [large, small].flatMap((text) => [
    post(packBrotli(text), { 'Content-Encoding': 'br' }),
    post(packZstd(text, 23), { 'Content-Encoding': 'zstd' }),
    post(packZstd(text, 27), { 'Content-Encoding': 'zstd' }),
    post(gzipSync(text, { level: 9 }).subarray(0, 60_000), { 'Content-Encoding': 'gzip' }),
    post(deflateSync(text, { level: 9 }).subarray(0, 60_000), { 'Content-Encoding': 'deflate' }),
  ]);
}

function packBrotli(text: Buffer): Buffer {
  const { BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY } = constants;
  return brotliCompressSync(text, { params: { [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_QUALITY]: 5 } });
}

function packZstd(text: Buffer, windowLog: number): Buffer {
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_windowLog]: windowLog } });
}

const REQUESTS = packBodies();
