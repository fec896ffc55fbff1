import { type Hour, type HourKey, hourKey } from './hour.ts';
import type { StreamName } from './stream.ts';

/**
 * One stream's UTC hour of records, encoded: `count` stored lines, each ending in "\n".
 * Whoever holds a chunk owns its bytes: the maker does not touch them again.
 */
export interface Chunk {
  readonly stream: StreamName;
  readonly hour: Hour;
  readonly count: number;
  readonly lines: Buffer;
}

/** The records of one request, message or file slice: at most one chunk for each stream and hour. Stored whole or not at all. */
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
 * One chunk for each stream and hour, in the order in which they first came. Copies bytes only where an hour has several chunks. A chunk
 * may also be a part of a line, as long as the next one of its hour goes on with it.
 */
export function mergeByHour(chunks: Iterable<Chunk>): Batch {
  const pieces = new Map<HourKey, Pieces>();
  const firsts: Chunk[] = [];
  for (const chunk of chunks) {
    const key = hourKey(chunk);
    if (!pieces.has(key)) firsts.push(chunk);
    addPiece(pieces, key, chunk.lines, chunk.count);
  }
  return Array.from(pieces.values(), ({ buffers, bytes, count }, i): Chunk => {
    const [only] = buffers;
    const lines = buffers.length === 1 && only !== undefined ? only : Buffer.concat(buffers, bytes);
    return { ...(firsts[i] as Chunk), count, lines };
  });
}
