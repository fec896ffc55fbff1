import type { Random } from './records/random.ts';

export interface Burst {
  /** Of a burst in each second without one, from 0 to 1. */
  readonly chance: number;
  /** How many times faster batches follow each other. */
  readonly factor: number;
  readonly durationMs: number;
}

export interface PaceOptions {
  /** Milliseconds between batches; 0: without a pause. */
  readonly intervalMs: number;
  readonly burst: Burst;
  readonly random: Random;
  /** Milliseconds; does not go back. */
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Lets the rest of the process run: signals, reports, other producers. */
  readonly breathe: () => Promise<void>;
}

/** A producer that was held up for longer than this does not make up for it. */
const MAX_LATE_MS = 1_000;
/** Without a pause the process runs other things so often. */
const BREATHE_MS = 5;
const SECOND_MS = 1_000;
/** In a millisecond. */
const NANOSECONDS = 1_000_000;

export interface Pace {
  /** Resolves when the next batch is due, with the milliseconds since the start at which it was due. */
  next(): Promise<number>;
}

/** The first batch is due at once, each further one an interval after the one before. */
export function createPace({ intervalMs, burst, random, now, wait, breathe }: PaceOptions): Pace {
  const start = now();
  const elapsed = (): number => now() - start;
  // A batch is due at `base + steps * step`: a sum of many intervals would be wrong in its last digits.
  let base = 0;
  let steps = 0;
  let step = intervalMs;
  let breathed = 0;
  let drawAt = SECOND_MS;
  let burstUntil = 0;

  function isBurst(due: number): boolean {
    if (burst.chance === 0) return false;
    for (; drawAt <= due; drawAt += SECOND_MS) {
      if (drawAt >= burstUntil && random.next() < burst.chance) burstUntil = drawAt + burst.durationMs;
    }
    return due < burstUntil;
  }

  async function pause(): Promise<number> {
    if (elapsed() - breathed >= BREATHE_MS) {
      await breathe();
      breathed = elapsed();
    }
    return elapsed();
  }

  /** After a batch that was due at `due`. */
  function advance(due: number): void {
    const next = isBurst(due) ? intervalMs / burst.factor : intervalMs;
    const isRegular = next === step && due === toNanosecond(base + steps * step);
    if (!isRegular) {
      base = due;
      steps = 0;
      step = next;
    }
    steps++;
  }

  return {
    async next() {
      if (intervalMs === 0) return pause();
      const planned = toNanosecond(base + steps * step);
      const present = elapsed();
      if (planned > present) await wait(planned - present);
      else await pause();
      const due = Math.max(planned, present - MAX_LATE_MS);
      advance(due);
      return due;
    },
  };
}

/** 7 × (1000 / 7) is 1000. */
function toNanosecond(ms: number): number {
  return Math.round(ms * NANOSECONDS) / NANOSECONDS;
}
