import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestLog } from '../../test/support/queues.ts';
import { createFaultyDisk } from '../disk/faulty-disk.case.ts';
import { encodeEntry, sealEntry } from '../disk/write-ahead-log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { IdempotencyNote } from '../model/deliver.ts';
import { openRepo } from './file-repo.ts';
import type { FileRepoOptions } from './file-repo-options.ts';
import type { Repo } from './repo.ts';
import { verifyStorage } from './verify.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const LONG = `{"accepted":98,"rejected":2,"errors":[{"index":1,"field":"path","reason":"${'x'.repeat(9_000)}"}]}`;
const SHORT = '{"accepted":98,"rejected":2}';

let dir: string;
/** What the machine's clock shows, and how long the machine has run. */
let machine: { clock: number; elapsed: number };
let log: ReturnType<typeof createTestLog>;

beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-keys-'));
  machine = { clock: Date.UTC(2026, 0, 1), elapsed: 1_000 };
  log = createTestLog();
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

function open(options: Partial<FileRepoOptions> = {}): Promise<Repo> {
  return openRepo({
    logsDir: join(dir, 'logs'),
    dlqDir: join(dir, 'dlq'),
    stateDir: join(dir, 'state'),
    durability: 'os',
    idempotency: { windowMs: DAY, maxKeys: 1_000_000 },
    maxWaitMs: 60_000,
    metrics: createMetrics({ defaultMetrics: false }),
    log,
    clock: () => machine.clock,
    elapsed: () => machine.elapsed,
    ...options,
  });
}

function pass(ms: number): void {
  machine.clock += ms;
  machine.elapsed += ms;
}

function use(repo: Repo, key: string, more: Partial<IdempotencyNote> = {}) {
  const note = { key, bodyHash: 'h', answer: '{"accepted":1}', time: repo.idempotency.now(), ...more };
  return repo.append([], { idempotency: note });
}

const answerTo = (repo: Repo, key: string, owner?: string) =>
  repo.idempotency.find({ key, bodyHash: 'h', ...(owner !== undefined && { owner }) })?.answer;

const stateFiles = (prefix: string) => fs.readdirSync(join(dir, 'state')).filter((name) => name.startsWith(prefix));

/** A key file as version 1.0.0 wrote it. */
function writeOlderFile(number: number, notes: readonly IdempotencyNote[]): void {
  fs.mkdirSync(join(dir, 'state'), { recursive: true });
  const entry = encodeEntry({ seq: 0, keys: notes }, []);
  sealEntry(entry);
  fs.writeFileSync(join(dir, 'state', `keys-${String(number).padStart(8, '0')}.log`), Buffer.concat(entry.buffers));
}

describe('keys on disk', () => {
  it('come back after a stop and after a crash, with owner and whole answer', async () => {
    const first = await open();
    await use(first, 'a', { owner: 'one', answer: LONG });
    await first.close();
    const second = await open();
    await use(second, 'b', { owner: 'two', answer: LONG });
    const crashed = join(dir, 'crashed');
    fs.cpSync(join(dir, 'state'), crashed, { recursive: true });
    const third = await open({ stateDir: crashed, logsDir: join(dir, 'logs3'), dlqDir: join(dir, 'dlq3') });
    for (const repo of [second, third]) {
      expect(answerTo(repo, 'a', 'one')).toBe(LONG);
      expect(answerTo(repo, 'b', 'two')).toBe(LONG);
      expect(answerTo(repo, 'a', 'two')).toBeUndefined();
      expect(repo.idempotency.size()).toBe(2);
      await repo.close();
    }
  });

  it('of version 1.0.0 are read, belong to every owner, and are written in the present form', async () => {
    const time = machine.clock - HOUR;
    writeOlderFile(7, [
      { key: 'a', bodyHash: 'h', answer: '{"accepted":3}', time },
      { key: 'b', bodyHash: 'h', answer: LONG, time },
    ]);
    const first = await open();
    expect([answerTo(first, 'a', 'anybody'), answerTo(first, 'b')]).toEqual(['{"accepted":3}', LONG]);
    expect(stateFiles('keys-')).toEqual(['keys-00000008.log']);
    await first.close();
    expect(fs.readFileSync(join(dir, 'state', 'keys-00000008.log'), 'utf8')).not.toContain('accepted');
    const second = await open();
    expect([answerTo(second, 'a'), answerTo(second, 'b')]).toEqual(['{"accepted":3}', LONG]);
    await second.close();
  });

  it('take bounded room however long their answers are', async () => {
    const keys = 12_000;
    const notes = Array.from({ length: keys }, (_, i) => {
      return { key: `k${i}`, bodyHash: 'h', answer: LONG, time: machine.clock - HOUR };
    });
    for (let i = 0; i < 6; i++) writeOlderFile(i + 1, notes.slice(i * 2_000, (i + 1) * 2_000));
    const bytes = () => stateFiles('').reduce((sum, name) => sum + fs.statSync(join(dir, 'state', name)).size, 0);
    expect(bytes()).toBeGreaterThan(100e6);
    const repo = await open();
    expect(repo.idempotency.size()).toBe(keys);
    expect(repo.idempotency.bytes()).toBeLessThan(70e6);
    expect(answerTo(repo, 'k0')).toBe(SHORT);
    expect(answerTo(repo, `k${keys - 1}`)).toBe(LONG);
    await repo.close();
    expect(bytes()).toBeLessThan(40e6);
    const again = await open();
    expect([answerTo(again, 'k0'), answerTo(again, `k${keys - 1}`)]).toEqual([SHORT, LONG]);
    await again.close();
  });

  it('go with their files when they are too old', async () => {
    const first = await open();
    await use(first, 'a', { answer: LONG });
    await first.close();
    expect([stateFiles('keys-').length, stateFiles('answers-').length]).toEqual([1, 1]);
    pass(25 * HOUR);
    const second = await open();
    expect(second.idempotency.size()).toBe(0);
    await second.close();
    expect([stateFiles('keys-'), stateFiles('answers-')]).toEqual([[], []]);
  });

  it('are never lost by a crash, at every other operation over rotations and restarts', async () => {
    for (let dieAt = 1; ; dieAt += 2) {
      fs.rmSync(dir, { recursive: true, force: true });
      const disk = createFaultyDisk({ dieAt });
      const stored: string[] = [];
      const work = async (): Promise<void> => {
        for (let round = 0; round < 2; round++) {
          const repo = await open({ files: disk.files, durability: 'disk', segmentBytes: 400 });
          try {
            for (let i = 0; i < 6; i++) {
              const key = `k${round}-${i}`;
              await use(repo, key, i === 2 ? { answer: LONG } : {});
              stored.push(key);
            }
          } finally {
            await repo.close();
          }
        }
      };
      const finished = await work().then(
        () => true,
        () => false,
      );
      const repo = await open({ durability: 'disk' });
      const lost = stored.filter((key) => answerTo(repo, key) === undefined);
      await repo.close();
      const again = await open({ durability: 'disk' });
      lost.push(...stored.filter((key) => answerTo(again, key) === undefined));
      await again.close();
      expect({ dieAt, lost }).toEqual({ dieAt, lost: [] });
      if (finished && dieAt > disk.operations()) return;
    }
  });
});

describe('a clock that jumps', () => {
  it.each([
    ['days back', -5 * DAY],
    ['a year back', -YEAR],
    ['a year ahead', YEAR],
  ])('%s and home again, while the service runs, changes no age', async (_, jump) => {
    const repo = await open();
    await use(repo, 'before');
    machine.clock += jump;
    pass(HOUR);
    await use(repo, 'during');
    expect(repo.idempotency.size()).toBe(2);
    machine.clock -= jump;
    pass(HOUR);
    expect([answerTo(repo, 'before'), answerTo(repo, 'during')]).toEqual(['{"accepted":1}', '{"accepted":1}']);
    pass(22 * HOUR);
    expect([answerTo(repo, 'before'), answerTo(repo, 'during') === undefined]).toEqual([undefined, false]);
    pass(HOUR);
    expect([answerTo(repo, 'during'), repo.idempotency.size()]).toEqual([undefined, 0]);
    await repo.close();
  });

  it.each([
    ['days back', -5 * DAY],
    ['a year back', -YEAR],
    ['a year ahead', YEAR],
  ])('%s between two starts and home at the third, loses no key early and keeps none for ever', async (_, jump) => {
    const first = await open();
    await use(first, 'before');
    await first.close();
    machine.clock += jump;
    pass(HOUR);
    const second = await open();
    expect(log.entries.filter((entry) => entry.startsWith('warn the clock does not go on'))).toHaveLength(1);
    expect(answerTo(second, 'before')).toBeDefined();
    await use(second, 'during');
    pass(HOUR);
    await second.close();
    machine.clock -= jump;
    pass(HOUR);
    // The service starts several times a day, and no other key is used.
    let starts = 0;
    for (; ; starts++) {
      const repo = await open();
      const isKnown = answerTo(repo, 'during') !== undefined;
      expect(answerTo(repo, 'before') === undefined || isKnown).toBe(true);
      await repo.close();
      if (!isKnown) break;
      pass(5 * HOUR);
    }
    expect(starts).toBeGreaterThanOrEqual(4);
    expect(starts).toBeLessThanOrEqual(7);
    expect(stateFiles('keys-')).toEqual([]);
  });
});

describe('an answer file', () => {
  it('is deleted at a start when the process died before it wrote the key file', async () => {
    const first = await open();
    await use(first, 'k', { answer: LONG });
    await first.close();
    const [answers = ''] = stateFiles('answers-');
    fs.copyFileSync(join(dir, 'state', answers), join(dir, 'state', 'answers-00000900.log'));
    await (await open()).close();
    expect(stateFiles('answers-')).toEqual([answers]);
    const again = await open();
    expect(answerTo(again, 'k')).toBe(LONG);
    await again.close();
  });
});

describe('a file whose end is gone', () => {
  // It has the form of a write that did not finish. Found by `make reliability SEED=1008`, `1009` and `1102`.
  const zeroEnd = (name: string, from: number) => {
    const path = join(dir, 'state', name);
    const { size } = fs.statSync(path);
    fs.truncateSync(path, from);
    fs.truncateSync(path, size);
  };

  const KEYS = 'error a file of idempotency keys is damaged; repeats of some batches will be stored again';
  const ANSWERS = 'error a file of answers is damaged; some repeats are answered without their list of errors';

  it.each([
    ['keys-', 24, KEYS],
    ['keys-', 0, KEYS],
    ['answers-', 24, ANSWERS],
    ['answers-', 0, ANSWERS],
  ])('%s from byte %i on: is told as damage once the journal has its keys no longer', async (prefix, from, message) => {
    const first = await open();
    await use(first, 'k', { answer: LONG });
    await first.close();
    const [name = ''] = stateFiles(prefix);
    zeroEnd(name, from);
    const places: string[] = [];
    for await (const { place, isSound } of verifyStorage(folders())) if (!isSound) places.push(place);
    expect(places).toEqual([join(dir, 'state', name)]);
    const second = await open();
    expect(log.entries).toContain(message);
    expect(answerTo(second, 'k')).toBe(prefix === 'keys-' ? undefined : SHORT);
    await second.close();
    // Once.
    log.entries.length = 0;
    await (await open()).close();
    expect(log.entries.filter((entry) => entry.startsWith('error'))).toEqual([]);
  });

  it('is no damage while the journal has its keys; it is deleted when they are saved again', async () => {
    const first = await open();
    await use(first, 'k', { answer: LONG });
    const killed = `${dir}-killed`;
    fs.cpSync(dir, killed, { recursive: true });
    await first.close();
    for (const name of [...stateFiles('keys-'), ...stateFiles('answers-')]) {
      fs.copyFileSync(join(dir, 'state', name), join(killed, 'state', name));
    }
    fs.rmSync(dir, { recursive: true });
    fs.renameSync(killed, dir);
    for (const name of [...stateFiles('keys-'), ...stateFiles('answers-')]) zeroEnd(name, 24);
    for (let start = 1; start <= 3; start++) {
      const repo = await open();
      expect(answerTo(repo, 'k')).toBe(LONG);
      await repo.close();
    }
    expect(log.entries.filter((entry) => entry.startsWith('error'))).toEqual([]);
    expect([stateFiles('keys-').length, stateFiles('answers-').length]).toEqual([1, 1]);
  });
});

const folders = () => ({
  ...{ logsDir: join(dir, 'logs'), dlqDir: join(dir, 'dlq') },
  ...{ stateDir: join(dir, 'state'), analyticsDir: join(dir, 'analytics') },
});
