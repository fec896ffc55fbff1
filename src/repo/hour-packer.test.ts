import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readHourFile } from '../../test/support/hour-files.ts';
import { diskFileSystem, type FileSystem } from '../disk/file-system.ts';
import { FRAME_BYTES, MAX_FRAME_BYTES } from './hour-frames.ts';
import { PackingStoppedError, packHour } from './hour-packer.ts';

let dir: string;
let source: string;
let target: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-packer-'));
  source = join(dir, '10.log.json');
  target = join(dir, '10.log.json.zst');
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

type Options = Parameters<typeof packHour>[0];

function pack(content: string | Buffer, options: Partial<Options> = {}) {
  fs.writeFileSync(source, content);
  return packHour({
    files: diskFileSystem,
    source,
    target,
    bytes: fs.statSync(source).size,
    durable: true,
    pause: async () => undefined,
    signal: new AbortController().signal,
    ...options,
  });
}

/** Different lines, so that a frame in the wrong place is seen. */
function linesOf(bytes: number): string {
  let text = '';
  for (let i = 0; text.length < bytes; i++) text += `${i} ${'x'.repeat(i % 300)}\n`;
  return text;
}

test('has the same lines, in frames of a megabyte at most', async () => {
  const text = linesOf(3.5 * FRAME_BYTES);
  const { length, lines } = await pack(text);
  expect(lines).toBe(text.length);
  expect(fs.statSync(target).size).toBe(length);
  expect(readHourFile(target).equals(Buffer.from(text))).toBe(true);
});

test('is read by zstd as it is', async () => {
  const text = linesOf(2000);
  await pack(text);
  expect(zstdDecompressSync(fs.readFileSync(target)).toString()).toBe(text);
});

test('keeps lines longer than a frame whole, between short ones', async () => {
  const text = `a\n${'b'.repeat(1.5 * FRAME_BYTES)}\nc\n${'d'.repeat(5 * FRAME_BYTES)}\n${linesOf(FRAME_BYTES)}`;
  await pack(text);
  expect(readHourFile(target).equals(Buffer.from(text))).toBe(true);
});

test('takes only the bytes that it is told', async () => {
  await pack('a\nb\nnot committed', { bytes: 4 });
  expect(readHourFile(target).toString()).toBe('a\nb\n');
});

test('an empty hour becomes one without frames', async () => {
  expect((await pack('')).lines).toBe(0);
  expect(readHourFile(target).length).toBe(0);
});

test('refuses a file that is shorter than committed', async () => {
  await expect(pack('a\nb\n', { bytes: 5 })).rejects.toThrow(`cannot compress file=${source}: it ends before byte 5`);
});

test('refuses a last line without an end', async () => {
  await expect(pack('a\nb')).rejects.toThrow('its last line has no end');
});

test('refuses a line that no frame can hold', async () => {
  const long = Buffer.alloc(MAX_FRAME_BYTES, 'x');
  long[long.length - 1] = 10;
  await expect(pack(long)).rejects.toThrow(`its line at byte 0 is longer than ${MAX_FRAME_BYTES - FRAME_BYTES} bytes`);
});

test('stops between two frames when it is told', async () => {
  const stopping = new AbortController();
  let pauses = 0;
  const pause = async () => {
    if (++pauses === 2) stopping.abort();
  };
  await expect(pack(linesOf(5 * FRAME_BYTES), { pause, signal: stopping.signal })).rejects.toThrow(PackingStoppedError);
  expect(pauses).toBe(2);
});

test('pauses longer than it works', async () => {
  const pauses: number[] = [];
  const began = performance.now();
  await pack(linesOf(2 * FRAME_BYTES), { pause: async (ms) => void pauses.push(ms) });
  const worked = performance.now() - began;
  const paused = pauses.reduce((sum, ms) => sum + ms, 0);
  expect(pauses.length).toBeGreaterThanOrEqual(2);
  expect(paused).toBeGreaterThan(0);
  expect(paused).toBeLessThanOrEqual(worked * 2);
});

test.each([
  [true, 1],
  [false, 0],
])('durable: %s: the end is synced %i times', async (durable, syncs) => {
  let count = 0;
  const files: FileSystem = {
    ...diskFileSystem,
    async sync(fd) {
      count++;
      await diskFileSystem.sync(fd);
    },
  };
  await pack('a\n', { durable, files });
  expect(count).toBe(syncs);
});

test('a file at the target loses its name, not its content', async () => {
  const other = join(dir, 'other');
  fs.writeFileSync(other, 'precious');
  fs.linkSync(other, target);
  await pack('a\n');
  expect(fs.readFileSync(other, 'utf8')).toBe('precious');
  expect(readHourFile(target).toString()).toBe('a\n');
});

test('does not follow a link at the target, nor take the place of a folder', async () => {
  const other = join(dir, 'other');
  fs.writeFileSync(other, 'precious');
  fs.symlinkSync(other, target);
  await expect(pack('a\n')).rejects.toThrow(`cannot compress to file=${target}: it is not a regular file`);
  expect(fs.readFileSync(other, 'utf8')).toBe('precious');
  fs.rmSync(target);
  fs.mkdirSync(target);
  await expect(pack('a\n')).rejects.toThrow('it is not a regular file; move it away');
});
