import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { createFolderMaker, syncPathSync } from '../disk/folders.ts';
import { isMissing } from '../disk/missing.ts';
import { fileVersion } from '../disk/open-file.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { hourToIso, hourToPath, type StreamHour } from '../model/hour.ts';
import { type MapLimits, mapLimits, type OwnedSummary, type Summary, SummaryFormatError } from '../model/summary.ts';
import { hasUnnamed, summaryJson } from '../model/summary-json.ts';
import { streamFolder } from './stream-folders.ts';
import { createSeal, createSummaryChecksums, seal } from './summary-checksums.ts';
import { parseSummaryFrom, type ReadNext } from './summary-parser.ts';

/*
 * <analyticsDir>/YYYY-MM-DD/summary_HH.json, two-space JSON, the largest counts first:
 *
 *   {
 *     "hour": "2015-05-17T10:00:00Z",
 *     "totalRequests": 74,
 *     "requestsPerPath": {
 *       "/favicon.ico": 9
 *     },
 *     "requestsPerUserAgent": {
 *       "curl/8": 3
 *     },
 *     "source": {
 *       "bytes": 12345,
 *       "records": 74,
 *       "skippedLines": 0
 *     }
 *   }
 *
 * Of any other stream <analyticsDir>/<stream>/YYYY-MM-DD/summary_HH.json, with a map for each dimension that it was counted by:
 *
 *   {
 *     "hour": "2025-11-22T10:00:00Z",
 *     "totalRecords": 3,
 *     "counts": {
 *       "level": {
 *         "INFO": 3
 *       },
 *       "service": {
 *         "auth": 2,
 *         "payment": 1
 *       }
 *     },
 *     "source": { … }
 *   }
 *
 * The maps are written and read key by key, because an object would put a key like `123` first. Where a map was full, `other` stands
 * before `source`, with the records that the maps do not name:
 *
 *   "other": {
 *     "requestsPerPath": 7,                       of any other stream "level": 7
 *     "requestsPerUserAgent": 0
 *   },
 */

/** The summary files of all streams. All calls block, so they are for threads that serve no requests. */
export interface SummaryFiles {
  /** Changes whenever the file does; undefined where there is none. */
  version(at: StreamHour): string | undefined;
  /** Reads the whole file and makes sure that it is the one that was written. Undefined where there is none. Throws SummaryFormatError. */
  check(at: StreamHour): CheckedSummary | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(at: StreamHour): OwnedSummary | undefined;
  /** Replaces the file in one step. */
  write(summary: Summary): void;
  /** Syncs the file and its name. Throws where there is none. */
  sync(at: StreamHour): void;
  /** Renames a damaged summary that cannot be counted again, so that it is served no more and not lost. Gives its new path. */
  putAside(at: StreamHour): string;
}

/** A summary file that may be served as it is, while its version stays the same (disk/open-file.ts). */
export interface CheckedSummary {
  readonly path: string;
  readonly version: string;
  readonly bytes: number;
}

export interface SummaryFilesOptions {
  readonly analyticsDir: string;
  /** 'disk': the file and its name are synced when `write` returns. 'later': when `sync` is called. 'os': never. */
  readonly durability: 'disk' | 'later' | 'os';
  /** Keys of each map, at most: what a file has beyond it is read into `other`. Absent: as many as there can be. */
  readonly maxKeys?: number;
}

const FILE_MODE = 0o640;
/** A file that is replaced again and again while it is read is read this often. */
const READS = 5;

export function summaryPath(analyticsDir: string, { stream, hour }: StreamHour): string {
  const { day, hh } = hourToPath(hour);
  return join(streamFolder(analyticsDir, stream), day, `summary_${hh}.json`);
}

export function createSummaryFiles({
  analyticsDir,
  durability,
  maxKeys = Infinity,
}: SummaryFilesOptions): SummaryFiles {
  const checksums = createSummaryChecksums({ analyticsDir, durability });
  const limits = mapLimits(maxKeys);
  const makeFolder = createFolderMaker(durability !== 'os');

  const readAgain = createReader(analyticsDir, checksums);

  return {
    version: (at) => versionOf(summaryPath(analyticsDir, at)),

    check(at) {
      const found = readAgain(at, (read, isKnown) =>
        isKnown ? skim(read) : parseSummaryFrom(read, at, NO_KEYS) !== undefined,
      );
      return found && { path: found.path, version: found.version, bytes: found.bytes };
    },

    read: (at) => readAgain(at, (read) => parseSummaryFrom(read, at, limits))?.result,

    write(summary) {
      const path = summaryPath(analyticsDir, summary);
      try {
        makeFolder(dirname(path));
        const pieces = seal(encodeSummary(summary), (checksum) => checksums.add(summary, checksum));
        replaceFileSync(path, pieces, { durable: durability === 'disk', mode: FILE_MODE });
      } catch (error) {
        throw new Error(`cannot write summary path=${path}`, { cause: error });
      }
    },

    sync(at) {
      const path = summaryPath(analyticsDir, at);
      try {
        checksums.sync(at);
        syncPathSync(path);
        syncPathSync(dirname(path));
      } catch (error) {
        throw new Error(`cannot sync summary path=${path}`, { cause: error });
      }
    },

    putAside(at) {
      const path = summaryPath(analyticsDir, at);
      const aside = `${path}.damaged`;
      try {
        fs.renameSync(path, aside);
      } catch (error) {
        throw new Error(`cannot rename summary path=${path}`, { cause: error });
      }
      return aside;
    },
  };
}

/** Reads whole summaries, each again where it was replaced meanwhile. */
function createReader(analyticsDir: string, checksums: ReturnType<typeof createSummaryChecksums>) {
  /** Reads a file from start to end by `use`, and holds it against its checksum, if there is one. */
  function readWhole<T>(at: StreamHour, use: (read: ReadNext, isKnown: boolean) => T) {
    const path = summaryPath(analyticsDir, at);
    const isKnown = checksums.of(at).length > 0;
    const file = openIfThere(path);
    if (file === undefined) return undefined;
    try {
      const seal = createSeal();
      const result = use((target) => seal.add(target, fs.readSync(file.fd, target, 0, target.length, null)), isKnown);
      // Read after the file: the writer adds a checksum before it replaces the file.
      const wanted = checksums.of(at);
      if (wanted.length > 0 && !wanted.includes(seal.text())) throw new SummaryFormatError('its checksum is another');
      return { path, version: file.version, bytes: file.bytes, result };
    } catch (error) {
      if (error instanceof SummaryFormatError) throw error;
      throw new Error(`cannot read summary path=${path}`, { cause: error });
    } finally {
      fs.closeSync(file.fd);
    }
  }

  function readAgain<T>(at: StreamHour, use: (read: ReadNext, isKnown: boolean) => T) {
    for (let left = READS; ; left--) {
      const before = versionOf(summaryPath(analyticsDir, at));
      try {
        return readWhole(at, use);
      } catch (error) {
        const isReplaced = before !== versionOf(summaryPath(analyticsDir, at));
        if (!isReplaced || left <= 1) throw error;
      }
    }
  }

  return readAgain;
}

/** A check needs the counts, and no key. */
const NO_KEYS: MapLimits = { maxKeys: 0, maxKeyBytes: 0 };

function openIfThere(path: string) {
  try {
    const fd = fs.openSync(path, 'r');
    const stat = fs.fstatSync(fd);
    return { fd, version: fileVersion(stat), bytes: stat.size };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(`cannot read summary path=${path}`, { cause: error });
  }
}

function versionOf(path: string): string | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : fileVersion(stat);
}

const SKIM_BYTES = 256 * 1024;

/** Reads to the end. */
function skim(read: ReadNext): void {
  const buffer = Buffer.allocUnsafe(SKIM_BYTES);
  while (read(buffer) > 0);
}

/** Reads the summary of an hour, however it is laid out. Throws SummaryFormatError. */
export function parseSummary(text: string, at: StreamHour, limits: MapLimits = mapLimits(Infinity)): OwnedSummary {
  const bytes = Buffer.from(text);
  let position = 0;
  const read: ReadNext = (target) => {
    const copied = bytes.copy(target, 0, position);
    position += copied;
    return copied;
  };
  return parseSummaryFrom(read, at, limits);
}

/** The text of the file, in pieces. */
export function encodeSummary({ stream, hour, dimensions, ...rest }: Summary): Generator<string, void, undefined> {
  const head = { hour: hourToIso(hour) };
  const sorted = dimensions.map(({ counts, ...other }) => ({ ...other, counts: new Map([...counts].sort(byCount)) }));
  return summaryJson({ stream, head, hasOther: hasUnnamed(dimensions) }, { ...rest, dimensions: sorted });
}

/** Largest first, then by key. So the same counts always make the same file. */
function byCount([key1, count1]: readonly [string, number], [key2, count2]: readonly [string, number]): number {
  if (count1 !== count2) return count2 - count1;
  return key1 < key2 ? -1 : 1;
}
