import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Hour, parseHour } from '../model/hour.ts';
import { createSummaryFiles, type SummaryFiles, summaryPath } from '../repo/summaries.ts';
import { createAnalytics, type OwnedAnalytics } from './analytics-thread.ts';
import { createHourSums } from './sum-hours.ts';

const HOUR: Hour = parseHour('2015-05-17T10') ?? 0;
let analyticsDir: string;
let summaries: SummaryFiles;
let analytics: OwnedAnalytics;
let warnings: unknown[];

beforeEach(() => {
  analyticsDir = fs.mkdtempSync(join(tmpdir(), 'logforge-analytics-'));
  summaries = createSummaryFiles({ analyticsDir, durability: 'os' });
  warnings = [];
  analytics = createAnalytics({
    readBytes: summaries.readBytes,
    entry: new URL('../app/analytics-worker.ts', import.meta.url),
    workerData: { analyticsDir, durability: 'os' },
    log: { warn: (message, fields) => warnings.push({ message, ...fields }) },
  });
});
afterEach(async () => {
  await analytics.stop();
  fs.rmSync(analyticsDir, { recursive: true });
});

function write(hour: Hour, counts: Record<string, number> | Map<string, number>, skippedLines = 0): void {
  const map = counts instanceof Map ? counts : new Map(Object.entries(counts));
  const records = [...map.values()].reduce((sum, count) => sum + count, 0);
  summaries.write({
    hour,
    totalRequests: records,
    requestsPerPath: map,
    requestsPerUserAgent: new Map([['curl', records]]),
    source: { bytes: records * 100, records, skippedLines },
  });
}

function damage(hour: Hour): void {
  const path = summaryPath(analyticsDir, hour);
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.writeFileSync(path, '{');
}

describe('analytics', () => {
  it('gives an hour byte for byte', async () => {
    write(HOUR, { '/': 2 });
    expect(await analytics.hour(HOUR)).toEqual(fs.readFileSync(summaryPath(analyticsDir, HOUR)));
    expect(await analytics.hour(HOUR + 1)).toBeUndefined();
  });

  it('says which hour cannot be read', async () => {
    fs.mkdirSync(summaryPath(analyticsDir, HOUR), { recursive: true });
    await expect(analytics.hour(HOUR)).rejects.toThrow(/^cannot read summary path=.*summary_10.json/);
    await expect(analytics.range(HOUR, HOUR + 1)).rejects.toThrow(/^cannot read summary path=.*: EISDIR/);
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
    expect(await analytics.range(HOUR, HOUR + 3)).toEqual({
      hours: 2,
      summary: {
        hour: HOUR,
        totalRequests: 7,
        requestsPerPath: new Map([
          ['__proto__', 1],
          ['123', 5],
          ['', 1],
        ]),
        requestsPerUserAgent: new Map([['curl', 7]]),
        source: { bytes: 700, records: 7, skippedLines: 3 },
      },
    });
  });

  it('keeps the largest when asked to, and says what the others had', async () => {
    write(HOUR, { '/a': 1, '/b': 4, '/c': 2 });
    write(HOUR + 1, { '/a': 2, '/d': 1 });
    const { summary, hours, other } = await analytics.range(HOUR, HOUR + 2, { top: 2 });
    expect([...summary.requestsPerPath]).toEqual([
      ['/b', 4],
      ['/a', 3],
    ]);
    expect({ hours, other }).toEqual({ hours: 2, other: { requestsPerPath: 3, requestsPerUserAgent: 0 } });
  });

  it('tells bots and people apart when asked to', async () => {
    const userAgents = new Map([
      ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 4],
      ['curl/8.5', 2],
      ['-', 1],
    ]);
    const records = 7;
    summaries.write({
      hour: HOUR,
      totalRequests: records,
      requestsPerPath: new Map([['/', 7]]),
      requestsPerUserAgent: userAgents,
      source: { bytes: 700, records, skippedLines: 0 },
    });
    const { audience } = await analytics.range(HOUR, HOUR + 1, { top: 2, audience: true });
    expect(audience).toEqual({ people: 4, bots: 2, unknown: 1, botUserAgents: ['curl/8.5'] });
    expect((await analytics.range(HOUR, HOUR + 1)).audience).toBeUndefined();
  });

  it('passes over a summary that cannot be used, and says so', async () => {
    write(HOUR, { '/': 2 });
    damage(HOUR + 1);
    expect(await analytics.range(HOUR, HOUR + 2)).toMatchObject({ hours: 1, summary: { totalRequests: 2 } });
    expect(warnings).toEqual([{ message: 'summary cannot be used', hour: '2015-05-17T11:00:00Z' }]);
  });

  it('sees a summary that changed since it was asked before', async () => {
    write(HOUR, { '/': 2 });
    await analytics.range(HOUR, HOUR + 1);
    write(HOUR, { '/': 3 });
    expect((await analytics.range(HOUR, HOUR + 1)).summary.totalRequests).toBe(3);
    fs.rmSync(summaryPath(analyticsDir, HOUR));
    expect((await analytics.range(HOUR, HOUR + 1)).hours).toBe(0);
  });

  it('answers many at once, each with its own', async () => {
    for (let i = 0; i < 5; i++) write(HOUR + i, { [`/${i}`]: i + 1 });
    const sums = await Promise.all([0, 1, 2, 3, 4].map((i) => analytics.range(HOUR + i, HOUR + i + 1)));
    expect(sums.map(({ summary }) => [...summary.requestsPerPath])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [[`/${i}`, i + 1]]),
    );
  });

  it('brings a large sum over in parts', async () => {
    const counts = new Map(Array.from({ length: 12_345 }, (_, i) => [`/path/${i}`, 1]));
    write(HOUR, counts);
    expect((await analytics.range(HOUR, HOUR + 1)).summary.requestsPerPath).toEqual(counts);
  });

  it('leaves the event loop free while it adds up a month', async () => {
    const paths = Array.from({ length: 100 }, (_, i) => [`/some/path/${i}`, i + 1] as const);
    for (let hour = HOUR; hour < HOUR + 744; hour++) write(hour, new Map(paths));
    await analytics.range(HOUR, HOUR + 1);
    let turns = 0;
    const pulse = setInterval(() => turns++, 1);
    const { hours, summary } = await analytics.range(HOUR, HOUR + 744, { top: 10 });
    clearInterval(pulse);
    expect({ hours, total: summary.totalRequests }).toEqual({ hours: 744, total: 744 * 5050 });
    expect(turns).toBeGreaterThan(3);
  });

  it('is not stopped by being stopped in the middle', async () => {
    write(HOUR, { '/': 2 });
    const asked = analytics.range(HOUR, HOUR + 1);
    const refused = expect(asked).rejects.toThrow('the analytics thread is stopping');
    await analytics.stop();
    await refused;
    await expect(analytics.range(HOUR, HOUR + 1)).rejects.toThrow('the analytics thread is stopping');
  });
});

/** Notes which hours were really read. */
function createCountingReader() {
  const reads: Hour[] = [];
  const read = (hour: Hour) => {
    reads.push(hour);
    return summaries.read(hour);
  };
  return { reads, counting: { version: summaries.version, read } };
}

describe('adding up hours', () => {
  it('reads a summary once while its file stays the same', () => {
    const { reads, counting } = createCountingReader();
    const sumHours = createHourSums(counting);
    write(HOUR, { '/': 1 });
    for (let i = 0; i < 3; i++) sumHours({ from: HOUR, to: HOUR + 2, top: undefined });
    expect(reads).toEqual([HOUR]);
    write(HOUR, { '/': 2 });
    expect(sumHours({ from: HOUR, to: HOUR + 1, top: undefined }).totalRequests).toBe(2);
    expect(reads).toEqual([HOUR, HOUR]);
  });

  it('keeps the summary that was asked for last, however large it is', () => {
    const { reads, counting } = createCountingReader();
    const sumHours = createHourSums(counting, { cacheEntries: 7 });
    write(HOUR, Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`/${i}`, 1])));
    write(HOUR + 1, { '/': 1 });
    const ask = (hour: Hour) => sumHours({ from: hour, to: hour + 1, top: undefined });
    for (const i of [0, 0, 1, 1, 0]) ask(HOUR + i);
    expect(reads).toEqual([0, 1, 0].map((i) => HOUR + i));
  });

  it('forgets the summaries asked for longest ago when they become too many', () => {
    const { reads, counting } = createCountingReader();
    const sumHours = createHourSums(counting, { cacheEntries: 7 });
    for (let i = 0; i < 3; i++) write(HOUR + i, { '/': 1 });
    const ask = (hour: Hour) => sumHours({ from: hour, to: hour + 1, top: undefined });
    for (const i of [0, 1, 0, 2, 0, 1]) ask(HOUR + i);
    expect(reads).toEqual([0, 1, 2, 1].map((i) => HOUR + i));
  });
});
