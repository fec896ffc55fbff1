import { isMarkedAsUntransferable } from 'node:worker_threads';
import type { Batch } from '../model/chunk.ts';
import type { StreamHour } from '../model/hour.ts';

/*
 * Batches on their way from one thread to another. Large memory changes hands, small pieces are copied together:
 *
 *   buffers[0]   the small pieces of all batches, one after the other
 *   buffers[n]   memory that one batch has for itself, transferred as it is
 */
export interface PackedChunk extends StreamHour {
  readonly count: number;
  readonly buffer: number;
  readonly start: number;
  readonly length: number;
}

export interface PackedBatches {
  readonly batches: readonly (readonly PackedChunk[])[];
  readonly buffers: readonly ArrayBuffer[];
}

/** Memory up to this size may be shared with other data (one read of a socket), and copying it costs little. */
const COPY_BYTES = 64 * 1024;

/** Packs batches for postMessage. The caller transfers all of `buffers` and must not use the batches after that. */
export function packBatches(batches: readonly Batch[]): PackedBatches {
  const own = new Map<ArrayBufferLike, number>();
  let copied = 0;
  for (const batch of batches) {
    for (const memory of ownMemory(batch)) if (!own.has(memory)) own.set(memory, own.size + 1);
    for (const { lines } of batch) if (!own.has(lines.buffer)) copied += lines.length;
  }
  const arena = new Uint8Array(copied);
  let at = 0;
  const pack = ({ stream, hour, count, lines }: Batch[number]): PackedChunk => {
    const buffer = own.get(lines.buffer);
    if (buffer !== undefined) return { stream, hour, count, buffer, start: lines.byteOffset, length: lines.length };
    arena.set(lines, at);
    at += lines.length;
    return { stream, hour, count, buffer: 0, start: at - lines.length, length: lines.length };
  };
  const packed = batches.map((batch) => batch.map(pack));
  return { batches: packed, buffers: [arena.buffer, ...own.keys()].filter((buffer) => buffer instanceof ArrayBuffer) };
}

/** The memory that a batch fills by more than half, so that little else can be in it. Never the pool of Buffer. */
function ownMemory(batch: Batch): ArrayBufferLike[] {
  const used = new Map<ArrayBufferLike, number>();
  for (const { lines } of batch) {
    if (lines.buffer.byteLength > COPY_BYTES) used.set(lines.buffer, (used.get(lines.buffer) ?? 0) + lines.length);
  }
  return [...used]
    .filter(([memory, bytes]) => bytes * 2 > memory.byteLength && !isMarkedAsUntransferable(memory))
    .map(([memory]) => memory);
}

/** The batches again, as views of the buffers that arrived. */
export function unpackBatches({ batches, buffers }: PackedBatches): Batch[] {
  return batches.map((batch) =>
    batch.map(({ stream, hour, count, buffer, start, length }) => {
      const memory = buffers[buffer];
      if (memory === undefined) throw new Error(`a packed batch names buffer=${buffer} of ${buffers.length}`);
      return { stream, hour, count, lines: Buffer.from(memory, start, length) };
    }),
  );
}
