import { describe, expect, test } from 'vitest';
import { MS_PER_HOUR } from '../model/hour.ts';
import { dueDays, dueHours, hasEnded, oldestEnded } from './retention-rules.ts';

const NOW = 1_000 * MS_PER_HOUR;
const OFF = { maxAge: undefined, maxBytes: undefined };

/** Hours of 10 bytes. */
const hoursOf = (...hours: readonly number[]) => hours.map((hour) => ({ stream: 'access', hour, bytes: 10 }));
const due = (...parameters: Parameters<typeof dueHours>) =>
  dueHours(...parameters).map(({ at, cause }) => `${at.hour} ${cause}`);

describe('an hour', () => {
  test('ends with its last moment', () => {
    expect(hasEnded(999, NOW)).toBe(true);
    expect(hasEnded(999, NOW - 1)).toBe(false);
  });
});

describe('due hours', () => {
  test('are none without limits', () => {
    expect(due(hoursOf(1, 2, 3), OFF, NOW)).toEqual([]);
  });

  test('are those whose end is as long ago as maxAge', () => {
    const limits = { ...OFF, maxAge: 10 * MS_PER_HOUR };
    expect(due(hoursOf(1, 988, 989, 990, 999), limits, NOW)).toEqual(['1 max_age', '988 max_age', '989 max_age']);
    expect(due(hoursOf(989), limits, NOW - 1)).toEqual([]);
  });

  test('are the oldest until the others take no more than maxBytes', () => {
    expect(due(hoursOf(1, 2, 3, 4), { ...OFF, maxBytes: 20 }, NOW)).toEqual(['1 max_bytes', '2 max_bytes']);
    expect(due(hoursOf(1, 2, 3, 4), { ...OFF, maxBytes: 19 }, NOW)).toHaveLength(3);
    expect(due(hoursOf(1, 2, 3, 4), { ...OFF, maxBytes: 40 }, NOW)).toEqual([]);
  });

  test('may exceed either limit', () => {
    const limits = { maxAge: 10 * MS_PER_HOUR, maxBytes: 10 };
    expect(due(hoursOf(1, 995, 996), limits, NOW)).toEqual(['1 max_age', '995 max_bytes']);
  });

  test('are never the present hour or a later one', () => {
    expect(due(hoursOf(999, 1_000, 1_001), { maxAge: 0, maxBytes: 0 }, NOW)).toEqual(['999 max_age']);
  });
});

test('the oldest ended hour of several streams is found', () => {
  const [one, other] = [hoursOf(7, 8), hoursOf(5, 6)];
  expect(oldestEnded([one, other, []], NOW)?.hour).toBe(5);
  expect(oldestEnded([one, hoursOf(1_000)], NOW)?.hour).toBe(7);
  expect(oldestEnded([hoursOf(1_000), []], NOW)).toBeUndefined();
});

test('due days of dead letters are those whose end is as long ago as the limit', () => {
  const days = ['2025-11-01', '2025-11-20', '2025-11-21'];
  const now = Date.parse('2025-11-22T00:00:00Z');
  expect(dueDays(days, 24 * MS_PER_HOUR, now)).toEqual(['2025-11-01', '2025-11-20']);
  expect(dueDays(days, undefined, now)).toEqual([]);
});
