import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { parseHour } from '../model/hour.ts';
import { accessSummary } from '../model/summary.case.ts';
import { createSummaryFiles } from './summaries.ts';
import { createSummaryTotals } from './summary-totals.ts';

const FIRST = parseHour('2015-05-17T22') ?? 0;
let analyticsDir = '';

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'logforge-totals-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  analyticsDir = join(folder, 'analytics');
});

function writeSummary(hour: number, total: number, distinct = 1): void {
  const paths = new Map(Array.from({ length: distinct }, (_, i) => [`/${i}`, 1]));
  const userAgents = new Map([['a', total]]);
  const summary = accessSummary({ hour, paths: paths.set('/rest', total - distinct), userAgents });
  createSummaryFiles({ analyticsDir, durability: 'os' }).write(summary);
}

const access = (from: number, to: number) => ({ stream: 'access', from, to });

test('gives the total of each hour, and null where there is no summary', async () => {
  writeSummary(FIRST, 74);
  writeSummary(FIRST + 2, 100_000, 20_000);
  const { totals } = createSummaryTotals({ analyticsDir });
  expect(await totals(access(FIRST - 1, FIRST + 4))).toEqual([null, 74, null, 100_000, null]);
  const month = await totals(access(FIRST - 740, FIRST + 4));
  expect([month.length, month[740], month[742]]).toEqual([744, 74, 100_000]);
});

test('of each stream has its own totals and its own latest hour', async () => {
  writeSummary(FIRST, 74);
  const files = createSummaryFiles({ analyticsDir, durability: 'os' });
  const source = { bytes: 1, records: 0, skippedLines: 0 };
  files.write({ stream: 'events', hour: FIRST + 1, total: 0, dimensions: [], source });
  const { totals, latest } = createSummaryTotals({ analyticsDir });
  expect(await totals({ stream: 'events', from: FIRST, to: FIRST + 2 })).toEqual([null, 0]);
  expect(await totals(access(FIRST, FIRST + 2))).toEqual([74, null]);
  expect([await latest('events'), await latest('access'), await latest('other')]).toEqual([
    FIRST + 1,
    FIRST,
    undefined,
  ]);
});

test('a file that is none of ours has no total', async () => {
  await mkdir(join(analyticsDir, '2015-05-17'), { recursive: true });
  await writeFile(join(analyticsDir, '2015-05-17', 'summary_22.json'), 'rubbish');
  await mkdir(join(analyticsDir, '2015-05-17', 'summary_23.json'));
  const { totals } = createSummaryTotals({ analyticsDir });
  expect(await totals(access(FIRST, FIRST + 1))).toEqual([null]);
  await expect(totals(access(FIRST + 1, FIRST + 2))).rejects.toThrow();
});

test('knows the latest hour that has a summary', async () => {
  const { latest, totals } = createSummaryTotals({ analyticsDir });
  expect(await latest('access')).toBeUndefined();
  expect(await totals(access(FIRST, FIRST + 1))).toEqual([null]);
  writeSummary(FIRST, 1);
  writeSummary(FIRST - 30, 1);
  await mkdir(join(analyticsDir, '2016-01-01'));
  await writeFile(join(analyticsDir, '2016-01-01', 'summary_99.json'), '');
  await writeFile(join(analyticsDir, 'notes.txt'), '');
  expect(await latest('access')).toBe(FIRST);
});

test('a damaged summary has no total, and is told of', async () => {
  const told: number[] = [];
  const { totals } = createSummaryTotals({ analyticsDir, onDamaged: ({ hour }) => told.push(hour) });
  writeSummary(FIRST, 1_000, 900);
  const path = join(analyticsDir, '2015-05-17', 'summary_22.json');
  const good = await readFile(path, 'utf8');
  expect(await totals(access(FIRST, FIRST + 1))).toEqual([1_000]);
  const bad = ['', good.slice(0, 5_000), good.replace('T22', 'T21'), good.replace('1000', '1001'), `${good}x`];
  bad.push(good.replace('totalRequests', 'totalRecords'));
  for (const text of bad) {
    await writeFile(path, text);
    expect(await totals(access(FIRST, FIRST + 1))).toEqual([null]);
  }
  expect(told).toEqual(bad.map(() => FIRST));
});
