import type { Clock } from '../model/clock.ts';
import type { Deliver } from '../model/deliver.ts';
import { KeyTable, type KnownKey, type UsedKey } from '../model/key-table.ts';

export interface KeyMemoryOptions {
  readonly windowMs: number;
  readonly maxKeys: number;
  /** The time that the notes are stamped with. It must not jump. */
  readonly now: Clock;
}

/**
 * The keys of batches that were handed on to the broker and may not be stored yet. It is a short cut: a repeat is answered
 * without being sent. The consumer commits the key with the batch; after a restart a repeat is recognised there.
 */
export function createKeyMemory({ windowMs, maxKeys, now }: KeyMemoryOptions) {
  const table = new KeyTable({ maxKeys });

  return {
    find: (used: UsedKey): KnownKey | undefined => table.find(used, now() - windowMs),
    /** Delivers, and remembers the key of what was delivered. */
    wrap: (deliver: Deliver): Deliver =>
      async function deliverAndRemember(batch, note) {
        const receipt = await deliver(batch, note);
        if (note?.idempotency !== undefined) {
          table.add(note.idempotency);
          table.dropUntil(now() - windowMs);
        }
        return receipt;
      },
  };
}
