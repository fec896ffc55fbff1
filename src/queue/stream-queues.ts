import { type Deliver, streamOfBatch } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import type { Queue } from './queue.ts';

/**
 * Several queues, one a stream, as one to send to: a batch goes to the queue of its stream. A batch without records has only dead letters
 * or a key; it goes where its letters belong. Rejects a batch of several streams: service/divide divides it before.
 */
export function sendByStream(queues: ReadonlyMap<StreamName, Pick<Queue, 'enqueue'>>): Deliver {
  return async function enqueue(batch, note) {
    const stream = streamOfBatch(batch, note);
    if (batch.some((chunk) => chunk.stream !== stream)) throw new Error('a batch of several streams was not divided');
    const queue = queues.get(stream);
    if (queue === undefined) throw new Error(`there is no queue for the stream ${stream}`);
    return queue.enqueue(batch, note);
  };
}
