import type { Random } from '../support/random.ts';

/**
 * One reader under test. An input is bytes, so that it can be kept in a file, mutated, made smaller and given back.
 * Inputs that were found to be of interest stay in testdata/fuzz/<name>/: a new file is a new test, and a seed for others.
 */
export interface FuzzTarget {
  readonly name: string;
  /** Checks that run at once; 1 when absent. They must not share anything that changes. */
  readonly atOnce?: number;
  /** Runs of this target that fit in about a second on two busy cores. */
  readonly runsPerSecond: number;
  /** A valid input, or one of its own grammar. The engine mutates some of them. */
  make(random: Random): Buffer;
  /** Mutates an input in a way that the target knows. Absent: bytes are mutated (mutate.ts). */
  mutate?(input: Buffer, random: Random): Buffer;
  /** Throws or rejects when the reader does not keep its promises on this input. Anything that it throws is a fault. */
  check(input: Buffer): void | Promise<void>;
  /** Inputs that are simpler than this one, to find the smallest. Absent: bytes are cut out. */
  simpler?(input: Buffer): Iterable<Buffer>;
  /** Ends what `check` has started. */
  close?(): Promise<void>;
}

/** An input on which a check failed. */
export interface Fault {
  readonly target: string;
  readonly seed: number;
  readonly run: number;
  readonly input: Buffer;
  readonly error: unknown;
}

/** What a check found wrong, in words. A reader may throw anything else, which is a fault too. */
export class FaultError extends Error {
  override readonly name = 'FaultError';
}

/** Throws when the reader did not keep a promise. `what` is made only then. */
export function promise(isKept: boolean, what: () => string): asserts isKept {
  if (!isKept) throw new FaultError(what());
}
