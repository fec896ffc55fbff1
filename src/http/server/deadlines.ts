/** Something that must end within a fixed time. */
export interface Timed {
  expire(): void;
}

/** One timer for all items that share a time limit, instead of one timer each. */
export interface Deadlines<T extends Timed> {
  watch(item: T): void;
  forget(item: T): void;
  /** The watched items and when their time began, by `performance.now()`; the oldest first. */
  items(): Iterable<readonly [T, number]>;
  close(): void;
}

/** The longest pause between two sweeps, in milliseconds. */
const MAX_SWEEP_MS = 250;

/**
 * Calls `expire` on an item that was watched for `timeoutMs` milliseconds. It does so late by a twentieth of `timeoutMs`
 * or 5 ms, whichever is more, and by 250 ms at most. All items have the same limit, so the item watched first expires
 * first: a sweep visits the expired items and one more.
 */
export function createDeadlines<T extends Timed>(timeoutMs: number): Deadlines<T> {
  const since = new Map<T, number>();

  const sweep = () => {
    const expired = performance.now() - timeoutMs;
    for (const [item, begun] of since) {
      if (begun > expired) return;
      since.delete(item);
      item.expire();
    }
  };
  const timer = setInterval(sweep, Math.min(MAX_SWEEP_MS, Math.max(5, timeoutMs / 20))).unref();

  return {
    watch: (item) => void since.set(item, performance.now()),
    forget: (item) => void since.delete(item),
    items: () => since,
    close: () => clearInterval(timer),
  };
}
