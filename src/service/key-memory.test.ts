import { describe, expect, it } from 'vitest';
import { type Deliver, UnavailableError } from '../model/deliver.ts';
import { createKeyMemory } from './key-memory.ts';

function setUp(options: { maxKeys?: number; deliver?: Deliver } = {}) {
  const clock = { now: 1_000 };
  const memory = createKeyMemory({ windowMs: 100, maxKeys: options.maxKeys ?? 10, clock: () => clock.now });
  const deliver = memory.wrap(options.deliver ?? (async () => ({ durability: 'broker' })));
  const take = (key: string) => deliver([], { idempotency: { key, bodyHash: 'h', answer: key, time: clock.now } });
  return { memory, take, clock };
}

describe('the memory of keys', () => {
  it('knows the first answer of what was delivered, for as long as the window', async () => {
    const { memory, take, clock } = setUp();
    await take('a');
    clock.now += 99;
    expect(memory.find('a')?.answer).toBe('a');
    clock.now += 1;
    expect(memory.find('a')).toBeUndefined();
    expect(memory.find('b')).toBeUndefined();
  });

  it('does not know what was not delivered', async () => {
    const failing: Deliver = async () => {
      throw new UnavailableError('down', 1);
    };
    const { memory, take } = setUp({ deliver: failing });
    await expect(take('a')).rejects.toThrow('down');
    expect(memory.find('a')).toBeUndefined();
  });

  it('lets the oldest go when there are too many', async () => {
    const { memory, take } = setUp({ maxKeys: 2 });
    for (const key of ['a', 'b', 'a', 'c']) await take(key);
    expect(['a', 'b', 'c'].map((key) => memory.find(key) !== undefined)).toEqual([true, false, true]);
  });
});
