import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolderSync, syncPathSync } from '../disk/folders.ts';
import { isMissing } from '../disk/missing.ts';
import { replaceFileSync } from '../disk/replace-file.ts';
import { type Hour, hourToIso, hourToPath } from '../model/hour.ts';
import { type OwnedSummary, type Summary, SummaryFormatError } from '../model/summary.ts';

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
 * The maps are written and read key by key, because an object would put a key like `123` first.
 */

/** The summary files of one folder. All calls but `readBytes` block, so they are for threads that serve no requests. */
export interface SummaryFiles {
  /** The file byte for byte; undefined where there is none. */
  readBytes(hour: Hour): Promise<Buffer | undefined>;
  /** Changes whenever the file does; undefined where there is none. */
  version(hour: Hour): string | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(hour: Hour): OwnedSummary | undefined;
  /** Replaces the file in one step. */
  write(summary: Summary): void;
  /** Syncs the file and its name. Throws where there is none. */
  sync(hour: Hour): void;
}

export interface SummaryFilesOptions {
  readonly analyticsDir: string;
  /** 'disk': the file and its name are synced when `write` returns. 'later': when `sync` is called. 'os': never. */
  readonly durability: 'disk' | 'later' | 'os';
}

const FILE_MODE = 0o640;

export function summaryPath(analyticsDir: string, hour: Hour): string {
  const { day, hh } = hourToPath(hour);
  return join(analyticsDir, day, `summary_${hh}.json`);
}

export function createSummaryFiles({ analyticsDir, durability }: SummaryFilesOptions): SummaryFiles {
  return {
    sync(hour) {
      const path = summaryPath(analyticsDir, hour);
      try {
        syncPathSync(path);
        syncPathSync(dirname(path));
      } catch (error) {
        throw new Error(`cannot sync summary path=${path}`, { cause: error });
      }
    },

    async readBytes(hour) {
      const path = summaryPath(analyticsDir, hour);
      try {
        return await fs.promises.readFile(path);
      } catch (error) {
        return absentOrThrow(error, path);
      }
    },

    version(hour) {
      const stat = fs.statSync(summaryPath(analyticsDir, hour), { throwIfNoEntry: false });
      return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    },

    read(hour) {
      const path = summaryPath(analyticsDir, hour);
      const text = readIfThere(path);
      return text === undefined ? undefined : parseSummary(text, hour);
    },

    write(summary) {
      const path = summaryPath(analyticsDir, summary.hour);
      try {
        makeFolderSync(dirname(path), durability !== 'os');
        replaceFileSync(path, encodeSummary(summary), { durable: durability === 'disk', mode: FILE_MODE });
      } catch (error) {
        throw new Error(`cannot write summary path=${path}`, { cause: error });
      }
    },
  };
}

/** Reads a summary of `hour`, however it is laid out. Throws SummaryFormatError. */
export function parseSummary(text: string, hour: Hour): OwnedSummary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SummaryFormatError('not JSON', { cause: error });
  }
  const file = asObject(value, 'the summary');
  const source = asObject(file.source, 'source');
  const summary: OwnedSummary = {
    hour,
    totalRequests: asCount(file.totalRequests, 'totalRequests'),
    requestsPerPath: asMap(file.requestsPerPath, 'requestsPerPath'),
    requestsPerUserAgent: asMap(file.requestsPerUserAgent, 'requestsPerUserAgent'),
    source: {
      bytes: asCount(source.bytes, 'source.bytes'),
      records: asCount(source.records, 'source.records'),
      skippedLines: asCount(source.skippedLines, 'source.skippedLines'),
    },
  };
  if (file.hour !== hourToIso(hour)) throw new SummaryFormatError(`hour is not ${hourToIso(hour)}`);
  const total = summary.totalRequests;
  for (const counts of [summary.requestsPerPath, summary.requestsPerUserAgent])
    if (sum(counts) !== total || summary.source.records !== total)
      throw new SummaryFormatError('the counts do not add up');
  return summary;
}

const PIECE_CHARS = 64 * 1024;

/** The text of the file, in pieces. */
export function* encodeSummary(summary: Summary): Generator<string, void, undefined> {
  const { bytes, records, skippedLines } = summary.source;
  yield `{\n  "hour": "${hourToIso(summary.hour)}",\n  "totalRequests": ${summary.totalRequests},\n  "requestsPerPath": `;
  yield* encodeMap(summary.requestsPerPath);
  yield ',\n  "requestsPerUserAgent": ';
  yield* encodeMap(summary.requestsPerUserAgent);
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

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

function asObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SummaryFormatError(`${name} is not an object`);
  return value as Record<string, unknown>;
}

function asCount(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new SummaryFormatError(`${name} is not a count`);
  return value;
}

function asMap(value: unknown, name: string): Map<string, number> {
  const object = asObject(value, name);
  const map = new Map<string, number>();
  // Not Object.entries: a pair for each of a million keys takes three times as long.
  for (const key of Object.keys(object)) map.set(key, asCount(object[key], name));
  return map;
}

function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    return absentOrThrow(error, path);
  }
}

function absentOrThrow(error: unknown, path: string): undefined {
  if (isMissing(error)) return undefined;
  throw new Error(`cannot read summary path=${path}`, { cause: error });
}
