import type { Clock } from '../model/clock.ts';
import type { Deliver, IdempotencyNote } from '../model/deliver.ts';

export interface KeyMemoryOptions {
  readonly windowMs: number;
  readonly maxKeys: number;
  readonly clock: Clock;
}

/**
 * The keys of batches that were handed on to the broker and may not be stored yet. It is a short cut: a repeat is answered
 * without being sent. The consumer commits the key with the batch; after a restart a repeat is recognised there.
 */
export function createKeyMemory({ windowMs, maxKeys, clock }: KeyMemoryOptions) {
  /** Oldest first. */
  const notes = new Map<string, IdempotencyNote>();

  function find(key: string): IdempotencyNote | undefined {
    const note = notes.get(key);
    return note !== undefined && note.time > clock() - windowMs ? note : undefined;
  }

  function remember(note: IdempotencyNote): void {
    notes.delete(note.key);
    notes.set(note.key, note);
    const horizon = clock() - windowMs;
    for (const [key, { time }] of notes) {
      if (notes.size <= maxKeys && time > horizon) return;
      notes.delete(key);
    }
  }

  return {
    find,
    /** Delivers, and remembers the key of what was delivered. */
    wrap: (deliver: Deliver): Deliver =>
      async function deliverAndRemember(batch, note) {
        const receipt = await deliver(batch, note);
        if (note?.idempotency !== undefined) remember(note.idempotency);
        return receipt;
      },
  };
}
