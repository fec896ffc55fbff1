import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../test/support/random.ts';
import {
  countLines,
  DamagedFrameError,
  decodeFrame,
  decodeTrailer,
  encodeFrames,
  encodeTrailer,
  FILE_START,
  FRAME_BYTES,
  type Frame,
  lastTrailer,
  TRAILER_BYTES,
} from './hour-frames.ts';

const lines = (...texts: string[]): Buffer => Buffer.from(texts.map((text) => `${text}\n`).join(''));
const counted = (...texts: string[]) => ({ lines: lines(...texts), records: texts.length });

/** A whole file: its beginning and these frames. */
async function fileOf(...pieces: { lines: Buffer; records: number }[]): Promise<Buffer> {
  return Buffer.concat([FILE_START, ...(await encodeFrames(pieces, 0)).buffers]);
}

/** The frames of a file from its end to its beginning, each with its lines. */
function framesOf(file: Buffer): { frame: Frame; lines: Buffer }[] {
  const found: { frame: Frame; lines: Buffer }[] = [];
  for (let end = file.length; end > TRAILER_BYTES; ) {
    const frame = decodeTrailer(file, end - TRAILER_BYTES);
    if (frame === undefined) throw new Error(`no trailer ends at byte ${end}`);
    const at = end - TRAILER_BYTES - frame.zstd;
    found.unshift({ frame, lines: decodeFrame(file.subarray(at, at + frame.zstd), frame) });
    end = at;
  }
  return found;
}

describe('frames', () => {
  it('give the lines back, and any zstd reads the file as it is', async () => {
    const file = await fileOf(counted('a', 'b'), counted('c'));
    expect(zstdDecompressSync(file).toString()).toBe('a\nb\nc\n');
    expect(framesOf(file)).toMatchObject([{ frame: { offset: 0, lines: 6, records: 3 } }]);
    expect(zstdDecompressSync(FILE_START)).toHaveLength(0);
  });

  it('are cut at the ends of lines, and a longer line stays whole', async () => {
    const half = 'h'.repeat(FRAME_BYTES / 2);
    const long = 'l'.repeat(FRAME_BYTES + 100);
    const whole = lines('a', half, half, 'b', long, long, 'c');
    const found = framesOf(await fileOf({ lines: whole, records: 7 }, counted('d')));
    expect(Buffer.concat(found.map((one) => one.lines)).equals(Buffer.concat([whole, lines('d')]))).toBe(true);
    let offset = 0;
    for (const { frame, lines: content } of found) {
      expect([frame.offset, frame.records, content.at(-1)]).toEqual([offset, countLines(content), 10]);
      expect(content.length <= FRAME_BYTES || frame.records === 1).toBe(true);
      offset += content.length;
    }
    expect(found.length).toBeGreaterThan(4);
  });

  it('begin at the offset that is asked for, and none are made of nothing', async () => {
    const { buffers } = await encodeFrames([counted('a')], 2 ** 40 + 7);
    expect(decodeTrailer(buffers.at(-1) as Buffer)).toMatchObject({ offset: 2 ** 40 + 7, lines: 2 });
    expect(await encodeFrames([], 5)).toEqual({ buffers: [], bytes: 0, lines: 0 });
  });

  it('hold random lines in random pieces', async () => {
    const random = createRandom(5);
    for (let round = 0; round < 20; round++) {
      const pieces = Array.from({ length: random.int(1, 12) }, () =>
        counted(
          ...Array.from({ length: random.int(1, 40) }, () =>
            'x'.repeat(random.int(0, random.chance(0.1) ? 90_000 : 90)),
          ),
        ),
      );
      const all = Buffer.concat(pieces.map((piece) => piece.lines));
      const found = framesOf(await fileOf(...pieces));
      expect(Buffer.concat(found.map((one) => one.lines)).equals(all)).toBe(true);
      expect(found.reduce((sum, { frame }) => sum + frame.records, 0)).toBe(countLines(all));
    }
  });
});

describe('a trailer', () => {
  const frame: Frame = { offset: 2 ** 45, lines: 70_000_000, zstd: 3, records: 9, crc: 0xfedcba98 };

  it('is read as it was written, and at no other place', () => {
    const bytes = Buffer.concat([Buffer.from('xyz'), encodeTrailer(frame), Buffer.from('rest')]);
    expect(decodeTrailer(bytes, 3)).toEqual(frame);
    for (const at of [-1, 0, 2, 4, bytes.length, bytes.length - 1]) expect(decodeTrailer(bytes, at)).toBeUndefined();
  });

  it('with any bit flipped, or cut anywhere, is none', () => {
    const bytes = encodeTrailer(frame);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect([bit, decodeTrailer(flipped)]).toEqual([bit, undefined]);
    }
    for (let cut = 0; cut < bytes.length; cut++) expect(decodeTrailer(bytes.subarray(0, cut))).toBeUndefined();
  });

  it.each([
    ['lines', { ...frame, lines: 0xffffffff }],
    ['a zstd frame', { ...frame, zstd: 0xffffffff }],
  ])('that claims 4 GiB of %s is none, though its checksum holds', (_what, lying) => {
    expect(decodeTrailer(encodeTrailer(lying))).toBeUndefined();
  });

  it('is found from the end, wherever a file is cut', async () => {
    const parts = [await fileOf(counted('a', 'b')), ...(await encodeFrames([counted('c'.repeat(50))], 4)).buffers];
    const file = Buffer.concat(parts);
    const first = parts[0]?.length ?? 0;
    for (let cut = 0; cut <= file.length; cut++) {
      const whole = cut === file.length ? cut : cut >= first ? first : cut >= TRAILER_BYTES ? TRAILER_BYTES : 0;
      const at = lastTrailer(file.subarray(0, cut));
      expect([cut, at]).toEqual([cut, whole === 0 ? -1 : whole - TRAILER_BYTES]);
    }
    expect(lastTrailer(Buffer.from('LFH1LFH1LFH1'))).toBe(-1);
  });
});

describe('a frame that is not what its trailer says', () => {
  const frameOf = (zstd: Buffer, bytes: number): Frame => ({
    offset: 0,
    lines: bytes,
    zstd: zstd.length,
    records: 1,
    crc: crc32(zstd),
  });
  const small = zstdCompressSync('a\nb\n');

  /** The header of a zstd frame that wants a window of `2 ** log` bytes, and claims `size` bytes of content. */
  function header(log: number, size: bigint): Buffer {
    const bytes = Buffer.alloc(14);
    bytes.writeUInt32LE(0xfd2fb528, 0);
    bytes[4] = 0b1100_0000;
    bytes[5] = (log - 10) << 3;
    bytes.writeBigUInt64LE(size, 6);
    return bytes;
  }

  it.each([
    [
      'has one wrong bit',
      Buffer.concat([small.subarray(0, 6), Buffer.from([0xff]), small.subarray(7)]),
      frameOf(small, 4),
    ],
    ['is short', small.subarray(0, -1), frameOf(small, 4)],
    ['is no zstd', Buffer.from('not zstd'), frameOf(Buffer.from('not zstd'), 4)],
    ['has more lines', small, frameOf(small, 3)],
    ['has fewer lines', small, frameOf(small, 5)],
    ['has no lines', small, frameOf(small, 0)],
    ['is empty', Buffer.alloc(0), frameOf(Buffer.alloc(0), 4)],
    ['wants a window of 2 GiB', header(31, 4n), frameOf(header(31, 4n), 4)],
    ['claims a content of 2^60 bytes', header(20, 2n ** 60n), frameOf(header(20, 2n ** 60n), 4)],
    ['is a skippable frame', FILE_START, frameOf(FILE_START, 4)],
    ['is one frame more', Buffer.concat([small, small]), frameOf(Buffer.concat([small, small]), 4)],
  ])('and %s is damaged', (_what, zstd, frame) => {
    expect(() => decodeFrame(zstd, frame)).toThrow(DamagedFrameError);
  });

  it('takes no more memory than it says: a bomb is damaged', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024), {
      params: { [constants.ZSTD_c_compressionLevel]: 1 },
    });
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decodeFrame(bomb, frameOf(bomb, 1000))).toThrow('cannot be decompressed');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});
