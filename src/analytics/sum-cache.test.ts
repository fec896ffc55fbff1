import { expect, test } from 'vitest';
import { cacheSums } from './sum-cache.ts';
import type { HourSum, SumQuestion } from './sum-hours.ts';

function create({ unusable = [] as readonly number[], chars = 1 } = {}) {
  const asked: SumQuestion[] = [];
  const versions = new Map<number, string>();
  const sums = cacheSums(
    (question) => {
      asked.push(question);
      const counts = new Map([['x'.repeat(chars), 1]]);
      const sum = { total: asked.length, unusable, dimensions: [{ name: 'path', counts }] };
      return sum as unknown as HourSum;
    },
    ({ hour }) => versions.get(hour),
  );
  const ask = (question: Partial<SumQuestion> = {}) =>
    sums({ stream: 'access', from: 5, to: 8, top: 10, ...question }).total;
  return { ask, asked, versions };
}

test('a question is worked out once', () => {
  const { ask } = create();
  expect([ask(), ask(), ask({ search: '' }), ask({ audience: false })]).toEqual([1, 1, 1, 1]);
});

test('another question is another answer', () => {
  const { ask } = create();
  const others = [
    {},
    { stream: 'events' },
    { from: 4 },
    { to: 7 },
    { top: 9 },
    { search: 'a' },
    { search: 'A' },
    { audience: true },
  ];
  const numbers = others.map((_, i) => i + 1);
  expect(others.map(ask)).toEqual(numbers);
  expect(others.map(ask)).toEqual(numbers);
});

test('a file that appeared, changed or disappeared is read again', () => {
  const { ask, versions } = create();
  expect(ask()).toBe(1);
  versions.set(8, 'outside');
  expect(ask()).toBe(1);
  versions.set(6, 'a');
  expect(ask()).toBe(2);
  versions.set(6, 'b');
  expect(ask()).toBe(3);
  versions.delete(6);
  versions.set(7, 'b');
  expect(ask()).toBe(4);
});

test('what is large, or could not be read, is not kept', () => {
  const { ask } = create();
  expect([ask({ top: undefined }), ask({ top: undefined }), ask({ top: 10_000 }), ask({ top: 10_000 })]).toEqual([
    1, 2, 3, 4,
  ]);
  const damaged = create({ unusable: [6] });
  expect([damaged.ask(), damaged.ask()]).toEqual([1, 2]);
  const long = create({ chars: 1_000_000 });
  expect([long.ask(), long.ask()]).toEqual([1, 2]);
});

test('the answers kept are bounded: what was asked longest ago goes', () => {
  const { ask, asked } = create();
  for (let top = 1; top <= 64; top++) ask({ top });
  ask({ top: 1 });
  ask({ top: 65 });
  expect(asked).toHaveLength(65);
  ask({ top: 1 });
  expect(asked).toHaveLength(65);
  ask({ top: 2 });
  expect(asked).toHaveLength(66);
});
