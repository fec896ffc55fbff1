/** Runs `task` on all items at once. Rejects when one failed, but only after all have ended, so a caller can undo. */
export async function inParallel<T>(items: Iterable<T>, task: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(Array.from(items, task));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** `inParallel` on up to `limit` items at once. After a failure no further ones begin. */
export async function inParallelUpTo<T>(
  limit: number,
  items: Iterable<T>,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const rest = Array.from(items).values();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const item of rest) {
      if (failed) return;
      try {
        await task(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await inParallel(Array.from({ length: limit }), work);
}
