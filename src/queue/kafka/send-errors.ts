import { countBytes } from '../../model/chunk.ts';
import { BatchTooLargeError, UnavailableError } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';

const RETRY_AFTER_SECONDS = 5;

/** `limit`: bytes; 0 when the broker did not say. */
export function tooLarge(
  { topic }: { readonly topic: string },
  { batch }: QueuedBatch,
  limit: number,
  cause?: unknown,
): BatchTooLargeError {
  const bytes = countBytes(batch);
  const known = limit > 0 ? ` (limit ${limit} bytes)` : '';
  const message = `a batch of ${bytes} bytes is too large for topic=${topic}${known}`;
  return new BatchTooLargeError(message, { bytes, limit, ...(cause !== undefined && { cause }) });
}

export function unavailable(message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(message, RETRY_AFTER_SECONDS, cause === undefined ? undefined : { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
