import { BatchTooLargeError, PermanentError } from '../model/deliver.ts';
import type { SpareMemory } from './writer.ts';

/** What the lines of one batch may take while they are made. */
export interface BatchLimits {
  /** Bytes of its stored lines, and of the dead letters of its invalid records. */
  readonly maxBatchBytes: number;
  /** Hours that its records belong to. */
  readonly maxHours: number;
  /** Counts the memory that is made beside the body. Absent: nobody counts it. */
  readonly memory?: MemoryCount | undefined;
  /** Memory for the first lines, which is free again when the batch is stored. Absent: it is made. */
  readonly spare?: SpareMemory | undefined;
}

/** Memory that is counted under a limit which many batches share. */
export interface MemoryCount {
  /** False when there is no room for so many more bytes; then nothing changed. */
  grow(bytes: number): boolean;
}

/** The records of a batch belong to more hours than a batch may have. Nothing was stored. */
export class TooManyHoursError extends PermanentError {
  override readonly name = 'TooManyHoursError';
}

/** There is no room for the lines of a batch now. Nothing was stored; a retry may help. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';
}

/** `bytes`: those that are known of; the batch may have more. */
export function batchTooLarge(bytes: number, { maxBatchBytes: limit }: BatchLimits): BatchTooLargeError {
  const message = `the batch takes more than ${limit} bytes as stored lines (ingestion.maxBatchBytes); nothing was stored; send smaller batches`;
  return new BatchTooLargeError(message, { bytes, limit });
}

export function tooManyHours({ maxHours }: BatchLimits): TooManyHoursError {
  return new TooManyHoursError(
    `the batch has records of more than ${maxHours} hours (ingestion.maxHoursPerBatch); nothing was stored; send the records in smaller batches, sorted by time`,
  );
}
