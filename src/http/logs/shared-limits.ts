import { bucketBytes } from './rate-limit.ts';

/*
 * Memory in which several threads count, so that `maxInFlightBytes` and `rateLimit` limit all of them together:
 *
 *   inFlight   one 64-bit count of bytes for each thread; a thread that died has its count set to 0
 *   wanted     how often a thread found no room for bytes in flight, and how many it wanted the last time
 *   buckets    the token buckets of the clients, see rate-limit.ts
 *   wrongKeys  the token buckets of client addresses that send wrong API keys, in the same form
 */
export interface SharedLimits {
  readonly inFlight: SharedArrayBuffer;
  readonly wanted: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
  readonly wrongKeys: SharedArrayBuffer;
}

export function createSharedLimits(threads: number): SharedLimits {
  return {
    inFlight: new SharedArrayBuffer(threads * BigInt64Array.BYTES_PER_ELEMENT),
    wanted: new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT),
    buckets: new SharedArrayBuffer(bucketBytes()),
    wrongKeys: new SharedArrayBuffer(bucketBytes()),
  };
}

/** Frees what a thread that died had in flight. */
export function forgetThread({ inFlight }: SharedLimits, thread: number): void {
  Atomics.store(new BigInt64Array(inFlight), thread, 0n);
}
