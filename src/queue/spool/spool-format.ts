import { crc32 } from 'node:zlib';
import { type EntryForm, type LogScan, scanLog } from '../../disk/scan-log.ts';
import { createSegmentNames } from '../../disk/segment-names.ts';
import { type EncodedEntry, encodeEntry, type LogEntry, sealEntry, wholeEntries } from '../../disk/write-ahead-log.ts';
import type { Chunk } from '../../model/chunk.ts';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import { ACCESS_STREAM, isDefaultStream, type StreamName } from '../../model/stream.ts';
import type { QueuedBatch } from '../queue.ts';

/*
 * The spool on disk. The sequence of a batch is its number, counted from 0 over the life of the folder.
 *
 *   <dir>/<sequence of its first entry, 16 digits>.spool      a segment
 *   <dir>/head                                               see spool-head.ts
 *
 *   segment = entry*                         no magic; entries as disk/write-ahead-log.ts draws them
 *     seed  = CRC-32 of the sequence, u64    so an entry is valid in its own place only
 *     meta  = {"id","time","chunks":[[hour,count,bytes,stream?],…],"idempotency"?,"deadLetters"?,"after"}
 *       after = how many entries of the same write stand before it, six digits as text. Versions before left it out
 *       stream = of a chunk of another stream than access
 *     data  = the chunks' lines, one after the other
 *
 * The sequence of an entry is that of its segment plus its place in it. Entries whose sequence belongs to the next
 * segment do not count: a failed write left them.
 */
export const SEGMENT_NAMES = createSegmentNames({ prefix: '', digits: 16, suffix: '.spool' });

export interface SpoolEntry {
  readonly sequence: number;
  /** Unix ms at which the batch was accepted. */
  readonly time: number;
  readonly batch: QueuedBatch;
  /** How many entries of the same write stand before it. */
  readonly after: number;
  /** Bytes that the entry takes on disk. */
  readonly bytes: number;
}

interface Meta {
  readonly id: string;
  readonly time: number;
  readonly chunks: readonly (readonly [hour: number, count: number, bytes: number, stream?: StreamName])[];
  readonly idempotency?: IdempotencyNote;
  readonly deadLetters?: readonly DeadLetter[];
  readonly after?: string;
}

const FIRST_OF_GROUP = '000000';
const MAX_AFTER = 999_999;

/** The entry of a batch, the first of its write. It has no checksum until its sequence is known and `sealInGroup` gets it. */
export function encodeBatch({ id, batch, idempotency, deadLetters }: QueuedBatch, time: number): EncodedEntry {
  const meta: Meta = {
    id,
    time,
    chunks: batch.map(({ stream, hour, count, lines }) =>
      isDefaultStream(stream) ? ([hour, count, lines.length] as const) : ([hour, count, lines.length, stream] as const),
    ),
    ...(idempotency !== undefined && { idempotency }),
    ...(deadLetters !== undefined && { deadLetters }),
    after: FIRST_OF_GROUP,
  };
  return encodeEntry(
    meta,
    batch.map(({ lines }) => lines),
  );
}

/** Seals the entry with this sequence, before which `after` others stand in the same write. */
export function sealInGroup(entry: EncodedEntry, { sequence, after }: { sequence: number; after: number }): void {
  const [, meta] = entry.buffers;
  const digits = String(Math.min(after, MAX_AFTER)).padStart(FIRST_OF_GROUP.length, '0');
  meta?.write(digits, meta.length - digits.length - '"}'.length, 'latin1');
  sealEntry(entry, seedOf(sequence));
}

/** The seed of the checksum of the entry with this sequence. */
export function seedOf(sequence: number): number {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt(sequence));
  return crc32(bytes);
}

/**
 * The whole entries that `window` begins with, from the sequence `first` to before `end`. Their lines are views of
 * `window`.
 */
export function decodeBatches(window: Buffer, first: number, end: number): SpoolEntry[] {
  const entries: SpoolEntry[] = [];
  if (first >= end) return entries;
  let start = 0;
  for (const entry of wholeEntries(window, 0, (index) => seedOf(first + index))) {
    const sequence = first + entries.length;
    entries.push({ sequence, ...decodeBatch(entry), bytes: entry.end - start });
    start = entry.end;
    if (sequence + 1 === end) break;
  }
  return entries;
}

/** For a reader that comes to a damaged entry. */
const FORM: EntryForm = { metaStart: Buffer.from('{"id":'), seedOf, isNumbered: true };

/** An entry, and where it ends in the bytes that were read. */
export interface ScannedBatch extends SpoolEntry {
  readonly end: number;
}

/** The entries from `start` on, of which the first has the sequence `first`. Reads on after damage. */
export function scanBatches(
  bytes: Buffer,
  { start, first }: { readonly start: number; readonly first: number },
): Omit<LogScan, 'entries'> & { readonly entries: readonly ScannedBatch[] } {
  const scan = scanLog(bytes, { start, number: first, form: FORM });
  const entries = scan.entries.map(
    (entry): ScannedBatch => ({
      sequence: entry.number,
      ...decodeBatch(entry),
      bytes: entry.end - entry.start,
      end: entry.end,
    }),
  );
  return { ...scan, entries };
}

function decodeBatch({ meta, data }: LogEntry): Pick<SpoolEntry, 'time' | 'batch' | 'after'> {
  // The checksum holds, so this is what `encodeBatch` wrote.
  const { id, time, chunks, idempotency, deadLetters, after = FIRST_OF_GROUP } = meta as Meta;
  let at = 0;
  const batch = chunks.map(([hour, count, bytes, stream = ACCESS_STREAM.name]): Chunk => {
    const lines = data.subarray(at, at + bytes);
    at += bytes;
    return { stream, hour, count, lines };
  });
  return {
    time,
    after: Number(after),
    batch: {
      id,
      batch,
      ...(idempotency !== undefined && { idempotency }),
      ...(deadLetters !== undefined && { deadLetters }),
    },
  };
}
