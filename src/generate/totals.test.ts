import { expect, it } from 'vitest';
import { createTotals, describeTotals } from './totals.ts';

const WHOLE = { sent: 10, failed: 0, unsure: 0, bytes: 1_000 };

it('a doubt moves the records and their batches', () => {
  const totals = createTotals();
  totals.add(WHOLE);
  totals.add(WHOLE);
  totals.doubt({ records: 10, bytes: 1_000, batches: 1 });
  expect(describeTotals(totals.now(), 1_000)).toBe(
    'sent 10 records (0.0 MiB) in 1 batches, failed 0, unsure 10 in 1 batches, 10 records/s',
  );
});

it('a batch that was doubted before it ended counts once, among those that failed', () => {
  const totals = createTotals();
  totals.doubt({ records: 4, bytes: 400, batches: 0 });
  totals.add({ ...WHOLE, isDoubted: true });
  expect(totals.now()).toEqual({ sent: 6, failed: 0, unsure: 4, bytes: 600, sentBatches: 0, failedBatches: 1 });
});
