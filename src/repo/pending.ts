import { encodeDeadLetter } from '../lines/dead-letter.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Batch, Pieces } from '../model/chunk.ts';
import type { CommitNote, IdempotencyNote } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import { type DataFile, type DataFiles, hourOf } from './data-files.ts';
import type { EntryMeta, FileNote } from './journal-meta.ts';

/** A batch that waits to be committed. */
export interface Pending {
  readonly batch: Batch;
  readonly note: CommitNote;
}

/** What a commit adds to an hour or to a day of dead letters. */
export interface Append extends Pieces {
  /** Records of each buffer. */
  readonly counts: number[];
}

/** What each file gets, in the order of the group. Which form an hour's file has is not asked yet. */
export function collectAppends(group: readonly Pending[], dataFiles: DataFiles): Map<DataFile, Append> {
  const appends = new Map<DataFile, Append>();
  for (const { batch, note } of group) {
    for (const chunk of batch) addLines(appends, dataFiles.ofHour(chunk), chunk.lines, chunk.count);
    for (const letter of note.deadLetters ?? [])
      addLines(appends, dataFiles.ofDeadLetters(letter.time), encodeDeadLetter(letter), 1);
  }
  return appends;
}

function addLines(appends: Map<DataFile, Append>, file: DataFile, lines: Buffer, count: number): void {
  const known = appends.get(file);
  if (known === undefined) {
    appends.set(file, { buffers: [lines], counts: [count], bytes: lines.length, count });
    return;
  }
  known.buffers.push(lines);
  known.counts.push(count);
  known.bytes += lines.length;
  known.count += count;
}

/** Counts the bytes of a commit by stream, one step a stream. */
export function countStreamBytes(
  appends: ReadonlyMap<DataFile, Append>,
  { streamBytes }: Pick<Metrics, 'streamBytes'>,
): void {
  const sums = new Map<StreamName, number>();
  for (const [file, { bytes }] of appends) {
    const hour = hourOf(file);
    if (hour !== undefined) sums.set(hour.stream, (sums.get(hour.stream) ?? 0) + bytes);
  }
  for (const [stream, bytes] of sums) streamBytes.labels(stream).inc(bytes);
}

/** The idempotency keys that a note brings. */
export function keysOf(note: CommitNote): readonly IdempotencyNote[] {
  return note.idempotency === undefined ? (note.keys ?? []) : [note.idempotency, ...(note.keys ?? [])];
}

/** The journal entry of a group that leaves the files as `files` says. */
export function entryOf(
  group: readonly Pending[],
  { seq, files }: { readonly seq: number; readonly files: readonly FileNote[] },
): EntryMeta {
  const notes = group.map((pending) => pending.note);
  const keys = notes.flatMap(keysOf);
  const offsets = notes.flatMap((note) => note.offsets ?? []);
  const positions = notes.flatMap((note) => note.positions ?? []);
  const batchIds = notes.flatMap((note) => note.batchIds ?? []);
  return {
    seq,
    files,
    ...(keys.length > 0 && { keys }),
    ...(offsets.length > 0 && { offsets }),
    ...(positions.length > 0 && { positions }),
    ...(batchIds.length > 0 && { batchIds }),
  };
}
