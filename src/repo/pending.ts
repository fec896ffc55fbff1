import type { Metrics } from '../metrics/metrics.ts';
import { addPiece, type Batch, type Pieces } from '../model/chunk.ts';
import type { CommitNote, IdempotencyNote } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import type { DataFile, DataFiles } from './data-files.ts';
import { encodeDeadLetter } from './dead-letter.ts';
import type { EntryMeta, FileNote } from './journal-meta.ts';

/** A batch that waits to be committed. */
export interface Pending {
  readonly batch: Batch;
  readonly note: CommitNote;
}

/** What a commit does to one file. */
export type Append = Pieces;

/** What each file gets, in the order of the group. */
export function collectAppends(group: readonly Pending[], dataFiles: DataFiles): Map<DataFile, Append> {
  const appends = new Map<DataFile, Append>();
  for (const { batch, note } of group) {
    for (const chunk of batch) addPiece(appends, dataFiles.ofHour(chunk), chunk.lines, chunk.count);
    for (const letter of note.deadLetters ?? [])
      addPiece(appends, dataFiles.ofDeadLetters(letter.time), encodeDeadLetter(letter), 1);
  }
  return appends;
}

/** Counts the bytes of a commit by stream, one step a stream. */
export function countStreamBytes(
  appends: ReadonlyMap<DataFile, Append>,
  { streamBytes }: Pick<Metrics, 'streamBytes'>,
): void {
  const sums = new Map<StreamName, number>();
  for (const [file, { bytes }] of appends) {
    if (file.kind === 'hour') sums.set(file.stream, (sums.get(file.stream) ?? 0) + bytes);
  }
  for (const [stream, bytes] of sums) streamBytes.labels(stream).inc(bytes);
}

/** The idempotency keys that a note brings. */
export function keysOf(note: CommitNote): readonly IdempotencyNote[] {
  return note.idempotency === undefined ? (note.keys ?? []) : [note.idempotency, ...(note.keys ?? [])];
}

/** The journal entry of a group that writes each file at its position. `inline`: with the bytes themselves. */
export function entryOf(
  group: readonly Pending[],
  {
    seq,
    appends,
    positionOf,
    inline,
  }: {
    readonly seq: number;
    readonly appends: ReadonlyMap<DataFile, Append>;
    readonly positionOf: (file: DataFile) => number;
    readonly inline: boolean;
  },
): EntryMeta {
  const files: FileNote[] = [];
  for (const [file, { bytes }] of appends) files.push([file, positionOf(file) + bytes, inline ? bytes : 0]);
  const notes = group.map((pending) => pending.note);
  const keys = notes.flatMap(keysOf);
  const offsets = notes.flatMap((note) => note.offsets ?? []);
  const batchIds = notes.flatMap((note) => note.batchIds ?? []);
  return {
    seq,
    files,
    ...(keys.length > 0 && { keys }),
    ...(offsets.length > 0 && { offsets }),
    ...(batchIds.length > 0 && { batchIds }),
  };
}

/** The bytes of all files in the order of the journal entry's `files`. */
export function inlineData(appends: ReadonlyMap<DataFile, Append>): Buffer[] {
  return [...appends.values()].flatMap((append) => append.buffers);
}
