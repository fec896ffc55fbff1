import { hash } from 'node:crypto';

/** Counts one request of a client. Returns 0 when it may pass, else the seconds until it may. */
export type TakeToken = (client: string) => number;

/** Clients that are remembered at once. */
const MAX_CLIENTS = 16_384;
/** Places where the bucket of one client can be. */
const WAYS = 8;

const BUCKET_BYTES = 2 * BigInt64Array.BYTES_PER_ELEMENT;

export function bucketBytes(maxClients = MAX_CLIENTS): number {
  return maxClients * BUCKET_BYTES;
}

/** Nanoseconds on a monotonic clock that all threads share. */
export type Now = () => bigint;

/*
 * A token bucket for each client, in memory that threads may share. A bucket is one number: the time at which it is full
 * again (the theoretical arrival time of the generic cell rate algorithm, ITU-T I.371). A request moves this time forward
 * by one interval, and may pass while it is less than a burst ahead. So one compare-and-swap takes a token.
 *
 *   bucket   key (64 bits of the client's SHA-256, 0: free), time (nanoseconds)
 *
 * The number of remembered clients is limited. They stand in sets of WAYS. When a set is full, the client whose bucket has
 * been full for longest is forgotten; when it comes back, it begins with a full bucket. Two threads that see a client for
 * the first time at the same moment may let one request more pass.
 */
export function createRateLimit(options: {
  readonly requestsPerSecond: number;
  readonly burst: number;
  readonly buckets?: ArrayBufferLike | undefined;
  readonly now?: Now;
}): TakeToken {
  const { requestsPerSecond, burst, buckets = new ArrayBuffer(bucketBytes()), now = process.hrtime.bigint } = options;
  const table = new BigInt64Array(buckets);
  const interval = 1e9 / requestsPerSecond;
  const step = BigInt(Math.round(interval));
  const tolerance = BigInt(Math.round(interval * (burst - 1)));

  return (client) => {
    const at = findBucket(table, keyOf(client)) + 1;
    const time = now();
    for (;;) {
      const full = Atomics.load(table, at);
      const from = full > time ? full : time;
      if (from - time > tolerance) return Number(from - time - tolerance) / 1e9;
      if (Atomics.compareExchange(table, at, full, from + step) === full) return 0;
    }
  };
}

function keyOf(client: string): bigint {
  const key = hash('sha256', client, 'buffer').readBigInt64LE();
  return key === 0n ? 1n : key;
}

/** The place of a client's bucket. A new client takes the place of another. */
function findBucket(table: BigInt64Array, key: bigint): number {
  const slots = table.length / 2;
  const ways = Math.min(WAYS, slots);
  const set = Number(BigInt.asUintN(32, key)) % Math.floor(slots / ways);
  const first = set * ways * 2;
  for (;;) {
    let oldest = first;
    for (let at = first; at < first + ways * 2; at += 2) {
      if (Atomics.load(table, at) === key) return at;
      if (Atomics.load(table, at + 1) < Atomics.load(table, oldest + 1)) oldest = at;
    }
    const before = Atomics.load(table, oldest);
    if (before === key) return oldest;
    if (Atomics.compareExchange(table, oldest, before, key) !== before) continue;
    Atomics.store(table, oldest + 1, 0n);
    return oldest;
  }
}
