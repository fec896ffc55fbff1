import type { Batch } from '../model/chunk.ts';
import type { DeadLetter } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { batchAsDeadLetters } from './dead-letter.ts';

/** The first hour of a stream that takes records: retention removed those before it. */
export type FirstHour = (stream: StreamName) => Hour;

export interface PartedRecords {
  readonly batch: Batch;
  /** One for each record that is not in `batch`. */
  readonly deadLetters: readonly DeadLetter[];
}

const REASON = 'older than retention';

/**
 * Parts the records of a batch whose hours retention removed from the others. They were accepted before, elsewhere or by an older configuration,
 * so they become dead letters. Nothing is made for a batch without them.
 */
export function partOldRecords(
  batch: Batch,
  firstHour: FirstHour,
  about: Pick<DeadLetter, 'source' | 'time'>,
): PartedRecords {
  const isOld = ({ stream, hour }: Batch[number]): boolean => hour < firstHour(stream);
  if (!batch.some(isOld)) return { batch, deadLetters: [] };
  const old = batch.filter(isOld);
  return {
    batch: batch.filter((chunk) => !isOld(chunk)),
    deadLetters: batchAsDeadLetters(old, { ...about, stage: 'consume', reason: REASON }),
  };
}
