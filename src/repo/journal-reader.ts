import { readFileSync } from 'node:fs';
import { wholeEntries } from '../disk/write-ahead-log.ts';
import type { DataFiles } from './data-files.ts';
import { decodeMeta, type EntryMeta, LaterJournalError, listSegments, MAGIC, seedAt, segmentPath } from './journal.ts';

/** Reads the segments of the commit journal, which journal.ts draws: those of this version and of version 1.0.0. */

const MAGIC_1 = Buffer.from('LFJRNL1\n');
/** The magic of a form that only a later version knows. */
const LATER_MAGIC = /^LFJRNL(?:[3-9]|\d\d)/;

export interface Entry {
  readonly meta: EntryMeta;
  /** Inline data: a view of the bytes that were read. */
  readonly data: Buffer;
}

export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly entries: readonly Entry[];
  /** Bytes after the last whole entry, without trailing zeros: a commit that was running when the process ended. */
  readonly tornBytes: number;
}

/**
 * The segments of a state folder, oldest first. One whose snapshot cannot be read has no entries. Rejects with
 * LaterJournalError when a later version wrote one of them.
 */
export async function readSegments(stateDir: string, dataFiles: DataFiles): Promise<Segment[]> {
  const numbers = await listSegments(stateDir);
  return numbers.map((number) => {
    const path = segmentPath(stateDir, number);
    try {
      return readSegment(number, path, dataFiles);
    } catch (cause) {
      const reason = cause instanceof LaterJournalError ? `: ${cause.message}` : '';
      throw new Error(`cannot read the commit journal file=${path}${reason}`, { cause });
    }
  });
}

function readSegment(number: number, path: string, dataFiles: DataFiles): Segment {
  const bytes = readFileSync(path);
  const magic = bytes.subarray(0, MAGIC.length);
  if (LATER_MAGIC.test(magic.toString('latin1'))) {
    throw new LaterJournalError(
      `its form is ${magic.toString('latin1').trim()}, this version knows LFJRNL1 and LFJRNL2`,
    );
  }
  const entries: Entry[] = [];
  let end = 0;
  const isFirstForm = magic.equals(MAGIC_1);
  if (isFirstForm || magic.equals(MAGIC)) {
    const seedOf = isFirstForm ? () => 0 : (_: number, position: number) => seedAt(number, position);
    for (const { meta, data, end: next } of wholeEntries(bytes, MAGIC.length, seedOf)) {
      entries.push({ meta: decodeMeta(meta, dataFiles), data });
      end = next;
    }
  }
  return { number, path, entries, tornBytes: lengthWithoutZeros(bytes, end) - end };
}

/** The length up to the last byte after `start` that is not zero. */
function lengthWithoutZeros(bytes: Buffer, start: number): number {
  let length = bytes.length;
  while (length > start && bytes[length - 1] === 0) length--;
  return length;
}
