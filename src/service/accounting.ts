import type { Metrics, Outcome } from '../metrics/metrics.ts';
import type { StreamName } from '../model/stream.ts';

/**
 * The accounting of one stage: received = stored + rejected + dead-lettered + duplicate + in flight. Version 1 has one
 * stage. Version 2 has two: ingest hands records over to the broker, and the consumer receives them from there.
 */
export interface Accounting extends Account {
  /** The account of one stream: what it settles also counts as that stream's. */
  of(stream: StreamName): Account;
  /** Records that are neither settled nor in flight: 0 unless the program has a defect. */
  unaccounted(): number;
  inFlightRecords(): number;
}

export interface Account {
  /** Records were received; their outcome is not known yet. */
  receive(records: number): void;
  /** Received records were refused together, and will be received again in parts. */
  takeBack(records: number): void;
  /** Their outcome is known. `handed_over`: the next stage accounts for them. */
  settle(outcome: Outcome | 'handed_over', records: number): void;
  /** Runs the work on some records, which count as in flight meanwhile. */
  inFlight<T>(records: number, work: () => Promise<T>): Promise<T>;
}

export function createAccounting(
  metrics: Pick<Metrics, 'records' | 'streamRecords'> & {
    /** Absent after the first stage, which has counted these records as received already. */
    readonly received?: Metrics['received'];
  },
): Accounting {
  const byOutcome = mapOutcomes((outcome) => metrics.records.labels(outcome));
  const streams = new Map<StreamName, Account>();
  let received = 0;
  let settled = 0;
  let inFlight = 0;
  /** Of records that were taken back: the metric has them already. */
  let counted = 0;

  const account: Account = {
    receive(records) {
      received += records;
      const known = Math.min(counted, records);
      counted -= known;
      metrics.received?.inc(records - known);
    },
    takeBack(records) {
      received -= records;
      counted += records;
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
  };

  return {
    ...account,
    of(stream) {
      const known = streams.get(stream) ?? openStream(account, metrics, stream);
      streams.set(stream, known);
      return known;
    },
    unaccounted: () => received - settled - inFlight,
    inFlightRecords: () => inFlight,
  };
}

function openStream(account: Account, metrics: Pick<Metrics, 'streamRecords'>, stream: StreamName): Account {
  const ofStream = mapOutcomes((outcome) => metrics.streamRecords.labels(stream, outcome));
  return {
    ...account,
    settle(outcome, records) {
      account.settle(outcome, records);
      if (outcome !== 'handed_over' && records > 0) ofStream[outcome].inc(records);
    },
  };
}

function mapOutcomes<T>(map: (outcome: Outcome) => T): Readonly<Record<Outcome, T>> {
  return {
    stored: map('stored'),
    rejected: map('rejected'),
    dead_lettered: map('dead_lettered'),
    duplicate: map('duplicate'),
  };
}
