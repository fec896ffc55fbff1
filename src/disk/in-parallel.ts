/** Runs `task` on all items at once. Rejects when one failed, but only after all have ended, so a caller can undo. */
export async function inParallel<T>(items: Iterable<T>, task: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(Array.from(items, task));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
