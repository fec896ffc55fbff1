import { describe, expect, it } from 'vitest';
import { BatchTooLargeError, type CommitNote, type Deliver, UnavailableError } from '../model/deliver.ts';
import { BreakerOpenError } from './breaker.ts';
import { createBackoff, withBatchId, withRetry } from './retry.ts';

function setUp(failures: readonly Error[], options: { retries?: number; random?: () => number } = {}) {
  const { retries = 5, random = () => 0 } = options;
  const pauses: number[] = [];
  const notes: (CommitNote | undefined)[] = [];
  const left = [...failures];
  const deliver: Deliver = async (_, note) => {
    notes.push(note);
    const failure = left.shift();
    if (failure !== undefined) throw failure;
    return { durability: 'broker' };
  };
  const sleep = async (ms: number) => void pauses.push(ms);
  return { deliver: withRetry(deliver, { retries, firstMs: 100, maxMs: 1_000, random, sleep }), pauses, notes };
}

const down = () => new UnavailableError('down', 1);

describe('delivery with retries', () => {
  it('tries again with pauses that double up to a bound', async () => {
    const { deliver, pauses, notes } = setUp(Array.from({ length: 5 }, down));
    expect(await deliver([], { batchIds: ['p:1'] })).toEqual({ durability: 'broker' });
    expect(pauses).toEqual([100, 200, 400, 800, 1_000]);
    expect(notes).toEqual(Array(6).fill({ batchIds: ['p:1'] }));
  });

  it('shortens each pause by up to a half', async () => {
    const { deliver, pauses } = setUp([down(), down()], { random: () => 0.5 });
    await deliver([]);
    expect(pauses).toEqual([75, 150]);
  });

  it('gives up after so many retries, with the last failure', async () => {
    const failures = [down(), down(), new UnavailableError('still down', 1)];
    const { deliver, notes } = setUp(failures, { retries: 2 });
    await expect(deliver([])).rejects.toThrow('still down');
    expect(notes).toHaveLength(3);
  });

  it.each([
    ['a batch that will never fit', new BatchTooLargeError('too large', { bytes: 2, limit: 1 })],
    ['an open breaker', new BreakerOpenError('open', 1)],
    ['a defect', new TypeError('x is not a function')],
  ])('does not try again for %s', async (_, failure) => {
    const { deliver, pauses } = setUp([failure]);
    await expect(deliver([])).rejects.toBe(failure);
    expect(pauses).toEqual([]);
  });
});

describe('a batch with an id', () => {
  it('keeps what else is noted', async () => {
    const notes: (CommitNote | undefined)[] = [];
    const named = withBatchId(
      async (_, note) => {
        notes.push(note);
        return { durability: 'broker' };
      },
      () => 'p',
    );
    const idempotency = { key: 'k', bodyHash: '', answer: '', time: 0 };
    await named([]);
    await named([], { idempotency });
    expect(notes).toEqual([{ batchIds: ['p:0'] }, { batchIds: ['p:1'], idempotency }]);
  });

  it('is not named again', async () => {
    const notes: (CommitNote | undefined)[] = [];
    const deliver: Deliver = async (_, note) => {
      notes.push(note);
      return { durability: 'broker' };
    };
    await withBatchId(deliver, () => 'p')([], { batchIds: ['q:7'] });
    expect(notes).toEqual([{ batchIds: ['q:7'] }]);
  });
});

describe('a backoff', () => {
  it('begins again after a success', async () => {
    const pauses: number[] = [];
    const sleep = async (ms: number) => void pauses.push(ms);
    const backoff = createBackoff({ firstMs: 10, maxMs: 1_000, random: () => 0, sleep });
    await backoff.pause();
    await backoff.pause();
    backoff.reset();
    await backoff.pause();
    expect(pauses).toEqual([10, 20, 10]);
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const pause = createBackoff({ firstMs: 60_000, maxMs: 60_000 }).pause(stop.signal);
    stop.abort();
    await expect(pause).rejects.toThrow(/abort/i);
  });

  it('does not overflow however long it lasts', async () => {
    const pauses: number[] = [];
    const sleep = async (ms: number) => void pauses.push(ms);
    const backoff = createBackoff({ firstMs: 1, maxMs: 5_000, random: () => 0, sleep });
    for (let index = 0; index < 2_000; index++) await backoff.pause();
    expect(pauses.at(-1)).toBe(5_000);
  });
});
