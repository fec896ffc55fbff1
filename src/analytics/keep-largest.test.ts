import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepLargest } from './keep-largest.ts';

describe('the largest counts of a map', () => {
  it('come largest first, equal ones by key', () => {
    const counts = new Map([
      ['b', 2],
      ['__proto__', 9],
      ['a', 2],
      ['c', 1],
      ['123', 2],
    ]);
    expect([...keepLargest(counts, 3)]).toEqual([
      ['__proto__', 9],
      ['123', 2],
      ['a', 2],
    ]);
    expect([...keepLargest(counts, 99)].map(([key]) => key)).toEqual(['__proto__', '123', 'a', 'b', 'c']);
  });

  it('are all there when no number is given', () => {
    const counts = new Map([
      ['b', 1],
      ['a', 2],
    ]);
    expect(keepLargest(counts, undefined)).toBe(counts);
  });

  it('are those of sorting everything', () => {
    const entries = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 3 }), fc.nat(5)), { selector: ([key]) => key });
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 12 }), (counts, n) => {
        const sorted = counts.toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, n);
        expect([...keepLargest(new Map(counts), n)]).toEqual(sorted);
      }),
    );
  });
});
