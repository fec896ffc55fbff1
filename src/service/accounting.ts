import type { Metrics, Outcome } from '../metrics/metrics.ts';

/**
 * The books: what came in, what became of it, and what is still on its way. One a stage: version 1 has one; in version 2
 * the front hands over to the broker and the consumer takes over from there, each with a book of its own.
 */
export interface Accounting {
  /** Records are in hand. */
  receive(records: number): void;
  /** Their fate is known. `handed_over`: the next stage accounts for them. */
  settle(outcome: Outcome | 'handed_over', records: number): void;
  /** Runs one batch's way; its records count as in flight meanwhile. */
  inFlight<T>(records: number, way: () => Promise<T>): Promise<T>;
  /** What nobody can account for: 0 unless we have a defect. */
  unaccounted(): number;
  inFlightRecords(): number;
}

export function createAccounting(
  metrics: Pick<Metrics, 'records'> & {
    /** Absent behind the first stage, which has counted these records as received already. */
    readonly received?: Metrics['received'];
  },
): Accounting {
  const byOutcome = {
    stored: metrics.records.labels('stored'),
    rejected: metrics.records.labels('rejected'),
    dead_lettered: metrics.records.labels('dead_lettered'),
    duplicate: metrics.records.labels('duplicate'),
  };
  let received = 0;
  let settled = 0;
  let flying = 0;
  return {
    receive(records) {
      received += records;
      metrics.received?.inc(records);
    },
    settle(outcome, records) {
      if (records === 0) return;
      settled += records;
      if (outcome !== 'handed_over') byOutcome[outcome].inc(records);
    },
    async inFlight(records, way) {
      flying += records;
      try {
        return await way();
      } finally {
        flying -= records;
      }
    },
    unaccounted: () => received - settled - flying,
    inFlightRecords: () => flying,
  };
}
