import { describe, expect, test } from 'vitest';
import { createTurns } from './turns.ts';

function createFixture(options: { atOnce: number; maxWaiting: number }) {
  const time = { now: 0 };
  const turns = createTurns({ ...options, maxWaitMs: 1_000, now: () => time.now });
  const order: string[] = [];
  const take = (name: string) => turns.take().then((isTurn) => void order.push(`${name} ${isTurn}`));
  return { time, turns, order, take };
}

describe('createTurns', () => {
  test('lets so many begin at once, and the others in the order in which they came', async () => {
    const { turns, order, take } = createFixture({ atOnce: 2, maxWaiting: 10 });
    const all = ['a', 'b', 'c', 'd'].map(take);
    await Promise.all(all.slice(0, 2));
    expect(order).toEqual(['a true', 'b true']);
    turns.done();
    await all[2];
    expect(order).toEqual(['a true', 'b true', 'c true']);
    turns.done();
    await all[3];
    turns.done();
    turns.done();
    await Promise.all([take('e'), take('f')]);
    expect(order.slice(3)).toEqual(['d true', 'e true', 'f true']);
  });

  test('refuses when too many wait', async () => {
    const { order, take } = createFixture({ atOnce: 1, maxWaiting: 1 });
    void take('a');
    void take('b');
    await take('c');
    expect(order).toEqual(['a true', 'c false']);
  });

  test('refuses those that waited too long, and gives their turn to the next', async () => {
    const { time, turns, order, take } = createFixture({ atOnce: 1, maxWaiting: 10 });
    await take('a');
    const late = [take('b'), take('c')];
    time.now = 500;
    const next = take('d');
    time.now = 1_400;
    turns.done();
    await Promise.all([...late, next]);
    expect(order).toEqual(['a true', 'b false', 'c false', 'd true']);
    turns.done();
    await take('e');
    expect(order.at(-1)).toBe('e true');
  });
});
