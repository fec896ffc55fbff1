import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { DamageReport } from '../disk/damage-report.ts';
import { diskFileSystem as files } from '../disk/file-system.ts';
import { type FramesLength, findLastFrame, findLastFrameSync, keepWholeFrames, NO_FRAMES } from './frames-file.ts';
import { encodeFrames, encodeTrailer, FILE_START, TRAILER_BYTES } from './hour-frames.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-frames-'));
  path = join(dir, '10.log.json.zst');
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

async function frame(text: string, offset: number): Promise<Buffer> {
  const lines = Buffer.from(`${text}\n`);
  return Buffer.concat((await encodeFrames([{ lines, records: 1 }], offset)).buffers);
}

async function hour(...texts: string[]): Promise<Buffer> {
  const parts = [FILE_START];
  let offset = 0;
  for (const text of texts) {
    parts.push(await frame(text, offset));
    offset += text.length + 1;
  }
  return Buffer.concat(parts);
}

async function withFile<T>(bytes: Buffer, use: (fd: number) => Promise<T>): Promise<T> {
  fs.writeFileSync(path, bytes);
  const fd = await files.open(path);
  try {
    return await use(fd);
  } finally {
    await files.close(fd);
  }
}

/** What both ways to look for the end find. */
async function find(bytes: Buffer): Promise<FramesLength | string> {
  return withFile(bytes, async (fd) => {
    const text = (error: unknown) => (error as Error).message;
    const found = await findLastFrame(files, fd, { path, size: bytes.length }).catch(text);
    let blocking: FramesLength | string;
    try {
      blocking = findLastFrameSync(fd, { path, size: bytes.length });
    } catch (error) {
      blocking = text(error);
    }
    expect(blocking).toEqual(found);
    return found;
  });
}

describe('the end of a compressed hour', () => {
  it('is that of its last whole frame, wherever the file is cut', async () => {
    const [one, two] = [await hour('a'), await hour('a', 'bcd')];
    for (let cut = 0; cut <= two.length; cut++) {
      const expected =
        cut === two.length
          ? { length: cut, lines: 6 }
          : cut >= one.length
            ? { length: one.length, lines: 2 }
            : { length: TRAILER_BYTES, lines: 0 };
      const found = await find(two.subarray(0, cut));
      // What a power cut may leave of a file that no commit has written to.
      if (cut < TRAILER_BYTES) expect(found).toEqual(NO_FRAMES);
      else expect([cut, found]).toEqual([cut, expected]);
    }
  });

  it('is found far from the end of the file, also where a trailer stands across two steps of the search', async () => {
    const bytes = await hour('a', 'b');
    for (const rest of [256 * 1024 - 80, 256 * 1024 - 41, 256 * 1024 - 20, 256 * 1024, 700_001])
      expect(await find(Buffer.concat([bytes, Buffer.alloc(rest, 1)]))).toEqual({ length: bytes.length, lines: 4 });
  });

  it('is not that of plain lines, or of a zstd file by others', async () => {
    for (const bytes of [
      Buffer.from('{"a":1}\n'),
      zstdCompressSync('{"a":1}\n'),
      Buffer.alloc(600_000, 'LFH1'),
      Buffer.alloc(50_000),
    ])
      expect(await find(bytes)).toContain('move it away');
  });
});

describe('a compressed hour that another program wrote to', () => {
  const log = createTestLog();
  const report = () => new DamageReport({ stateDir: join(dir, 'state'), count: () => undefined, clock: () => 0, log });
  const keep = (bytes: Buffer, from?: FramesLength) =>
    withFile(bytes, (fd) =>
      keepWholeFrames({ files, fd, path, report: report(), isOrdered: true, ...(from && { from }) }),
    );
  const kept = () =>
    fs.existsSync(join(dir, 'state', 'damaged'))
      ? fs
          .readdirSync(join(dir, 'state', 'damaged'))
          .filter((name) => name !== 'damage.ndjson')
          .map((name) => fs.readFileSync(join(dir, 'state', 'damaged', name)))
      : [];

  it('is as it was when it is sound', async () => {
    const bytes = await hour('a', 'b');
    expect(await keep(bytes)).toEqual({ length: bytes.length, lines: 4 });
    expect([fs.readFileSync(path).equals(bytes), kept()]).toEqual([true, []]);
  });

  it.each([
    ['`zstd -c more >> file`', () => zstdCompressSync('{"more":1}\n')],
    ['`cat lines >> file`', () => Buffer.from('{"more":1}\n')],
    ['half a frame', async () => (await frame('more', 4)).subarray(0, -1)],
    ['a frame that does not hold', async () => (await frame('more', 4)).fill(7, 3, 6)],
    ['`cat other.zst >> file`', () => hour('some other hour', 'with more lines')],
    ['a frame that was there already', () => frame('a', 0)],
  ])('ends after its last frame, and the rest is kept elsewhere: %s', async (_what, more) => {
    const [bytes, added] = [await hour('a', 'b'), await more()];
    expect(await keep(Buffer.concat([bytes, added]))).toEqual({ length: bytes.length, lines: 4 });
    expect(fs.readFileSync(path).equals(bytes)).toBe(true);
    expect(Buffer.concat(kept()).equals(added)).toBe(true);
  });

  it('gets an end after what is known to be there, although nothing there is a frame', async () => {
    const from = { length: 50, lines: 9 };
    expect(await keep(Buffer.alloc(60, 1), from)).toEqual(from);
    expect(fs.statSync(path).size).toBe(50);
    expect(kept()).toEqual([Buffer.alloc(10, 1)]);
  });

  it('keeps the frames after one that is damaged', async () => {
    const bytes = Buffer.concat([
      (await hour('a', 'b')).fill(0, TRAILER_BYTES, TRAILER_BYTES + 60),
      await frame('c', 4),
    ]);
    expect(await keep(bytes)).toEqual({ length: bytes.length, lines: 6 });
    expect(kept()).toEqual([]);
  });

  it('loses no bytes when they cannot be kept elsewhere, or are too many', async () => {
    fs.writeFileSync(join(dir, 'state'), '');
    const bytes = Buffer.concat([await hour('a'), Buffer.from('more')]);
    await expect(keep(bytes)).rejects.toThrow('cannot keep the bytes after the last frame');
    expect(fs.readFileSync(path).equals(bytes)).toBe(true);
    fs.truncateSync(path, 65 * 1024 * 1024);
    const fd = await files.open(path);
    await expect(keepWholeFrames({ files, fd, path, report: report() })).rejects.toThrow('move it away');
    await files.close(fd);
    expect(fs.statSync(path).size).toBe(65 * 1024 * 1024);
  });

  it.each([
    ['zeros', Buffer.alloc(TRAILER_BYTES)],
    ['a part of the first trailer', FILE_START.subarray(0, 17)],
  ])('is empty, and no damage, when a power cut left %s', async (_what, bytes) => {
    expect(await keep(bytes)).toEqual(NO_FRAMES);
    expect([fs.statSync(path).size, kept()]).toEqual([0, []]);
  });

  it('does not look at every frame unless it is asked to', async () => {
    const bytes = Buffer.concat([await hour('a', 'b'), await hour('c')]);
    const found = await withFile(bytes, (fd) => keepWholeFrames({ files, fd, path, report: report() }));
    expect(found).toEqual({ length: bytes.length, lines: 2 });
  });

  it('has no frame whose trailer claims more bytes than the file has', async () => {
    const lying = encodeTrailer({ offset: 2, lines: 9, zstd: 70_000_000, records: 1, crc: 0 });
    const bytes = await hour('a');
    expect(await keep(Buffer.concat([bytes, lying]))).toEqual({ length: bytes.length, lines: 2 });
  });
});
