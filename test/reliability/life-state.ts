import type { SentBatches } from '../support/sent-batches.ts';
import type { Service } from '../support/service.ts';
import type { Tally, Workload } from '../support/workload.ts';
import type { Allowance, Deployment, Version } from './reliability.ts';
import type { StoreCheck } from './store-check.ts';

/** What goes from round to round of a life. */
export interface LifeState {
  readonly version: Version;
  readonly deployment: Deployment;
  readonly sent: SentBatches;
  readonly workload: Workload;
  readonly store: StoreCheck;
  /** Ends of requests other than 202, of the life and of the round. */
  readonly others: Map<string, number>;
  readonly othersOfRound: Map<string, number>;
  /** Characters of each log that were judged. */
  readonly logsRead: Map<Service, number>;
  readonly damageReports: RegExp[];
  /** Since the start of the present process. */
  hasForeignRecords: boolean;
  /**
   * The answers that the present processes gave, and how many processes the life had when the first of them was given; -1 when load
   * ran while they started, so that it is not known which process gave an answer.
   */
  acknowledgedBy: { processes: number; tally: Tally };
}

/** Everything that the faults of a round allowed. */
export function allowancesOf(
  allowances: readonly Allowance[],
): Required<Pick<Allowance, 'errors' | 'statuses' | 'exits'>> {
  return {
    errors: allowances.flatMap(({ errors = [] }) => errors),
    statuses: allowances.flatMap(({ statuses = [] }) => statuses),
    exits: allowances.flatMap(({ exits = [] }) => exits),
  };
}
