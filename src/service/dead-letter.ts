import type { Batch } from '../model/chunk.ts';
import type { DeadLetter } from '../model/deliver.ts';
import { isDefaultStream } from '../model/stream.ts';

/** Every line of a batch as a dead letter of its own, so that each can be replayed. */
export function batchAsDeadLetters(batch: Batch, about: Omit<DeadLetter, 'raw'>): DeadLetter[] {
  return batch.flatMap(({ stream, lines }) => {
    const letter = isDefaultStream(stream) ? about : { ...about, stream };
    const texts = lines.toString('utf8').split('\n').slice(0, -1);
    return texts.map((raw) => ({ ...letter, raw }));
  });
}
