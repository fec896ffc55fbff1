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

/** The records of one request, message or file slice: at most one chunk an hour. Stored whole or not at all. */
export type Batch = readonly Chunk[];

/** Records in a batch. */
export function countRecords(batch: Batch): number {
  let count = 0;
  for (const chunk of batch) count += chunk.count;
  return count;
}

/** Bytes of a batch on disk. */
export function countBytes(batch: Batch): number {
  let bytes = 0;
  for (const chunk of batch) bytes += chunk.lines.length;
  return bytes;
}

/** Lines that belong together, in the order in which they came. Their bytes are not copied. */
export interface Pieces {
  readonly buffers: Buffer[];
  bytes: number;
  /** Records. */
  count: number;
}

/** Adds lines with `count` records to what `pieces` has for `key`. Keys stay in the order in which they were first given. */
export function addPiece<Key>(pieces: Map<Key, Pieces>, key: Key, lines: Buffer, count: number): void {
  const known = pieces.get(key);
  if (known === undefined) {
    pieces.set(key, { buffers: [lines], bytes: lines.length, count });
    return;
  }
  known.buffers.push(lines);
  known.bytes += lines.length;
  known.count += count;
}

/**
 * One chunk for each hour, in the order in which the hours first came. Copies bytes only where an hour has several chunks. A chunk may
 * also be a part of a line, as long as the next one of its hour goes on with it.
 */
export function mergeByHour(chunks: Iterable<Chunk>): Batch {
  const hours = new Map<Hour, Pieces>();
  for (const { hour, lines, count } of chunks) addPiece(hours, hour, lines, count);
  return Array.from(hours, ([hour, { buffers, bytes, count }]): Chunk => {
    const [only] = buffers;
    return { hour, count, lines: buffers.length === 1 && only !== undefined ? only : Buffer.concat(buffers, bytes) };
  });
}
