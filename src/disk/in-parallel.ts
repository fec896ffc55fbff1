/** Runs `task` on all at once, and when one fails, still waits for the rest: nothing goes on behind a roll-back. */
export async function inParallel<T>(items: Iterable<T>, task: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(Array.from(items, task));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
