import { describe, expect, it } from 'vitest';
import { createSentBatches, type SentBatches } from './sent-batches.ts';

function find(sent: SentBatches, batch: number, ...indexes: number[]): void {
  for (const index of indexes) sent.found(batch, index);
}

describe('sent', () => {
  it('is content with acknowledged batches that are there and others that are not', () => {
    const sent = createSentBatches();
    const [one, two, three] = [sent.open(2, false), sent.open(1, false), sent.open(2, true)];
    sent.answered(one, 'acknowledged');
    sent.answered(two, 'refused');
    sent.answered(three, 'lost');
    find(sent, one, 0, 1);
    expect(sent.check()).toEqual([]);
    sent.answered(three, 'acknowledged');
    find(sent, three, 0, 1);
    expect(sent.check()).toEqual([]);
    expect(sent.totals()).toEqual({ batches: 3, acknowledged: 2, acknowledgedRecords: 4, unknown: 0, stored: 4 });
  });

  it.each([
    ['acknowledged', [], 'was acknowledged and is not stored'],
    ['acknowledged', [0], '1 records are stored, the others are not'],
    ['lost', [1], '1 records are stored, the others are not'],
    ['acknowledged', [0, 1, 1], 'record 1 is stored 2 times'],
    ['lost', [0, 1, 0, 1], 'record 0 is stored 2 times'],
    ['refused', [0, 1], 'was never accepted and is stored'],
    ['acknowledged', [0, 1, 2], 'a record is stored that was never sent'],
  ] as const)('finds fault with a batch of two that was %s when %j are there', (answer, found, problem) => {
    const sent = createSentBatches();
    const batch = sent.open(2, false);
    sent.answered(batch, answer);
    find(sent, batch, ...found);
    expect(sent.check()).toEqual([expect.stringContaining(problem)]);
  });

  it('finds fault with a batch that turns up late or is gone when all is counted again', () => {
    const sent = createSentBatches();
    const [late, gone] = [sent.open(1, false), sent.open(1, true)];
    sent.answered(late, 'lost');
    sent.answered(gone, 'lost');
    find(sent, gone, 0);
    expect(sent.check()).toEqual([]);
    sent.recount();
    find(sent, late, 0);
    expect(sent.check()).toEqual([
      expect.stringContaining('was not stored after an earlier start and now is'),
      expect.stringContaining('was stored after an earlier start and now is not'),
    ]);
  });

  it('lets records be missing that were damaged on purpose, and no others', () => {
    const sent = createSentBatches();
    const [one, two] = [sent.open(3, false), sent.open(3, false)];
    for (const batch of [one, two]) {
      sent.answered(batch, 'acknowledged');
      sent.damaged(batch, 1);
    }
    find(sent, one, 0, 2);
    find(sent, two, 0);
    expect(sent.check()).toEqual([expect.stringContaining('batch 1 (3 records): 2 records are stored')]);
  });

  it('lets a batch be stored again, whole, only when its key was forgotten', () => {
    const sent = createSentBatches();
    const [known, forgotten] = [sent.open(2, false), sent.open(2, true)];
    sent.forgetKeys();
    const partly = sent.open(2, true);
    sent.forgetKeys();
    for (const batch of [known, forgotten, partly]) sent.answered(batch, 'acknowledged');
    find(sent, known, 0, 1, 0, 1);
    find(sent, forgotten, 0, 1, 0, 1);
    find(sent, partly, 0, 1, 1);
    expect(sent.check()).toEqual([
      expect.stringContaining('batch 0 (2 records): record 0 is stored 2 times'),
      expect.stringContaining('batch 2 (2 records, keyed): record 1 is stored 2 times'),
    ]);
  });
});
