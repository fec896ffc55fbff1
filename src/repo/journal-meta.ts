import type { IdempotencyNote, OffsetNote, Position } from '../model/deliver.ts';
import type { Hour } from '../model/hour.ts';
import { ACCESS_STREAM, isDefaultStream } from '../model/stream.ts';
import type { DataFile, DataFiles, HourDataFile } from './data-files.ts';

/** What an entry of the commit journal says, and its form in the file, which journal.ts draws. */

/**
 * A file as of this entry: its new committed length, and how many of the last bytes are the entry's inline data. Of a compressed hour:
 * also how much of its lines is in frames, and the committed length of its lines, which the inline data counts for.
 */
export type FileNote = readonly [file: DataFile, length: number, inline: number, lines?: LinesNote];

export interface LinesNote {
  readonly framed: number;
  readonly logical: number;
}

/** Committed length of the lines in bytes after this note. */
export function logicalLength([, length, , lines]: FileNote): number {
  return lines?.logical ?? length;
}

/** Its keys are those of the JSON. */
export interface EntryMeta {
  /** Counts entries. In a segment, the entries from the next segment's first `seq` on were given up and do not count. */
  readonly seq: number;
  readonly files?: readonly FileNote[];
  readonly keys?: readonly IdempotencyNote[];
  readonly offsets?: readonly OffsetNote[];
  readonly positions?: readonly Position[];
  readonly batchIds?: readonly string[];
  /** The aggregator's cursors that advanced: the length up to which the summary of an hour has read its file. */
  readonly summarised?: readonly (readonly [file: HourDataFile, bytes: number])[];
  /** In a snapshot: hours whose file is longer than the aggregator's cursor. */
  readonly changed?: readonly HourDataFile[];
  /** In a snapshot: the random name that the state folder got when it was made. It never changes. */
  readonly store?: string;
  /** Hours in which an offset may be given a second time: their generation by now. Those of generation 0 are left out. */
  readonly generations?: readonly (readonly [file: DataFile, generation: number])[];
  /** Retention removed these: an hour with all hours of its stream before it, for ever; a day of dead letters. */
  readonly removed?: readonly DataFile[];
}

type StoredHour = Hour | string;

/** `form` is left out of a plain file. */
type StoredFileNote = readonly [
  name: string,
  length: number,
  inline: number,
  form?: { readonly form: string } & LinesNote,
];
const COMPRESSED_FORM = 'zstd';

type StoredMeta = Omit<EntryMeta, 'files' | 'positions' | 'generations' | 'summarised' | 'changed' | 'removed'> & {
  readonly positions?: readonly (readonly [source: string, next: string])[];
  readonly removed?: readonly StoredHour[];
  readonly summarised?: readonly (readonly [hour: StoredHour, bytes: number])[];
  readonly changed?: readonly StoredHour[];
  readonly files?: readonly StoredFileNote[];
  readonly generations?: readonly (readonly [name: string, generation: number])[];
};

/** Every member that this version writes. */
const MEMBERS: ReadonlySet<string> = new Set([
  'seq',
  'files',
  'keys',
  'offsets',
  'positions',
  'batchIds',
  'summarised',
  'changed',
  'store',
  'generations',
  'removed',
] satisfies (keyof EntryMeta)[]);
const SKIPPED_MEMBERS = 'x-';

/** A later version of logforge wrote the journal, so this one must not go on from it. */
export class LaterJournalError extends Error {
  override readonly name = 'LaterJournalError';
  constructor(found: string, options?: ErrorOptions) {
    super(
      `a later version of logforge wrote it (${found}); nothing was changed; start that version, or restore the backup from before the upgrade`,
      options,
    );
  }
}

/** The meta as it stands in the file. */
export function encodeMeta(meta: EntryMeta): object {
  const { files, positions, generations, summarised, changed, removed, ...rest } = meta;
  const stored: StoredMeta = {
    ...rest,
    ...(files && { files: files.map(encodeFileNote) }),
    ...(positions && { positions: positions.map(({ source, next }) => [source, next] as const) }),
    ...(summarised && { summarised: summarised.map(([file, bytes]) => [encodeHour(file), bytes] as const) }),
    ...(changed && { changed: changed.map(encodeHour) }),
    ...(removed && { removed: removed.map((file) => (file.kind === 'hour' ? encodeHour(file) : file.name)) }),
    ...(generations && { generations: generations.map(([{ name }, generation]) => [name, generation] as const) }),
  };
  return stored;
}

function encodeHour({ stream, hour, name }: HourDataFile): StoredHour {
  return isDefaultStream(stream) ? hour : name;
}

function decodeFile(stored: StoredHour, dataFiles: DataFiles): DataFile {
  if (typeof stored === 'number') return dataFiles.ofHour({ stream: ACCESS_STREAM.name, hour: stored });
  return namedFile(stored, dataFiles);
}

function decodeHour(stored: StoredHour, dataFiles: DataFiles): HourDataFile {
  const file = decodeFile(stored, dataFiles);
  if (file.kind !== 'hour') throw new LaterJournalError(`an entry takes ${JSON.stringify(stored)} for an hour`);
  return file;
}

/** The checksum of the entry holds, so `meta` is what `encode` wrote, in this version or another. */
export function decodeMeta(meta: unknown, dataFiles: DataFiles): EntryMeta {
  const { files, positions, generations, summarised, changed, removed, ...rest } = meta as StoredMeta;
  for (const name of Object.keys(rest)) {
    if (MEMBERS.has(name) || name.startsWith(SKIPPED_MEMBERS)) continue;
    throw new LaterJournalError(`an entry has the unknown member ${JSON.stringify(name)}`);
  }
  return {
    ...rest,
    ...(files && { files: files.map((note) => decodeFileNote(note, dataFiles)) }),
    ...(positions && { positions: positions.map(([source, next]) => ({ source, next })) }),
    ...(summarised && { summarised: summarised.map(([hour, bytes]) => [decodeHour(hour, dataFiles), bytes] as const) }),
    ...(changed && { changed: changed.map((hour) => decodeHour(hour, dataFiles)) }),
    ...(removed && { removed: removed.map((stored) => decodeFile(stored, dataFiles)) }),
    ...(generations && {
      generations: generations.map(([name, generation]) => [namedFile(name, dataFiles), generation] as const),
    }),
  };
}

function encodeFileNote([{ name }, length, inline, lines]: FileNote): StoredFileNote {
  return lines === undefined ? [name, length, inline] : [name, length, inline, { form: COMPRESSED_FORM, ...lines }];
}

function decodeFileNote(note: StoredFileNote, dataFiles: DataFiles): FileNote {
  const [name, length, inline, form, ...more] = note;
  const file = namedFile(name, dataFiles);
  if (form === undefined && more.length === 0) return [file, length, inline];
  if (form?.form !== COMPRESSED_FORM || more.length > 0 || file.kind !== 'hour')
    throw new LaterJournalError(`the file ${JSON.stringify(name)} has an unknown form`);
  return [file.compressed, length, inline, { framed: form.framed, logical: form.logical }];
}

function namedFile(name: string, dataFiles: DataFiles): DataFile {
  try {
    return dataFiles.named(name);
  } catch (cause) {
    throw new LaterJournalError(`an entry names the unknown file ${JSON.stringify(name)}`, { cause });
  }
}
