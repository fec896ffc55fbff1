import type { Clock } from '../model/clock.ts';
import {
  type Deliver,
  type Durability,
  IdempotencyConflict,
  type IdempotencyNote,
  type Receipt,
} from '../model/deliver.ts';
import type { KnownKey, UsedKey } from '../model/key-table.ts';

/** A keyed batch that is being delivered. A request with the same key waits for it. */
interface UnderWay {
  readonly bodyHash: string;
  /** Resolves when the first is done, either way. */
  readonly done: Promise<void>;
}

/**
 * Stores a keyed batch once. A repeat resolves with the first answer in `replay`. While the first is still being
 * delivered, the repeat waits for it; if the first fails, the repeat is delivered in its place. Rejects with
 * IdempotencyConflict when the key is known with another body. `find` finds the keys of earlier commits, which are as
 * safe as `durability` says.
 *
 * A key belongs to its owner: two owners may use the same key, and both batches are stored.
 */
export function withIdempotency(options: {
  readonly deliver: Deliver;
  readonly find: (used: UsedKey) => KnownKey | undefined;
  /** The time by which keys age; each key is stamped with it. */
  readonly now: Clock;
  readonly durability: Durability;
}): Deliver {
  const { deliver, find, now, durability } = options;
  const underWay = new Map<string, UnderWay>();

  const repeat = (note: IdempotencyNote): Receipt | undefined => {
    const known = find(note);
    if (known === undefined) return undefined;
    if (!known.sameBody) throw new IdempotencyConflict(note.key);
    return { durability, replay: known.answer };
  };

  return async function deliverOnce(batch, note) {
    const keyed = note?.idempotency;
    if (keyed === undefined) return deliver(batch, note);
    const name = nameOf(keyed);
    for (;;) {
      const receipt = repeat(keyed);
      if (receipt !== undefined) return receipt;
      const other = underWay.get(name);
      if (other === undefined) break;
      if (other.bodyHash !== keyed.bodyHash) throw new IdempotencyConflict(keyed.key);
      await other.done;
    }
    const result = deliver(batch, { ...note, idempotency: { ...keyed, time: now() } });
    const done = result.then(
      () => undefined,
      () => undefined,
    );
    underWay.set(name, { bodyHash: keyed.bodyHash, done });
    try {
      return await result;
    } finally {
      underWay.delete(name);
    }
  };
}

/** The key of an owner in one text. A key has no space in it. All requests of a service have an owner, or none has. */
function nameOf({ key, owner = '' }: IdempotencyNote): string {
  return `${owner} ${key}`;
}
