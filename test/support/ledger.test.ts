import { describe, expect, it } from 'vitest';
import { createLedger, type Ledger } from './ledger.ts';

function find(ledger: Ledger, batch: number, ...indexes: number[]): void {
  for (const index of indexes) ledger.found(batch, index);
}

describe('ledger', () => {
  it('is content with acknowledged batches that are there and others that are not', () => {
    const ledger = createLedger();
    const [one, two, three] = [ledger.open(2, false), ledger.open(1, false), ledger.open(2, true)];
    ledger.answered(one, 'acknowledged');
    ledger.answered(two, 'refused');
    ledger.answered(three, 'lost');
    find(ledger, one, 0, 1);
    expect(ledger.check()).toEqual([]);
    ledger.answered(three, 'acknowledged');
    find(ledger, three, 0, 1);
    expect(ledger.check()).toEqual([]);
    expect(ledger.totals()).toEqual({ batches: 3, acknowledged: 2, unknown: 0, stored: 4 });
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
    const ledger = createLedger();
    const batch = ledger.open(2, false);
    ledger.answered(batch, answer);
    find(ledger, batch, ...found);
    expect(ledger.check()).toEqual([expect.stringContaining(problem)]);
  });

  it('finds fault with a batch that turns up late or is gone when all is counted again', () => {
    const ledger = createLedger();
    const [late, gone] = [ledger.open(1, false), ledger.open(1, true)];
    ledger.answered(late, 'lost');
    ledger.answered(gone, 'lost');
    find(ledger, gone, 0);
    expect(ledger.check()).toEqual([]);
    ledger.recount();
    find(ledger, late, 0);
    expect(ledger.check()).toEqual([
      expect.stringContaining('was not stored after an earlier start and now is'),
      expect.stringContaining('was stored after an earlier start and now is not'),
    ]);
  });
});
