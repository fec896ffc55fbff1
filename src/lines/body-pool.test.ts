import { expect, it } from 'vitest';
import { BodyPool } from './body-pool.ts';

const KIB = 1024;

it('gives a copy, in memory that nothing else has before its release', () => {
  const pool = new BodyPool();
  const bytes = Buffer.from('abc');
  const first = pool.copyOf(bytes);
  const second = pool.copyOf(Buffer.from('de'));
  bytes.fill(0);
  expect([first.body.toString(), second.body.toString()]).toEqual(['abc', 'de']);
  expect(second.body.buffer).not.toBe(first.body.buffer);
});

it('uses memory again after its release, where the next body has room in it', () => {
  const pool = new BodyPool();
  const small = pool.copyOf(Buffer.alloc(100 * KIB));
  small.release();
  const larger = pool.copyOf(Buffer.alloc(200 * KIB));
  expect(larger.body.buffer).not.toBe(small.body.buffer);
  expect(pool.copyOf(Buffer.alloc(120 * KIB)).body.buffer).toBe(small.body.buffer);
});

it('does not give memory to two bodies that was released twice', () => {
  const pool = new BodyPool();
  const { release } = pool.copyOf(Buffer.from('a'));
  release();
  release();
  const again = pool.copyOf(Buffer.from('b'));
  release();
  expect(pool.copyOf(Buffer.from('c')).body.buffer).not.toBe(again.body.buffer);
  expect(pool.copyOf(Buffer.from('b')).body.buffer).not.toBe(pool.copyOf(Buffer.from('c')).body.buffer);
});

it('keeps no large memory, and not more than is under way', () => {
  const pool = new BodyPool();
  const large = pool.copyOf(Buffer.alloc(2_000 * KIB));
  large.release();
  expect(pool.copyOf(Buffer.alloc(1)).body.buffer).not.toBe(large.body.buffer);
  const bodies = Array.from({ length: 10 }, () => pool.copyOf(Buffer.alloc(1)));
  for (const { release } of bodies) release();
  const kept = Array.from({ length: 10 }, () => pool.copyOf(Buffer.alloc(1)).body.buffer);
  expect(kept.filter((memory) => bodies.some(({ body }) => body.buffer === memory))).toHaveLength(4);
});

it('keeps the larger memory, and none of empty bodies', () => {
  const pool = new BodyPool();
  const small = Array.from({ length: 4 }, (_, i) => pool.copyOf(Buffer.alloc(i % 2)));
  for (const { release } of small) release();
  const large = pool.copyOf(Buffer.alloc(300 * KIB));
  for (const { release } of Array.from({ length: 4 }, () => pool.copyOf(Buffer.alloc(1)))) release();
  large.release();
  expect(pool.copyOf(Buffer.alloc(300 * KIB)).body.buffer).toBe(large.body.buffer);
});
