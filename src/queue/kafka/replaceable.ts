/**
 * One client for many uses, opened by the first. After a use that fails, the next use opens a new client, with new
 * connections; the old one is closed when the last use of it has ended. The next use also retries a failed opening.
 */
export interface Replaceable<T> {
  use<R>(work: (client: T) => Promise<R>): Promise<R>;
  close(): Promise<void>;
}

interface Slot<T> {
  readonly client: Promise<T>;
  uses: number;
}

export function createReplaceable<T>(options: {
  open(): Promise<T>;
  /** May take long or fail: only `close` waits for it. */
  close(client: T): Promise<unknown>;
}): Replaceable<T> {
  let current: Slot<T> | undefined;
  let closed = false;
  const closing = new Set<Promise<unknown>>();

  function retire(slot: Slot<T>): void {
    const done = slot.client
      .then((client) => options.close(client))
      .catch(() => undefined)
      .finally(() => closing.delete(done));
    closing.add(done);
  }

  return {
    use: async (work) => {
      if (closed) throw new Error('the client is closed');
      current ??= { client: options.open(), uses: 0 };
      const slot = current;
      slot.uses++;
      try {
        return await work(await slot.client);
      } catch (error) {
        if (current === slot) current = undefined;
        throw error;
      } finally {
        slot.uses--;
        if (slot.uses === 0 && current !== slot) retire(slot);
      }
    },
    close: async () => {
      closed = true;
      const slot = current;
      current = undefined;
      if (slot?.uses === 0) retire(slot);
      await Promise.all(closing);
    },
  };
}
