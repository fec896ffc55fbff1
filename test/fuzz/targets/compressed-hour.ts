import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { constants, crc32, zstdCompressSync } from 'node:zlib';
import { CompressedHour } from '../../../src/repo/compressed-hour.ts';
import { ForeignHourError, type FramesLength, findLastFrameSync } from '../../../src/repo/frames-file.ts';
import { DamagedHourError, encodeTrailer, FILE_START, type Frame } from '../../../src/repo/hour-frames.ts';
import type { Random } from '../../support/random.ts';
import { type FuzzTarget, promise } from '../fuzz.ts';
import { idsOf, lineOf } from '../lines.ts';
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary.ts';

/*
 * The bytes of a compressed hour: frames of others among ours, trailers that lie, and any damage. Its reader ends with lines or an error of its
 * own, goes on after each damaged part, and gives no line that nobody wrote.
 */

const LEVEL = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** A file that claims more is not read to its end. */
const MAX_READS = 2_000;
let folder: string | undefined;

export const compressedHourTarget: FuzzTarget = {
  name: 'compressed-hour',
  runsPerSecond: 150,
  make(random: Random) {
    const parts = random.chance(0.95) ? [FILE_START] : [];
    let [offset, id] = [0, 0];
    for (let count = random.int(0, 6); count > 0; count--) {
      const lines = Buffer.from(Array.from({ length: random.int(1, 6) }, () => lineOf(id++)).join(''));
      const zstd = zstdCompressSync(lines, LEVEL);
      const frame = { offset, lines: lines.length, zstd: zstd.length, records: 1, crc: crc32(zstd) };
      parts.push(zstd, encodeTrailer(random.chance(0.15) ? lie(frame, random) : frame));
      if (random.chance(0.05)) parts.push(random.pick([FILE_START, zstd, lines]));
      offset += lines.length;
    }
    return Buffer.concat(parts);
  },
  check(input) {
    folder ??= makeTemporaryFolder('compressed-hour');
    const path = joinPath(folder, '10.log.json.zst');
    writeFileSync(path, input);
    const fd = openSync(path, 'r');
    try {
      const frames = findLastFrameSync(fd, { path, size: input.length });
      promise(frames.length <= input.length, () => `a frame ends at ${frames.length} of ${input.length} bytes`);
      idsOf(readAround(path, fd, frames));
    } catch (error) {
      if (!(error instanceof ForeignHourError)) throw error;
    } finally {
      closeSync(fd);
    }
  },
  async close() {
    if (folder !== undefined) removeTemporaryFolder(folder);
    folder = undefined;
  },
};

/** A trailer with a valid checksum that says something else of its frame. */
function lie(frame: Frame, random: Random): Frame {
  const value = random.pick([0, 1, 40, frame.lines - 1, frame.lines + 1, 1 << 20, 2 ** 32 - 1]);
  return { ...frame, [random.pick(['offset', 'lines', 'zstd', 'crc'] as const)]: value };
}

/** All that can be read: from the end of each damaged part on. */
function readAround(path: string, fd: number, frames: FramesLength): Buffer {
  const hour = new CompressedHour({ path, fd, frames, waiting: undefined });
  const pieces: Buffer[] = [];
  for (let position = 0, reads = 0; position < hour.size && reads < MAX_READS; reads++) {
    const target = Buffer.alloc(16 * 1024);
    try {
      const count = hour.read(target, 0, target.length, position);
      promise(count > 0, () => `nothing at ${position} of ${hour.size}`);
      pieces.push(target.subarray(0, count));
      position += count;
    } catch (error) {
      if (!(error instanceof DamagedHourError)) throw error;
      const { offset, bytes } = error;
      const isAround = offset <= position && offset + bytes > position && offset + bytes <= hour.size;
      promise(isAround, () => `damage of ${bytes} bytes at ${offset} is not around ${position}`);
      position = offset + bytes;
    }
  }
  return Buffer.concat(pieces);
}
