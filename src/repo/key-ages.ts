import { type Clock, createSteadyClock } from '../model/clock.ts';
import type { KeyTable } from '../model/key-table.ts';

/*
 * How old a key is, when the clock cannot be trusted.
 *
 * While the service runs, keys age by the time that passes, not by the clock: `now` goes on steadily from the start,
 * whatever the clock does. A key is stamped with `now`.
 *
 * At a start, the times on disk are read in the order of use, and the clock comes last. From one time to the next
 *
 *   up to 30 days forward   that time has passed
 *   backward                no time has passed: the clock was put back, or a message brought a key late
 *   more, either way        the clock was wrong before or is wrong now: no time has passed
 *
 * So the clock may be years off at one start and right at the next: no key is forgotten early for it. None stays for
 * ever, because each key file also says when it was written (`marks`), and the service's running time always counts.
 */
const PLAUSIBLE_MS = 30 * 24 * 3_600_000;
/** Clocks that agree up to this need no word in the log. */
const TOLERANCE_MS = 60_000;

/** A time that is known besides those of keys: it comes before the key with this sequence. */
export interface TimeMark {
  readonly sequence: number;
  readonly time: number;
}

export interface KeyAges {
  /** Unix ms: the time by which keys age. */
  readonly now: Clock;
  /** Set when the clock does not go on from the newest time on disk. */
  readonly gap: { readonly newest: number; readonly clock: number } | undefined;
  /** Whether the gap is so large that the clock was wrong before or is wrong now. */
  readonly jumped: boolean;
}

/** Gives the keys times on one scale, which ends now. */
export function settleAges(options: {
  readonly table: KeyTable;
  readonly marks: readonly TimeMark[];
  /** Unix ms, as the clock of the machine has it. */
  readonly time: number;
  readonly elapsed: Clock;
}): KeyAges {
  const { table, marks, time, elapsed } = options;
  const passage = createPassage();
  let nextMark = 0;
  table.retime((used, sequence) => {
    for (let mark = marks[nextMark]; mark !== undefined && mark.sequence <= sequence; mark = marks[++nextMark]) {
      passage.at(mark.time);
    }
    return passage.at(used);
  });
  for (const mark of marks.slice(nextMark)) passage.at(mark.time);
  const newest = passage.newest() ?? time;
  const step = time - newest;
  const jumped = Math.abs(step) > PLAUSIBLE_MS;
  // Put back a little: the scale goes on where it was, so that it is right again when the clock is.
  const start = jumped ? time : Math.max(time, newest);
  const passed = passage.passed() + (jumped ? 0 : Math.max(0, step));
  table.retime((at) => start - passed + at);
  const gap = jumped || step < -TOLERANCE_MS ? { newest, clock: time } : undefined;
  return { now: createSteadyClock(start, elapsed), gap, jumped };
}

/** Adds up the time that passed between times in the order of use. */
function createPassage() {
  let newest: number | undefined;
  let passed = 0;
  return {
    newest: () => newest,
    passed: () => passed,
    /** The time that had passed at `time`. */
    at(time: number): number {
      const step = newest === undefined ? 0 : time - newest;
      // A little back: a message brought a key late. It is as old as it says, and the scale does not move.
      if (step < 0 && step >= -PLAUSIBLE_MS) return passed + step;
      if (step <= PLAUSIBLE_MS) passed += Math.max(0, step);
      newest = time;
      return passed;
    },
  };
}
