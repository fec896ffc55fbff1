import type { Batch } from '../model/chunk.ts';
import type { CommitNote, IdempotencyNote } from '../model/deliver.ts';
import type { DataFile, DataFiles } from './data-files.ts';
import { encodeDeadLetter } from './dead-letter.ts';

/** A batch that waits to be committed. */
export interface Pending {
  readonly batch: Batch;
  readonly note: CommitNote;
}

/** What a commit does to one file. */
export interface Append {
  readonly buffers: Buffer[];
  bytes: number;
}

/** What each file gets, in the order of the group. */
export function collectAppends(group: readonly Pending[], dataFiles: DataFiles): Map<DataFile, Append> {
  const appends = new Map<DataFile, Append>();
  const add = (file: DataFile, lines: Buffer): void => {
    const append = appends.get(file);
    if (append === undefined) appends.set(file, { buffers: [lines], bytes: lines.length });
    else {
      append.buffers.push(lines);
      append.bytes += lines.length;
    }
  };
  for (const { batch, note } of group) {
    for (const chunk of batch) add(dataFiles.ofHour(chunk.hour), chunk.lines);
    for (const letter of note.deadLetters ?? []) add(dataFiles.ofDeadLetters(letter.time), encodeDeadLetter(letter));
  }
  return appends;
}

/** The idempotency keys that a note brings. */
export function keysOf(note: CommitNote): readonly IdempotencyNote[] {
  return note.idempotency === undefined ? (note.keys ?? []) : [note.idempotency, ...(note.keys ?? [])];
}

/** The bytes of all files in the order of the journal entry's `files`. */
export function inlineData(appends: ReadonlyMap<DataFile, Append>): Buffer[] {
  return [...appends.values()].flatMap((append) => append.buffers);
}
