import type { Hour } from './hour.ts';

/**
 * One UTC hour of records, encoded: `count` stored lines, each ending in "\n".
 * Whoever holds a chunk owns its bytes: the maker does not touch them again.
 */
export interface Chunk {
  readonly hour: Hour;
  readonly count: number;
  readonly lines: Buffer;
}

/** What one request, message or file slice brought: at most one chunk an hour. Stored whole or not at all. */
export type Batch = readonly Chunk[];

/** Records in a batch. */
export function countRecords(batch: Batch): number {
  let count = 0;
  for (const chunk of batch) count += chunk.count;
  return count;
}

/** Bytes of a batch, as they will stand on disk. */
export function countBytes(batch: Batch): number {
  let bytes = 0;
  for (const chunk of batch) bytes += chunk.lines.length;
  return bytes;
}
