import type { Phase } from './plan.ts';
import type { Sample } from './sampler.ts';
import { type Decision, decide, medianOf, type Point, type Slope, slopeOf } from './slope.ts';

/** What honest clients felt in one phase, ms. */
export interface Latency {
  readonly seconds: number;
  readonly secondsInStretch: number;
  readonly stretch: number;
  readonly phase: Phase;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly healthP99: number;
  readonly batches: number;
}

/** The growth of one series. */
export interface Growth {
  readonly name: string;
  readonly unit: string;
  /** The middle of all points that were judged. */
  readonly median: number;
  readonly slope: Slope | undefined;
  /** Growth an hour that is allowed. */
  readonly limit: number;
  readonly decision: Decision;
}

/** The largest value of one series. */
export interface Largest {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly limit: number;
}

interface Series {
  readonly name: string;
  readonly unit: string;
  readonly limit: number;
  readonly phase: Phase;
  readonly read: (sample: Sample) => number;
  /** One value for a phase. */
  readonly reduce: (values: readonly number[]) => number;
  /** `stretch`: growth since a start. `soak`: growth over the whole soak, of what a restart must not set back. */
  readonly within: 'stretch' | 'soak';
}

const smallest = (values: readonly number[]) => Math.min(...values);
const largest = (values: readonly number[]) => Math.max(...values);

/**
 * Like phases are compared with like: one point for each phase. Limits are growth an hour. A leak of one KB a request would be 500 MB an
 * hour at this load; one of a descriptor a minute is 60.
 */
const SERIES: readonly Series[] = [
  {
    name: 'memory, idle',
    unit: 'MB',
    limit: 120,
    phase: 'idle',
    within: 'stretch',
    read: (s) => s.rss,
    reduce: medianOf,
  },
  {
    name: 'memory, steady',
    unit: 'MB',
    limit: 240,
    phase: 'steady',
    within: 'stretch',
    read: (s) => s.rss,
    reduce: medianOf,
  },
  {
    name: 'memory, burst',
    unit: 'MB',
    limit: 240,
    phase: 'burst',
    within: 'stretch',
    read: (s) => s.rss,
    reduce: largest,
  },
  {
    name: 'memory, idle, whole soak',
    unit: 'MB',
    limit: 120,
    phase: 'idle',
    within: 'soak',
    read: (s) => s.rss,
    reduce: medianOf,
  },
  // The least of a phase is nearest to what a collection leaves.
  {
    name: 'heap, idle',
    unit: 'MB',
    limit: 60,
    phase: 'idle',
    within: 'stretch',
    read: (s) => s.heapUsed,
    reduce: smallest,
  },
  {
    name: 'buffers, idle',
    unit: 'MB',
    limit: 60,
    phase: 'idle',
    within: 'stretch',
    read: (s) => s.external,
    reduce: smallest,
  },
  // Hour files are held open on purpose, up to a limit.
  {
    name: 'descriptors, idle, without hour files',
    unit: '',
    limit: 30,
    phase: 'idle',
    within: 'stretch',
    read: (s) => s.descriptors - s.openHourFiles,
    reduce: medianOf,
  },
  {
    name: 'threads, idle',
    unit: '',
    limit: 10,
    phase: 'idle',
    within: 'stretch',
    read: (s) => s.threads,
    reduce: medianOf,
  },
  {
    name: 'event loop p99, steady',
    unit: 'ms',
    limit: 60,
    phase: 'steady',
    within: 'stretch',
    read: (s) => s.eventLoopP99Ms,
    reduce: medianOf,
  },
  {
    name: 'keys and answers on disk, whole soak',
    unit: 'MB',
    limit: 60,
    phase: 'idle',
    within: 'soak',
    read: (s) => s.keys + s.answers,
    reduce: medianOf,
  },
];

/**
 * A process warms up: in its first seconds it grows by MB a second, and hardly after this time. So a run that can leave out less of it has
 * larger limits, by the square of the ratio. Descriptors and threads do not warm up.
 */
const FULL_WARM_UP_SECONDS = 120;

/** Segments of 64 MiB: one that is written, one that is retired, and what a burst adds meanwhile. */
const JOURNAL_LIMIT_MB = 256;
const KEYS_LIMIT_MB = 100;
const SPOOL_LIMIT_MB = 200;
const MEMORY_LIMIT_MB = 600;
const LATENCY_LIMITS: Readonly<Record<Exclude<Phase, 'idle'>, { readonly p99: number; readonly perHour: number }>> = {
  steady: { p99: 250, perHour: 300 },
  burst: { p99: 1_000, perHour: 1_500 },
};

/** Every growth, of samples after the warm-up of their stretch. */
export function judgeGrowth(
  samples: readonly Sample[],
  latencies: readonly Latency[],
  warmUpSeconds: number,
): readonly Growth[] {
  const judged = samples.filter(({ secondsInStretch }) => secondsInStretch >= warmUpSeconds);
  const leniency = Math.max(1, (FULL_WARM_UP_SECONDS / warmUpSeconds) ** 2);
  const ofService = SERIES.map(({ name, unit, limit, phase, read, reduce, within }) => {
    const phases = Map.groupBy(
      judged.filter((sample) => sample.phase === phase && isSettled(sample, judged)),
      ({ cycle }) => cycle,
    );
    const points = [...phases.values()].map((list) => ({
      stretch: within === 'stretch' ? (list[0]?.stretch ?? 0) : 0,
      seconds: medianOf(list.map(({ seconds }) => seconds)),
      value: reduce(list.map(read)),
    }));
    return growth({ name, unit, limit: unit === '' ? limit : limit * leniency, points });
  });
  const felt = latencies.filter(({ secondsInStretch }) => secondsInStretch >= warmUpSeconds);
  const ofClients = (['steady', 'burst'] as const).flatMap((phase) => {
    const list = felt.filter((latency) => latency.phase === phase);
    const points = list.map(({ stretch, seconds, p99 }) => ({ stretch, seconds, value: p99 }));
    return growth({
      name: `honest p99, ${phase}`,
      unit: 'ms',
      limit: LATENCY_LIMITS[phase].perHour * leniency,
      points,
    });
  });
  return [...ofService, ...ofClients];
}

/** In the first half of an idle phase, what the load needed is given back. */
function isSettled(sample: Sample, all: readonly Sample[]): boolean {
  if (sample.phase !== 'idle') return true;
  const last = all.findLast(({ cycle, phase }) => cycle === sample.cycle && phase === 'idle');
  return sample.secondsInPhase >= (last?.secondsInPhase ?? 0) / 2;
}

function growth(series: {
  readonly name: string;
  readonly unit: string;
  readonly limit: number;
  readonly points: readonly (Point & { readonly stretch: number })[];
}): Growth {
  const { name, unit, limit, points } = series;
  const slope = slopeOf([...Map.groupBy(points, ({ stretch }) => stretch).values()]);
  return {
    name,
    unit,
    limit,
    slope,
    median: medianOf(points.map(({ value }) => value)),
    decision: decide(slope, limit),
  };
}

/** The largest values, of all samples. */
export function judgeLargest(samples: readonly Sample[], latencies: readonly Latency[]): readonly Largest[] {
  const of = (read: (sample: Sample) => number) => Math.max(0, ...samples.map(read));
  const p99 = (phase: Phase) => medianOf(latencies.filter((latency) => latency.phase === phase).map((l) => l.p99)) || 0;
  return [
    { name: 'memory', unit: 'MB', value: of((s) => s.rss), limit: MEMORY_LIMIT_MB },
    { name: 'journal on disk', unit: 'MB', value: of((s) => s.journal), limit: JOURNAL_LIMIT_MB },
    { name: 'keys and answers on disk', unit: 'MB', value: of((s) => s.keys + s.answers), limit: KEYS_LIMIT_MB },
    { name: 'spool on disk', unit: 'MB', value: of((s) => s.spool), limit: SPOOL_LIMIT_MB },
    {
      name: 'honest p99, steady, median of the phases',
      unit: 'ms',
      value: p99('steady'),
      limit: LATENCY_LIMITS.steady.p99,
    },
    {
      name: 'honest p99, burst, median of the phases',
      unit: 'ms',
      value: p99('burst'),
      limit: LATENCY_LIMITS.burst.p99,
    },
  ];
}
