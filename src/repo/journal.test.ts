import { describe, expect, it } from 'vitest';
import { encodeDeadLetter } from './dead-letter.ts';
import { decodeEntries, encodeEntry } from './journal.ts';
import { CommittedState } from './state.ts';

describe('journal entries', () => {
  const entries = [
    { meta: { seq: 0, files: [['2025-11-22T10', 10, 3] as const] }, data: [Buffer.from('ab'), Buffer.from('c')] },
    { meta: { seq: 1 }, data: [] },
  ];
  const bytes = Buffer.concat(entries.flatMap(({ meta, data }) => [...encodeEntry(meta, data).buffers]));

  it('read back as they were written', () => {
    const read = [...decodeEntries(bytes, 0)];
    expect(read.map(({ meta }) => meta)).toEqual(entries.map(({ meta }) => meta));
    expect(read[0]?.data.toString()).toBe('abc');
    expect(read.at(-1)?.end).toBe(bytes.length);
  });

  it('count up to the first that is cut off or has a flipped bit', () => {
    const first = encodeEntry(entries[0]?.meta ?? { seq: 0 }, entries[0]?.data ?? []).bytes;
    for (let cut = 0; cut < bytes.length; cut++) {
      expect([...decodeEntries(bytes.subarray(0, cut), 0)]).toHaveLength(cut < first ? 0 : 1);
      const flipped = Buffer.from(bytes);
      flipped[cut] = (flipped[cut] ?? 0) ^ 1;
      expect([...decodeEntries(flipped, 0)]).toHaveLength(cut < first ? 0 : 1);
    }
  });

  it('end where the segment is filled with zeros', () => {
    expect([...decodeEntries(Buffer.concat([bytes, Buffer.alloc(100)]), 0)]).toHaveLength(2);
  });
});

describe('committed state', () => {
  it('keeps an hour as changed when it grew in the entry that says it was summarised before', () => {
    const state = new CommittedState();
    const hour = 489_730;
    state.apply({ seq: 0, files: [['2025-11-13T10', 10, 0]] });
    expect(state.changedHours()).toEqual([]);
    state.apply({ seq: 1, files: [['2025-11-13T10', 20, 10]] });
    expect(state.changedHours()).toEqual([hour]);
    state.apply({ seq: 2, files: [['2025-11-13T10', 30, 10]], summarised: [[hour, 20]] });
    expect(state.changedHours()).toEqual([hour]);
    state.apply({ seq: 3, summarised: [[hour, 30]] });
    expect(state.changedHours()).toEqual([]);
  });

  it('takes the last offset of a partition, and remembers every batch-id in a snapshot that does not grow with them', () => {
    const state = new CommittedState();
    const offset = (next: string) => ({ topic: 'logs', partition: 0, next });
    state.apply({ seq: 0, offsets: [offset('9')], batchIds: Array.from({ length: 20_000 }, (_, i) => `p:${i}`) });
    state.apply({ seq: 1, offsets: [offset('2')] });
    expect(state.offsets()).toEqual([offset('2')]);
    expect([state.hasBatchId('p:0'), state.hasBatchId('p:19999'), state.hasBatchId('p:20000')]).toEqual([
      true,
      true,
      false,
    ]);
    const copy = new CommittedState();
    copy.apply(state.snapshot(() => true));
    expect(copy.hasBatchId('p:19999')).toBe(true);
    expect(state.snapshot(() => true).batchIds).toEqual(['p:0-19999']);
  });
});

describe('a dead letter', () => {
  it('is one line, whatever came', () => {
    const letter = { time: 0, stage: 'consume', reason: 'a "reason"', source: 's' } as const;
    for (const raw of ['{\n"a":\r\n1}', '{broken\n', '', '\u2028\0"', '[1,\n2]']) {
      const line = encodeDeadLetter({ ...letter, raw }).toString();
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const parsed = JSON.parse(line);
      expect(parsed.record ?? parsed.raw).toEqual(raw.startsWith('{\n') ? { a: 1 } : raw);
    }
  });
});
