import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseHour } from '../model/hour.ts';
import { DamagedHourError, damagedRange, hoursInRange, listHours } from './hour-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logforge-hours-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const hour = (text: string): number => parseHour(text) ?? Number.NaN;

function touch(...names: string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
}

const range = async (from: string, to: string, isBackward = false) => {
  const found: number[] = [];
  const asked = { stream: 'access', from: hour(from), to: hour(to), isBackward };
  for await (const one of hoursInRange(folder, asked)) found.push(one);
  return found;
};

it('lists the hours of a range that have a file, in either order', async () => {
  touch('2015-05-18/00.log.json', '2015-05-17/23.log.json', '2015-05-17/02.log.json', '2001-01-01/12.log.json');
  touch(
    '2015-05-17/03.log.json.gz',
    '2015-05-17/24.log.json',
    'events/2015-05-17/04.log.json',
    '2015-02-30/01.log.json',
  );
  const all = ['2001-01-01T12', '2015-05-17T02', '2015-05-17T23', '2015-05-18T00'].map(hour);
  expect(await listHours(folder, 'access')).toEqual(all);
  expect(await range('2015-05-17T02', '2015-05-18T00')).toEqual(all.slice(1, 3));
  expect(await range('2000-01-01T00', '2020-01-01T00', true)).toEqual(all.toReversed());
  expect(await range('2015-05-17T03', '2015-05-17T23')).toEqual([]);
});

it('goes on when a day is removed while it lists, and takes a folder that is not there for an empty one', async () => {
  touch('2015-05-17/02.log.json', '2015-05-18/03.log.json', '2015-05-19/04.log.json');
  const hours = hoursInRange(folder, { stream: 'access', from: 0, to: hour('2020-01-01T00') });
  expect((await hours.next()).value).toBe(hour('2015-05-17T02'));
  rmSync(join(folder, '2015-05-18'), { recursive: true });
  expect((await hours.next()).value).toBe(hour('2015-05-19T04'));
  expect(await listHours(join(folder, 'nowhere'), 'access')).toEqual([]);
});

it('tells the damage of an hour from other errors', () => {
  const damage = new DamagedHourError('bad checksum', { hour: { stream: 'access', hour: 1 }, offset: 2, bytes: 3 });
  expect(damagedRange(damage)).toMatchObject({ offset: 2, bytes: 3, message: 'bad checksum' });
  expect(damagedRange(new Error('EIO'))).toBeUndefined();
});
