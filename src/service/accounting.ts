import type { Metrics, Outcome } from '../metrics/metrics.ts';

/**
 * The accounting of one stage: received = stored + rejected + dead-lettered + duplicate + in flight. Version 1 has one
 * stage. Version 2 has two: ingest hands records over to the broker, and the consumer receives them from there.
 */
export interface Accounting {
  /** Records were received; their outcome is not known yet. */
  receive(records: number): void;
  /** Their outcome is known. `handed_over`: the next stage accounts for them. */
  settle(outcome: Outcome | 'handed_over', records: number): void;
  /** Runs the work on some records, which count as in flight meanwhile. */
  inFlight<T>(records: number, work: () => Promise<T>): Promise<T>;
  /** Records that are neither settled nor in flight: 0 unless the program has a defect. */
  unaccounted(): number;
  inFlightRecords(): number;
}

export function createAccounting(
  metrics: Pick<Metrics, 'records'> & {
    /** Absent after the first stage, which has counted these records as received already. */
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
  let inFlight = 0;
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
    async inFlight(records, work) {
      inFlight += records;
      try {
        return await work();
      } finally {
        inFlight -= records;
      }
    },
    unaccounted: () => received - settled - inFlight,
    inFlightRecords: () => inFlight,
  };
}
