import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics/metrics.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type DeadLetter, PermanentError, UnavailableError } from '../model/deliver.ts';
import { KeyTable } from '../model/key-table.ts';
import { createAccounting } from './accounting.ts';
import { storeRemovedStreams } from './removed-streams.ts';

const batchOf = (stream: string): Batch => [{ stream, hour: 1, count: 2, lines: Buffer.from('{}\n{}\n') }];
const idempotency = { key: 'k', bodyHash: 'h', answer: '{"accepted":2}', time: 5 };

function setUp({ firstHour = 0 } = {}) {
  const keys = new KeyTable({ maxKeys: 10 });
  const ids = new Set<string>();
  const [sent, stored]: [Batch[], { batch: Batch; note: CommitNote | undefined }[]] = [[], []];
  const failures: Error[] = [];
  const metrics = createMetrics({ defaultMetrics: false });
  const accounting = createAccounting({ records: metrics.records, streamRecords: metrics.streamRecords });
  const deliver = storeRemovedStreams({
    deliver: async (batch) => {
      sent.push(batch);
      return { durability: 'broker' };
    },
    isConfigured: (stream) => stream !== 'audit',
    firstHour: () => firstHour,
    repo: {
      append: async (batch, note) => {
        const failure = failures.pop();
        if (failure !== undefined) throw failure;
        stored.push({ batch, note });
        for (const id of note?.batchIds ?? []) ids.add(id);
        if (note?.idempotency !== undefined) keys.add(note.idempotency);
        return { durability: 'disk' };
      },
      hasBatchId: (id) => ids.has(id),
      idempotency: {
        find: (used) => keys.find(used, 0),
        now: () => 7,
        size: () => keys.size,
        bytes: () => keys.bytes,
        oldest: () => undefined,
      },
    },
    accounting,
    log: { warn: () => undefined },
  });
  const storedRecords = async () =>
    (await metrics.records.get()).values.find(({ labels }) => labels.outcome === 'stored');
  return { deliver, sent, stored, failures, accounting, storedRecords };
}

describe('a batch of the spool', () => {
  it('is sent when its stream is configured', async () => {
    const { deliver, sent, stored } = setUp();
    expect(await deliver(batchOf('events'), { batchIds: ['p:0'] })).toEqual({ durability: 'broker' });
    expect([sent.length, stored.length]).toEqual([1, 0]);
  });

  it('is stored under the name of its stream when that was removed, with its id and dead letters, once', async () => {
    const { deliver, sent, stored, accounting, storedRecords } = setUp();
    const deadLetters: DeadLetter[] = [
      { time: 0, stage: 'ingest', stream: 'audit', reason: 'r', raw: 'x', source: 's' },
    ];
    const note = { batchIds: ['p:0'], deadLetters };
    expect(await deliver(batchOf('audit'), note)).toEqual({ durability: 'disk' });
    // The process died before the spool went on: it comes again.
    expect(await deliver(batchOf('audit'), note)).toEqual({ durability: 'disk' });
    expect(stored).toEqual([{ batch: batchOf('audit'), note }]);
    await deliver([], { batchIds: ['p:1'], deadLetters });
    expect([stored.length, sent.length]).toEqual([2, 0]);
    expect(accounting.unaccounted()).toBe(0);
    expect((await storedRecords())?.value).toBe(2);
  });

  it('keeps records as dead letters whose hours retention removed', async () => {
    const { deliver, stored, accounting } = setUp({ firstHour: 2 });
    await deliver([...batchOf('audit'), { ...batchOf('audit')[0], hour: 2 } as Batch[number]], { batchIds: ['p:0'] });
    expect(stored[0]?.batch.map(({ hour }) => hour)).toEqual([2]);
    const letter = { stream: 'audit', reason: 'older than retention', raw: '{}', source: 'spool:p:0' };
    expect(stored[0]?.note).toMatchObject({ batchIds: ['p:0'], deadLetters: [letter, letter] });
    expect(accounting.unaccounted()).toBe(0);
  });

  it('waits while storage fails, and is refused permanently when its key came with another body', async () => {
    const { deliver, stored, failures, accounting } = setUp();
    failures.push(new UnavailableError('disk full', 1));
    await expect(deliver(batchOf('audit'), { batchIds: ['p:0'], idempotency })).rejects.toThrow('disk full');
    await deliver(batchOf('audit'), { batchIds: ['p:0'], idempotency });
    expect(await deliver(batchOf('audit'), { batchIds: ['p:1'], idempotency })).toMatchObject({
      replay: '{"accepted":2}',
    });
    const other = { batchIds: ['p:2'], idempotency: { ...idempotency, bodyHash: 'other' } };
    await expect(deliver(batchOf('audit'), other)).rejects.toThrow(PermanentError);
    expect(stored).toHaveLength(1);
    expect(accounting.unaccounted()).toBe(0);
  });
});
