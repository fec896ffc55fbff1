import { expect, it } from 'vitest';
import { MemoryPool } from './memory-pool.ts';

it('gives a large buffer out again, and holds no more than it should', () => {
  const pool = new MemoryPool({ bytes: 8_192, count: 1 });
  const [first, second] = [pool.take(10_000), pool.take(10_000)];
  expect(first.length).toBeGreaterThanOrEqual(10_000);
  expect(second).not.toBe(first);
  pool.giveBack(first);
  pool.giveBack(second);
  expect(pool.take(16_384)).toBe(first);
  expect(pool.take(10_000)).not.toBe(second);
});

it('gives a buffer as large as was asked, whatever it holds', () => {
  const pool = new MemoryPool({ bytes: 8_192, count: 4 });
  pool.giveBack(pool.take(8_192));
  expect(pool.take(20_000).length).toBeGreaterThanOrEqual(20_000);
  expect(pool.take(1).length).toBeLessThan(8_192);
});
