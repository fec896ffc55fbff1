/** Places for queries that run. The others wait in the order in which they came. */
export interface Places {
  /** True once there is a place; false where there was none in time, or `giveUp` was called. */
  take(ticket: object): Promise<boolean> | boolean;
  /** Whether a further one may wait. */
  hasRoom(): boolean;
  /** Gives the place back, or stops to wait for one. */
  leave(ticket: object): void;
  /** Places that are taken. */
  readonly taken: number;
}

export function createPlaces(limits: {
  readonly maxTaken: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}): Places {
  const taken = new Set<object>();
  const waiting = new Map<object, (isFree: boolean) => void>();

  return {
    take(ticket) {
      if (taken.has(ticket)) return true;
      if (taken.size < limits.maxTaken) {
        taken.add(ticket);
        return true;
      }
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => settle(false), limits.maxWaitMs);
      const settle = (isFree: boolean) => {
        clearTimeout(timer);
        waiting.delete(ticket);
        resolve(isFree);
      };
      waiting.set(ticket, settle);
      return promise;
    },
    hasRoom: () => taken.size < limits.maxTaken || waiting.size < limits.maxWaiting,
    leave(ticket) {
      waiting.get(ticket)?.(false);
      if (!taken.delete(ticket)) return;
      const [next] = waiting;
      if (next === undefined) return;
      const [first, settle] = next;
      taken.add(first);
      settle(true);
    },
    get taken() {
      return taken.size;
    },
  };
}
