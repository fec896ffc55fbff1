import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Log, LogFields } from '../log.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, hourToIso, hourToPath, parseHour, type StreamHour } from '../model/hour.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../model/stream.ts';
import { at, countsOf } from '../model/summary.case.ts';
import { damagedRange, openHour } from '../repo/hour-file.ts';
import type { CommittedHour, HourDamage, Repo } from '../repo/repo.ts';
import { createSummaryFiles, type SummaryFiles } from '../repo/summaries.ts';
import { type Aggregator, createAggregator } from './aggregate.ts';
import { createHourSummariser } from './summarise-hour.ts';
import { createSummariserThread, type SummariserThread } from './summarise-thread.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
const line = (hour: Hour, path: string): string =>
  `${JSON.stringify({ timestamp: hourToIso(hour), path, userAgent: 'curl' })}\n`;

let folder: string;
let summaries: SummaryFiles;
let repo: ReturnType<typeof createFakeRepo>;
let aggregator: Aggregator;
let metrics: ReturnType<typeof createMetrics>;
let entries: { level: string; message: string; fields: LogFields | undefined }[];

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'logforge-aggregate-'));
  summaries = createSummaryFiles({ analyticsDir: join(folder, 'analytics'), durability: 'os' });
  repo = createFakeRepo();
  metrics = createMetrics({ defaultMetrics: false });
  entries = [];
});
afterEach(async () => {
  await aggregator.stop();
  fs.rmSync(folder, { recursive: true });
});

/** Real hour files, with the committed lengths kept in memory. */
function createFakeRepo() {
  const lengths = new Map<Hour, number>();
  const changed = new Set<Hour>();
  const damage: HourDamage[] = [];
  let others: readonly CommittedHour[] = [];
  const pathOf = (hour: Hour) => join(folder, `${hourToPath(hour).day}T${hourToPath(hour).hh}.log.json`);
  return {
    pathOf,
    append(hour: Hour, text: string): void {
      fs.appendFileSync(pathOf(hour), text);
      lengths.set(hour, (lengths.get(hour) ?? 0) + text.length);
      changed.add(hour);
    },
    /** Of other streams: changed until the test says otherwise. */
    setOthers(hours: readonly CommittedHour[]): void {
      others = hours;
    },
    changedHours: (): CommittedHour[] => [
      ...others,
      ...Array.from(changed, (hour) => ({ ...at(hour), path: pathOf(hour), bytes: lengths.get(hour) ?? 0 })),
    ],
    advanceSummaryCursor({ hour }: StreamHour, bytes: number): void {
      if (lengths.get(hour) === bytes) changed.delete(hour);
    },
    async committedHour({ stream, hour }: StreamHour): Promise<CommittedHour | undefined> {
      const other = others.find((one) => one.stream === stream && one.hour === hour);
      if (other !== undefined) return other;
      const bytes = lengths.get(hour);
      return bytes === undefined ? undefined : { stream, hour, path: pathOf(hour), bytes };
    },
    damage,
    async reportDamage(_at: StreamHour, found: HourDamage): Promise<void> {
      damage.push(found);
    },
  } satisfies Pick<Repo, 'changedHours' | 'advanceSummaryCursor' | 'committedHour' | 'reportDamage'> &
    Record<string, unknown>;
}

function createTestLog(): Log {
  const logAt = (level: string) => (message: string, fields?: LogFields) => {
    entries.push({ level, message, fields });
  };
  const [trace, debug, info, warn, error, fatal] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map(logAt);
  return { trace, debug, info, warn, error, fatal, child: createTestLog } as Log;
}

/** Summarises in this thread, so that a test sees what is read; `before` may wait or fail. */
function createInlineThread(before?: (committed: CommittedHour) => Promise<void> | void) {
  const calls: Hour[] = [];
  const summarise = createHourSummariser({ openHour, damagedRange, summaries, streams: [ACCESS_STREAM] });
  const thread: SummariserThread = {
    async summarise(committed, options) {
      calls.push(committed.hour);
      await before?.(committed);
      return summarise(committed, options);
    },
    stop: async () => {},
  };
  return { calls, thread };
}

function create(thread: SummariserThread, interval = 3_600_000): Aggregator {
  aggregator = createAggregator({ repo, thread, streams: ['access'], interval, metrics, log: createTestLog() });
  return aggregator;
}

function realThread(): SummariserThread {
  const workerData = { analyticsDir: join(folder, 'analytics'), durability: 'later', streams: [ACCESS_STREAM] };
  const entry = new URL('../app/analytics-worker.ts', import.meta.url);
  return createSummariserThread({ entry, workerData, settles: true });
}

const sampleOf = async (name: keyof typeof metrics): Promise<number | undefined> => {
  const metric = metrics[name];
  return 'get' in metric ? (await metric.get()).values.find(({ labels }) => !('le' in labels))?.value : undefined;
};

describe('an aggregation run', () => {
  it('tells of what cannot be read, and goes on from the end of the hour', async () => {
    const damage = { offset: 5, bytes: 7, position: 3, reason: 'bad checksum' };
    const { thread } = createInlineThread();
    const summarise: SummariserThread['summarise'] = async (committed, options) => ({
      ...(await thread.summarise(committed, options)),
      damage: [damage],
    });
    repo.append(HOUR, line(HOUR, '/a'));
    expect(await create({ ...thread, summarise }).run()).toMatchObject({ written: 1, failed: 0 });
    expect([repo.damage, repo.changedHours()]).toEqual([[damage], []]);
    expect(entries).toContainEqual({
      level: 'warn',
      message: 'a part of an hour was not counted',
      fields: expect.objectContaining({ reason: 'bad checksum' }),
    });
  });

  it('summarises the hours that grew, in a thread', async () => {
    create(realThread());
    repo.append(HOUR, line(HOUR, '/a') + line(HOUR, '/b'));
    repo.append(HOUR + 1, line(HOUR + 1, '/c'));
    expect(await aggregator.run()).toMatchObject({ written: 2, failed: 0, records: 3, skippedLines: 0 });
    repo.append(HOUR, line(HOUR, '/a'));
    expect(await aggregator.run()).toMatchObject({ written: 1, records: 1, bytes: line(HOUR, '/a').length });
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/a': 2, '/b': 1 });
    expect(summaries.read(at(HOUR + 1))?.total).toBe(1);
    expect(entries.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  it('touches no file when nothing was appended', async () => {
    const { calls, thread } = createInlineThread();
    create(thread);
    repo.append(HOUR, line(HOUR, '/a'));
    await aggregator.run();
    await aggregator.run();
    expect(calls).toEqual([HOUR]);
  });

  it('syncs a summary once its hour has stopped to grow, and marks the hour only then', async () => {
    const settled: Hour[] = [];
    const settle = async ({ hour }: StreamHour) => void settled.push(hour);
    const { calls, thread } = createInlineThread();
    create({ ...thread, settle });
    repo.append(HOUR, line(HOUR, '/a'));
    expect(await aggregator.run()).toMatchObject({ written: 1 });
    repo.append(HOUR, line(HOUR, '/b'));
    expect(await aggregator.run()).toMatchObject({ written: 1 });
    expect(settled).toEqual([]);
    expect(repo.changedHours()).toHaveLength(1);
    expect(await sampleOf('aggregationLag')).toBe(0);

    expect(await aggregator.run()).toMatchObject({ written: 0, unchanged: 0 });
    expect(settled).toEqual([HOUR]);
    expect(repo.changedHours()).toEqual([]);
    await aggregator.run();
    expect(settled).toEqual([HOUR]);
    expect(calls).toEqual([HOUR, HOUR]);
  });

  it('counts an hour again whose summary was found damaged, at rest or not, and syncs it', async () => {
    const settled: Hour[] = [];
    const { thread } = createInlineThread();
    create({ ...thread, settle: async ({ hour }) => void settled.push(hour) });
    repo.append(HOUR, line(HOUR, '/a'));
    const damage = () => fs.writeFileSync(join(folder, 'analytics/2015-05-17/summary_10.json'), '{');
    await aggregator.run();
    damage();
    aggregator.countAgain(at(HOUR));
    expect(await aggregator.run()).toMatchObject({ written: 1, records: 1 });
    expect(await aggregator.run()).toMatchObject({ written: 0 });
    expect([repo.changedHours(), settled]).toEqual([[], [HOUR]]);
    damage();
    aggregator.countAgain(at(HOUR));
    aggregator.countAgain(at(HOUR + 1));
    expect(await aggregator.run()).toMatchObject({ written: 1, missing: 1, records: 1 });
    expect(settled).toEqual([HOUR, HOUR]);
    expect(await aggregator.run()).toMatchObject({ written: 0, unchanged: 0, missing: 0 });
    expect(summaries.read(at(HOUR))?.total).toBe(1);
  });

  it('summarises the hour again where its summary cannot be synced', async () => {
    create(realThread());
    repo.append(HOUR, line(HOUR, '/a'));
    await aggregator.run();
    fs.rmSync(join(folder, 'analytics/2015-05-17/summary_10.json'));
    expect(await aggregator.run()).toMatchObject({ written: 1, failed: 0 });
    expect(entries).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'cannot sync a summary; will retry' }),
    );
    await aggregator.run();
    expect(repo.changedHours()).toEqual([]);
    expect(summaries.read(at(HOUR))?.total).toBe(1);
  });

  it('summarises an hour again that grew while it was summarised', async () => {
    const { thread } = createInlineThread((committed) => {
      if (committed.bytes === line(HOUR, '/a').length) repo.append(HOUR, line(HOUR, '/b'));
    });
    create(thread);
    repo.append(HOUR, line(HOUR, '/a'));
    await aggregator.run();
    expect(summaries.read(at(HOUR))?.total).toBe(1);
    expect(await sampleOf('aggregationLag')).toBe(line(HOUR, '/b').length);
    await aggregator.run();
    expect(summaries.read(at(HOUR))?.total).toBe(2);
    expect(await sampleOf('aggregationLag')).toBe(0);
  });

  it('is not stopped by an hour that fails, and tries that again', async () => {
    let broken = true;
    create(
      createInlineThread(({ hour }) => {
        if (broken && hour === HOUR) throw new Error('cannot read');
      }).thread,
    );
    for (const hour of [HOUR, HOUR + 1]) repo.append(hour, line(hour, '/a'));
    expect(await aggregator.run()).toMatchObject({ written: 1, failed: 1 });
    expect(entries).toContainEqual(expect.objectContaining({ level: 'error', message: 'cannot summarise hour' }));
    expect(await sampleOf('aggregationErrors')).toBe(1);
    expect(await sampleOf('aggregationLag')).toBe(line(HOUR, '/a').length);
    broken = false;
    expect(await aggregator.run()).toMatchObject({ written: 1, failed: 0 });
  });

  it('goes on without an hour whose file is missing', async () => {
    create(realThread());
    for (const hour of [HOUR, HOUR + 1]) repo.append(hour, line(hour, '/a'));
    fs.rmSync(repo.pathOf(HOUR));
    expect(await aggregator.run()).toMatchObject({ written: 1, missing: 1 });
    expect(entries).toContainEqual(expect.objectContaining({ level: 'warn', message: 'hour file is missing' }));
    expect(await sampleOf('aggregationErrors')).toBe(1);
    expect(await aggregator.run()).toMatchObject({ written: 0, missing: 0 });
  });

  it('counts and logs corrupt lines and warnings', async () => {
    create(createInlineThread().thread);
    repo.append(HOUR, `${line(HOUR, '/a')}rubbish\n`);
    await aggregator.run();
    expect(entries).toContainEqual({
      level: 'warn',
      message: 'corrupt lines were not counted',
      fields: { hour: '2015-05-17T10:00:00Z', path: repo.pathOf(HOUR), lines: 1 },
    });
    expect(await sampleOf('aggregationSkippedLines')).toBe(1);
    fs.writeFileSync(join(folder, 'analytics/2015-05-17/summary_10.json'), 'not a summary');
    repo.append(HOUR, line(HOUR, '/a'));
    await aggregator.run();
    expect(entries).toContainEqual(expect.objectContaining({ message: 'summary was not as expected' }));
    expect(await sampleOf('aggregationRuns')).toBe(2);
  });

  it('never overlaps with another; all who ask meanwhile share the next one', async () => {
    const gates: (() => void)[] = [];
    let inside = 0;
    const { calls, thread } = createInlineThread(async () => {
      expect(++inside).toBe(1);
      await new Promise<void>((resolve) => gates.push(resolve));
      inside -= 1;
    });
    create(thread);
    repo.append(HOUR, line(HOUR, '/a'));
    const first = aggregator.run();
    repo.append(HOUR + 1, line(HOUR + 1, '/a'));
    const later = [aggregator.run(), aggregator.run()];
    expect(later[0]).toBe(later[1]);
    await vi.waitFor(() => expect(gates).toHaveLength(1));
    gates[0]?.();
    expect((await first).written).toBe(1);
    await vi.waitFor(() => expect(gates).toHaveLength(2));
    gates[1]?.();
    expect((await later[0])?.written).toBe(1);
    expect(calls).toEqual([HOUR, HOUR + 1]);
  });
});

describe('the hours of other streams', () => {
  const path = (stream: string) => join(folder, `${stream}.log.json`);
  const grow = (stream: string, text: string): CommittedHour => {
    fs.appendFileSync(path(stream), text);
    return { stream, hour: HOUR, path: path(stream), bytes: fs.statSync(path(stream)).size };
  };
  const event = '{"timestamp":"2015-05-17T10:00:00Z","level":"WARN","message":"m","service":"auth"}\n';

  it('are summarised beside those of access, each by its own dimensions; a stream that is not configured stays', async () => {
    const settled: StreamHour[] = [];
    const summarise = createHourSummariser({
      openHour,
      damagedRange,
      summaries,
      streams: [ACCESS_STREAM, EVENTS_STREAM],
    });
    const thread: SummariserThread = {
      summarise: async (committed, options) => summarise(committed, options),
      settle: async (settledHour) => void settled.push(settledHour),
      stop: async () => {},
    };
    const options = { repo, thread, streams: ['access', 'events'], interval: 3_600_000, metrics, log: createTestLog() };
    aggregator = createAggregator(options);
    repo.append(HOUR, line(HOUR, '/a'));
    repo.setOthers([grow('events', event), grow('gone', event)]);
    expect(await aggregator.run()).toMatchObject({ written: 2, failed: 0, records: 2 });
    expect(await sampleOf('aggregationLag')).toBe(0);
    expect(countsOf(summaries.read(at(HOUR, 'events')), 'level')).toEqual({ WARN: 1 });
    expect(countsOf(summaries.read(at(HOUR)), 'path')).toEqual({ '/a': 1 });
    expect(summaries.read(at(HOUR, 'gone'))).toBeUndefined();
    repo.setOthers([grow('events', event), grow('gone', event)]);
    expect(await aggregator.run()).toMatchObject({ written: 1, records: 1 });
    expect(settled).toEqual([at(HOUR)]);
    await aggregator.run();
    expect(settled).toEqual([at(HOUR), at(HOUR, 'events')]);
    aggregator.countAgain(at(HOUR, 'events'));
    fs.writeFileSync(join(folder, 'analytics/events/2015-05-17/summary_10.json'), '{');
    await aggregator.run();
    expect(countsOf(summaries.read(at(HOUR, 'events')), 'service')).toEqual({ auth: 2 });
  });
});

describe('the aggregator', () => {
  it('runs at start and then every interval', async () => {
    const { calls, thread } = createInlineThread();
    create(thread, 5);
    repo.append(HOUR, line(HOUR, '/a'));
    aggregator.start();
    await vi.waitFor(() => expect(calls).toEqual([HOUR]));
    repo.append(HOUR, line(HOUR, '/a'));
    await vi.waitFor(() => expect(calls).toEqual([HOUR, HOUR]));
  });

  it('does not begin another hour once it is stopped', async () => {
    const { calls, thread } = createInlineThread(() => void aggregator.stop());
    create(thread, 1);
    for (let hour = HOUR; hour < HOUR + 10; hour++) repo.append(hour, line(hour, '/a'));
    aggregator.start();
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    await aggregator.stop();
    expect(calls).toHaveLength(1);
  });

  it('stops in the middle of a large hour without waiting for its end', async () => {
    create(realThread());
    repo.append(HOUR, line(HOUR, '/a'));
    await aggregator.run();
    fs.truncateSync(repo.pathOf(HOUR), 20 * 2 ** 30);
    repo.changedHours = () => [{ stream: 'access', hour: HOUR, path: repo.pathOf(HOUR), bytes: 20 * 2 ** 30 }];
    const run = aggregator.run();
    await aggregator.stop();
    expect(await run).toMatchObject({ written: 0, failed: 0 });
    expect(entries.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('logs a run that cannot be made, and goes on', async () => {
    create(createInlineThread().thread, 1);
    const changedHours = vi.spyOn(repo, 'changedHours').mockImplementationOnce(() => {
      throw new Error('no journal');
    });
    aggregator.start();
    await vi.waitFor(() => expect(changedHours.mock.calls.length).toBeGreaterThan(2));
    expect(entries).toContainEqual(expect.objectContaining({ level: 'error', message: 'cannot aggregate' }));
  });
});
