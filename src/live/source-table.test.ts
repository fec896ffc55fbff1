import { describe, expect, it } from 'vitest';
import { MAX_SOURCES, SourceTable, toSourceFigures } from './source-table.ts';

function setup(max?: number) {
  const clock = { now: 1_000_000 };
  const table = new SourceTable({ clock: () => clock.now, ...(max !== undefined && { max }) });
  return { clock, table, names: () => table.read().map(({ source }) => source) };
}

it('counts records and bytes of each source, and when it was seen last', () => {
  const { clock, table } = setup();
  table.note('a', 2, 100);
  table.note('b', 1, 10);
  clock.now += 1_000;
  table.note('a', 3, 200);
  expect(toSourceFigures([table.read()])).toEqual([
    { source: 'a', records: 5, bytes: 300, rate: 1, last_seen: '1970-01-01T00:16:41.000Z' },
    { source: 'b', records: 1, bytes: 10, rate: 0.2, last_seen: '1970-01-01T00:16:40.000Z' },
  ]);
});

it('the rate is that of the last seconds, and falls to 0', () => {
  const { clock, table } = setup();
  const rates: number[] = [];
  for (let second = 0; second < 20; second++) {
    if (second < 8) table.note('a', 10, 1);
    clock.now += 1_000;
    rates.push(Math.round(table.read()[0]?.rate ?? -1));
  }
  expect(rates.slice(4, 8)).toEqual([10, 10, 10, 10]);
  expect(rates.slice(15)).toEqual([0, 0, 0, 0, 0]);
});

describe('with more sources than there is room for', () => {
  it('the one that was seen longest ago becomes part of other', () => {
    const { table, names } = setup(3);
    for (const source of ['a', 'b', 'c', 'a']) table.note(source, 1, 10);
    expect(names()).toEqual(['b', 'c', 'a']);
    table.note('d', 1, 10);
    expect(names().sort()).toEqual(['a', 'd', 'other']);
    table.note('e', 1, 10);
    expect(names().sort()).toEqual(['d', 'e', 'other']);
    const figures = toSourceFigures([table.read()]);
    expect(figures.at(-1)).toMatchObject({ source: 'other', records: 4, bytes: 40 });
    expect(figures.reduce((sum, { records }) => sum + records, 0)).toBe(6);
  });

  it('memory stays bounded, and nothing is lost of the sums', () => {
    const { table } = setup();
    for (let i = 0; i < 5_000; i++) table.note(`10.0.${i >> 8}.${i & 255}`, 1, 2);
    const figures = toSourceFigures([table.read()]);
    expect(figures.length).toBe(MAX_SOURCES);
    expect(figures.reduce((sum, { records }) => sum + records, 0)).toBe(5_000);
  });
});

it('tables of several threads are summed up, and cut to the largest', () => {
  const [one, two] = [setup().table, setup().table];
  one.note('a', 1, 1);
  two.note('a', 2, 2);
  for (let i = 0; i < 700; i++) {
    one.note(`x${i}`, 1, 1);
    two.note(`y${i}`, 1, 1);
  }
  const figures = toSourceFigures([one.read(), two.read()]);
  expect(figures.length).toBe(MAX_SOURCES);
  expect(figures[0]).toMatchObject({ source: 'a', records: 3, bytes: 3 });
  expect(figures.at(-1)).toMatchObject({ source: 'other', records: 1_400 - (MAX_SOURCES - 2) });
});

it('a note costs less than a microsecond', () => {
  const { table } = setup();
  const names = Array.from({ length: 800 }, (_, i) => `192.0.2.${i}`);
  const notes = 200_000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const begun = performance.now();
    for (let i = 0; i < notes; i++) table.note(names[i % names.length] ?? '', 1, 100);
    best = Math.min(best, ((performance.now() - begun) / notes) * 1_000);
  }
  expect(best).toBeLessThan(1);
});
