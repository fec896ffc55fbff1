import type { Outcome } from '../generate.ts';

/** Counts what becomes of the pieces of a batch. */
export class Tally {
  #sent = 0;
  #failed = 0;
  #unsure = 0;
  #bytes = 0;
  #problem: string | undefined;

  sent(records: number, bytes: number): void {
    this.#sent += records;
    this.#bytes += bytes;
  }

  failed(records: number, problem: string): void {
    this.#failed += records;
    this.#problem = problem;
  }

  unsure(records: number, problem: string): void {
    this.#unsure += records;
    this.#problem = problem;
  }

  outcome(): Outcome {
    return {
      sent: this.#sent,
      failed: this.#failed,
      unsure: this.#unsure,
      bytes: this.#bytes,
      problem: this.#problem,
    };
  }
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;

/** Milliseconds before the attempt after the one with this number, from 0. */
export function backoffMs(attempt: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** attempt, LONGEST_BACKOFF_MS);
}

/** A refused connection is an AggregateError without a message where a name has several addresses. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return describeError(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
