import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readHourFile } from '../../test/support/hour-files.ts';
import { createRandom } from '../../test/support/random.ts';
import type { Batch } from '../model/chunk.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { openHour } from './hour-file.ts';
import { DamagedHourError, TRAILER_BYTES } from './hour-frames.ts';
import type { Repo } from './repo.ts';
import { createRepoFixture, hourOf, type RepoFixture, readLines } from './repo-fixture.case.ts';
import { sequenceSettled } from './sequence-settled.case.ts';

/*
 * What damage.test.ts shows of plain hours, of compressed ones: damage on disk that a start finds. What was answered stays, once, but for
 * the lines of a damaged frame, and somebody is told.
 */

const HOURS = ['2025-11-22T10', '2025-11-22T11', '2024-02-29T23'];
const BATCHES = 30;
const OPTIONS: Partial<FileRepoOptions> = {
  compressionOf: () => 'zstd',
  inline: { bytes: 2_000, bytesPerFile: 0 },
  // Some lines of the journal are in frames that are not synced, some in none.
  waiting: { hourBytes: 60, allBytes: 1 << 20, ms: 1e9 },
};

let fixture: RepoFixture;
beforeEach(() => {
  fixture = createRepoFixture();
});
afterEach(() => fixture.remove());

/** Every fifth batch is large: it is a frame of its own. */
function batchOf(id: number): Batch {
  const line = Buffer.from(`{"id":${id}${id % 5 === 4 ? `,"x":"${'x'.repeat(3_000)}"` : ''}}\n`);
  const hours = id % 3 === 0 ? HOURS : [HOURS[id % 3] ?? ''];
  return hours.map((text) => ({ stream: 'access', hour: hourOf(text), count: 1, lines: line }));
}

const expected = (text: string, count = BATCHES) =>
  [...Array(count).keys()].filter((id) => batchOf(id).some((chunk) => chunk.hour === hourOf(text)));

const idsOf = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { id: number }).id);

async function stored(repo: Repo): Promise<number[][]> {
  const hours = await Promise.all(HOURS.map((text) => readLines(repo, { stream: 'access', hour: hourOf(text) })));
  return hours.map((lines) => idsOf(lines.map((line) => `${line}\n`).join('')));
}

function copy(from: string, to: string): void {
  for (const name of ['logs', 'dlq', 'state']) {
    fs.rmSync(join(fixture.dir, to, name), { recursive: true, force: true });
    fs.cpSync(join(fixture.dir, from, name), join(fixture.dir, to, name), { recursive: true });
  }
}

/** Folders as a kill -9 leaves them, kept in `killed`. */
async function killed(): Promise<{ path: string; bytes: Buffer; length: number }> {
  const repo = await fixture.open(OPTIONS);
  for (let id = 0; id < BATCHES; id++) await repo.append(batchOf(id));
  await sequenceSettled(join(fixture.dir, 'logs'));
  copy('', 'killed');
  await repo.close();
  copy('killed', '');
  const [name = ''] = fs.readdirSync(join(fixture.dir, 'state')).filter((each) => each.startsWith('journal-'));
  const path = join(fixture.dir, 'state', name);
  const bytes = fs.readFileSync(path);
  return { path, bytes, length: bytes.findLastIndex((byte) => byte !== 0) + 1 };
}

const errors = () => fixture.logged.filter((line) => line.startsWith('error '));

describe('damage in the commit journal of compressed hours', () => {
  const damages = {
    'a flipped bit': (bytes: Buffer, at: number) => bytes.fill((bytes[at] ?? 0) ^ 16, at, at + 1),
    'sectors of rubbish': (bytes: Buffer, at: number) =>
      bytes.fill(Buffer.from([3, 8, 1]), at, Math.min(at + 700, bytes.length)),
    'a missing end': (bytes: Buffer, at: number) => bytes.subarray(0, at),
  };

  it.each(Object.entries(damages))('%s loses no record that is in a frame, and doubles none', async (what, damage) => {
    const { path, bytes, length } = await killed();
    // Lines that wait are in the journal alone. One wrong bit is corrected; other damage loses those that stand in it.
    const inFrames = HOURS.map((text) => idsOf(String(readHourFile(`${fixture.path(text)}.zst`))));
    for (let at = 0; at < length; at += Math.ceil(length / 24)) {
      copy('killed', '');
      fs.writeFileSync(path, damage(Buffer.from(bytes), at));
      fixture.logged.length = 0;
      const repo = await fixture.open(OPTIONS);
      const found = await stored(repo);
      for (const [i, text] of HOURS.entries()) {
        const kept = what === 'a flipped bit' ? expected(text) : (inFrames[i] ?? []);
        expect([at, kept.filter((id) => !found[i]?.includes(id))]).toEqual([at, []]);
        expect([at, found[i]]).toEqual([at, expected(text).filter((id) => found[i]?.includes(id))]);
      }
      expect([at, errors().length > 0]).toEqual([at, true]);
      await repo.append(batchOf(BATCHES));
      expect([at, await stored(repo)]).toEqual([at, found.map((ids) => [...ids, BATCHES])]);
      await repo.close();
    }
  });
});

describe('damage in a compressed hour', () => {
  const path = (text: string) => `${fixture.path(text)}.zst`;

  /** The ids that can be read, and how many bytes of lines cannot. */
  async function readAround(repo: Repo, text: string): Promise<{ ids: number[]; lost: number }> {
    const committed = await repo.committedHour({ stream: 'access', hour: hourOf(text) });
    const file = committed && openHour(committed);
    if (committed === undefined || file === undefined) throw new Error(`no hour ${text}`);
    const read: string[] = [];
    let lost = 0;
    for (let at = 0; at < committed.bytes; ) {
      const target = Buffer.alloc(1 << 16);
      try {
        const count = file.read(target, 0, target.length, at);
        read.push(target.toString('latin1', 0, count));
        at += count;
      } catch (error) {
        if (!(error instanceof DamagedHourError)) throw error;
        lost += error.bytes;
        at = error.offset + error.bytes;
      }
    }
    file.close();
    return { ids: idsOf(read.join('')), lost };
  }

  it('costs the lines of one frame, before a start and after it, wherever a bit flips', async () => {
    await killed();
    const [text = ''] = HOURS;
    const random = createRandom(4);
    const { size } = fs.statSync(path(text));
    const last = Array.from({ length: 8 }, (_, i) => size - TRAILER_BYTES + i * 5);
    for (const position of [
      0,
      TRAILER_BYTES + 1,
      ...last,
      ...Array.from({ length: 16 }, () => random.int(0, size - 1)),
    ]) {
      copy('killed', '');
      const bytes = fs.readFileSync(path(text));
      bytes[position] = (bytes[position] ?? 0) ^ (1 << random.int(0, 7));
      fs.writeFileSync(path(text), bytes);
      const repo = await fixture.open(OPTIONS);
      const { ids, lost } = await readAround(repo, text);
      const missing = expected(text).filter((id) => !ids.includes(id));
      const bytesOf = (id: number) => batchOf(id)[0]?.lines.length ?? 0;
      expect([position, lost]).toEqual([position, missing.reduce((sum, id) => sum + bytesOf(id), 0)]);
      // A frame has at most the lines that waited and those of one large commit.
      expect([position, missing.length <= 12, ids]).toEqual([
        position,
        true,
        expected(text).filter((id) => !missing.includes(id)),
      ]);
      await repo.append(batchOf(BATCHES));
      expect((await readAround(repo, text)).ids).toEqual([...ids, BATCHES]);
      await repo.close();
      const again = await fixture.open(OPTIONS);
      expect((await readAround(again, text)).ids).toEqual([...ids, BATCHES]);
      await again.close();
    }
  });

  it('is counted, noted and named by readiness when a reader reports it, once', async () => {
    const repo = await fixture.open(OPTIONS);
    for (const id of [0, 4]) await repo.append(batchOf(id));
    const at = { stream: 'access', hour: hourOf(HOURS[1] ?? '') };
    const damage = { offset: 0, bytes: 9, position: 40, reason: 'its checksum does not hold' };
    for (let i = 0; i < 2; i++) await repo.reportDamage(at, damage);
    expect(errors()).toEqual(['error a part of an hour cannot be read; the rest of it can']);
    const { values } = await fixture.metrics.storageDamage.get();
    expect(values.find(({ labels }) => labels.kind === 'hours')?.value).toBe(1);
    expect(await repo.damage()).toContain('damage was found in 1 places (hours)');
    await repo.close();
  });
});
