import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createInFlight } from './in-flight.ts';
import { createUnpack, type UnpackError } from './unpack.ts';
import type { Packing } from './window.ts';

const { constants } = zlib;
const KIB = 1024;
const MIB = 1024 * KIB;

const PACKERS: Readonly<Record<Packing, (body: Uint8Array) => Buffer>> = {
  gzip: (body) => zlib.gzipSync(body),
  deflate: (body) => zlib.deflateSync(body),
  br: (body) => zlib.brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  zstd: (body) => zlib.zstdCompressSync(body),
};
const CODINGS = Object.keys(PACKERS) as Packing[];

function createFixture(maxInFlight = 256 * MIB) {
  const totals: number[] = [];
  const inFlight = createInFlight({ maxBytes: maxInFlight, onChange: (total) => void totals.push(total) });
  // A clock that stands still: nobody waits too long.
  const unpack = createUnpack({ now: () => 0 });
  /** Calls `before` with the result, before its bytes are released. */
  const run = async (body: Buffer, coding: Packing, maxBytes = 16 * MIB, before: () => void = () => undefined) => {
    const reservation = inFlight.reserve(body.length);
    if (reservation === undefined) throw new Error('no room for the body itself');
    try {
      const unpacked = await unpack(body, coding, { maxBytes, reservation });
      before();
      return unpacked;
    } finally {
      reservation.release();
    }
  };
  const outcome = (body: Buffer, coding: Packing, maxBytes?: number) =>
    run(body, coding, maxBytes).then(
      ({ length }) => length,
      (error: UnpackError) => error.reason,
    );
  return { totals, unpack, run, outcome };
}

/** A window of 16 MiB, and 64 MiB of spaces, in 51 bytes. */
const BOMB = zlib.brotliCompressSync(Buffer.alloc(64 * MIB, ' '), {
  params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 9 },
});

/** Text that compresses a little. */
function text(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let at = 0, state = 7; at < bytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    body[at] = 97 + ((state >>> 16) & 15);
  }
  return body;
}

describe('unpack', () => {
  test('takes little time of its own thread for bodies of a few bytes with a large window', async () => {
    const { outcome } = createFixture();
    let least = Number.POSITIVE_INFINITY;
    // Beside other load the first run may take several times as long.
    for (let run = 0; run < 5 && least > 100; run++) {
      const before = process.threadCpuUsage();
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(BOMB, 'br')));
      const { user, system } = process.threadCpuUsage(before);
      expect(outcomes).toEqual(Array.from({ length: 10 }, () => 'too-large'));
      least = Math.min(least, (user + system) / 1_000);
    }
    // Unpacking a first MiB in this thread cost 33 ms each time.
    expect(least).toBeLessThan(200);
  });

  test('counts the window before the decoder is made, and at most two large ones at once', async () => {
    const { outcome, totals } = createFixture();
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => outcome(BOMB, 'br')));
    expect(new Set(outcomes)).toEqual(new Set(['too-large']));
    const most = Math.max(...totals);
    expect(most).toBeGreaterThanOrEqual(32 * MIB);
    expect(most).toBeLessThanOrEqual(2 * (16 + 16) * MIB + 12 * BOMB.length);
    expect(totals.at(-1)).toBe(0);
  });

  test('refuses a body whose window has no room, whatever it unpacks to', async () => {
    const { outcome } = createFixture(15 * MIB);
    expect(await outcome(BOMB, 'br')).toBe('overloaded');
    const { outcome: again } = createFixture(20 * KIB);
    expect(await again(zlib.gzipSync('small'), 'gzip')).toBe('overloaded');
  });

  test('refuses bodies that wait for more than two seconds, and the others go on', async () => {
    const time = { now: 0 };
    const refused: string[] = [];
    const unpack = createUnpack({ now: () => time.now, onRefused: () => refused.push('body') });
    const reservation = createInFlight({ maxBytes: 256 * MIB, onChange: () => undefined }).reserve(0);
    if (reservation === undefined) throw new Error('there is room');
    const start = async () => unpack(BOMB, 'br', { maxBytes: 16 * MIB, reservation });
    const all = [start(), start(), start(), start()];
    time.now = 2_001;
    all.push(start());
    const outcomes = (await Promise.allSettled(all)).map((outcome) => outcome.status === 'rejected' && outcome.reason);
    expect(outcomes.map(({ reason }) => reason)).toEqual(['too-large', 'busy', 'busy', 'busy', 'too-large']);
    expect(outcomes[2].message).toBe('too many large bodies wait to be unpacked; nothing was stored');
    expect(refused).toHaveLength(3);
  });

  test('counts the window of a later zstd frame', async () => {
    const packer = zlib.createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 23 } });
    packer.write(text(2 * MIB));
    packer.end();
    const body = Buffer.concat([zlib.zstdCompressSync('small'), ...(await packer.toArray())]);
    const { outcome, totals } = createFixture();
    expect(await outcome(body, 'zstd')).toBe(2 * MIB + 5);
    expect(Math.max(...totals)).toBeGreaterThanOrEqual(8 * MIB + 2 * MIB + body.length);
    expect(await createFixture(8 * MIB).outcome(body, 'zstd')).toBe('overloaded');
  });

  test.each([
    ['br', { [constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [constants.BROTLI_PARAM_LGWIN]: 30 }],
  ] as const)('refuses a window that the coding %s does not allow, and says so', async (coding, params) => {
    const { run } = createFixture();
    const body = zlib.brotliCompressSync(Buffer.alloc(100), { params });
    await expect(run(body, coding)).rejects.toThrow('its window is larger than 16 MiB (RFC 7932)');
  });

  test.each(CODINGS)('unpacks %s in every size, and counts only the unpacked bytes afterwards', async (coding) => {
    for (const size of [0, 1, 1_000, 300 * KIB, MIB - 1, MIB, MIB + 1, 3 * MIB]) {
      const { run, totals } = createFixture();
      const body = text(size);
      const unpacked = await run(PACKERS[coding](body), coding, undefined, () => expect(totals.at(-1)).toBe(size));
      expect(unpacked.equals(body)).toBe(true);
    }
  });

  test('unpacks small brotli bodies in this thread, as other codings', () => {
    const { unpack } = createFixture();
    const reservation = createInFlight({ maxBytes: 256 * MIB, onChange: () => undefined }).reserve(0);
    if (reservation === undefined) throw new Error('there is room');
    for (const coding of CODINGS) {
      const body = PACKERS[coding](text(50 * KIB));
      expect(unpack(body, coding, { maxBytes: MIB, reservation })).toBeInstanceOf(Buffer);
    }
  });

  describe.each(CODINGS)('refuses %s', (coding) => {
    const packed = PACKERS[coding](text(3 * MIB));
    // The end of the coded data at the end of a step, too.
    const whole = [packed, PACKERS[coding](text(100)), ...endingAtAStep(coding)];

    test('with bytes after its end', async () => {
      const { outcome } = createFixture();
      for (const body of whole) {
        for (const rest of [Buffer.alloc(1), Buffer.alloc(70_000), Buffer.from('rubbish')]) {
          expect(await outcome(Buffer.concat([body, rest]), coding)).toBe('undecodable');
        }
      }
    });

    test('that is cut anywhere', async () => {
      const { outcome } = createFixture();
      const lengths = [0, 1, 5, 65_535, 65_536, 65_537, packed.length >> 1, packed.length - 1];
      for (const length of lengths) expect(await outcome(packed.subarray(0, length), coding)).toBe('undecodable');
    });
  });

  test('unpacks bodies of several gzip members or zstd frames, also where one ends at the end of a step', async () => {
    const { run } = createFixture();
    for (const coding of ['gzip', 'zstd'] as const) {
      for (const first of [PACKERS[coding](text(10)), ...endingAtAStep(coding)]) {
        const body = Buffer.concat([first, PACKERS[coding](text(2 * MIB))]);
        const unpacked = await run(body, coding);
        expect(unpacked.subarray(-2 * MIB).equals(text(2 * MIB))).toBe(true);
      }
    }
  });

  test('bodies of a million empty parts unpack to nothing, a step at a time', async () => {
    const { outcome } = createFixture();
    const member = zlib.gzipSync('');
    const members = Buffer.concat(Array.from({ length: 200_000 }, () => member));
    expect(await outcome(members, 'gzip')).toBe(0);
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]);
    const blocks = Buffer.concat([head, Buffer.alloc(3_000_000), Buffer.from([1, 0, 0])]);
    const before = process.threadCpuUsage();
    expect(await outcome(blocks, 'zstd')).toBe(0);
    const { user } = process.threadCpuUsage(before);
    expect(user / 1_000).toBeLessThan(200);
  });
});

/** Coded bodies of exactly one and two steps of 64 KiB, where the coding can be padded to a length. */
function endingAtAStep(coding: Packing): Buffer[] {
  if (coding === 'zstd') {
    return [1, 2].map((steps) => {
      const end = zlib.zstdCompressSync('end');
      const skipped = Buffer.alloc(steps * 64 * KIB - end.length);
      skipped.writeUInt32LE(0x184d2a50, 0);
      skipped.writeUInt32LE(skipped.length - 8, 4);
      return Buffer.concat([skipped, end]);
    });
  }
  if (coding !== 'gzip' && coding !== 'deflate') return [];
  // Stored blocks: their length is known.
  const pack = coding === 'gzip' ? zlib.gzipSync : zlib.deflateSync;
  return [1, 2].map((steps) => {
    const length = steps * 64 * KIB;
    for (let size = length - 100; size < length; size++) {
      const body = pack(text(size), { level: 0 });
      if (body.length === length) return body;
    }
    throw new Error('no stored body of this length');
  });
}
