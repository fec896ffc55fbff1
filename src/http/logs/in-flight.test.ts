import { describe, expect, test } from 'vitest';
import { createInFlight } from './in-flight.ts';
import { createSharedLimits, forgetThread } from './shared-limits.ts';

function createFixture(maxBytes: number) {
  const totals: number[] = [];
  return { totals, inFlight: createInFlight(maxBytes, (total) => void totals.push(total)) };
}

describe('createInFlight', () => {
  test('reserves up to its limit and no more', () => {
    const { inFlight, totals } = createFixture(100);
    const first = inFlight.reserve(60);
    expect(inFlight.reserve(41)).toBeUndefined();
    const second = inFlight.reserve(40);
    expect(second?.grow(1)).toBe(false);
    first?.release();
    expect(second?.grow(60)).toBe(true);
    expect(totals).toEqual([60, 100, 40, 100]);
  });

  test('gives back a part', () => {
    const { inFlight, totals } = createFixture(100);
    const reservation = inFlight.reserve(80);
    reservation?.shrinkTo(90);
    reservation?.shrinkTo(30);
    reservation?.release();
    expect(totals).toEqual([80, 30, 0]);
  });

  test('releases once, whatever is called later', () => {
    const { inFlight, totals } = createFixture(100);
    const reservation = inFlight.reserve(80);
    reservation?.release();
    reservation?.release();
    reservation?.shrinkTo(1);
    expect(reservation?.grow(1)).toBe(false);
    expect(totals).toEqual([80, 0]);
  });
});

describe('createInFlight with other threads', () => {
  function createThreads(maxBytes: number) {
    const shared = createSharedLimits(2);
    const totals: number[][] = [[], []];
    const threads = [0, 1].map((thread) =>
      createInFlight(maxBytes, (total) => totals[thread]?.push(total), { ...shared, thread }),
    );
    const [one, two] = threads;
    if (one === undefined || two === undefined) throw new Error('two were made');
    return { one, two, shared, totals };
  }

  test('reserves up to one limit for all threads, and reports to each thread its own total', () => {
    const { one, two, totals } = createThreads(100);
    const first = one.reserve(60);
    expect(two.reserve(41)).toBeUndefined();
    const second = two.reserve(40);
    expect(one.reserve(1)).toBeUndefined();
    expect(second?.grow(1)).toBe(false);
    first?.shrinkTo(10);
    expect(second?.grow(50)).toBe(true);
    first?.release();
    second?.release();
    expect(two.reserve(100)).toBeDefined();
    expect(totals).toEqual([
      [60, 10, 0],
      [40, 90, 0, 100],
    ]);
  });

  test('frees the bytes of a thread that died', () => {
    const { one, two, shared } = createThreads(100);
    one.reserve(100);
    expect(two.reserve(1)).toBeUndefined();
    forgetThread(shared, 0);
    expect(two.reserve(100)).toBeDefined();
  });
});
