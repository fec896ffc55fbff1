/** One reading of a series: seconds since the soak began, and the value. */
export interface Point {
  readonly seconds: number;
  readonly value: number;
}

/** Growth an hour, and the interval in which it lies with 95 % confidence. */
export interface Slope {
  readonly perHour: number;
  /** -Infinity, and `high` Infinity, while there are too few points to say. */
  readonly low: number;
  readonly high: number;
  readonly points: number;
}

/** What a run can say about a limit. `undecided`: the interval has the limit in it, so only a longer run can say. */
export type Decision = 'pass' | 'fail' | 'undecided';

/** Two-sided, 95 %. */
const Z = 1.96;

/**
 * The Theil–Sen slope: the median of the slopes between all pairs of points. A few outliers do not move it. Pairs lie within one
 * stretch, so that a restart, which sets a process back, does not count.
 * Source of the interval: Gilbert, Statistical Methods for Environmental Pollution Monitoring, 16.4.2 (Sen 1968); the variance is the sum
 * over the stretches. Undefined without a pair.
 */
export function slopeOf(stretches: readonly (readonly Point[])[]): Slope | undefined {
  const slopes = stretches.flatMap(pairSlopes).sort((a, b) => a - b);
  if (slopes.length === 0) return undefined;
  const variance = stretches.reduce((sum, { length: n }) => sum + (n * (n - 1) * (2 * n + 5)) / 18, 0);
  const outside = Math.floor((slopes.length - Z * Math.sqrt(variance)) / 2);
  const [low, high] =
    outside < 0
      ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      : [slopes[outside] ?? Number.NaN, slopes[slopes.length - 1 - outside] ?? Number.NaN];
  const points = stretches.reduce((sum, { length }) => sum + length, 0);
  return { perHour: medianOf(slopes), low, high, points };
}

function pairSlopes(points: readonly Point[]): number[] {
  return points.flatMap((from, i) =>
    points.slice(i + 1).map((to) => ((to.value - from.value) / (to.seconds - from.seconds)) * 3_600),
  );
}

/** Whether the growth stays within `limit` an hour. */
export function decide(slope: Slope | undefined, limit: number): Decision {
  if (slope === undefined) return 'undecided';
  if (slope.low > limit) return 'fail';
  return slope.high <= limit ? 'pass' : 'undecided';
}

/** The median; NaN without values. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
