import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDeadlines } from './deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function createFixture(timeoutMs: number) {
  const expired: string[] = [];
  const deadlines = createDeadlines<{ expire(): void }>(timeoutMs);
  const item = (name: string) => ({ expire: () => void expired.push(name) });
  return { expired, deadlines, item };
}

test('an item expires once, after its time and soon after', () => {
  const { expired, deadlines, item } = createFixture(1_000);
  deadlines.watch(item('a'));
  vi.advanceTimersByTime(999);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(52);
  expect(expired).toEqual(['a']);
  vi.advanceTimersByTime(5_000);
  expect(expired).toEqual(['a']);
});

test('a long limit is checked every 250 ms', () => {
  const { expired, deadlines, item } = createFixture(60_000);
  deadlines.watch(item('a'));
  vi.advanceTimersByTime(60_250);
  expect(expired).toEqual(['a']);
});

test('items expire in the order in which they were watched, each after its own time', () => {
  const { expired, deadlines, item } = createFixture(1_000);
  deadlines.watch(item('a'));
  vi.advanceTimersByTime(500);
  deadlines.watch(item('b'));
  vi.advanceTimersByTime(700);
  expect(expired).toEqual(['a']);
  vi.advanceTimersByTime(500);
  expect(expired).toEqual(['a', 'b']);
});

test('a forgotten item does not expire, and after close nothing does', () => {
  const { expired, deadlines, item } = createFixture(1_000);
  const first = item('a');
  deadlines.watch(first);
  deadlines.forget(first);
  deadlines.watch(item('b'));
  deadlines.close();
  vi.advanceTimersByTime(10_000);
  expect(expired).toEqual([]);
});
