import zlib from 'node:zlib';
import { UnpackError } from '../../../src/disk/packed.ts';
import { MAX_UNPACKED_PIECE_BYTES, packingOf, unpack } from '../../../src/disk/unpack.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';

/**
 * Compressed files: damaged, cut and hostile ones end with a verdict or a declared error; what zlib unpacks in one go is unpacked likewise; and
 * the pieces that they come in change nothing.
 */
export const unpackFileTarget: FuzzTarget = {
  name: 'unpack-file',
  atOnce: 4,
  runsPerSecond: 200,
  make(random) {
    const text = Buffer.alloc(random.int(0, random.pick([10, 1_000, 60_000])), `line ${random.int(0, 1e9)}\n`);
    const pack = random.pick([zlib.gzipSync, zlib.zstdCompressSync]);
    const end = random.pick([Buffer.alloc(0), pack(text), Buffer.alloc(20), Buffer.from('rubbish')]);
    return Buffer.concat([pack(text), end]);
  },
  mutate: (input, random) => mutateBytes(input, random),
  *simpler(input) {
    yield* withoutPieces(input);
  },
  async check(input) {
    const whole = await unpackBy(input, input.length + 1);
    const bytewise = await unpackBy(input, 7);
    // A frame of zstd that comes whole is checked for more than one that comes in pieces: its length, say.
    if (packingOf(input) === 'zstd' && (whole.end === 'damaged' || bytewise.end === 'damaged')) return;
    promise(bytewise.end === whole.end, () => `in pieces the end is ${bytewise.end}, in one ${whole.end}`);
    if (whole.end !== 'damaged') promise(bytewise.content.equals(whole.content), () => 'pieces give another content');
    const reference = unpackInOneGo(input);
    if (reference === undefined) return;
    promise(
      whole.end === 'whole' || whole.end === 'trailing' || whole.end === 'cut',
      () => `zlib unpacks it; here it is ${whole.end}`,
    );
    promise(whole.content.equals(reference), () => `${whole.content.length} bytes, zlib gives ${reference.length}`);
  },
};

async function unpackBy(input: Buffer, length: number): Promise<{ readonly content: Buffer; readonly end: string }> {
  const pieces: Buffer[] = [];
  const unpacking = unpack(inPieces(input, length));
  try {
    for (;;) {
      const { done, value } = await unpacking.next();
      if (done === true) return { content: Buffer.concat(pieces), end: value };
      promise(value.length <= MAX_UNPACKED_PIECE_BYTES, () => `a piece of ${value.length} bytes`);
      pieces.push(value);
    }
  } catch (error) {
    if (!(error instanceof UnpackError)) throw error;
    return { content: Buffer.concat(pieces), end: 'damaged' };
  }
}

async function* inPieces(input: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < input.length; at += length) yield input.subarray(at, at + length);
}

/** Undefined for what is damaged, cut, or of another packing. */
function unpackInOneGo(input: Buffer): Buffer | undefined {
  const unpackers = { gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync };
  const packing = packingOf(input);
  if (packing !== 'gzip' && packing !== 'zstd') return undefined;
  try {
    return unpackers[packing](input);
  } catch {
    return undefined;
  }
}
