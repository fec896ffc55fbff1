import { describe, expect, it } from 'vitest';
import type { Batch, Chunk } from '../model/chunk.ts';
import {
  BatchTooLargeError,
  type CommitNote,
  type DeadLetter,
  type Deliver,
  type Durability,
  IdempotencyConflict,
  UnavailableError,
} from '../model/deliver.ts';
import { KeyTable } from '../model/key-table.ts';
import { divideByStream } from './divide.ts';
import { withIdempotency } from './idempotency.ts';

const chunk = (stream: string, hour: number): Chunk => ({ stream, hour, count: 1, lines: Buffer.from(`${stream}\n`) });
const letter = (stream?: string): DeadLetter => ({
  ...{ time: 0, stage: 'ingest', reason: 'r', raw: `letter of ${stream}`, source: 's' },
  ...(stream !== undefined && { stream }),
});
const keyed = (key: string, bodyHash = 'h'): CommitNote => ({
  idempotency: { key, bodyHash, answer: 'first', time: 0 },
});

/** Access, events and access again, as a decoder of a mixed input gives them. */
const MIXED: Batch = [chunk('access', 1), chunk('events', 1), chunk('access', 2)];

/** A destination that remembers keys, as the broker's side does, and fails where it is told to. */
function setUp({ durability = () => 'broker' }: { durability?: (stream: string) => Durability } = {}) {
  const known = new KeyTable({ maxKeys: 100 });
  const delivered: { batch: Batch; note: CommitNote | undefined }[] = [];
  const failures = new Map<string, Error>();
  const deliver: Deliver = async (batch, note) => {
    const stream = batch[0]?.stream ?? note?.deadLetters?.[0]?.stream ?? 'access';
    await new Promise(setImmediate);
    const failure = failures.get(stream);
    if (failure !== undefined) throw failure;
    delivered.push({ batch, note });
    if (note?.idempotency !== undefined) known.add(note.idempotency);
    return { durability: durability(stream) };
  };
  const once = (one: Deliver): Deliver =>
    withIdempotency({ deliver: one, find: (used) => known.find(used, 0), now: () => 1, durability: 'broker' });
  const send = once(divideByStream({ deliver, deliverOnce: once(deliver) }));
  const streams = () => delivered.map(({ batch }) => [...new Set(batch.map(({ stream }) => stream))].join('+'));
  return { send, delivered, failures, streams };
}

describe('a batch of one stream', () => {
  it('goes on as it is, with its note', async () => {
    const { send, delivered } = setUp();
    const batch = [chunk('events', 1), chunk('events', 2)];
    const note = { deadLetters: [letter('events')], batchIds: ['p:1'] };
    expect(await send(batch, note)).toEqual({ durability: 'broker' });
    await send([]);
    expect(delivered).toEqual([{ batch, note }, { batch: [] }]);
    expect(delivered[0]?.batch).toBe(batch);
  });
});

describe('a batch of several streams', () => {
  it('is one batch a stream, each with its chunks in their order and its own dead letters', async () => {
    const { send, delivered } = setUp();
    const letters = [letter('audit'), letter(), letter('events'), letter()];
    expect(await send(MIXED, { deadLetters: letters })).toEqual({ durability: 'broker' });
    expect(delivered).toEqual([
      { batch: [MIXED[0], MIXED[2]], note: { deadLetters: [letters[1], letters[3]] } },
      { batch: [MIXED[1]], note: { deadLetters: [letters[2]] } },
      { batch: [], note: { deadLetters: [letters[0]] } },
    ]);
  });

  it('is as safe as its weakest part', async () => {
    const { send } = setUp({ durability: (stream) => (stream === 'events' ? 'spool' : 'broker') });
    expect(await send(MIXED)).toEqual({ durability: 'spool' });
    expect(await send(MIXED, keyed('k'))).toEqual({ durability: 'spool' });
    expect(await send([chunk('access', 1), chunk('audit', 1)])).toEqual({ durability: 'broker' });
  });

  it('is rejected with the reason of the part that was, when all others have ended', async () => {
    const { send, failures, streams } = setUp();
    failures.set('access', new BatchTooLargeError('too large', { bytes: 2, limit: 1 }));
    await expect(send(MIXED)).rejects.toThrow(BatchTooLargeError);
    expect(streams()).toEqual(['events']);
  });
});

describe('a batch of several streams with a key', () => {
  it('is answered again as a whole, and refused with another body', async () => {
    const { send, delivered } = setUp();
    expect(await send(MIXED, keyed('k'))).toEqual({ durability: 'broker' });
    expect(await send(MIXED, keyed('k'))).toEqual({ durability: 'broker', replay: 'first' });
    await expect(send([chunk('access', 1)], keyed('k', 'other'))).rejects.toThrow(IdempotencyConflict);
    await expect(send(MIXED, keyed('k', 'other'))).rejects.toThrow(IdempotencyConflict);
    expect(delivered).toHaveLength(2);
    const keys = delivered.map(({ note }) => note?.idempotency?.key);
    expect(keys[1]).toBe('k');
    // As a message may carry it.
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    'access',
    'events',
    'audit',
  ])('delivers only what is missing when it is repeated after a failure of %s', async (failing) => {
    const { send, failures, streams } = setUp();
    const batch = [...MIXED, chunk('audit', 1)];
    failures.set(failing, new UnavailableError('away', 1));
    await expect(send(batch, keyed('k'))).rejects.toThrow('away');
    // The first stream goes last: its key stands for the whole.
    expect(streams()).not.toContain('access');
    failures.clear();
    expect(await send(batch, keyed('k'))).toEqual({ durability: 'broker' });
    expect(streams().toSorted()).toEqual(['access', 'audit', 'events']);
    expect(await send(batch, keyed('k'))).toEqual({ durability: 'broker', replay: 'first' });
  });

  it('has keys that differ by stream and by key', async () => {
    const { send, delivered } = setUp();
    await send([...MIXED, chunk('audit', 1)], keyed('k'));
    await send(MIXED, keyed('l'));
    expect(new Set(delivered.map(({ note }) => note?.idempotency?.key)).size).toBe(5);
  });
});
