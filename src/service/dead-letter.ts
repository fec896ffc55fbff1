import { isUtf8 } from 'node:buffer';
import type { Batch } from '../model/chunk.ts';
import type { DeadLetter } from '../model/deliver.ts';
import { isDefaultStream } from '../model/stream.ts';

/** Bytes as a dead letter keeps them: as text if they are UTF-8, else `base64:` and the bytes in base64. */
export function rawText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : `base64:${bytes.toString('base64')}`;
}

/** Every line of a batch as a dead letter of its own, so that each can be replayed. */
export function batchAsDeadLetters(batch: Batch, about: Omit<DeadLetter, 'raw'>): DeadLetter[] {
  return batch.flatMap(({ stream, lines }) => {
    const letter = isDefaultStream(stream) ? about : { ...about, stream };
    const texts = lines.toString('utf8').split('\n').slice(0, -1);
    return texts.map((raw) => ({ ...letter, raw }));
  });
}
