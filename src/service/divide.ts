import { createHash } from 'node:crypto';
import type { Batch, Chunk } from '../model/chunk.ts';
import type { CommitNote, DeadLetter, Deliver, Durability, IdempotencyNote, Receipt } from '../model/deliver.ts';
import { ACCESS_STREAM, type StreamName } from '../model/stream.ts';

/** The records and the dead letters of one stream in a batch of several. */
interface Part {
  readonly stream: StreamName;
  readonly chunks: Chunk[];
  readonly deadLetters: DeadLetter[];
}

/**
 * Divides a batch of several streams into one batch a stream, where each stream goes its own way. Each is delivered whole or not at all,
 * and they are not one: when one is rejected, others may have been delivered. Resolves when all are, with the weakest durability.
 *
 * A batch with an Idempotency-Key: its first stream carries the key and goes last, so the key is known only when all others are
 * delivered. Those carry keys made of it, so a repeat after a failure delivers only what is missing. `deliverOnce` is `deliver` behind
 * withIdempotency; the whole must stand behind it too.
 */
export function divideByStream(options: { readonly deliver: Deliver; readonly deliverOnce: Deliver }): Deliver {
  const { deliver, deliverOnce } = options;

  return async function deliverParts(batch, note) {
    const parts = partsOf(batch, note);
    const [first, ...others] = parts;
    if (first === undefined || others.length === 0) return deliver(batch, note);
    const { idempotency } = note ?? {};
    if (idempotency === undefined) return join(parts.map((part) => deliver(part.chunks, noteOf(part))));
    const joined = await join(
      others.map((part) => deliverOnce(part.chunks, noteOf(part, keyOfPart(idempotency, part.stream)))),
    );
    return join([joined, deliver(first.chunks, noteOf(first, idempotency))]);
  };
}

/** In the order in which the streams come in the batch. A part may have dead letters alone. */
function partsOf(batch: Batch, { deadLetters = [] }: CommitNote = {}): readonly Part[] {
  const parts = new Map<StreamName, Part>();
  const partOf = (stream: StreamName): Part => {
    const known = parts.get(stream);
    if (known !== undefined) return known;
    const part: Part = { stream, chunks: [], deadLetters: [] };
    parts.set(stream, part);
    return part;
  };
  for (const chunk of batch) partOf(chunk.stream).chunks.push(chunk);
  for (const letter of deadLetters) partOf(letter.stream ?? ACCESS_STREAM.name).deadLetters.push(letter);
  return [...parts.values()];
}

function noteOf({ deadLetters }: Part, idempotency?: IdempotencyNote): CommitNote {
  return { ...(idempotency !== undefined && { idempotency }), ...(deadLetters.length > 0 && { deadLetters }) };
}

/** A digest: a key of a client has up to 255 characters, and nothing can be added to it. */
function keyOfPart(note: IdempotencyNote, stream: StreamName): IdempotencyNote {
  return { ...note, key: createHash('sha256').update(`${stream} ${note.key}`).digest('hex') };
}

const WEAKEST_FIRST: readonly Durability[] = ['os', 'spool', 'broker', 'disk'];

/** Waits for all, also when one fails: what is still being delivered when a caller repeats it would be delivered twice. */
async function join(parts: readonly (Receipt | Promise<Receipt>)[]): Promise<Receipt> {
  const settled = await Promise.allSettled(parts);
  const durabilities = settled.map((part) => {
    if (part.status === 'rejected') throw part.reason;
    return part.value.durability;
  });
  return { durability: WEAKEST_FIRST.find((each) => durabilities.includes(each)) ?? 'os' };
}
