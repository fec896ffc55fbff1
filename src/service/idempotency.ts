import {
  type Deliver,
  type Durability,
  IdempotencyConflict,
  type IdempotencyNote,
  type Receipt,
} from '../model/deliver.ts';

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
 */
export function withIdempotency(options: {
  readonly deliver: Deliver;
  readonly find: (key: string) => IdempotencyNote | undefined;
  readonly durability: Durability;
}): Deliver {
  const { deliver, find, durability } = options;
  const underWay = new Map<string, UnderWay>();

  const repeat = ({ key, bodyHash }: IdempotencyNote): Receipt | undefined => {
    const known = find(key);
    if (known === undefined) return undefined;
    if (known.bodyHash !== bodyHash) throw new IdempotencyConflict(key);
    return { durability, replay: known.answer };
  };

  return async function deliverOnce(batch, note) {
    const keyed = note?.idempotency;
    if (keyed === undefined) return deliver(batch, note);
    for (;;) {
      const receipt = repeat(keyed);
      if (receipt !== undefined) return receipt;
      const other = underWay.get(keyed.key);
      if (other === undefined) break;
      if (other.bodyHash !== keyed.bodyHash) throw new IdempotencyConflict(keyed.key);
      await other.done;
    }
    const result = deliver(batch, note);
    const done = result.then(
      () => undefined,
      () => undefined,
    );
    underWay.set(keyed.key, { bodyHash: keyed.bodyHash, done });
    try {
      return await result;
    } finally {
      underWay.delete(keyed.key);
    }
  };
}
