import type { SharedLimits } from '../http.ts';
import { bucketBytes } from './rate-limit.ts';

/*
 * What several threads count together, in memory that they share:
 *
 *   inFlight   one 64-bit count of bytes for each thread; a thread that died has its count set to 0
 *   buckets    the token buckets of the clients, see rate-limit.ts
 */
export function createSharedLimits(threads: number): SharedLimits {
  return {
    inFlight: new SharedArrayBuffer(threads * BigInt64Array.BYTES_PER_ELEMENT),
    buckets: new SharedArrayBuffer(bucketBytes()),
  };
}

/** Gives back what a thread that is gone had in hand. */
export function forgetThread({ inFlight }: SharedLimits, thread: number): void {
  Atomics.store(new BigInt64Array(inFlight), thread, 0n);
}
