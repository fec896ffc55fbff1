import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../../test/support/random.ts';
import { CompressedHour } from './compressed-hour.ts';
import { openHour } from './hour-file.ts';
import { DamagedHourError, encodeFrames, FILE_START, TRAILER_BYTES } from './hour-frames.ts';
import type { HourFile } from './repo.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-frames-'));
  path = join(dir, '10.log.json.zst');
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

/** A frame of a file: where its zstd frame begins and its trailer ends, and its lines as logical offsets. */
interface Made {
  readonly at: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

/** A file of `count` frames of random lines. */
async function make(random: Random, count: number): Promise<{ plain: Buffer; file: Buffer; frames: Made[] }> {
  const buffers = [FILE_START];
  const plain: Buffer[] = [];
  const frames: Made[] = [];
  let [at, from] = [FILE_START.length, 0];
  for (let i = 0; i < count; i++) {
    const records = random.int(1, 30);
    const texts = Array.from(
      { length: records },
      () => `{"n":${random.int(0, 1e9)},"x":"${'x'.repeat(random.int(0, 60))}"}\n`,
    );
    const lines = Buffer.from(texts.join(''));
    const encoded = await encodeFrames([{ lines, records }], from);
    buffers.push(...encoded.buffers);
    plain.push(lines);
    frames.push({ at, end: at + encoded.bytes, from, to: from + lines.length });
    at += encoded.bytes;
    from += lines.length;
  }
  return { plain: Buffer.concat(plain), file: Buffer.concat(buffers), frames };
}

/** Opens `bytes` as a compressed hour whose committed part is `length` bytes with `lines` bytes of lines. */
function open(bytes: Buffer, lines: number, { length = bytes.length, waiting = undefined as Buffer | undefined } = {}) {
  fs.writeFileSync(path, bytes);
  return new CompressedHour({ path, fd: fs.openSync(path, 'r'), frames: { length, lines }, waiting });
}

function readAll(file: HourFile): Buffer {
  const all = Buffer.alloc(file.size);
  for (let at = 0; at < all.length; ) {
    const count = file.read(all, at, all.length - at, at);
    if (count === 0) throw new Error(`nothing at ${at} of ${all.length}`);
    at += count;
  }
  return all;
}

/** Every byte that can be read, and the ranges that cannot. */
function readAround(file: HourFile): { pieces: [number, Buffer][]; damage: [from: number, to: number][] } {
  const found = { pieces: [] as [number, Buffer][], damage: [] as [number, number][] };
  for (let at = 0; at < file.size; ) {
    const target = Buffer.alloc(4096);
    try {
      const count = file.read(target, 0, target.length, at);
      if (count === 0) throw new Error(`nothing at ${at}`);
      found.pieces.push([at, target.subarray(0, count)]);
      at += count;
    } catch (error) {
      if (!(error instanceof DamagedHourError)) throw error;
      expect(error.offset <= at && error.offset + error.bytes > at).toBe(true);
      found.damage.push([error.offset, error.offset + error.bytes]);
      at = error.offset + error.bytes;
    }
  }
  return found;
}

describe('a compressed hour', () => {
  it('gives at every position what the plain hour has there', async () => {
    const random = createRandom(21);
    for (let round = 0; round < 12; round++) {
      const { plain, file } = await make(random, random.int(1, 25));
      const waiting = random.chance(0.5) ? Buffer.from('waiting 1\nwaiting 2\n') : undefined;
      const all = Buffer.concat([plain, waiting ?? Buffer.alloc(0)]);
      const hour = open(file, plain.length, { waiting });
      expect(hour.size).toBe(all.length);
      for (let reads = 0; reads < 60; reads++) {
        const position = random.int(0, all.length);
        const length = random.int(1, random.chance(0.5) ? 20 : 5000);
        const target = Buffer.alloc(length + 5, '#');
        const count = hour.read(target, 3, length, position);
        expect(count > 0 || position === all.length).toBe(true);
        expect(target.subarray(3, 3 + count).equals(all.subarray(position, position + count))).toBe(true);
        expect([target.subarray(0, 3).toString(), target.subarray(3 + count).every((byte) => byte === 35)]).toEqual([
          '###',
          true,
        ]);
      }
      expect(readAll(hour).equals(all)).toBe(true);
      hour.close();
    }
  });

  it('ends where it is committed: what follows does not count, whole frames or a torn one', async () => {
    const { plain, file, frames } = await make(createRandom(3), 6);
    const { end, to } = frames[3] as Made;
    for (const cut of [end, end + 1, end + TRAILER_BYTES, file.length]) {
      const hour = open(file.subarray(0, cut), to, { length: end });
      expect(readAll(hour).equals(plain.subarray(0, to))).toBe(true);
      hour.close();
    }
  });

  it('of which nothing is in a frame gives the lines that wait', () => {
    const hour = open(FILE_START, 0, { waiting: Buffer.from('a\nb\n') });
    expect(readAll(hour).toString()).toBe('a\nb\n');
    hour.close();
  });

  it('is found when the plain one was compressed meanwhile, and has its torn end cut off', async () => {
    const { plain, file } = await make(createRandom(4), 3);
    fs.writeFileSync(path, Buffer.concat([file, Buffer.from('torn')]));
    const hour = openHour({ stream: 'access', hour: 1, path: path.slice(0, -4), bytes: plain.length }) as HourFile;
    expect(readAll(hour).equals(plain)).toBe(true);
    hour.close();
  });

  it('is refused where another program wrote the file, and closed again', () => {
    const before = fs.readdirSync('/proc/self/fd').length;
    for (const bytes of [zstdCompressSync('{"a":1}\n'), Buffer.from('{"a":1}\n'), Buffer.alloc(70_000, 'LFH1')]) {
      fs.writeFileSync(path, bytes);
      expect(() => openHour({ stream: 'access', hour: 1, path: path.slice(0, -4), bytes: 8 })).toThrow(
        `cannot use file=${path}: it is not a compressed hour of logforge`,
      );
    }
    expect(fs.readdirSync('/proc/self/fd')).toHaveLength(before);
  });
});

describe('damage in a compressed hour', () => {
  it('costs the lines of its frame and no others, wherever it is', async () => {
    const { plain, file, frames } = await make(createRandom(8), 8);
    const random = createRandom(9);
    for (const frame of frames) {
      const inFrame = random.int(frame.at, frame.end - TRAILER_BYTES - 1);
      const inTrailer = random.int(frame.end - TRAILER_BYTES, frame.end - 1);
      for (const position of [frame.at, inFrame, frame.end - TRAILER_BYTES, inTrailer, frame.end - 1]) {
        const bytes = Buffer.from(file);
        bytes[position] = (bytes[position] ?? 0) ^ (1 << random.int(0, 7));
        const hour = open(bytes, plain.length);
        const { pieces, damage } = readAround(hour);
        expect([position, damage]).toEqual([position, [[frame.from, frame.to]]]);
        for (const [at, piece] of pieces) expect(piece.equals(plain.subarray(at, at + piece.length))).toBe(true);
        const read = pieces.reduce((sum, [, piece]) => sum + piece.length, 0);
        expect(read).toBe(plain.length - (frame.to - frame.from));
        hour.close();
      }
    }
  });

  it('says the place in the file and in the lines', async () => {
    const { plain, file, frames } = await make(createRandom(8), 3);
    const { at, from, to } = frames[1] as Made;
    file.fill(7, at + 2, at + 9);
    const hour = open(file, plain.length);
    expect(() => hour.read(Buffer.alloc(10), 0, 10, to - 1)).toThrow(
      `cannot read ${to - from} bytes of lines at logical offset ${from} of file=${path}, byte ${at}: its checksum does not hold`,
    );
    hour.close();
  });

  it('costs what it covers when it is longer than a frame, and when bytes are missing', async () => {
    const { plain, file, frames } = await make(createRandom(12), 9);
    const [second, fifth] = [frames[1] as Made, frames[4] as Made];
    // Frame 5 loses its beginning, but its trailer says where its lines begin.
    const overwritten = Buffer.from(file).fill(0, second.at + 3, fifth.at + 3);
    const missing = Buffer.concat([file.subarray(0, second.at), file.subarray(fifth.at)]);
    for (const [bytes, expected] of [
      [
        overwritten,
        [
          [second.from, fifth.from],
          [fifth.from, fifth.to],
        ],
      ],
      [missing, [[second.from, fifth.from]]],
    ] as const) {
      const hour = open(bytes, plain.length);
      const { pieces, damage } = readAround(hour);
      expect(damage).toEqual(expected);
      for (const [at, piece] of pieces) expect(piece.equals(plain.subarray(at, at + piece.length))).toBe(true);
      hour.close();
    }
  });

  it('at the beginning costs no line, and all of it costs all lines once', async () => {
    const { plain, file } = await make(createRandom(2), 4);
    const first = open(Buffer.from(file).fill(9, 0, TRAILER_BYTES), plain.length);
    expect(readAround(first).damage).toEqual([]);
    first.close();
    const none = open(Buffer.alloc(file.length), plain.length, { waiting: Buffer.from('w\n') });
    const { pieces, damage } = readAround(none);
    expect([damage, pieces.map(([at, piece]) => [at, piece.toString()])]).toEqual([
      [[0, plain.length]],
      [[plain.length, 'w\n']],
    ]);
    none.close();
  });

  it('that shortened the file costs what is gone', async () => {
    const { plain, file, frames } = await make(createRandom(6), 5);
    for (const cut of [(frames[3] as Made).at + 5, (frames[2] as Made).end, 10, 0]) {
      const hour = open(file.subarray(0, cut), plain.length, { length: file.length });
      const { damage } = readAround(hour);
      const left = frames.filter(({ end }) => end <= cut).at(-1)?.to ?? 0;
      expect([cut, damage]).toEqual([cut, [[left, plain.length]]]);
      hour.close();
    }
  });
});
