/**
 * One client for many uses, opened by the first. A use that fails puts the client away, so that the next one begins
 * with new connections; it is closed when the last use of it has ended. A failed opening is tried again by the next use.
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
  /** May take long or fail: nobody waits for it but `close`. */
  close(client: T): Promise<unknown>;
}): Replaceable<T> {
  let current: Slot<T> | undefined;
  let closed = false;
  const closing = new Set<Promise<unknown>>();

  function putAway(slot: Slot<T>): void {
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
        if (slot.uses === 0 && current !== slot) putAway(slot);
      }
    },
    close: async () => {
      closed = true;
      const slot = current;
      current = undefined;
      if (slot?.uses === 0) putAway(slot);
      await Promise.all(closing);
    },
  };
}
