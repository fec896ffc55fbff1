import { expect, test } from 'vitest';
import { FirstHours } from './first-hours.ts';
import { MIN_HOUR } from './hour.ts';

test('a first hour is known at once wherever the memory is shared', () => {
  const one = new FirstHours(['access', 'events']);
  const other = new FirstHours(['access', 'events'], one.memory);
  expect(other.of('events')).toBe(MIN_HOUR);
  one.set('events', 402_000);
  one.set('none', 7);
  expect([other.of('access'), other.of('events'), other.of('none')]).toEqual([MIN_HOUR, 402_000, MIN_HOUR]);
});
