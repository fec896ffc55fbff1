import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diskFileSystem } from '../disk/file-system.ts';
import type { Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { MS_PER_HOUR, parseHour } from '../model/hour.ts';
import { openRepo } from '../repo/file-repo.ts';
import { createHoursOnDisk } from '../repo/hours-on-disk.ts';
import type { Repo } from '../repo/repo.ts';
import { createRetention, type RetentionOptions } from './retention.ts';
import type { StreamLimits } from './retention-rules.ts';

const TEN = parseHour('2025-11-22T10') ?? 0;
const LINE = '{"timestamp":"2025-11-22T10:00:00Z"}\n';
const NO_LIMIT = { maxAge: undefined, maxBytes: undefined };

let dir: string;
let repo: Repo;
/** What was logged, with its fields. */
let logged: string[];
let log: Log;
let metrics: ReturnType<typeof createMetrics>;

beforeEach(async () => {
  dir = fs.mkdtempSync(join(tmpdir(), 'logforge-retention-'));
  logged = [];
  const write = (message: string, fields: object = {}) => void logged.push(`${message} ${JSON.stringify(fields)}`);
  log = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write, child: () => log };
  metrics = createMetrics({ defaultMetrics: false });
  const folders = { logsDir: join(dir, 'logs'), dlqDir: join(dir, 'dlq'), stateDir: join(dir, 'state') };
  const idempotency = { windowMs: 1e9, maxKeys: 100 };
  repo = await openRepo({ ...folders, durability: 'disk', idempotency, maxWaitMs: 60_000, metrics, log });
});
afterEach(async () => {
  await repo.close();
  fs.rmSync(dir, { recursive: true });
});

function store(stream: string, ...hours: readonly number[]) {
  return repo.append(hours.map((hour) => ({ stream, hour, count: 1, lines: Buffer.from(LINE) })));
}

/** The aggregator has read the hour. */
function summarise(stream: string, hour: number): void {
  repo.advanceSummaryCursor({ stream, hour }, LINE.length);
}

const between = <T>(work: () => Promise<T>): Promise<T> => repo.retention.between(work);

function createRunner(options: Partial<RetentionOptions> = {}) {
  const files = createHoursOnDisk({
    files: diskFileSystem,
    logsDir: join(dir, 'logs'),
    analyticsDir: join(dir, 'analytics'),
    between,
  });
  return createRetention({
    repo: repo.retention,
    files: { ...files, readSpace: async () => ({ freeBytes: 1_000, sizeBytes: 10_000 }) },
    streams: new Map([['access', NO_LIMIT]]),
    minFreeBytes: undefined,
    dlqMaxAge: undefined,
    removesSummaries: false,
    needs: undefined,
    onRemoved: () => undefined,
    interval: undefined,
    clock: () => (TEN + 10) * MS_PER_HOUR,
    elapsed: () => 0,
    metrics,
    log,
    ...options,
  });
}

const needs: RetentionOptions['needs'] = (at) => (repo.retention.hasUnsummarised(at) ? 'aggregator' : undefined);

async function hoursOf(stream: string): Promise<number[]> {
  const files = createHoursOnDisk({ files: diskFileSystem, logsDir: join(dir, 'logs'), analyticsDir: '', between });
  return (await files.list(stream)).map(({ hour }) => hour - TEN);
}

async function countsOf(metric: 'removedHours' | 'removedBytes' | 'heldHours' | 'oldestHour' | 'retentionFailures') {
  const { values } = await metrics[metric].get();
  return values.flatMap(({ labels, value }) => (value === 0 ? [] : [[...Object.values(labels), value].join(' ')]));
}

describe('a run', () => {
  test('removes what is too old by the limits of its stream, and tells so', async () => {
    await store('access', TEN, TEN + 1, TEN + 9);
    await store('events', TEN, TEN + 9);
    await store('other', TEN);
    const told: string[] = [];
    const maxAge = 2 * MS_PER_HOUR;
    const streams = new Map<string, StreamLimits>([
      ['access', { ...NO_LIMIT, maxAge }],
      ['events', NO_LIMIT],
    ]);
    await createRunner({ streams, onRemoved: (stream) => told.push(stream) }).run();
    expect(await hoursOf('access')).toEqual([9]);
    expect(await hoursOf('events')).toEqual([0, 9]);
    expect(await hoursOf('other')).toEqual([0]);
    expect(told).toEqual(['access', 'access']);
    expect(repo.retention.firstHour('access')).toBe(TEN + 2);
    expect(await countsOf('removedHours')).toEqual(['access max_age 2']);
    expect(await countsOf('removedBytes')).toEqual([`access max_age ${2 * LINE.length}`]);
    expect(await countsOf('oldestHour')).toEqual([`access ${(TEN + 9) * 3600}`, `events ${TEN * 3600}`]);
    const lines = logged.filter((entry) => entry.includes('removed an hour'));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('2025-11-22T10:00:00Z');
  });

  test('removes the oldest hours of a stream that takes too much', async () => {
    await store('access', TEN, TEN + 1, TEN + 2, TEN + 10);
    await createRunner({ streams: new Map([['access', { ...NO_LIMIT, maxBytes: 2 * LINE.length }]]) }).run();
    expect(await hoursOf('access')).toEqual([2, 10]);
    expect(await countsOf('removedHours')).toEqual(['access max_bytes 2']);
  });

  test('leaves the hours that a reader needs, and those after them, until it has read them', async () => {
    await store('access', TEN, TEN + 1, TEN + 2);
    await store('events', TEN);
    for (const hour of [TEN, TEN + 2]) summarise('access', hour);
    summarise('events', TEN);
    const limits = { ...NO_LIMIT, maxAge: MS_PER_HOUR };
    const streams = new Map([
      ['access', limits],
      ['events', limits],
    ]);
    const runner = createRunner({ streams, needs });
    await runner.run();
    await runner.run();
    expect(await hoursOf('access')).toEqual([1, 2]);
    expect(await hoursOf('events')).toEqual([]);
    expect(await countsOf('heldHours')).toEqual(['aggregator 2']);
    const problem = 'the aggregator still needs hour 2025-11-22T11:00:00Z of stream access, which should be removed';
    expect(runner.status()).toBe(problem);
    expect(logged.filter((entry) => entry.includes(problem))).toHaveLength(1);
    summarise('access', TEN + 1);
    await runner.run();
    expect(await hoursOf('access')).toEqual([]);
    expect(await countsOf('heldHours')).toEqual([]);
    expect(runner.status()).toBeUndefined();
  });

  test('leaves an hour that grew after the run has listed it', async () => {
    await store('access', TEN);
    summarise('access', TEN);
    let grown: Promise<unknown> | undefined;
    const files = createHoursOnDisk({ files: diskFileSystem, logsDir: join(dir, 'logs'), analyticsDir: '', between });
    const list: typeof files.list = async (stream) => {
      const hours = await files.list(stream);
      // The commit is under way when the removal begins.
      grown ??= store('access', TEN);
      return hours;
    };
    const streams = new Map([['access', { ...NO_LIMIT, maxAge: MS_PER_HOUR }]]);
    const readSpace = async () => ({ freeBytes: 1, sizeBytes: 1 });
    await createRunner({ streams, needs, files: { ...files, list, readSpace } }).run();
    await grown;
    expect(fs.readFileSync(join(dir, 'logs/2025-11-22/10.log.json'), 'utf8')).toBe(LINE + LINE);
  });

  test('deletes what a kill left of removed hours, and empty days', async () => {
    await store('access', TEN, TEN + 20);
    await repo.retention.removeHours({ stream: 'access', hour: TEN + 13 });
    await createRunner().run();
    expect(await hoursOf('access')).toEqual([20]);
    expect(fs.readdirSync(join(dir, 'logs')).filter((name) => !name.startsWith('.'))).toEqual(['2025-11-23']);
    expect(await countsOf('removedHours')).toEqual([]);
  });

  test('counts a removal that fails, and tries again in the next run', async () => {
    await store('access', TEN);
    const files = createHoursOnDisk({ files: diskFileSystem, logsDir: join(dir, 'logs'), analyticsDir: '', between });
    const failures = [new Error('EIO: i/o error')];
    const remove: typeof files.delete = async (at) => {
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
      return files.delete(at);
    };
    const streams = new Map([['access', { ...NO_LIMIT, maxAge: MS_PER_HOUR }]]);
    const readSpace = async () => ({ freeBytes: 1, sizeBytes: 1 });
    const runner = createRunner({ streams, files: { ...files, delete: remove, readSpace } });
    await runner.run();
    expect(runner.status()).toBe('cannot remove old hours of stream access: EIO: i/o error');
    expect(await countsOf('retentionFailures')).toEqual(['1']);
    await runner.run();
    expect(await hoursOf('access')).toEqual([]);
    expect(runner.status()).toBeUndefined();
  });

  test('follows a clock that jumps forward by an hour a run', async () => {
    await store('access', TEN, TEN + 1, TEN + 2);
    let now = (TEN + 1) * MS_PER_HOUR;
    const streams = new Map([['access', { ...NO_LIMIT, maxAge: MS_PER_HOUR }]]);
    const runner = createRunner({ streams, clock: () => now });
    await runner.run();
    now += 1_000 * MS_PER_HOUR;
    await runner.run();
    expect(await hoursOf('access')).toEqual([1, 2]);
    expect(logged.some((entry) => entry.includes('the clock jumped forward'))).toBe(true);
  });
});

describe('free space', () => {
  const streams = new Map([
    ['access', NO_LIMIT],
    ['events', NO_LIMIT],
  ]);
  const withSpace = (freeBytes: number, minFreeBytes: number, options: Partial<RetentionOptions> = {}) => {
    const files = createHoursOnDisk({ files: diskFileSystem, logsDir: join(dir, 'logs'), analyticsDir: '', between });
    const readSpace = async () => ({ freeBytes, sizeBytes: 10_000 });
    return createRunner({ streams, minFreeBytes, files: { ...files, readSpace }, ...options });
  };

  test('is made from the oldest hours of all streams, and no more than is missing', async () => {
    await store('access', TEN, TEN + 2);
    await store('events', TEN + 1, TEN + 3);
    await withSpace(1_000, 1_000 + LINE.length + 1).run();
    expect(await hoursOf('access')).toEqual([2]);
    expect(await hoursOf('events')).toEqual([3]);
    expect(await countsOf('removedHours')).toEqual(['access min_free_bytes 1', 'events min_free_bytes 1']);
    await withSpace(1_000, 1_000).run();
    expect(await hoursOf('access')).toEqual([2]);
  });

  test('is not made from an hour that has not ended, and what is missing is told', async () => {
    await store('access', TEN, TEN + 10);
    const runner = withSpace(0, 9_000);
    await runner.run();
    expect(await hoursOf('access')).toEqual([10]);
    expect(runner.status()).toContain('no hour that may be removed is left');
  });

  test('is made from other streams where a reader needs the oldest hours of one', async () => {
    await store('access', TEN, TEN + 1);
    await store('events', TEN + 2);
    summarise('access', TEN + 1);
    summarise('events', TEN + 2);
    const runner = withSpace(1_000, 1_000 + LINE.length, { needs });
    await runner.run();
    expect(await hoursOf('access')).toEqual([0, 1]);
    expect(await hoursOf('events')).toEqual([]);
    expect(await countsOf('heldHours')).toEqual(['aggregator 1']);
  });

  test('is not made for a limit that is more than the file system has', async () => {
    await store('access', TEN);
    const runner = withSpace(0, 10_001);
    await runner.run();
    expect(await hoursOf('access')).toEqual([0]);
    expect(runner.status()).toBe('storage.minFreeBytes is ignored: the whole file system has only 10000 bytes');
  });
});

test('old dead letters and, where asked for, the summaries of removed hours go', async () => {
  const letter = (time: number) => ({ time, stage: 'ingest', reason: 'r', raw: 'x', source: 's' }) as const;
  await repo.append([], { deadLetters: [letter(TEN * MS_PER_HOUR), letter((TEN - 48) * MS_PER_HOUR)] });
  await store('access', TEN, TEN + 1);
  fs.mkdirSync(join(dir, 'analytics/2025-11-22'), { recursive: true });
  for (const hh of [10, 11]) fs.writeFileSync(join(dir, `analytics/2025-11-22/summary_${hh}.json`), '{}');
  await repo.retention.removeHours({ stream: 'access', hour: TEN });
  await createRunner({ dlqMaxAge: 24 * MS_PER_HOUR }).run();
  expect(fs.readdirSync(join(dir, 'dlq')).filter((name) => name.endsWith('.ndjson'))).toEqual(['2025-11-22.ndjson']);
  expect(fs.readdirSync(join(dir, 'analytics/2025-11-22'))).toHaveLength(2);
  await createRunner({ removesSummaries: true }).run();
  expect(fs.readdirSync(join(dir, 'analytics/2025-11-22'))).toEqual(['summary_11.json']);
});

test('a runner that is stopped begins nothing any more', async () => {
  await store('access', TEN);
  const runner = createRunner({ streams: new Map([['access', { ...NO_LIMIT, maxAge: MS_PER_HOUR }]]), interval: 1 });
  await runner.stop();
  runner.start();
  await runner.stop();
  expect(await hoursOf('access')).toEqual([0]);
});
