import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import { type Hour, parseHour, type StreamHour } from '../model/hour.ts';
import { ACCESS_STREAM, EVENTS_STREAM } from '../model/stream.ts';
import { accessSummary, at } from '../model/summary.case.ts';
import { createSummaryFiles, type SummaryFiles, summaryPath } from '../repo/summaries.ts';
import type { AnalyticsQuestion } from './analytics.ts';
import { createAnalytics, type OwnedAnalytics, openAnalytics } from './analytics-thread.ts';
import { createHourSums } from './sum-hours.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
const MAX_KEYS = 2_000;
let analyticsDir: string;
let summaries: SummaryFiles;
let analytics: OwnedAnalytics;
let errors: unknown[];
let again: Hour[];
let metrics: ReturnType<typeof createMetrics>;

beforeEach(() => {
  analyticsDir = fs.mkdtempSync(join(tmpdir(), 'logforge-analytics-'));
  summaries = createSummaryFiles({ analyticsDir, durability: 'os' });
  errors = [];
  again = [];
  metrics = createMetrics({ defaultMetrics: false });
  analytics = create();
});

function create(options: { readonly maxWaiting?: number; readonly maxWaitMs?: number } = {}): OwnedAnalytics {
  return createAnalytics({
    entry: new URL('../app/analytics-worker.ts', import.meta.url),
    workerData: { analyticsDir, durability: 'os', maxKeys: MAX_KEYS, streams: [ACCESS_STREAM, EVENTS_STREAM] },
    onDamaged: ({ hour }) => again.push(hour),
    metrics,
    log: { error: (message, fields) => errors.push({ message, ...fields }) },
    ...options,
  });
}

afterEach(async () => {
  await analytics.stop();
  fs.rmSync(analyticsDir, { recursive: true });
});

function write(hour: Hour, counts: Record<string, number> | Map<string, number>, skippedLines = 0, unnamed = 0): void {
  const map = counts instanceof Map ? counts : new Map(Object.entries(counts));
  const records = [...map.values()].reduce((sum, count) => sum + count, unnamed);
  const userAgents = new Map([['curl', records]]);
  const source = { records, skippedLines };
  summaries.write(accessSummary({ hour, paths: map, userAgents, others: [unnamed, 0], source }));
}

function writeEvents(hour: Hour, counts: Record<string, Record<string, number>>): void {
  const dimensions = Object.entries(counts).map(([name, values]) => ({
    name,
    counts: new Map(Object.entries(values)),
    other: 0,
  }));
  const records = [...(dimensions[0]?.counts.values() ?? [])].reduce((sum, count) => sum + count, 0);
  const source = { bytes: records * 100, records, skippedLines: 0 };
  summaries.write({ stream: 'events', hour, total: records, dimensions, source });
}

function damage(damaged: Hour | StreamHour): void {
  const path = summaryPath(analyticsDir, typeof damaged === 'number' ? at(damaged) : damaged);
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.writeFileSync(path, '{');
}

/** The text that is answered, or the kind of answer where there is none. */
async function ask(question: Partial<AnalyticsQuestion>): Promise<string> {
  const answer = await openAnalytics(analytics).ask({
    kind: 'hour',
    stream: 'access',
    from: HOUR,
    to: HOUR + 1,
    format: 'json',
    ...question,
  });
  if (answer.kind !== 'text') return answer.kind;
  const slices: Uint8Array[] = [];
  for (let slice = await answer.text.next(); slice !== undefined; slice = await answer.text.next()) slices.push(slice);
  await answer.text.close();
  const text = Buffer.concat(slices);
  expect(answer.text.bytes).toBe(text.length);
  return text.toString();
}

const access = (from: Hour, to: Hour) => ({ stream: 'access', from, to });

const range = async (from: Hour, to: Hour, rest: Partial<AnalyticsQuestion> = {}) =>
  JSON.parse(await ask({ kind: 'range', from, to, ...rest }));

describe('analytics', () => {
  it('gives an hour byte for byte', async () => {
    write(HOUR, { '/': 2 });
    const stored = fs.readFileSync(summaryPath(analyticsDir, at(HOUR)), 'utf8');
    expect([await ask({}), await ask({})]).toEqual([stored, stored]);
    expect(await ask({ from: HOUR + 1, to: HOUR + 2 })).toBe('none');
    expect(await ask({ from: HOUR + 1, to: HOUR + 2, format: 'csv' })).toBe('none');
  });

  it('says which hour cannot be read', async () => {
    fs.mkdirSync(summaryPath(analyticsDir, at(HOUR)), { recursive: true });
    await expect(ask({})).rejects.toThrow(/^cannot read summary path=.*summary_10.json/);
    await expect(range(HOUR, HOUR + 1)).rejects.toThrow(/^cannot read summary path=.*: EISDIR/);
  });

  it('adds up a range, hours without a summary left out', async () => {
    write(HOUR - 1, { '/before': 5 });
    write(
      HOUR,
      new Map([
        ['__proto__', 1],
        ['123', 2],
      ]),
      1,
    );
    write(
      HOUR + 2,
      new Map([
        ['123', 3],
        ['', 1],
      ]),
      2,
    );
    write(HOUR + 3, { '/behind': 5 });
    expect(await ask({ kind: 'range', from: HOUR, to: HOUR + 3 })).toBe(`{
  "from": "2015-05-17T10:00:00Z",
  "to": "2015-05-17T13:00:00Z",
  "hours": 2,
  "totalRequests": 7,
  "requestsPerPath": {
    "123": 5,
    "__proto__": 1,
    "": 1
  },
  "requestsPerUserAgent": {
    "curl": 7
  },
  "source": {
    "bytes": 700,
    "records": 7,
    "skippedLines": 3
  }
}
`);
  });

  it('keeps the largest when asked to, and says what the others had', async () => {
    write(HOUR, { '/a': 1, '/b': 4, '/c': 2 });
    write(HOUR + 1, { '/a': 2, '/d': 1 });
    const sum = await range(HOUR, HOUR + 2, { top: 2 });
    expect(Object.entries(sum.requestsPerPath)).toEqual([
      ['/b', 4],
      ['/a', 3],
    ]);
    expect(sum).toMatchObject({ hours: 2, other: { requestsPerPath: 3, requestsPerUserAgent: 0 } });
  });

  it('adds up the requests that full summaries did not name, and holds a sum to the same limit', async () => {
    const numbers = (from: number, count: number) =>
      new Map(Array.from({ length: count }, (_, i) => [`/${from + i}`, 1]));
    write(HOUR, numbers(0, MAX_KEYS), 0, 5);
    write(HOUR + 1, numbers(MAX_KEYS - 10, MAX_KEYS), 0, 2);
    const sum = await range(HOUR, HOUR + 2);
    expect(Object.keys(sum.requestsPerPath)).toHaveLength(MAX_KEYS);
    expect(sum.requestsPerPath[`/${MAX_KEYS - 1}`]).toBe(2);
    expect(sum.other).toEqual({ requestsPerPath: 7 + MAX_KEYS - 10, requestsPerUserAgent: 0 });
    expect(JSON.parse(await ask({}))).toMatchObject({ other: { requestsPerPath: 5, requestsPerUserAgent: 0 } });
    const top = await range(HOUR, HOUR + 2, { top: 3 });
    expect(top.other.requestsPerPath).toBe(2 * MAX_KEYS + 7 - 6);
  });

  it('tells bots and people apart for the dashboard, and cuts what no table shows', async () => {
    const userAgents = new Map([
      ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 4],
      ['curl/8.5', 2],
      ['-', 1],
    ]);
    summaries.write(accessSummary({ hour: HOUR, paths: new Map([['/'.repeat(100_000), 7]]), userAgents }));
    expect(await analytics.breakdown({ ...access(HOUR, HOUR + 1), rows: 2 })).toEqual({
      kind: 'breakdown',
      hours: 1,
      total: 7,
      skippedLines: 0,
      dimensions: [
        { name: 'path', largest: [[`${'/'.repeat(2048)}…`, 7]], distinct: 1 },
        {
          name: 'userAgent',
          largest: [
            ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 4],
            ['curl/8.5', 2],
          ],
          distinct: 3,
        },
      ],
      audience: { people: 4, bots: 2, unknown: 1, botUserAgents: ['curl/8.5'] },
    });
  });

  it('answers for any stream: an hour as stored, a sum by its dimensions, and the hours by the values of one', async () => {
    const events = (from: Hour, to: Hour) => ({ stream: 'events', from, to });
    writeEvents(HOUR, { level: { INFO: 5, ERROR: 1 }, service: { auth: 4, api: 2 } });
    writeEvents(HOUR + 2, { level: { INFO: 2, WARN: 3 }, service: { auth: 5 } });
    // As it was counted before `service` was a dimension.
    writeEvents(HOUR + 3, { level: { WARN: 1 }, region: { eu: 1 } });
    write(HOUR, { '/': 9 });
    const stored = fs.readFileSync(summaryPath(analyticsDir, at(HOUR, 'events')), 'utf8');
    expect(await ask({ stream: 'events' })).toBe(stored);
    const { counts } = JSON.parse(await ask({ ...events(HOUR + 3, HOUR + 4), top: 1 }));
    expect(counts).toEqual({ level: { WARN: 1 }, region: { eu: 1 } });
    expect(await range(HOUR, HOUR + 4, { stream: 'events', top: 2 })).toEqual({
      from: '2015-05-17T10:00:00Z',
      to: '2015-05-17T14:00:00Z',
      hours: 3,
      totalRecords: 12,
      counts: { level: { INFO: 7, WARN: 4 }, service: { auth: 9, api: 2 } },
      other: { level: 1, service: 1 },
      source: { bytes: 1_200, records: 12, skippedLines: 0 },
    });
    expect(await ask({ kind: 'range', ...events(HOUR, HOUR + 3), format: 'csv' })).toBe(
      'dimension,value,records\r\nlevel,INFO,7\r\nlevel,ERROR,1\r\nlevel,WARN,3\r\nservice,auth,9\r\nservice,api,2\r\n',
    );
    expect(await analytics.breakdown({ ...events(HOUR, HOUR + 3), rows: 1, search: 'a' })).toEqual({
      kind: 'breakdown',
      hours: 2,
      total: 11,
      skippedLines: 0,
      dimensions: [
        { name: 'level', largest: [['WARN', 3]], distinct: 1 },
        { name: 'service', largest: [['auth', 9]], distinct: 2 },
      ],
    });
    damage({ stream: 'events', hour: HOUR + 4 });
    expect(await analytics.series({ ...events(HOUR, HOUR + 5), dimension: 'level', rows: 2 })).toEqual({
      kind: 'series',
      values: ['INFO', 'WARN'],
      records: [
        [5, 0, 2, 0, 0],
        [0, 0, 3, 1, 0],
      ],
      other: [1, 0, 0, 0, 0],
      totals: [6, null, 5, 1, null],
    });
    expect([again, errors.length]).toEqual([[HOUR + 4], 1]);
    const byService = await analytics.series({ ...events(HOUR + 3, HOUR + 4), dimension: 'service', rows: 2 });
    expect(byService).toMatchObject({ values: [], other: [1], totals: [1] });
    expect(await analytics.series({ ...events(HOUR, HOUR + 1), dimension: 'region', rows: 2 })).toEqual({
      kind: 'no-dimension',
      dimensions: ['level', 'service'],
    });
  });

  it('answers nothing from a summary that cannot be used, says so, and has its hour counted again', async () => {
    write(HOUR, { '/': 2 });
    damage(HOUR + 1);
    const bad = { from: HOUR + 1, to: HOUR + 2 };
    expect([await ask(bad), await ask({ ...bad, top: 1 }), await ask({ ...bad, format: 'csv' })]).toEqual(
      Array(3).fill('damaged'),
    );
    expect(await ask({ kind: 'range', to: HOUR + 2 })).toBe('damaged');
    expect(await analytics.breakdown({ ...access(HOUR, HOUR + 2), rows: 1 })).toEqual({
      kind: 'damaged',
      stream: 'access',
      hours: [HOUR + 1],
    });
    expect(errors).toEqual(
      Array(5).fill({
        message: 'a summary is damaged; its hour will be counted again',
        hour: '2015-05-17T11:00:00Z',
      }),
    );
    expect(again).toEqual(Array(5).fill(HOUR + 1));
    expect((await metrics.damagedSummaries.get()).values).toMatchObject([{ value: 5 }]);
  });

  it('notices every flipped bit, and every length', async () => {
    write(HOUR, { '/some/path': 2, '/x': 1 });
    const path = summaryPath(analyticsDir, at(HOUR));
    const good = fs.readFileSync(path);
    expect(await ask({})).toBe(good.toString());
    for (let byte = 0; byte < good.length; byte++) {
      const bad = Buffer.from(good);
      bad[byte] = (bad[byte] ?? 0) ^ (1 << (byte % 8));
      fs.writeFileSync(path, bad);
      expect(await ask({})).toBe('damaged');
      fs.writeFileSync(path, good.subarray(0, byte));
      expect(await ask({ top: 1 })).toBe('damaged');
    }
    fs.writeFileSync(path, good);
    expect(await ask({})).toBe(good.toString());
  });

  it('sees a summary that changed since it was asked before', async () => {
    write(HOUR, { '/': 2 });
    await ask({});
    await range(HOUR, HOUR + 1);
    write(HOUR, { '/': 3 });
    expect([JSON.parse(await ask({})).totalRequests, (await range(HOUR, HOUR + 1)).totalRequests]).toEqual([3, 3]);
    fs.rmSync(summaryPath(analyticsDir, at(HOUR)));
    expect([await ask({}), (await range(HOUR, HOUR + 1)).hours]).toEqual(['none', 0]);
  });

  it('answers many at once, each with its own', async () => {
    for (let i = 0; i < 5; i++) write(HOUR + i, { [`/${i}`]: i + 1 });
    const sums = await Promise.all([0, 1, 2, 3, 4].map((i) => range(HOUR + i, HOUR + i + 1)));
    expect(sums.map(({ requestsPerPath }) => requestsPerPath)).toEqual(
      [0, 1, 2, 3, 4].map((i) => ({ [`/${i}`]: i + 1 })),
    );
  });

  it('refuses what would wait behind too many others, or for too long', async () => {
    write(HOUR, { '/': 2 });
    await analytics.stop();
    analytics = create({ maxWaiting: 2 });
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask({ top: 1 })));
    expect(answers.filter((answer) => answer === 'busy')).toHaveLength(4);
    await analytics.stop();
    analytics = create({ maxWaitMs: -1 });
    expect(await ask({ top: 1 })).toBe('busy');
    expect((await metrics.analyticsRefused.get()).values).toMatchObject([{ value: 5 }]);
  });

  it('writes a large sum to a file, of which nothing is left', async () => {
    const counts = new Map(Array.from({ length: MAX_KEYS }, (_, i) => [`/${'long/'.repeat(200)}${i}`, 1]));
    write(HOUR, counts);
    for (const format of ['json', 'csv'] as const) {
      const found = await analytics.ask({ kind: 'range', ...access(HOUR, HOUR + 1), format });
      expect(found).toMatchObject({ kind: 'file', temporary: true });
    }
    expect((await range(HOUR, HOUR + 1)).requestsPerPath).toEqual(Object.fromEntries(counts));
    // The two that nobody opened.
    expect(fs.readdirSync(join(analyticsDir, '.answers'))).toHaveLength(2);
    await analytics.stop();
    analytics = create();
    await range(HOUR, HOUR + 1);
    expect(fs.readdirSync(join(analyticsDir, '.answers'))).toEqual([]);
  });

  it('leaves the event loop free while it adds up a month', async () => {
    const paths = Array.from({ length: 100 }, (_, i) => [`/some/path/${i}`, i + 1] as const);
    for (let hour = HOUR; hour < HOUR + 744; hour++) write(hour, new Map(paths));
    await range(HOUR, HOUR + 1);
    let turns = 0;
    const pulse = setInterval(() => turns++, 1);
    const { hours, totalRequests } = await range(HOUR, HOUR + 744, { top: 10 });
    clearInterval(pulse);
    expect({ hours, total: totalRequests }).toEqual({ hours: 744, total: 744 * 5050 });
    expect(turns).toBeGreaterThan(3);
  });

  it('is not stopped by being stopped in the middle', async () => {
    write(HOUR, { '/': 2 });
    const asked = range(HOUR, HOUR + 1);
    const refused = expect(asked).rejects.toThrow('the analytics thread is stopping');
    await new Promise(setImmediate);
    await analytics.stop();
    await refused;
    await expect(range(HOUR, HOUR + 1)).rejects.toThrow('the analytics thread is stopping');
  });
});

/** Notes which hours were really read. */
function createCountingReader() {
  const reads: Hour[] = [];
  const read = (found: StreamHour) => {
    reads.push(found.hour);
    return summaries.read(found);
  };
  return { reads, counting: { version: summaries.version, read } };
}

describe('adding up hours', () => {
  it('reads a summary once while its file stays the same', () => {
    const { reads, counting } = createCountingReader();
    const { sumHours } = createHourSums(counting, { streams: [ACCESS_STREAM] });
    write(HOUR, { '/': 1 });
    for (let i = 0; i < 3; i++) sumHours(access(HOUR, HOUR + 2));
    expect(reads).toEqual([HOUR]);
    write(HOUR, { '/': 2 });
    expect(sumHours(access(HOUR, HOUR + 1)).total).toBe(2);
    expect(reads).toEqual([HOUR, HOUR]);
  });

  it('keeps the summary that was asked for last, however large it is', () => {
    const { reads, counting } = createCountingReader();
    const { sumHours } = createHourSums(counting, { streams: [ACCESS_STREAM], cacheEntries: 7 });
    write(HOUR, Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`/${i}`, 1])));
    write(HOUR + 1, { '/': 1 });
    const ask = (hour: Hour) => sumHours(access(hour, hour + 1));
    for (const i of [0, 0, 1, 1, 0]) ask(HOUR + i);
    expect(reads).toEqual([0, 1, 0].map((i) => HOUR + i));
  });

  it('forgets the summaries asked for longest ago when they become too many', () => {
    const { reads, counting } = createCountingReader();
    const { sumHours } = createHourSums(counting, { streams: [ACCESS_STREAM], cacheEntries: 7 });
    for (let i = 0; i < 3; i++) write(HOUR + i, { '/': 1 });
    const ask = (hour: Hour) => sumHours(access(hour, hour + 1));
    for (const i of [0, 1, 0, 2, 0, 1]) ask(HOUR + i);
    expect(reads).toEqual([0, 1, 2, 1].map((i) => HOUR + i));
  });
});
