import { describe, expect, test } from 'vitest';
import { createEvict } from './slow-bodies.ts';

interface Body {
  readonly name: string;
  readonly arrived: number;
  evict(): void;
}

function createFixture(all: readonly (readonly [name: string, arrived: number, begun: number])[]) {
  const under = new Map<Body, number>();
  const evicted: string[] = [];
  const counts = { evicted: 0 };
  for (const [name, arrived, begun] of all) {
    const body: Body = {
      name,
      arrived,
      evict: () => {
        under.delete(body);
        evicted.push(name);
      },
    };
    under.set(body, begun);
  }
  const evict = createEvict({ bodies: () => under, onEvicted: () => counts.evicted++, now: () => 10_000 });
  return { evict, evicted, counts };
}

describe('createEvict', () => {
  test('evicts the slowest first, by their bytes a second, and no more than it must', () => {
    const { evict, evicted, counts } = createFixture([
      ['old and large', 9_000, 1_000],
      ['old and small', 90, 1_000],
      ['slow', 40, 6_000],
      ['fast', 500_000, 8_000],
    ]);
    evict(() => evicted.length === 2);
    expect(evicted).toEqual(['old and small', 'slow']);
    expect(counts.evicted).toBe(2);
    evict(() => evicted.length === 3);
    expect(evicted).toEqual(['old and small', 'slow', 'old and large']);
  });

  test('leaves those that began less than a second ago, and those that hold nothing', () => {
    const { evict, evicted } = createFixture([
      ['silent', 0, 1_000],
      ['slow', 1, 8_999],
      ['young', 1, 9_001],
    ]);
    evict(() => false);
    expect(evicted).toEqual(['slow']);
  });

  test('evicts none where there is room', () => {
    const { evict, evicted } = createFixture([['slow', 1, 0]]);
    evict(() => true);
    expect(evicted).toEqual([]);
  });
});
