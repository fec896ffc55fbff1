import type { Clock } from '../model/clock.ts';
import type { Deliver, IdempotencyNote } from '../model/deliver.ts';

export interface KeyMemoryOptions {
  readonly windowMs: number;
  readonly maxKeys: number;
  readonly clock: Clock;
}

/**
 * What the front remembers of keyed batches that it has handed on and that are not stored yet: a short cut, by which a
 * repeat is answered without being sent. Where a batch is stored its key is remembered for good; a repeat that the front
 * does not know, after a restart, is recognised there.
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
