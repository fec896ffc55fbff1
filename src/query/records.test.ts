import { mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { CommittedHour } from '../repo/repo.ts';
import { type QueryTexts, readRecordQuery } from './query.ts';
import { createRecords, type OwnedRecords, type RecordsOptions } from './records.ts';

const HOUR = 411_111;
let folder: string;
let records: OwnedRecords;
let metrics: ReturnType<typeof createMetrics>;
let errors: string[];
/** The paths of the hours of a query by its `contains`; endless where it is `endless`. */
let paths: Record<string, readonly string[]>;
let found = 0;
/** Queries that the thread was told to forget. */
let forgotten: Int32Array;

const line = (i: number) =>
  `{"timestamp":"2016-11-24T15:00:00Z","level":"INFO","message":"m${i}","service":"s","pad":"${'p'.repeat(1_000)}"}\n`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logforge-records-'));
  writeFileSync(join(folder, 'large'), Array.from({ length: 4_000 }, (_, i) => line(i)).join(''));
  writeFileSync(join(folder, 'small'), line(1));
  errors = [];
  found = 0;
  forgotten = new Int32Array(new SharedArrayBuffer(4));
  paths = { '': [join(folder, 'small')], p: [join(folder, 'large')], die: ['die'], hang: ['hang'], slow: ['slow'] };
  metrics = createMetrics({ defaultMetrics: false });
  records = create();
});

afterEach(async () => {
  await records.stop();
  rmSync(folder, { recursive: true });
});

function create(options: Partial<RecordsOptions> = {}): OwnedRecords {
  return createRecords({
    entry: new URL('./test-worker.case.ts', import.meta.url),
    workerData: { forgotten },
    async *hoursOf({ contains = '' }) {
      if (contains === 'fail') throw new Error('cannot list the hours');
      const path = (contains === 'nowhere' ? paths.p : paths[contains]) ?? [];
      do {
        for (const one of path) yield hourAt(one);
      } while (contains === 'nowhere');
      return undefined;
    },
    maxConcurrent: 2,
    timeoutMs: 60_000,
    metrics,
    log: { warn: () => undefined, error: (message, fields) => errors.push(`${message}: ${String(fields?.err)}`) },
    ...options,
  });
}

function hourAt(path: string): CommittedHour {
  found += 1;
  return { stream: 'events', hour: HOUR, path, bytes: path.startsWith('/') ? statSync(path).size : 1 };
}

async function open(texts: QueryTexts = {}): Promise<number> {
  const opened = await records.open(readRecordQuery({ stream: 'events', limit: 'all', ...texts }, 'ndjson'));
  if (opened.kind !== 'open') throw new Error(JSON.stringify(opened));
  return opened.id;
}

/** The bytes of a query that is open, or how it failed. */
async function rest(id: number): Promise<number | string> {
  for (let bytes = 0; ; ) {
    const piece = await records.next(id);
    if (piece.kind === 'failed') return `${piece.why}: ${piece.detail}`;
    bytes += piece.bytes.length;
    if (piece.isLast) return bytes;
  }
}

const ask = async (contains: string) => rest(await open({ contains }));
const counted = async (outcome: string) =>
  (await metrics.queries.get()).values.find(({ labels }) => labels.outcome === outcome)?.value;
const running = async () => (await metrics.queriesRunning.get()).values[0]?.value;

it('gives an answer in pieces, and counts it', async () => {
  const id = await open({ contains: 'p' });
  const first = await records.next(id);
  expect(first).toMatchObject({ kind: 'piece', isLast: false });
  const bytes = first.kind === 'piece' ? first.bytes.length : 0;
  expect(bytes).toBeLessThan(1024 * 1024);
  expect(await rest(id)).toBe(statSync(join(folder, 'large')).size - bytes);
  expect([await counted('complete'), await running()]).toEqual([1, 0]);
  expect(await rest(id)).toBe('failed: the query has ended');
});

it('lets a short query pass while a long one runs', async () => {
  const long = await open({ contains: 'nowhere' });
  const answer = records.next(long);
  expect(await ask('')).toBe(line(1).length);
  await records.close({ id: long, why: 'stopped' });
  expect(await answer).toMatchObject({ kind: 'failed' });
  expect([await counted('stopped'), await running()]).toEqual([1, 0]);
});

it('looks for no further hours, and holds no file, when its reader goes', async () => {
  const id = await open({ contains: 'p' });
  await records.next(id);
  const descriptors = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
      } catch {
        return false;
      }
    });
  expect(descriptors()).toHaveLength(1);
  await records.close({ id, why: 'stopped' });
  await eventually(() => expect(descriptors()).toEqual([]));
  const before = found;
  const endless = await open({ contains: 'nowhere' });
  const answer = records.next(endless);
  await eventually(() => expect(found).toBeGreaterThan(before + 10));
  await records.close({ id: endless, why: 'stopped' });
  await answer;
  const after = found;
  expect(await ask('')).toBe(line(1).length);
  expect(found).toBe(after + 1);
});

it('fails the queries of a thread that dies, and goes on with another', async () => {
  const other = await open({ contains: 'p' });
  await records.next(other);
  expect(await ask('die')).toMatch(/^failed: the query failed/);
  expect(errors).toEqual([expect.stringContaining('the query thread died')]);
  expect(await rest(other)).toMatch(/^failed: the query failed/);
  expect(await ask('')).toBe(line(1).length);
  expect([await counted('failed'), await counted('complete'), await running()]).toEqual([2, 1, 0]);
});

it('replaces a thread that does not come back from a step', async () => {
  records = create({ limits: { maxStepMs: 300 } });
  expect(await ask('hang')).toMatch(/^failed:/);
  expect(errors).toEqual([expect.stringContaining('did not answer for 300 ms')]);
  expect(await ask('')).toBe(line(1).length);
});

it('counts the time of a step from when the thread takes it up', async () => {
  records = create({ maxConcurrent: 4, limits: { maxStepMs: 500 } });
  const ids = await Promise.all(Array.from({ length: 4 }, () => open({ contains: 'slow' })));
  expect(await Promise.all(ids.map(rest))).toEqual([0, 0, 0, 0]);
  expect(errors).toEqual([]);
});

it('has the thread forget a query that fails outside of a step', async () => {
  expect(await ask('fail')).toMatch(/^failed: the query failed/);
  expect(errors).toEqual([expect.stringContaining('cannot list the hours')]);
  await eventually(() => expect(forgotten[0]).toBe(1));
});

it('ends a query that takes too long', async () => {
  records = create({ timeoutMs: 200 });
  expect(await ask('nowhere')).toMatch(/^timeout: the query took longer than query.timeout \(200 ms\)/);
  expect(await counted('timeout')).toBe(1);
});

it('runs a limited number; some wait, for a limited time, and further ones are refused', async () => {
  records = create({ maxConcurrent: 1, limits: { maxWaiting: 1, maxWaitMs: 100 } });
  const first = await open({ contains: 'p' });
  await records.next(first);
  const second = await open();
  expect(await records.open(readRecordQuery({ stream: 'events' }, 'ndjson'))).toMatchObject({ kind: 'busy' });
  expect(await rest(second)).toMatch(/^busy:/);
  const third = await open();
  const answer = rest(third);
  await records.close({ id: first, why: 'slow' });
  expect(await answer).toBe(line(1).length);
  expect([await counted('busy'), await counted('slow'), await counted('complete')]).toEqual([2, 1, 1]);
});

it('ends a query whose reader asks for nothing, as when its thread died', async () => {
  records = create({ limits: { idleMs: 50 } });
  await records.next(await open({ contains: 'p' }));
  expect(await running()).toBe(1);
  await eventually(async () => expect(await running()).toBe(0));
});

it('refuses a stream that there is not, and a pattern that cannot be used', async () => {
  const query = readRecordQuery({ stream: 'evnts' }, 'ndjson');
  expect(await records.open(query)).toMatchObject({ kind: 'refused', parameter: 'stream' });
  const pattern = readRecordQuery({ stream: 'events', matches: '(?<=a)b' }, 'ndjson');
  expect(await records.open(pattern)).toMatchObject({ kind: 'refused', parameter: 'matches' });
  expect(await counted('refused')).toBe(2);
});
