import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Makes one call of `work` serve all that ask before it begins, and begins the next at least `pauseMs` after the last has
 * ended. So nobody gets a result older than the question, and many questions cost no more than a few.
 */
export function shareWork<T>(work: () => Promise<T>, pauseMs: number): () => Promise<T> {
  let next: Promise<T> | undefined;
  let last: Promise<void> = Promise.resolve();
  let endedAt = Number.NEGATIVE_INFINITY;

  const run = async (before: Promise<void>): Promise<T> => {
    await before;
    const left = endedAt + pauseMs - performance.now();
    if (left > 0) await sleep(left);
    // Who asks from here on asks for another one.
    next = undefined;
    try {
      return await work();
    } finally {
      endedAt = performance.now();
    }
  };

  return function share() {
    if (next === undefined) {
      next = run(last);
      last = next.then(
        () => undefined,
        () => undefined,
      );
    }
    return next;
  };
}
