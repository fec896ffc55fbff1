/** Frames a second in the long run, and how many may come at once: as `rateLimit` in the configuration. */
export interface ClientLimit {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** Clients that are remembered at once. */
const MAX_CLIENTS = 16_384;
/** The longest step of a wait. */
const MAX_STEP_MS = 10_000;

export interface ClientRate {
  /** 0 where `count` frames may pass, else the milliseconds until they may. More than a burst pass when the bucket is full. */
  take(client: string, count: number): number;
  /**
   * Counts frames that have passed. Gives the milliseconds until a further one may, 10 s at most: who has waited for so long asks again, with
   * a count of 0, as all connections of the client do that wait.
   */
  charge(client: string, count: number): number;
}

/**
 * A limit of what each client may send, by its address: the generic cell rate algorithm (ITU-T I.371), which keeps one number a client, the
 * time at which its bucket is full again. When too many clients are known, the one that was new first is forgotten and begins with a full
 * bucket.
 */
export function createClientRate(
  { requestsPerSecond, burst }: ClientLimit,
  { maxClients = MAX_CLIENTS, now = () => performance.now() } = {},
): ClientRate {
  const step = 1_000 / requestsPerSecond;
  const fullAt = new Map<string, number>();

  function set(client: string, full: number): void {
    if (fullAt.size >= maxClients && !fullAt.has(client)) forgetFirst(fullAt);
    fullAt.set(client, full);
  }

  return {
    take(client, count) {
      const time = now();
      const full = Math.max(fullAt.get(client) ?? 0, time);
      const wait = full + step * (Math.min(count, burst) - burst) - time;
      // Sums of fractions are not exact.
      if (wait > step / 1_000) return wait;
      set(client, full + step * count);
      return 0;
    },
    charge(client, count) {
      const time = now();
      const full = Math.max(fullAt.get(client) ?? 0, time) + step * count;
      if (count > 0) set(client, full);
      const wait = full + step * (1 - burst) - time;
      // Sums of fractions are not exact.
      return wait > step / 1_000 ? Math.min(wait, MAX_STEP_MS) : 0;
    },
  };
}

function forgetFirst(fullAt: Map<string, number>): void {
  for (const client of fullAt.keys()) {
    fullAt.delete(client);
    return;
  }
}
