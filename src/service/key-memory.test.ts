import { describe, expect, it } from 'vitest';
import { type Deliver, UnavailableError } from '../model/deliver.ts';
import { createKeyMemory } from './key-memory.ts';

function setUp(options: { maxKeys?: number; deliver?: Deliver } = {}) {
  const clock = { now: 1_000 };
  const memory = createKeyMemory({ windowMs: 100, maxKeys: options.maxKeys ?? 10, now: () => clock.now });
  const deliver = memory.wrap(options.deliver ?? (async () => ({ durability: 'broker' })));
  const take = (key: string) => deliver([], { idempotency: { key, bodyHash: 'h', answer: key, time: clock.now } });
  const answerTo = (key: string) => memory.find({ key, bodyHash: 'h' })?.answer;
  return { answerTo, take, clock };
}

describe('the memory of keys', () => {
  it('knows the first answer of what was delivered, for as long as the window', async () => {
    const { answerTo, take, clock } = setUp();
    await take('a');
    clock.now += 99;
    expect(answerTo('a')).toBe('a');
    clock.now += 1;
    expect(answerTo('a')).toBeUndefined();
    expect(answerTo('b')).toBeUndefined();
  });

  it('does not know what was not delivered', async () => {
    const failing: Deliver = async () => {
      throw new UnavailableError('down', 1);
    };
    const { answerTo, take } = setUp({ deliver: failing });
    await expect(take('a')).rejects.toThrow('down');
    expect(answerTo('a')).toBeUndefined();
  });

  it('lets the oldest go when there are too many', async () => {
    const { answerTo, take } = setUp({ maxKeys: 2 });
    for (const key of ['a', 'b', 'a', 'c']) await take(key);
    expect(['a', 'b', 'c'].map((key) => answerTo(key) !== undefined)).toEqual([true, false, true]);
  });
});
