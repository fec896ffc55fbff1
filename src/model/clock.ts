/** Unix time in milliseconds. Passed to all code that depends on the time, so that a test can set it. */
export type Clock = () => number;

export const systemClock: Clock = Date.now;

/** Milliseconds since the process began. Never jumps, whatever happens to the clock. */
export const elapsedClock: Clock = () => performance.now();

/** A clock that shows `start` now and goes on steadily. Whole milliseconds. */
export function createSteadyClock(start: number, elapsed: Clock): Clock {
  const origin = start - elapsed();
  return () => Math.floor(origin + elapsed());
}
