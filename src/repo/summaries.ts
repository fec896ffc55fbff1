import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { createFolderMaker, syncPathSync } from '../disk/folders.ts';
import { isMissing } from '../disk/missing.ts';
import { fileVersion } from '../disk/open-file.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { type Hour, hourToIso, hourToPath } from '../model/hour.ts';
import { type MapLimits, mapLimits, type OwnedSummary, type Summary, SummaryFormatError } from '../model/summary.ts';
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
 * The maps are written and read key by key, because an object would put a key like `123` first. Where a map was full, `other` stands
 * before `source`, with the requests that the maps do not name:
 *
 *   "other": {
 *     "requestsPerPath": 7,
 *     "requestsPerUserAgent": 0
 *   },
 */

/** The summary files of one folder. All calls block, so they are for threads that serve no requests. */
export interface SummaryFiles {
  /** Changes whenever the file does; undefined where there is none. */
  version(hour: Hour): string | undefined;
  /** Reads the whole file and makes sure that it is the one that was written. Undefined where there is none. Throws SummaryFormatError. */
  check(hour: Hour): CheckedSummary | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(hour: Hour): OwnedSummary | undefined;
  /** Replaces the file in one step. */
  write(summary: Summary): void;
  /** Syncs the file and its name. Throws where there is none. */
  sync(hour: Hour): void;
  /** Renames a damaged summary that cannot be counted again, so that it is served no more and not lost. Gives its new path. */
  putAside(hour: Hour): string;
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

export function summaryPath(analyticsDir: string, hour: Hour): string {
  const { day, hh } = hourToPath(hour);
  return join(analyticsDir, day, `summary_${hh}.json`);
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
    version: (hour) => versionOf(summaryPath(analyticsDir, hour)),

    check(hour) {
      const found = readAgain(hour, (read, isKnown) =>
        isKnown ? skim(read) : parseSummaryFrom(read, hour, NO_KEYS) !== undefined,
      );
      return found && { path: found.path, version: found.version, bytes: found.bytes };
    },

    read: (hour) => readAgain(hour, (read) => parseSummaryFrom(read, hour, limits))?.result,

    write(summary) {
      const path = summaryPath(analyticsDir, summary.hour);
      try {
        makeFolder(dirname(path));
        const pieces = seal(encodeSummary(summary), (checksum) => checksums.add(summary.hour, checksum));
        replaceFileSync(path, pieces, { durable: durability === 'disk', mode: FILE_MODE });
      } catch (error) {
        throw new Error(`cannot write summary path=${path}`, { cause: error });
      }
    },

    sync(hour) {
      const path = summaryPath(analyticsDir, hour);
      try {
        checksums.sync(hour);
        syncPathSync(path);
        syncPathSync(dirname(path));
      } catch (error) {
        throw new Error(`cannot sync summary path=${path}`, { cause: error });
      }
    },

    putAside(hour) {
      const path = summaryPath(analyticsDir, hour);
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
  function readWhole<T>(hour: Hour, use: (read: ReadNext, isKnown: boolean) => T) {
    const path = summaryPath(analyticsDir, hour);
    const isKnown = checksums.of(hour).length > 0;
    const file = openIfThere(path);
    if (file === undefined) return undefined;
    try {
      const seal = createSeal();
      const result = use((target) => seal.add(target, fs.readSync(file.fd, target, 0, target.length, null)), isKnown);
      // Read after the file: the writer adds a checksum before it replaces the file.
      const wanted = checksums.of(hour);
      if (wanted.length > 0 && !wanted.includes(seal.text())) throw new SummaryFormatError('its checksum is another');
      return { path, version: file.version, bytes: file.bytes, result };
    } catch (error) {
      if (error instanceof SummaryFormatError) throw error;
      throw new Error(`cannot read summary path=${path}`, { cause: error });
    } finally {
      fs.closeSync(file.fd);
    }
  }

  function readAgain<T>(hour: Hour, use: (read: ReadNext, isKnown: boolean) => T) {
    for (let left = READS; ; left--) {
      const before = versionOf(summaryPath(analyticsDir, hour));
      try {
        return readWhole(hour, use);
      } catch (error) {
        const isReplaced = before !== versionOf(summaryPath(analyticsDir, hour));
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

/** Reads a summary of `hour`, however it is laid out. Throws SummaryFormatError. */
export function parseSummary(text: string, hour: Hour, limits: MapLimits = mapLimits(Infinity)): OwnedSummary {
  const bytes = Buffer.from(text);
  let at = 0;
  const read: ReadNext = (target) => {
    const copied = bytes.copy(target, 0, at);
    at += copied;
    return copied;
  };
  return parseSummaryFrom(read, hour, limits);
}

const PIECE_CHARS = 64 * 1024;

/** The text of the file, in pieces. */
export function* encodeSummary(summary: Summary): Generator<string, void, undefined> {
  const { other, source } = summary;
  const { bytes, records, skippedLines } = source;
  yield `{\n  "hour": "${hourToIso(summary.hour)}",\n  "totalRequests": ${summary.totalRequests},\n  "requestsPerPath": `;
  yield* encodeMap(summary.requestsPerPath);
  yield ',\n  "requestsPerUserAgent": ';
  yield* encodeMap(summary.requestsPerUserAgent);
  if (other !== undefined) {
    yield ',\n  "other": {\n';
    yield `    "requestsPerPath": ${other.requestsPerPath},\n    "requestsPerUserAgent": ${other.requestsPerUserAgent}\n  }`;
  }
  yield ',\n  "source": {\n';
  yield `    "bytes": ${bytes},\n    "records": ${records},\n    "skippedLines": ${skippedLines}\n  }\n}\n`;
}

function* encodeMap(counts: ReadonlyMap<string, number>): Generator<string, void, undefined> {
  let piece = '{';
  let separator = '\n    ';
  for (const [key, count] of [...counts].sort(byCount)) {
    piece += `${separator}${JSON.stringify(key)}: ${count}`;
    separator = ',\n    ';
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  yield counts.size === 0 ? '{}' : `${piece}\n  }`;
}

/** Largest first, then by key. So the same counts always make the same file. */
function byCount([key1, count1]: readonly [string, number], [key2, count2]: readonly [string, number]): number {
  if (count1 !== count2) return count2 - count1;
  return key1 < key2 ? -1 : 1;
}
