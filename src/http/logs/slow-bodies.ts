import type { Evict } from './in-flight.ts';

/** A body that is being read. */
export interface BodyUnderWay {
  /** The bytes that have arrived, which are in memory. */
  readonly arrived: number;
  /** Answers its request 503, closes its connection and frees its bytes. */
  evict(): void;
}

/**
 * A body is not slow before it has taken this long, in milliseconds. To hold the whole limit with younger ones a client
 * must send the whole limit every second.
 */
const LEAST_AGE_MS = 1_000;

/**
 * Evicts the bodies that arrive slowest, by bytes a second since their head. One that has sent nothing holds nothing, and
 * stays.
 */
export function createEvict<T extends BodyUnderWay>(options: {
  /** All bodies under way and when they began, the oldest first. */
  readonly bodies: () => Iterable<readonly [T, number]>;
  readonly onEvicted: () => void;
  readonly now?: () => number;
}): Evict {
  const { bodies, onEvicted, now = () => performance.now() } = options;

  return function evict(isEnough) {
    const time = now();
    const slow: { readonly body: T; readonly rate: number }[] = [];
    for (const [body, begun] of bodies()) {
      const age = time - begun;
      if (age < LEAST_AGE_MS) break;
      if (body.arrived > 0) slow.push({ body, rate: body.arrived / age });
    }
    slow.sort((a, b) => a.rate - b.rate);
    for (const { body } of slow) {
      if (isEnough()) return;
      body.evict();
      onEvicted();
    }
  };
}
