/** Something that must be over within a fixed time. */
export interface Watched {
  expire(): void;
}

/** One timer for all that share a time limit, instead of one each. */
export interface Deadlines<T extends Watched> {
  watch(item: T): void;
  forget(item: T): void;
  close(): void;
}

/**
 * Calls `expire` on what is watched for `timeoutMs` milliseconds, at most a quarter of that and a second late. The limit
 * is the same for all, so the first watched is the first to expire and a sweep looks at little more than what it finds.
 */
export function createDeadlines<T extends Watched>(timeoutMs: number): Deadlines<T> {
  const since = new Map<T, number>();

  const sweep = () => {
    const expired = performance.now() - timeoutMs;
    for (const [item, begun] of since) {
      if (begun > expired) return;
      since.delete(item);
      item.expire();
    }
  };
  const timer = setInterval(sweep, Math.min(1_000, Math.max(5, timeoutMs / 4))).unref();

  return {
    watch: (item) => void since.set(item, performance.now()),
    forget: (item) => void since.delete(item),
    close: () => clearInterval(timer),
  };
}
