import zlib from 'node:zlib';
import { createInFlight } from '../../../src/http/logs/in-flight.ts';
import { createUnpack, UnpackError } from '../../../src/http/logs/unpack.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { join, split, withHead } from '../headed.ts';
import { mutateBytes, withoutPieces } from '../mutate.ts';

/** The content encodings: damaged, cut and hostile ones end with a declared error, in the memory that they have, or give the bytes. */

const CODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const;
interface Head {
  readonly coding: (typeof CODINGS)[number];
  readonly maxBytes: number;
}

const MAX_IN_FLIGHT = 64 * 1024 * 1024;
const unpack = createUnpack();

export const unpackTarget: FuzzTarget = {
  name: 'unpack',
  atOnce: 4,
  runsPerSecond: 400,
  make(random) {
    const coding = random.pick(CODINGS);
    const text = Buffer.alloc(random.int(0, random.pick([10, 1_000, 60_000])), `{"n":${random.int(0, 1e9)}}\n`);
    const pack = {
      gzip: zlib.gzipSync,
      deflate: random.pick([zlib.deflateSync, zlib.deflateRawSync]),
      br: packBrotli,
      zstd: zlib.zstdCompressSync,
    };
    const packed = pack[coding](text);
    const body = random.chance(0.1) ? Buffer.concat([packed, pack[coding](text)]) : packed;
    return join({ head: { coding, maxBytes: random.pick([100, 10_000, 1024 * 1024]) }, body });
  },
  mutate: (input, random) => withHead((body) => mutateBytes(body, random))(input),
  *simpler(input) {
    const { head, body } = split<Head>(input);
    for (const simpler of withoutPieces(body)) yield join({ head, body: simpler });
  },
  async check(input) {
    const { head, body } = split<Head>(input);
    let counted = 0;
    const count = (total: number) => {
      counted = total;
    };
    const inFlight = createInFlight({ maxBytes: MAX_IN_FLIGHT, onChange: count });
    const reservation = inFlight.reserve(body.length);
    promise(reservation !== undefined, () => 'no room');
    try {
      const unpacked = await unpack(Buffer.from(body), head.coding, { maxBytes: head.maxBytes, reservation });
      promise(unpacked.length <= head.maxBytes, () => `${unpacked.length} bytes of at most ${head.maxBytes}`);
      promise(counted === unpacked.length, () => `${counted} bytes are counted for ${unpacked.length}`);
      const reference = unpackInOneGo(head.coding, body);
      promise(reference?.equals(unpacked) ?? false, () => `${unpacked.length} bytes, zlib gives ${reference?.length}`);
    } catch (error) {
      if (!(error instanceof UnpackError)) throw error;
    }
    promise(counted <= MAX_IN_FLIGHT, () => `${counted} bytes are counted`);
    reservation.release();
    promise(counted === 0, () => `${counted} bytes stay counted`);
  },
};

function packBrotli(bytes: Buffer): Buffer {
  return zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } });
}

function unpackInOneGo(coding: Head['coding'], body: Buffer): Buffer | undefined {
  const readers = {
    gzip: [zlib.gunzipSync],
    deflate: [zlib.inflateSync, zlib.inflateRawSync],
    br: [zlib.brotliDecompressSync],
    zstd: [zlib.zstdDecompressSync],
  };
  for (const read of readers[coding]) {
    try {
      return read(body);
    } catch {
      // The other one may read it.
    }
  }
  return undefined;
}
