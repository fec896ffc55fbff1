import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchIdSet } from './batch-id-set.ts';

describe('the batch-ids that were stored', () => {
  it('are those of a plain set, in whatever order they come, also after they were written and read', () => {
    const sequences = fc.array(fc.tuple(fc.constantFrom('p', 'q', '6f1c-9b2e'), fc.nat(40)), { maxLength: 80 });
    fc.assert(
      fc.property(sequences, (pairs) => {
        const plain = new Set(pairs.map(([producer, sequence]) => `${producer}:${sequence}`));
        const ids = new BatchIdSet();
        for (const id of plain) ids.add(id);
        const copy = new BatchIdSet();
        for (const text of ids.toTexts()) copy.add(text);
        for (const producer of ['p', 'q', '6f1c-9b2e', 'r']) {
          for (let sequence = 0; sequence <= 41; sequence++) {
            const id = `${producer}:${sequence}`;
            expect([id, ids.has(id), copy.has(id)]).toEqual([id, plain.has(id), plain.has(id)]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('take the space of one range when they follow each other', () => {
    const ids = new BatchIdSet();
    for (let sequence = 0; sequence < 100_000; sequence++) ids.add(`p:${sequence}`);
    expect(ids.toTexts()).toEqual(['p:0-99999']);
  });

  it('leave out a batch that was never stored', () => {
    const ids = new BatchIdSet();
    ids.add('p:0-9');
    ids.add('p:11-20');
    expect(ids.has('p:10')).toBe(false);
    ids.add('p:10');
    expect(ids.toTexts()).toEqual(['p:0-20']);
  });

  it('forget, at the limit, the producer that sent least recently', () => {
    const ids = new BatchIdSet(3);
    ids.add('old:1');
    ids.add('kept:1');
    ids.add('old:2');
    ids.add('third:1');
    ids.add('fourth:1');
    expect(ids.has('kept:1')).toBe(false);
    expect(ids.has('old:2') && ids.has('third:1') && ids.has('fourth:1')).toBe(true);
  });

  it('forget the lowest ranges of the only producer, and never count a hole as stored', () => {
    const ids = new BatchIdSet(4);
    for (let sequence = 0; sequence < 20; sequence += 2) ids.add(`p:${sequence}`);
    expect(ids.has('p:18')).toBe(true);
    expect(ids.has('p:17')).toBe(false);
    expect(ids.toTexts().length).toBeLessThanOrEqual(4);
  });

  it('ignore text that is not an id', () => {
    const ids = new BatchIdSet();
    for (const text of ['', 'p', ':1', 'p:', 'p:x', 'p:1x']) ids.add(text);
    expect(ids.toTexts()).toEqual([]);
    expect(ids.has('p:')).toBe(false);
  });
});
