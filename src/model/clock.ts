/** Unix time in milliseconds. Handed in wherever time decides something, so that a test can turn it. */
export type Clock = () => number;

export const systemClock: Clock = Date.now;
