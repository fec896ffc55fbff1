import { createRandom } from '../support/random.ts';

/*
 * The soak test: the real service under the load of days, in minutes: `make soak`.
 *
 *   plan.ts       what follows from the seed: stretches between restarts, and cycles of phases
 *   soak.ts       runs a plan: starts, loads, samples, restarts, compares the records
 *   traffic.ts    the clients of the steady phase; burst.ts those of the burst
 *   sampler.ts    one sample a second: memory, descriptors, threads, connections, disk, event loop
 *   slope.ts      the growth of a series, with its confidence
 *   verdict.ts    which series may grow how much; report.ts prints it
 *   collect.ts    a preload that collects garbage in the middle of an idle phase, so that what is left is in use
 *   leak.ts       a preload with a leak, against which the verdict is tested
 */

/** A cycle is `steady`, then `burst`, then `idle`. */
export type Phase = 'steady' | 'burst' | 'idle';

/** The time between two starts of the service. */
export interface Stretch {
  readonly cycles: number;
  /** How it ends. Under load, except at the end of the soak. */
  readonly signal: 'SIGTERM' | 'SIGKILL';
  /** The signal is sent after this many more acknowledgements. */
  readonly afterBatches: number;
}

export interface SoakPlan {
  readonly version: 1 | 2;
  readonly seed: number;
  /** Length of the phases. */
  readonly seconds: Readonly<Record<Phase, number>>;
  /** Samples of this first part of a stretch are not judged. */
  readonly warmUpSeconds: number;
  readonly stretches: readonly Stretch[];
}

const SHARES = { steady: 0.6, burst: 0.1, idle: 0.3 } as const;
/** Twenty cycles, as far as they can be that long. */
const CYCLES = 20;
const CYCLE_SECONDS = { min: 4, max: 60 } as const;
/** Stretches have about this many cycles. */
const CYCLES_A_STRETCH = 7;
const WARM_UP_SECONDS = { min: 4, max: 120 } as const;

/** `restarts: false`: one stretch. The seed draws the lengths of the stretches and how they end: by both signals in turn. */
export function planSoak(options: {
  readonly version: 1 | 2;
  readonly seconds: number;
  readonly seed: number;
  readonly restarts?: boolean;
}): SoakPlan {
  const { version, seconds, seed, restarts = true } = options;
  const random = createRandom(seed);
  const cycleSeconds = clamp(seconds / CYCLES, CYCLE_SECONDS);
  const cycles = Math.max(1, Math.round(seconds / cycleSeconds));
  const count = restarts ? Math.max(Math.min(2, cycles), Math.round(cycles / CYCLES_A_STRETCH)) : 1;
  const ends = Array.from({ length: count - 1 }, (_, i) => {
    const even = Math.round(((i + 1) * cycles) / count);
    return cycles / count > 4 ? even + random.int(-1, 1) : even;
  });
  const killsFirst = random.chance(0.5);
  const stretches = [...ends, cycles].map((end, i): Stretch => {
    const isLast = i === count - 1;
    const isKill = !isLast && (i % 2 === 0) === killsFirst;
    return {
      cycles: end - (ends[i - 1] ?? 0),
      signal: isKill ? 'SIGKILL' : 'SIGTERM',
      afterBatches: random.int(20, 200),
    };
  });
  return {
    version,
    seed,
    seconds: {
      steady: SHARES.steady * cycleSeconds,
      burst: SHARES.burst * cycleSeconds,
      idle: SHARES.idle * cycleSeconds,
    },
    warmUpSeconds: clamp(seconds / 10, WARM_UP_SECONDS),
    stretches,
  };
}

function clamp(value: number, { min, max }: { readonly min: number; readonly max: number }): number {
  return Math.min(max, Math.max(min, value));
}
