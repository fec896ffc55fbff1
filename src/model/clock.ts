/** Unix time in milliseconds. Passed to all code that depends on the time, so that a test can set it. */
export type Clock = () => number;

export const systemClock: Clock = Date.now;
