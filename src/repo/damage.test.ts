import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { createRandom } from '../../test/support/random.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { parseHour } from '../model/hour.ts';
import { openRepo } from './file-repo.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import { sequenceSettled } from './sequence-settled.case.ts';

/*
 * Damage on disk, found by a start: bits that flipped, pieces that are missing, folders from different moments. What was
 * answered stays, once, and somebody is told.
 */

const HOURS = ['2025-11-22T10', '2025-11-22T11', '2024-02-29T23'];
const FOLDERS = ['logs', 'dlq', 'state'];
const BATCHES = 40;
const TIME = Date.now();

let dir: string;

beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-damage-'));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

async function open(options: Partial<FileRepoOptions> = {}) {
  const metrics = createMetrics({ defaultMetrics: false });
  const log = createTestLog();
  const repo = await openRepo({
    logsDir: join(dir, 'logs'),
    dlqDir: join(dir, 'dlq'),
    stateDir: join(dir, 'state'),
    durability: 'disk',
    idempotency: { windowMs: 86_400_000, maxKeys: 1000 },
    maxWaitMs: 60_000,
    inline: { bytes: 2_000, bytesPerFile: 0 },
    metrics,
    log,
    ...options,
  });
  return Object.assign(repo, { metrics, log });
}
type TestRepo = Awaited<ReturnType<typeof open>>;

const hour = (text: string): number => parseHour(text) ?? Number.NaN;
const hourPath = (text: string) => join(dir, 'logs', text.slice(0, 10), `${text.slice(11)}.log.json`);

/** Every fifth batch is large: its bytes are synced in the hour files and not in the journal. */
function batchOf(id: number): Batch {
  const line = Buffer.from(`{"id":${id}${id % 5 === 4 ? `,"x":"${'x'.repeat(3_000)}"` : ''}}\n`);
  const hours = id % 3 === 0 ? HOURS : [HOURS[id % 3] ?? ''];
  return hours.map((text) => ({ stream: 'access', hour: hour(text), count: 1, lines: line }));
}

/** The ids of the lines, each as often as it is there. */
function stored(text: string): number[] {
  const lines = fs.readFileSync(hourPath(text), 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => (JSON.parse(line) as { id: number }).id);
}

const expected = (text: string, count = BATCHES) =>
  Array.from({ length: count }, (_, id) => id).filter((id) => batchOf(id).some((chunk) => chunk.hour === hour(text)));

async function fill(repo: TestRepo, from: number, to: number): Promise<void> {
  for (let id = from; id < to; id++) {
    await repo.append(batchOf(id), {
      idempotency: { key: `k${id}`, bodyHash: 'h', answer: '{}', time: TIME },
      offsets: [{ topic: 'logs', partition: id % 2, next: String(id) }],
      batchIds: [`p:${id}`],
    });
  }
}

function copy(from: string, to: string, folders: readonly string[] = FOLDERS): void {
  for (const name of folders) {
    fs.rmSync(join(dir, to, name), { recursive: true, force: true });
    fs.cpSync(join(dir, from, name), join(dir, to, name), { recursive: true });
  }
}

const journals = () => fs.readdirSync(join(dir, 'state')).filter((name) => name.startsWith('journal-'));

/** Folders as a kill -9 leaves them: one segment with all entries. Kept in `killed`. */
async function killed(): Promise<{ path: string; bytes: Buffer; length: number }> {
  const repo = await open();
  await fill(repo, 0, BATCHES);
  await sequenceSettled(join(dir, 'logs'));
  copy('', 'killed');
  await repo.close();
  copy('killed', '');
  const [name = ''] = journals();
  const path = join(dir, 'state', name);
  const bytes = fs.readFileSync(path);
  return { path, bytes, length: bytes.findLastIndex((byte) => byte !== 0) + 1 };
}

function flip(bytes: Buffer, position: number, bit: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[position] = (flipped[position] ?? 0) ^ (1 << bit);
  return flipped;
}

const errors = (repo: TestRepo) => repo.log.entries.filter((entry) => entry.startsWith('error '));

describe('a flipped bit in the commit journal', () => {
  it('loses no record that was answered and doubles none, wherever it is, and is logged as an error', async () => {
    const { path, bytes, length } = await killed();
    const random = createRandom(11);
    const anywhere = Array.from({ length: 160 }, () => random.int(0, length - 1));
    // The magic, the snapshot, the heads of entries and the last entry are a small part of the file.
    const heads = [...Array(60).keys(), ...Array.from({ length: 40 }, (_, i) => length - 1 - i * 3)];
    const flips = [...heads, ...anywhere].map((position) => [position, random.int(0, 7)] as const);
    // Two more bits make the number of a later form of LFJRNL2.
    for (const [position, bit] of [...flips, [6, 0], [6, 2]] as const) {
      copy('killed', '');
      fs.writeFileSync(path, flip(bytes, position, bit));
      const repo = await open();
      const about = `bit ${bit} of byte ${position}`;
      expect([about, ...HOURS.map(stored)]).toEqual([about, ...HOURS.map((text) => expected(text))]);
      expect([about, errors(repo).length > 0]).toEqual([about, true]);
      const lost = expected(HOURS[0] ?? '').filter(
        (id) => repo.idempotency.find({ key: `k${id}`, bodyHash: 'h' }) === undefined,
      );
      expect([about, lost]).toEqual([about, []]);
      await repo.close();
    }
  });
});

/** Sectors of rubbish, as a bad copy or a worn disk leaves them. */
function spoil(bytes: Buffer, position: number): Buffer {
  const spoilt = Buffer.from(bytes);
  for (let i = position; i < Math.min(position + 700, bytes.length); i++) spoilt[i] = 1 + (i % 251);
  return spoilt;
}

const damagedFiles = () => fs.readdirSync(join(dir, 'state', 'damaged'));

async function countDamage(repo: TestRepo): Promise<Record<string, number>> {
  const { values } = await repo.metrics.storageDamage.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.kind), value]));
}

describe('a commit journal of which a piece is unreadable', () => {
  it('keeps every record, wherever the piece is, and the keys of all entries but those in it', async () => {
    const { path, bytes, length } = await killed();
    for (let position = 0; position < length; position += 331) {
      copy('killed', '');
      fs.writeFileSync(path, spoil(bytes, position));
      const repo = await open();
      expect([position, ...HOURS.map(stored)]).toEqual([position, ...HOURS.map((text) => expected(text))]);
      expect([position, errors(repo).length > 0]).toEqual([position, true]);
      const keys = Array.from({ length: BATCHES }, (_, id) => id).filter(
        (id) => repo.idempotency.find({ key: `k${id}`, bodyHash: 'h' }) !== undefined,
      );
      expect(keys.length).toBeGreaterThan(BATCHES - 8);
      await fill(repo, BATCHES, BATCHES + 1);
      expect(stored(HOURS[1] ?? '')).toEqual(expected(HOURS[1] ?? '', BATCHES + 1));
      await repo.close();
    }
  });

  it('is kept in the folder of damaged bytes, counted and named until somebody takes note', async () => {
    const { path, bytes, length } = await killed();
    fs.writeFileSync(path, spoil(bytes, Math.floor(length / 2)));
    const repo = await open();
    expect(errors(repo)).toEqual(['error the commit journal is damaged; records stay in their files']);
    expect(await countDamage(repo)).toEqual({ journal: 1, keys: 0, spool: 0, hours: 0, state: 0, schemas: 0 });
    expect(await repo.damage()).toMatch(/^damage was found in 1 places \(journal\), last at .*run logforge verify$/);
    const [kept = ''] = damagedFiles().filter((name) => name.startsWith('journal-'));
    const content = fs.readFileSync(join(dir, 'state', 'damaged', kept));
    expect(spoil(bytes, Math.floor(length / 2)).includes(content)).toBe(true);
    await repo.close();
    const again = await open();
    expect([errors(again), await countDamage(again)]).toEqual([
      [],
      { journal: 0, keys: 0, spool: 0, hours: 0, state: 0, schemas: 0 },
    ]);
    expect(await again.damage()).toContain('1 places');
    fs.renameSync(join(dir, 'state/damaged/damage.ndjson'), join(dir, 'state/damaged/seen.ndjson'));
    expect(await again.damage()).toBeUndefined();
    await again.close();
  });

  it('ends the hour files with a whole line, and keeps what follows it elsewhere', async () => {
    const { path, bytes, length } = await killed();
    fs.writeFileSync(path, spoil(bytes, Math.floor(length / 2)));
    fs.appendFileSync(hourPath(HOURS[0] ?? ''), '{"id":1000}\n{"id":');
    fs.mkdirSync(join(dir, 'logs', '2025-11-23'));
    fs.writeFileSync(hourPath('2025-11-23T00'), '{"id":7}\nhalf');
    const repo = await open();
    expect(stored(HOURS[0] ?? '').at(-1)).toBe(1000);
    expect(stored('2025-11-23T00')).toEqual([7]);
    const pieces = damagedFiles().filter((name) => name.includes('.log.json-'));
    const texts = pieces.map((name) => fs.readFileSync(join(dir, 'state/damaged', name), 'utf8'));
    expect(texts.toSorted()).toEqual(['half', '{"id":']);
    expect(await countDamage(repo)).toMatchObject({ journal: 1, hours: 2 });
    expect(repo.changedHours().map((changed) => changed.path)).toContain(hourPath('2025-11-23T00'));
    await repo.close();
  });
});

describe('the end of a commit journal', () => {
  it('that was not finished is cut off with its batch and no error, at any length', async () => {
    const repo = await open();
    await fill(repo, 0, 3);
    copy('', 'before');
    await fill(repo, 3, 4);
    copy('', 'killed');
    await repo.close();
    copy('killed', '');
    const [name = ''] = journals();
    const path = join(dir, 'state', name);
    const end = (bytes: Buffer) => bytes.findLastIndex((byte) => byte !== 0) + 1;
    const bytes = fs.readFileSync(path);
    const [start, stop] = [end(fs.readFileSync(join(dir, 'before/state', name))), end(bytes)];
    for (let cut = start; cut < stop; cut += 3) {
      for (const rest of [Buffer.alloc(0), Buffer.alloc(4096)]) {
        copy('killed', '');
        // Its number was not written yet.
        fs.copyFileSync(join(dir, 'before/logs/.logforge.seq'), join(dir, 'logs/.logforge.seq'));
        fs.writeFileSync(path, Buffer.concat([bytes.subarray(0, cut), rest]));
        const again = await open();
        expect([cut, errors(again), await again.damage()]).toEqual([cut, [], undefined]);
        for (const text of HOURS) expect([cut, stored(text)]).toEqual([cut, expected(text, 3)]);
        await again.close();
      }
    }
  });

  it('that is missing although its batches were answered is noticed: the records stay', async () => {
    const { path, bytes, length } = await killed();
    for (let cut = 0; cut < length; cut += 501) {
      copy('killed', '');
      fs.writeFileSync(path, bytes.subarray(0, cut));
      const repo = await open();
      expect([cut, ...HOURS.map(stored)]).toEqual([cut, ...HOURS.map((text) => expected(text))]);
      expect([cut, errors(repo).length]).toEqual([cut, 1]);
      expect(await countDamage(repo)).toMatchObject({ state: 1 });
      await repo.close();
    }
  });
});

describe('a state folder from another moment than the hour files', () => {
  it.each([
    'the same run',
    'an earlier run',
  ])('of %s is noticed: the records stay, and the next start is quiet', async (when) => {
    let second = await open();
    await fill(second, 0, 20);
    copy('', 'older', ['state']);
    if (when === 'an earlier run') {
      await second.close();
      second = await open();
    }
    await fill(second, 20, BATCHES);
    await sequenceSettled(join(dir, 'logs'));
    copy('', 'killed');
    await second.close();
    copy('killed', '', ['logs', 'dlq']);
    copy('older', '', ['state']);
    const repo = await open();
    expect(HOURS.map(stored)).toEqual(HOURS.map((text) => expected(text)));
    expect(errors(repo)).toEqual([
      'error the commit journal is older than the hour files, or lost its newest entries; records stay in their files',
    ]);
    await fill(repo, BATCHES, BATCHES + 3);
    await repo.close();
    const again = await open();
    expect(HOURS.map(stored)).toEqual(HOURS.map((text) => expected(text, BATCHES + 3)));
    expect(errors(again)).toEqual([]);
    await again.close();
  });

  it('that is empty, or of other hour files, is noticed', async () => {
    await killed();
    fs.rmSync(join(dir, 'state'), { recursive: true });
    const empty = await open();
    expect(errors(empty)).toEqual([
      'error the state folder is empty, and there are hour files of an earlier one; records stay in their files',
    ]);
    await empty.close();
    copy('killed', '', ['state']);
    const other = await open();
    expect(errors(other)).toEqual([
      'error the state folder is not the one that belongs to the hour files; records stay in their files',
    ]);
    expect(HOURS.map(stored)).toEqual(HOURS.map((text) => expected(text)));
    await other.close();
  });

  it('is mended although other programs put files and folders in the places of hours', async () => {
    await killed();
    fs.rmSync(join(dir, 'state'), { recursive: true });
    const folder = join(dir, 'logs', '2025-11-21');
    fs.mkdirSync(join(folder, '09.log.json.zst'), { recursive: true });
    fs.mkdirSync(join(folder, '10.log.json'));
    // Longer than what a start keeps aside.
    const foreign = fs.openSync(join(folder, '11.log.json.zst'), 'w');
    fs.ftruncateSync(foreign, 65 * 2 ** 20);
    fs.closeSync(foreign);
    const repo = await open();
    await fill(repo, BATCHES, BATCHES + 3);
    expect(HOURS.map(stored)).toEqual(HOURS.map((text) => expected(text, BATCHES + 3)));
    await repo.close();
    expect(fs.statSync(join(folder, '11.log.json.zst')).size).toBe(65 * 2 ** 20);
  });

  it('is noticed by the length of the files where nothing else shows it', async () => {
    await killed();
    fs.rmSync(join(dir, 'logs/.logforge.seq'));
    const line = `{"id":5000,"x":"${'y'.repeat(1 << 20)}"}\n`;
    for (let i = 0; i < 33; i++) fs.appendFileSync(hourPath(HOURS[1] ?? ''), line);
    const repo = await open();
    expect(errors(repo)).toHaveLength(1);
    expect(stored(HOURS[1] ?? '').filter((id) => id === 5000)).toHaveLength(33);
    await repo.close();
  });
});

describe('a file of idempotency keys', () => {
  it('gives its keys in spite of a flipped bit anywhere, and an error is logged', async () => {
    const repo = await open();
    await fill(repo, 0, BATCHES);
    await repo.close();
    copy('', 'killed');
    const [name = ''] = fs.readdirSync(join(dir, 'state')).filter((each) => each.startsWith('keys-'));
    const path = join(dir, 'state', name);
    const bytes = fs.readFileSync(path);
    const random = createRandom(3);
    const positions = [...Array(16).keys(), ...Array.from({ length: 60 }, () => random.int(0, bytes.length - 1))];
    for (const position of positions) {
      copy('killed', '');
      fs.writeFileSync(path, flip(bytes, position, random.int(0, 7)));
      const again = await open();
      expect([position, again.idempotency.size(), errors(again).length]).toEqual([position, BATCHES, 1]);
      await again.close();
    }
  });

  it('gives the keys after a piece that is unreadable', async () => {
    const options = { segmentBytes: 1 };
    for (let i = 0; i < 2; i++) {
      const repo = await open(options);
      await fill(repo, i * 10, i * 10 + 10);
      await repo.close();
    }
    const [first = ''] = fs.readdirSync(join(dir, 'state')).filter((each) => each.startsWith('keys-'));
    const path = join(dir, 'state', first);
    const bytes = fs.readFileSync(path);
    // Entries of another time before those that are there.
    fs.writeFileSync(path, Buffer.concat([Buffer.alloc(300, 7), bytes]));
    const repo = await open(options);
    expect(repo.idempotency.size()).toBe(20);
    expect(errors(repo)).toEqual([
      'error a file of idempotency keys is damaged; repeats of some batches will be stored again',
    ]);
    await repo.close();
  });
});
