import * as fs from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeTrailer, encodeFrames, FILE_START, TRAILER_BYTES } from './hour-frames.ts';
import { batchOf, createRepoFixture, type RepoFixture } from './repo-fixture.case.ts';
import { sequenceSettled } from './sequence-settled.case.ts';
import { type Finding, verifyStorage } from './verify.ts';

const HOUR = '2025-11-22T10';
const NEVER = { hourBytes: 1 << 20, allBytes: 1 << 20, ms: 1e9 };

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
  fs.mkdirSync(join(fixture.dir, 'state'));
});
afterEach(() => fixture.remove());

const path = () => `${fixture.path(HOUR)}.zst`;

async function verify(dir = fixture.dir): Promise<Finding | undefined> {
  const folders = ['logs', 'dlq', 'state', 'analytics'].map((name) => join(dir, name));
  const [logsDir = '', dlqDir = '', stateDir = '', analyticsDir = ''] = folders;
  const found: Finding[] = [];
  for await (const finding of verifyStorage({ logsDir, dlqDir, stateDir, analyticsDir })) found.push(finding);
  return found.find(({ place }) => place.includes('10.log.json'));
}

/** Frames of one line each for the ids, which are synced. */
async function store(...ids: number[]): Promise<void> {
  const repo = await fixture.open({ compressionOf: () => 'zstd', inline: { bytes: 0, bytesPerFile: 0 } });
  for (const id of ids) await repo.append(batchOf([HOUR], `{"id":${id}}`));
  await sequenceSettled(join(fixture.dir, 'logs'));
  await repo.close();
}

/** Positions of the zstd frames and of their trailers' ends. */
function places(): { at: number; end: number }[] {
  const bytes = fs.readFileSync(path());
  const found: { at: number; end: number }[] = [];
  for (let end = bytes.length; end > TRAILER_BYTES; ) {
    const at = end - TRAILER_BYTES - (decodeTrailer(bytes, end - TRAILER_BYTES)?.zstd ?? Number.NaN);
    found.unshift({ at, end });
    end = at;
  }
  return found;
}

describe('the check of a compressed hour', () => {
  it('finds its lines, and no fault in bytes that a commit left unfinished', async () => {
    await store(1, 2, 3);
    const { size } = fs.statSync(path());
    expect(await verify()).toEqual({ place: path(), isSound: true, detail: `3 lines in ${size} bytes` });
    fs.appendFileSync(path(), 'torn');
    const detail = `3 lines in ${size} bytes, 4 bytes beyond the committed length`;
    expect(await verify()).toMatchObject({ isSound: true, detail });
    fs.rmSync(join(fixture.dir, 'state'), { recursive: true });
    fs.mkdirSync(join(fixture.dir, 'state'));
    expect(await verify()).toMatchObject({
      isSound: true,
      detail: expect.stringContaining('4 bytes beyond its last frame'),
    });
  });

  it('after a kill counts the lines that only the journal has', async () => {
    await store(1);
    const repo = await fixture.open({ compressionOf: () => 'zstd', waiting: NEVER });
    await repo.append(batchOf([HOUR], '{"id":2}'));
    expect(await verify()).toMatchObject({
      isSound: true,
      detail: expect.stringMatching(/^1 lines in \d+ bytes, 9 bytes of lines wait in the commit journal$/),
    });
    await repo.close();
  });

  it('names each damaged frame by its place in the file and in the lines, and reads the others', async () => {
    await store(1, 2, 3, 4);
    const bytes = fs.readFileSync(path());
    const [, second, third] = places();
    bytes.fill(7, (second?.at ?? 0) + 3, (second?.at ?? 0) + 6);
    bytes.fill(7, (third?.end ?? 0) - 20, (third?.end ?? 0) - 10);
    fs.writeFileSync(path(), bytes);
    const detail = [
      `2 lines in ${bytes.length} bytes`,
      `18 bytes of lines cannot be read: 9 at logical offset 9, byte ${second?.at} of the file: its checksum does not hold; 9 at logical offset 18, byte ${third?.at} of the file`,
    ].join(', ');
    expect(await verify()).toEqual({ place: path(), isSound: false, detail });
  });

  it('finds lines that are no records', async () => {
    const { buffers } = await encodeFrames([{ lines: Buffer.from('{"id":1}\nnot json\n[]\n'), records: 3 }], 0);
    fs.mkdirSync(join(path(), '..'), { recursive: true });
    fs.writeFileSync(path(), Buffer.concat([FILE_START, ...buffers]));
    expect(await verify()).toMatchObject({ isSound: false, detail: expect.stringContaining('2 are not JSON objects') });
  });

  it.each([
    ['compressed by hand', () => fs.writeFileSync(path(), zstdCompressSync('{"id":1}\n'))],
    ['shortened', () => fs.truncateSync(path(), fs.statSync(path()).size - 1)],
    ['replaced by an older copy', () => fs.truncateSync(path(), places()[0]?.end ?? 0)],
  ])('finds that the file was %s', async (_what, change) => {
    await store(1, 2);
    change();
    expect(await verify()).toMatchObject({
      isSound: false,
      detail: expect.stringContaining('no frame ends where the commit journal says'),
    });
  });

  it('finds a file of others where the journal knows nothing', async () => {
    fs.mkdirSync(join(path(), '..'), { recursive: true });
    fs.writeFileSync(path(), zstdCompressSync(`{"x":"${'y'.repeat(90)}"}\n`.repeat(99)));
    expect(await verify()).toMatchObject({ isSound: false, detail: expect.stringContaining('not a compressed hour') });
  });

  it('finds frames of another hour before its own', async () => {
    const hour = async (text: string) => {
      const lines = Buffer.from(text);
      return Buffer.concat([FILE_START, ...(await encodeFrames([{ lines, records: 1 }], 0)).buffers]);
    };
    fs.mkdirSync(join(path(), '..'), { recursive: true });
    const other = await hour('{"other":1}\n');
    fs.writeFileSync(path(), Buffer.concat([other, await hour('{"id":1}\n')]));
    expect(await verify()).toMatchObject({
      isSound: false,
      detail: expect.stringContaining(`${other.length} bytes before its first line are of another hour`),
    });
  });
});
