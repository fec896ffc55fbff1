import type { Refusal } from './live.ts';

/** Refusals that are kept. */
export const MAX_REFUSALS = 100;
const MAX_REASON = 300;

/** The last refusals, newest first; older ones are forgotten. */
export interface Refusals {
  add(refusal: Refusal): void;
  /** Those since the last call, newest first. */
  drain(): Refusal[];
}

/** Keeps refusals in a ring: one write each, however many come. */
export function createRefusals(max = MAX_REFUSALS): Refusals {
  const ring: Refusal[] = [];
  let next = 0;
  return {
    add(refusal) {
      ring[next] = refusal.reason.length > MAX_REASON ? { ...refusal, reason: shorten(refusal.reason) } : refusal;
      next = (next + 1) % max;
    },
    drain() {
      const oldestFirst = [...ring.slice(next), ...ring.slice(0, next)];
      ring.length = 0;
      next = 0;
      return oldestFirst.reverse();
    },
  };
}

/** Not in the middle of a pair of surrogates. */
function shorten(reason: string): string {
  return `${reason
    .slice(0, MAX_REASON)
    .toWellFormed()
    .replace(/\ufffd$/, '')}…`;
}
