import { readFileSync } from 'node:fs';
import { type DamagedRange, type EntryForm, type LogScan, lengthWithoutZeros, scanLog } from '../disk/scan-log.ts';
import type { DataFiles } from './data-files.ts';
import { listSegments, MAGIC, seedAt, segmentPath } from './journal.ts';
import { decodeMeta, type EntryMeta, LaterJournalError } from './journal-meta.ts';

/** Reads the segments of the commit journal, which journal.ts draws: those of this version and of version 1.0.0. */

/** `seq` is the first member of every meta. */
const META_BEGINNING = Buffer.from('{"seq":');
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
  /** Where the newest entry begins; 0 when there is no other, or none: what stands before it is then as new. */
  readonly newest: number;
  readonly damage: readonly DamagedRange[];
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

/** The entries that count, in order. An entry whose `seq` a later segment starts with, or goes beyond, was given up. */
export function liveEntries(segments: readonly Segment[]): Entry[] {
  const readable = segments.filter((segment) => segment.entries.length > 0);
  return readable.flatMap((segment, i) => {
    const nextSeq = readable[i + 1]?.entries[0]?.meta.seq ?? Number.POSITIVE_INFINITY;
    return segment.entries.filter((entry) => entry.meta.seq < nextSeq);
  });
}

/** Entries are valid in their own place only. */
function formOf(number: number): EntryForm {
  return { metaStart: META_BEGINNING, seedOf: (_, position) => seedAt(number, position) };
}

const FORM_1: EntryForm = { metaStart: META_BEGINNING, seedOf: () => 0 };

function readSegment(number: number, path: string, dataFiles: DataFiles): Segment {
  const bytes = readFileSync(path);
  const { entries, damage, tornBytes } = scanSegment(bytes, number);
  const read = entries.map(({ meta, data }): Entry => ({ meta: decodeMeta(meta, dataFiles), data }));
  const newest = entries.length > 1 ? (entries.at(-1)?.start ?? 0) : 0;
  return { number, path, entries: read, newest, damage, tornBytes };
}

function scanSegment(bytes: Buffer, number: number): Pick<LogScan, 'entries' | 'damage' | 'tornBytes'> {
  const magic = bytes.subarray(0, MAGIC.length);
  const scan = (form: EntryForm): LogScan => scanLog(bytes, { start: MAGIC.length, form });
  if (magic.equals(MAGIC)) return scan(formOf(number));
  if (magic.equals(MAGIC_1)) return scan(FORM_1);
  // The magic is damaged, or it was not written. The entries show their form themselves.
  const length = lengthWithoutZeros(bytes, 0);
  for (const form of [formOf(number), FORM_1]) {
    const found = scan(form);
    if (found.entries.length === 0) continue;
    const damagedMagic = { start: 0, end: MAGIC.length, isCorrected: true };
    return { ...found, damage: [damagedMagic, ...found.damage] };
  }
  // Not earlier: one wrong bit makes LFJRNL3 of LFJRNL2, but not of its entries.
  const text = magic.toString('latin1');
  if (LATER_MAGIC.test(text)) {
    throw new LaterJournalError(`its form is ${text.trim()}, this version knows LFJRNL1 and LFJRNL2`);
  }
  const isUnfinished = magic.every((byte, i) => byte === 0 || byte === MAGIC[i]);
  return isUnfinished
    ? { entries: [], damage: [], tornBytes: length }
    : { entries: [], damage: [{ start: 0, end: length, isCorrected: false }], tornBytes: 0 };
}
