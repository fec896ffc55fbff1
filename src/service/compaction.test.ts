import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { parseHour } from '../model/hour.ts';
import { type CompactionOptions, type CompactionRunner, createCompaction } from './compaction.ts';

const TEN = parseHour('2025-11-22T10') ?? 0;
const NOW = Date.parse('2025-11-23T00:00:00Z');
const HOUR = { stream: 'access', hour: TEN, bytes: 1000, isAtRest: true, hasLeftovers: false };
const GB = 1024 ** 3;

let logged: string[];
let log: Log;
let metrics: ReturnType<typeof createMetrics>;
let calls: string[];
let runner: CompactionRunner | undefined;

beforeEach(() => {
  logged = [];
  calls = [];
  const write =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  log = {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: () => log,
  };
  metrics = createMetrics({ defaultMetrics: false });
});
afterEach(() => runner?.stop());

const repo: CompactionOptions['repo'] = {
  async compress({ stream, hour }) {
    calls.push(`compress ${stream} ${hour - TEN}`);
    return { from: 1000, to: 80 };
  },
  async clean({ stream, hour }) {
    calls.push(`clean ${stream} ${hour - TEN}`);
  },
};

function create(
  hours: readonly Partial<typeof HOUR>[],
  options: Partial<CompactionOptions> = {},
  asked: object[] = [],
): CompactionRunner {
  runner = createCompaction({
    repo,
    streams: new Map([['access', 60_000]]),
    others: [],
    isRemoved: () => false,
    async *list(at) {
      asked.push(at);
      for (const hour of hours) if ((hour.stream ?? 'access') === at.stream) yield { ...HOUR, ...hour };
    },
    readFreeBytes: async () => GB,
    clock: () => NOW,
    metrics,
    log,
    ...options,
  });
  return runner;
}

async function countsOf(metric: 'compactedHours' | 'compactedBytes' | 'compactionFailures') {
  const { values } = await metrics[metric].get();
  return values.flatMap(({ labels, value }) => (value === 0 ? [] : [[...Object.values(labels), value].join(' ')]));
}

describe('a run', () => {
  test('compresses the hours at rest of each stream, in the order of the list, and tells so', async () => {
    const asked: object[] = [];
    const streams = new Map([
      ['access', 60_000],
      ['events', 7_200_000],
    ]);
    const hours = [{}, { hour: TEN + 1, isAtRest: false }, { hour: TEN + 2 }, { stream: 'events' }];
    await create(hours, { streams }, asked).run();
    expect(asked).toEqual([
      { stream: 'access', restMs: 60_000, now: NOW },
      { stream: 'events', restMs: 7_200_000, now: NOW },
    ]);
    expect(calls).toEqual(['compress access 0', 'compress access 2', 'compress events 0']);
    expect(await countsOf('compactedHours')).toEqual(['access 2', 'events 1']);
    expect(await countsOf('compactedBytes')).toEqual([
      'access before 2000',
      'access after 160',
      'events before 1000',
      'events after 80',
    ]);
    expect(logged[0]).toBe(
      'info compressed an hour {"stream":"access","hour":"2025-11-22T10:00:00Z","before":1000,"after":80,"fold":false}',
    );
  });

  test('first deletes what an interrupted one left, also of an hour that is not at rest', async () => {
    await create([{ hasLeftovers: true }, { hour: TEN + 1, hasLeftovers: true, isAtRest: false }]).run();
    expect(calls).toEqual(['clean access 0', 'compress access 0', 'clean access 1']);
  });

  test('counts nothing for an hour that could not be compressed because records came', async () => {
    await create([{}], { repo: { ...repo, compress: async () => undefined } }).run();
    expect(await countsOf('compactedHours')).toEqual([]);
    expect(logged).toEqual([]);
  });

  test('leaves an hour plain while the disk has no room for both forms, and compresses smaller ones', async () => {
    const free = 2 * GB;
    const hours = [{ bytes: free }, { hour: TEN + 1 }];
    await create(hours, { readFreeBytes: async () => free }).run();
    expect(calls).toEqual(['compress access 1']);
    expect(logged[0]).toContain('warn an hour is not compressed: the disk has no room for both forms');
    expect(await countsOf('compactionFailures')).toEqual([]);
  });

  /** Runs every minute for so long; the first hour fails until `heals`. Gives the minutes in which it was tried. */
  async function runForMinutes(minutes: number, heals = Number.POSITIVE_INFINITY): Promise<number[]> {
    let minute = 0;
    const tried: number[] = [];
    const compress: typeof repo.compress = async (at, signal) => {
      if (at.hour !== TEN) return repo.compress(at, signal);
      tried.push(minute);
      if (minute < heals) throw new Error('EIO: i/o error');
      return undefined;
    };
    const failing = create([{}, { hour: TEN + 1 }], { repo: { ...repo, compress }, elapsed: () => minute * 60_000 });
    for (; minute < minutes; minute++) await failing.run();
    return tried;
  }

  test('counts and tells a failure, goes on with the next hour, and tries again in the next run', async () => {
    expect(await runForMinutes(2, 1)).toEqual([0, 1]);
    expect(calls).toEqual(['compress access 1', 'compress access 1']);
    expect(await countsOf('compactionFailures')).toEqual(['1']);
    expect(logged[0]).toMatch(/^error cannot compress an hour.*"hour":"2025-11-22T10:00:00Z"/);
  });

  test('tries an hour that fails again and again less often, once an hour at last', async () => {
    expect(await runForMinutes(250)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
  });

  test('goes on with the next stream when the folders of one cannot be read', async () => {
    const streams = new Map([
      ['access', 1],
      ['events', 1],
    ]);
    const list: CompactionOptions['list'] = async function* ({ stream }) {
      if (stream === 'access') throw new Error('EACCES: permission denied');
      yield { ...HOUR, stream };
    };
    await create([], { streams, list }).run();
    expect(calls).toEqual(['compress events 0']);
    expect(logged[0]).toContain('error cannot look for hours to compress; will retry {"stream":"access"');
  });
});

describe('a runner that is started', () => {
  test('runs again and again, and stops in the middle of an hour without a failure', async () => {
    const begun = Promise.withResolvers<void>();
    let runs = 0;
    const compress: typeof repo.compress = (_, signal) => {
      if (++runs < 3) return Promise.resolve({ from: 1, to: 1 });
      begun.resolve();
      return new Promise((__, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    };
    const started = create([{}, { hour: TEN + 1 }], { repo: { ...repo, compress }, interval: 1 });
    started.start();
    await begun.promise;
    await started.stop();
    expect(runs).toBe(3);
    expect(await countsOf('compactionFailures')).toEqual([]);
    expect(logged.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  test('deletes once what is left in streams whose hours are not compressed any more', async () => {
    const asked: object[] = [];
    const done = Promise.withResolvers<void>();
    const clean: typeof repo.clean = async (at) => {
      await repo.clean(at);
      done.resolve();
    };
    const hours = [{ hour: TEN }, { hour: TEN + 1, hasLeftovers: true }];
    const options = { streams: new Map<string, number>(), others: ['access'], repo: { ...repo, clean }, interval: 1 };
    const started = create(hours, options, asked);
    started.start();
    await done.promise;
    await started.stop();
    expect(calls).toEqual(['clean access 1']);
    expect(asked).toEqual([{ stream: 'access', restMs: 0, now: NOW }]);
  });

  test('begins nothing after a stop', async () => {
    const stopped = create([{}]);
    await stopped.stop();
    stopped.start();
    await stopped.stop();
    expect(calls).toEqual([]);
  });
});

test('an hour that retention removes while it is compressed is no failure', async () => {
  const broken = { ...repo, compress: () => Promise.reject(new Error('it ends before byte 7')) };
  await create([{}], { repo: broken, isRemoved: ({ hour }) => hour === TEN }).run();
  expect(logged).toEqual([]);
  await create([{}], { repo: broken, isRemoved: () => false }).run();
  expect(logged.join()).toContain('error cannot compress an hour');
});
