import { addPiece, type Batch, type Pieces } from '../model/chunk.ts';
import type { CommitNote, IdempotencyNote } from '../model/deliver.ts';
import { nameOfDeadLetters, nameOfHour } from './data-files.ts';
import { encodeDeadLetter } from './dead-letter.ts';

/** A batch that waits to be committed. */
export interface Pending {
  readonly batch: Batch;
  readonly note: CommitNote;
}

/** What a commit does to one file. */
export type Append = Pieces;

/** What each file gets, in the order of the group. */
export function collectAppends(group: readonly Pending[]): Map<string, Append> {
  const appends = new Map<string, Append>();
  for (const { batch, note } of group) {
    for (const chunk of batch) addPiece(appends, nameOfHour(chunk.hour), chunk.lines, chunk.count);
    for (const letter of note.deadLetters ?? [])
      addPiece(appends, nameOfDeadLetters(letter.time), encodeDeadLetter(letter), 1);
  }
  return appends;
}

/** The idempotency keys that a note brings. */
export function keysOf(note: CommitNote): readonly IdempotencyNote[] {
  return note.idempotency === undefined ? (note.keys ?? []) : [note.idempotency, ...(note.keys ?? [])];
}

/** The bytes of all files in the order of the journal entry's `files`. */
export function inlineData(appends: ReadonlyMap<string, Append>): Buffer[] {
  return [...appends.values()].flatMap((append) => append.buffers);
}
