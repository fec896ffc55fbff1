import { describe, expect, it } from 'vitest';
import { type Deliver, IdempotencyConflict, type IdempotencyNote } from '../model/deliver.ts';
import { KeyTable, type UsedKey } from '../model/key-table.ts';
import { withIdempotency } from './idempotency.ts';

function setUp() {
  const remembered = new KeyTable({ maxKeys: 10 });
  const calls: { note: IdempotencyNote; settle: (error?: Error) => void }[] = [];
  const deliver: Deliver = (_, note) => {
    const { idempotency } = note ?? {};
    if (idempotency === undefined) return Promise.resolve({ durability: 'disk' });
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        remembered.add(idempotency);
        resolve({ durability: 'disk' });
      };
      calls.push({ note: idempotency, settle });
    });
  };
  const find = (used: UsedKey) => remembered.find(used, 0);
  const once = withIdempotency({ deliver, find, now: () => 77, durability: 'disk' });
  const send = (key: string, bodyHash: string, answer: string, owner?: string) =>
    once([], { idempotency: { key, bodyHash, answer, time: 0, ...(owner !== undefined && { owner }) } });
  return { calls, once, send };
}

const turn = () => new Promise(setImmediate);

describe('a keyed batch', () => {
  it('is delivered once, and a repeat gets the first answer', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first');
    calls[0]?.settle();
    expect(await first).toEqual({ durability: 'disk' });
    expect(await send('k', 'h', 'second')).toEqual({ durability: 'disk', replay: 'first' });
    expect(calls).toHaveLength(1);
  });

  it('makes a repeat wait while the first is under way', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first');
    const repeats = [send('k', 'h', 'second'), send('k', 'h', 'third')];
    await turn();
    expect(calls).toHaveLength(1);
    calls[0]?.settle();
    await first;
    expect((await Promise.all(repeats)).map((receipt) => receipt.replay)).toEqual(['first', 'first']);
  });

  it('lets exactly one of those who waited take its place when the first fails', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first');
    const repeats = [send('k', 'h', 'second'), send('k', 'h', 'third')];
    calls[0]?.settle(new Error('disk full'));
    await expect(first).rejects.toThrow('disk full');
    await turn();
    expect(calls.map((call) => call.note.answer)).toEqual(['first', 'second']);
    calls[1]?.settle();
    expect((await Promise.all(repeats)).map((receipt) => receipt.replay)).toEqual([undefined, 'second']);
  });

  it('is refused when its key came with another body, before or at the same time', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first');
    await expect(send('k', 'other', 'second')).rejects.toThrow(IdempotencyConflict);
    calls[0]?.settle();
    await first;
    await expect(send('k', 'other', 'second')).rejects.toThrow(IdempotencyConflict);
  });

  it('is another batch when another owner uses its key, before or at the same time', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first', 'a');
    const other = send('k', 'another body', 'second', 'b');
    expect(calls).toHaveLength(2);
    for (const { settle } of calls) settle();
    expect(await Promise.all([first, other])).toEqual([{ durability: 'disk' }, { durability: 'disk' }]);
    expect((await send('k', 'h', 'third', 'a')).replay).toBe('first');
    expect((await send('k', 'another body', 'third', 'b')).replay).toBe('second');
    await expect(send('k', 'h', 'third', 'b')).rejects.toThrow(IdempotencyConflict);
  });

  it('is stamped with the steady time, not with that of its request', async () => {
    const { calls, send } = setUp();
    const first = send('k', 'h', 'first');
    calls[0]?.settle();
    await first;
    expect(calls[0]?.note.time).toBe(77);
  });

  it('differs from one without a key', async () => {
    const { once } = setUp();
    expect(await once([])).toEqual({ durability: 'disk' });
  });
});
