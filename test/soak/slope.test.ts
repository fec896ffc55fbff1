import { describe, expect, it } from 'vitest';
import { createRandom } from '../support/random.ts';
import { decide, medianOf, type Point, slopeOf } from './slope.ts';

const MINUTE = 60;

/** One point a minute; `valueAt` is given the minute. */
function series(minutes: number, valueAt: (minute: number) => number, from = 0): Point[] {
  return Array.from({ length: minutes }, (_, i) => ({ seconds: (from + i) * MINUTE, value: valueAt(i) }));
}

describe('the slope', () => {
  it('of a line is its rise an hour', () => {
    const slope = slopeOf([series(10, (minute) => 200 + 3 * minute)]);
    expect(slope?.perHour).toBeCloseTo(180);
    expect(slope?.low).toBeCloseTo(180);
    expect(slope?.high).toBeCloseTo(180);
    expect(slope?.points).toBe(10);
  });

  it('is not moved by a few outliers', () => {
    const slope = slopeOf([series(20, (minute) => (minute % 7 === 3 ? 900 : 200 + minute))]);
    expect(slope?.perHour).toBeGreaterThan(40);
    expect(slope?.perHour).toBeLessThan(80);
  });

  it('does not count what a restart sets back', () => {
    const grow = (minute: number) => 100 + 2 * minute;
    const slope = slopeOf([series(6, grow), series(6, grow, 6), series(6, grow, 12)]);
    expect(slope?.perHour).toBeCloseTo(120);
    expect(slope?.low).toBeCloseTo(120);
  });

  it('is not known from one point, and is uncertain with three', () => {
    expect(slopeOf([series(1, () => 1)])).toBeUndefined();
    expect(slopeOf([[], []])).toBeUndefined();
    expect(slopeOf([series(3, (minute) => minute)])?.low).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('the decision', () => {
  const LIMIT = 60;
  const noise = (spread: number, seed: number) => {
    const random = createRandom(seed);
    return () => (random.next() - 0.5) * 2 * spread;
  };
  const decideOn = (...stretches: Point[][]) => decide(slopeOf(stretches), LIMIT);

  it.each([1, 2, 3, 4, 5])('finds a leak of 10 MB a minute under noise of 15 MB (seed %i)', (seed) => {
    const jitter = noise(15, seed);
    expect(decideOn(series(20, (minute) => 200 + 10 * minute + jitter()))).toBe('fail');
  });

  it('finds a leak that each restart sets back', () => {
    const jitter = noise(5, 9);
    const grow = (minute: number) => 200 + 10 * minute + jitter();
    expect(decideOn(series(6, grow), series(6, grow, 6), series(6, grow, 12))).toBe('fail');
  });

  it.each([1, 2, 3, 4, 5])('takes noise for no leak (seed %i)', (seed) => {
    const jitter = noise(4, seed);
    expect(decideOn(series(30, () => 200 + jitter()))).toBe('pass');
    const wide = noise(100, seed);
    expect(decideOn(series(10, () => 200 + wide()))).toBe('undecided');
  });

  it('takes a sawtooth, as a collector makes it, for no leak', () => {
    expect(decideOn(series(40, (minute) => 200 + 12 * (minute % 5)))).toBe('pass');
  });

  it('takes one step, as a cache makes it that fills, for no leak', () => {
    expect(decideOn(series(20, (minute) => (minute < 8 ? 200 : 230)))).not.toBe('fail');
  });

  it('passes a constant, and a slow rise below the limit', () => {
    expect(decideOn(series(6, () => 40))).toBe('pass');
    expect(decideOn(series(10, (minute) => 200 + minute / 2))).toBe('pass');
  });

  it('says nothing from too few points', () => {
    expect(decideOn(series(3, (minute) => 1_000 * minute))).toBe('undecided');
    expect(decide(undefined, LIMIT)).toBe('undecided');
  });
});

describe('the median', () => {
  it('is the middle of the values, or the mean of the two middle ones', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
    expect(medianOf([])).toBeNaN();
  });
});
