import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type PackedEnd, UnpackError } from './packed.ts';
import { MAX_UNPACKED_PIECE_BYTES, packingOf, unpack } from './unpack.ts';

const WILD = join(import.meta.dirname, '../../testdata/packed');
const LINES = Array.from({ length: 20_000 }, (_, n) => `192.0.2.${n % 256} "GET /${(n * 7919) % 10_007}" ${n}\n`).join(
  '',
);
const CONTENT = Buffer.from(LINES);
const RUBBISH = Buffer.from('rubbish');
/** RFC 8878, 3.1.2 */
const SKIPPABLE = Buffer.of(0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);

const PACKERS = {
  gzip: (content: Buffer) => zlib.gzipSync(content),
  zstd,
};

function zstd(content: Buffer): Buffer {
  return zlib.zstdCompressSync(content, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } });
}

async function* inPieces(packed: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < packed.length; at += length) yield packed.subarray(at, at + length);
}

interface Outcome {
  readonly content: Buffer;
  readonly end: PackedEnd | Error;
}

async function unpacked(packed: Buffer, length = 10_000): Promise<Outcome> {
  const pieces: Buffer[] = [];
  const unpacking = unpack(inPieces(packed, length));
  try {
    for (;;) {
      const { done, value } = await unpacking.next();
      if (done === true) return { content: Buffer.concat(pieces), end: value };
      expect(value.length).toBeLessThanOrEqual(MAX_UNPACKED_PIECE_BYTES);
      pieces.push(value);
    }
  } catch (error) {
    if (!(error instanceof UnpackError)) throw error;
    return { content: Buffer.concat(pieces), end: error };
  }
}

const whole = (content: Buffer): Outcome => ({ content, end: 'whole' });

describe('the packing', () => {
  it.each([
    ['gzip', zlib.gzipSync('x')],
    ['gzip', Buffer.of(0x1f)],
    ['zstd', zlib.zstdCompressSync('x')],
    ['zstd', SKIPPABLE],
    ['xz', Buffer.from('fd377a585a000004', 'hex')],
    ['bzip2', Buffer.from('BZh91AY&SY')],
    ['bzip2', Buffer.from('BZh9\x17rE8P\x90', 'latin1')],
    ['plain', Buffer.from('BZh9 is a word')],
    ['plain', Buffer.from('(')],
    ['plain', Buffer.from('P*M')],
    ['plain', Buffer.from('192.0.2.1 - -')],
    ['plain', Buffer.alloc(0)],
  ] as const)('%s is seen by the first bytes', (packing, head) => {
    expect(packingOf(head)).toBe(packing);
  });
});

describe('plain content', () => {
  it('passes, empty or not', async () => {
    expect(await unpacked(CONTENT, 300_000)).toEqual(whole(CONTENT));
    expect(await unpacked(Buffer.alloc(0))).toEqual(whole(Buffer.alloc(0)));
  });
});

describe.each(Object.entries(PACKERS))('%s', (_, pack) => {
  const packed = pack(CONTENT);
  const small = pack(Buffer.from('small\n'));

  it('is unpacked, in whatever pieces it comes', async () => {
    for (const length of [1_000_000, 4_099]) expect(await unpacked(packed, length)).toEqual(whole(CONTENT));
    expect(await unpacked(small, 1)).toEqual(whole(Buffer.from('small\n')));
    expect(await unpacked(pack(Buffer.alloc(0)))).toEqual(whole(Buffer.alloc(0)));
  });

  it('has several members, which may end with a piece', async () => {
    const two = Buffer.concat([packed, small]);
    for (const length of [packed.length, 10_000]) {
      expect(await unpacked(two, length)).toEqual(whole(Buffer.concat([CONTENT, Buffer.from('small\n')])));
    }
  });

  it('that is cut gives what it has, wherever it is cut', async () => {
    const cut = await unpacked(packed.subarray(0, packed.length - 100));
    expect(cut.end).toBe('cut');
    expect(CONTENT.subarray(0, cut.content.length).equals(cut.content)).toBe(true);
    expect(cut.content.length).toBeGreaterThan(CONTENT.length / 2);
    for (let length = 1; length < small.length; length++) {
      if (packingOf(small.subarray(0, length)) === 'plain') continue;
      expect((await unpacked(small.subarray(0, length))).end).toBe('cut');
    }
  });

  it('with something else after it says so, after its content', async () => {
    expect(await unpacked(Buffer.concat([packed, RUBBISH]))).toEqual({ content: CONTENT, end: 'trailing' });
  });

  it('that is damaged fails after what could be unpacked', async () => {
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, packed.length - 2_000, packed.length - 1_000);
    const { content, end } = await unpacked(damaged);
    expect(end).toBeInstanceOf(UnpackError);
    expect(content.length).toBeGreaterThan(CONTENT.length / 4);
  });

  it('that grows a thousand times is never unpacked as a whole', async () => {
    const bomb = Buffer.concat(new Array<Buffer>(25).fill(pack(Buffer.alloc(4_000_000))));
    let readBytes = 0;
    const counted = async function* () {
      for await (const piece of inPieces(bomb, 500)) {
        readBytes += piece.length;
        yield piece;
      }
    };
    const before = process.memoryUsage.rss();
    let length = 0;
    for await (const piece of unpack(counted())) length += piece.length;
    expect(length).toBe(100_000_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(80_000_000);
    expect(readBytes).toBe(bomb.length);
  });

  it('lets go of its source when the caller stops early', async () => {
    let isReleased = false;
    const source = async function* () {
      try {
        yield* inPieces(packed, 1_000);
      } finally {
        isReleased = true;
      }
    };
    for await (const piece of unpack(source())) if (piece.length > 0) break;
    expect(isReleased).toBe(true);
  });

  it('hands on what the reading of the packed bytes throws', async () => {
    const failing = async function* () {
      yield packed.subarray(0, 20);
      throw new Error('EIO');
    };
    const reading = async () => {
      for await (const piece of unpack(failing())) expect(piece).toBeDefined();
    };
    await expect(reading()).rejects.toThrow('EIO');
  });
});

describe('gzip', () => {
  const packed = zlib.gzipSync(CONTENT);
  const withByte = (at: number, byte: number) => {
    const changed = Buffer.from(packed);
    changed[at < 0 ? packed.length + at : at] = byte;
    return changed;
  };

  it('is padded with zeros', async () => {
    expect(await unpacked(Buffer.concat([packed, Buffer.alloc(100_000)]))).toEqual(whole(CONTENT));
    const again = Buffer.concat([packed, Buffer.alloc(10), zlib.gzipSync('again\n')]);
    expect((await unpacked(again)).content.subarray(CONTENT.length).toString()).toBe('again\n');
    expect((await unpacked(Buffer.concat([packed, Buffer.alloc(10), RUBBISH]))).end).toBe('trailing');
  });

  it('may be cut at the first bytes of a further member', async () => {
    expect((await unpacked(Buffer.concat([packed, Buffer.of(0x1f, 0x8b)]))).end).toBe('cut');
  });

  it('with a wrong checksum or length says so, after all of its content', async () => {
    const wrong = await unpacked(withByte(-8, packed[packed.length - 8] === 0 ? 1 : 0));
    expect(wrong.content.equals(CONTENT)).toBe(true);
    expect(wrong.end).toMatchObject({
      message: 'the gzip data that begins at byte 0 is damaged: its checksum is wrong',
    });
    expect((await unpacked(withByte(-1, 0x77))).end).toMatchObject({
      message: expect.stringContaining('its length is wrong'),
    });
  });

  it('has a name, a comment, extra bytes and a checksum in its header', async () => {
    const header = Buffer.concat([
      Buffer.of(0x1f, 0x8b, 8, 0b11110, 0, 0, 0, 0, 0, 3),
      Buffer.of(3, 0, 1, 2, 3),
      Buffer.from('access.log\0a comment\0'),
      Buffer.of(9, 9),
    ]);
    const full = Buffer.concat([header, packed.subarray(10)]);
    for (const length of [1_000_000, 7]) expect(await unpacked(full, length)).toEqual(whole(CONTENT));
    for (let length = 1; length < header.length; length++)
      expect((await unpacked(full.subarray(0, length))).end).toBe('cut');
  });

  it('of another method, or with an endless name, is damaged', async () => {
    expect((await unpacked(withByte(2, 7))).end).toMatchObject({
      message: expect.stringContaining('its header is none of gzip'),
    });
    const endless = Buffer.concat([Buffer.of(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3), Buffer.alloc(100_000, 'n')]);
    expect((await unpacked(endless)).end).toMatchObject({ message: expect.stringContaining('its header is too long') });
  });

  it('of strangers gives all its lines', async () => {
    const cut = await unpacked(readFileSync(join(WILD, 'truncated-while-written.log.gz')));
    expect([cut.content.toString('latin1').split('\n').length - 1, cut.end]).toEqual([792, 'cut']);
    const trailing = await unpacked(readFileSync(join(WILD, 'trailing-garbage.log.gz')));
    expect([trailing.content.toString().endsWith('\n'), trailing.end]).toEqual([true, 'trailing']);
  });
});

describe('zstd', () => {
  it('has skippable frames before, between and after', async () => {
    const frames = Buffer.concat([SKIPPABLE, zstd(CONTENT), SKIPPABLE, zstd(CONTENT), SKIPPABLE]);
    for (const length of [1_000_000, 997])
      expect(await unpacked(frames, length)).toEqual(whole(Buffer.concat([CONTENT, CONTENT])));
  });
});

describe('bzip2', () => {
  it('is refused with the command that helps', async () => {
    expect(await unpacked(Buffer.from('BZh91AY&SY'))).toEqual({
      content: Buffer.alloc(0),
      end: new UnpackError('bzip2 is not supported: bzip2 -dc FILE | logforge replay -'),
    });
  });
});
