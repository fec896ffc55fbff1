import { crc32 } from 'node:zlib';
import type { Chunk } from '../../model/chunk.ts';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import type { QueuedBatch } from '../queue.ts';

/*
 * <dir>/<sequence of its first entry, 16 digits>.spool    a segment
 *
 *   entry   u32  length of the body
 *           u32  CRC-32 of sequence and body: an entry is valid in its own place only
 *           body u32  length of the meta
 *                meta {"id","time","chunks":[[hour,count,bytes],…],"idempotency"?,"deadLetters"?}
 *                the chunks' lines, one after the other
 *
 * Integers are little-endian. An entry's sequence is that of its segment plus its place in it. Entries at or beyond the
 * first of the next segment do not count: what a failed write left behind.
 */

export const ENTRY_HEAD_BYTES = 8;
const SUFFIX = '.spool';

export interface SpoolEntry {
  readonly sequence: number;
  /** Unix ms at which it was taken. */
  readonly time: number;
  readonly batch: QueuedBatch;
  /** Bytes it takes on disk. */
  readonly bytes: number;
}

interface Meta {
  readonly id: string;
  readonly time: number;
  readonly chunks: readonly (readonly [hour: number, count: number, bytes: number])[];
  readonly idempotency?: IdempotencyNote;
  readonly deadLetters?: readonly DeadLetter[];
}

export function segmentName(first: number): string {
  return `${String(first).padStart(16, '0')}${SUFFIX}`;
}

/** The sequence of a segment's first entry; undefined for another file. */
export function parseSegmentName(name: string): number | undefined {
  return /^\d{16}\.spool$/.test(name) ? Number(name.slice(0, -SUFFIX.length)) : undefined;
}

/** The body of an entry, in buffers. */
export function encodeBody({ id, batch, idempotency, deadLetters }: QueuedBatch, time: number): Buffer[] {
  const meta: Meta = {
    ...{ id, time, chunks: batch.map(({ hour, count, lines }) => [hour, count, lines.length] as const) },
    ...(idempotency !== undefined && { idempotency }),
    ...(deadLetters !== undefined && { deadLetters }),
  };
  const text = Buffer.from(JSON.stringify(meta));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(text.length);
  return [length, text, ...batch.map(({ lines }) => lines)];
}

/** What stands before the body when it goes to this place. */
export function encodeHead(body: readonly Buffer[], sequence: number): Buffer {
  const head = Buffer.allocUnsafe(ENTRY_HEAD_BYTES);
  head.writeUInt32LE(lengthOf(body), 0);
  let sum = crcOfSequence(sequence);
  for (const buffer of body) sum = crc32(buffer, sum);
  head.writeUInt32LE(sum, 4);
  return head;
}

export function lengthOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

/** `short`: the window ends before the entry does; it needs `bytes` in all. `damaged`: no entry stands here. */
export type Parsed =
  | { readonly kind: 'entry'; readonly entry: SpoolEntry }
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'damaged' };

/** Reads the entry of this sequence at `at`. Its lines are views of the window. */
export function parseEntry(window: Buffer, at: number, sequence: number): Parsed {
  if (window.length - at < ENTRY_HEAD_BYTES) return { kind: 'short', bytes: ENTRY_HEAD_BYTES };
  const length = window.readUInt32LE(at);
  const bytes = ENTRY_HEAD_BYTES + length;
  if (window.length - at < bytes) return { kind: 'short', bytes };
  const body = window.subarray(at + ENTRY_HEAD_BYTES, at + bytes);
  if (crc32(body, crcOfSequence(sequence)) !== window.readUInt32LE(at + 4)) return { kind: 'damaged' };
  const { time, ...batch } = decodeBody(body);
  return { kind: 'entry', entry: { sequence, time, batch, bytes } };
}

function decodeBody(body: Buffer): QueuedBatch & { readonly time: number } {
  const start = 4 + body.readUInt32LE(0);
  const meta = JSON.parse(body.toString('utf8', 4, start)) as Meta;
  let at = start;
  const batch = meta.chunks.map(([hour, count, bytes]): Chunk => {
    const lines = body.subarray(at, at + bytes);
    at += bytes;
    return { hour, count, lines };
  });
  const { id, time, idempotency, deadLetters } = meta;
  return {
    ...{ id, time, batch },
    ...(idempotency !== undefined && { idempotency }),
    ...(deadLetters !== undefined && { deadLetters }),
  };
}

function crcOfSequence(sequence: number): number {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt(sequence));
  return crc32(bytes);
}
