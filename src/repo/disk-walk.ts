import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../disk/missing.ts';
import type { DiskUse, FormBytes, HourForm } from '../model/disk-use.ts';
import { parseHour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { listStreams } from './hour-file.ts';
import { streamFolder } from './stream-folders.ts';

/** Days of a stream that an answer names, the newest: the bars of a year and a little more. */
export const MAX_DAYS = 400;

const HOUR_FILE = /^\d\d\.log\.json(?<zstd>\.zst)?$/;
const SUMMARY_FILE = /^summary_\d\d\.json$/;
const DLQ_FILE = /^\d{4}-\d\d-\d\d\.ndjson$/;
const STATE_FILE = /^(?:(?<journal>journal)|keys|answers)-\d+\.log$/;

export interface WalkFolders {
  readonly logsDir: string;
  readonly analyticsDir: string;
  readonly stateDir: string;
  readonly dlqDir: string;
}

/** Adds up the lengths of the service's files, in small steps: one day of a stream, or one folder. Other files are not counted. */
export class DiskWalk {
  readonly #folders: WalkFolders;
  readonly #streams: readonly StreamName[];
  /** Bytes by stream and day. Streams that are not configured are here too. */
  readonly #hours = new Map<StreamName, Map<string, FormBytes>>();
  /** Bytes of summaries by stream and day. */
  readonly #summaries = new Map<StreamName, Map<string, number>>();
  readonly #other = { journal: 0, keys: 0, dead_letters: 0 };
  #walkedAt: number | undefined;

  /** `streams`: those that are configured. */
  constructor(folders: WalkFolders, streams: readonly StreamName[]) {
    this.#folders = folders;
    this.#streams = streams;
  }

  /** Walks once, one step for each `next()`. The figures change with each step. `clock`: Unix ms. */
  async *steps(clock: () => number): AsyncGenerator<void> {
    const { logsDir, analyticsDir } = this.#folders;
    const found = await listStreams(logsDir);
    for (const known of this.#hours.keys()) if (!found.includes(known)) this.#hours.delete(known);
    yield* this.#otherFolders();
    for (const stream of found) {
      yield* walkDays(streamFolder(logsDir, stream), daysOf(this.#hours, stream), hourBytes);
    }
    for (const stream of this.#streams) {
      yield* walkDays(streamFolder(analyticsDir, stream), daysOf(this.#summaries, stream), summaryBytes);
    }
    this.#walkedAt = clock();
  }

  /** What is known now. `stream`: whose days are listed. */
  use(stream: StreamName): DiskUse {
    const isConfigured = (name: StreamName) => this.#streams.includes(name);
    const removed = [...this.#hours].filter(([name]) => !isConfigured(name)).map(([, days]) => sumForms(days));
    const summaries = [...this.#summaries.values()].flatMap((days) => [...days.values()]);
    return {
      streams: this.#streams.map((name) => {
        const days = this.#hours.get(name) ?? new Map<string, FormBytes>();
        return { name, ...sumForms(days), days: days.size };
      }),
      days: [...(this.#hours.get(stream) ?? [])]
        .sort(([a], [b]) => (a < b ? 1 : -1))
        .slice(0, MAX_DAYS)
        .map(([day, bytes]) => ({ day, ...bytes })),
      other: { ...this.#other, summaries: sum(summaries), removed_streams: sum(removed.flatMap(Object.values)) },
      walkedAt: this.#walkedAt,
    };
  }

  async *#otherFolders(): AsyncGenerator<void> {
    const { stateDir, dlqDir } = this.#folders;
    const state = { journal: 0, keys: 0 };
    for (const { name, bytes } of await listFiles(stateDir, (each) => STATE_FILE.test(each)))
      state[STATE_FILE.exec(name)?.groups?.journal === undefined ? 'keys' : 'journal'] += bytes;
    Object.assign(this.#other, state);
    yield;
    const letters = await listFiles(dlqDir, (name) => DLQ_FILE.test(name));
    this.#other.dead_letters = sum(letters.map(({ bytes }) => bytes));
    yield;
  }
}

function daysOf<T>(all: Map<StreamName, Map<string, T>>, stream: StreamName): Map<string, T> {
  const days = all.get(stream) ?? new Map<string, T>();
  all.set(stream, days);
  return days;
}

/** Measures the days in `folder`, newest first, and forgets those that are not there any more. `measure`: undefined for none. */
async function* walkDays<T>(
  folder: string,
  known: Map<string, T>,
  measure: (dayFolder: string) => Promise<T | undefined>,
): AsyncGenerator<void> {
  const days = (await list(folder)).filter((name) => parseHour(`${name}T00`) !== undefined).sort();
  const present = new Set(days);
  for (const day of known.keys()) if (!present.has(day)) known.delete(day);
  yield;
  for (const day of days.reverse()) {
    const measured = await measure(join(folder, day));
    if (measured === undefined) known.delete(day);
    else known.set(day, measured);
    yield;
  }
}

async function hourBytes(folder: string): Promise<FormBytes | undefined> {
  const files = await listFiles(folder, (name) => HOUR_FILE.test(name));
  if (files.length === 0) return undefined;
  const total: Record<HourForm, number> = { plain: 0, zstd: 0 };
  for (const { name, bytes } of files) {
    const form = HOUR_FILE.exec(name)?.groups?.zstd === undefined ? 'plain' : 'zstd';
    total[form] += bytes;
  }
  return total;
}

async function summaryBytes(folder: string): Promise<number | undefined> {
  const files = await listFiles(folder, (name) => SUMMARY_FILE.test(name));
  return files.length === 0 ? undefined : sum(files.map(({ bytes }) => bytes));
}

/** The regular files of a folder whose names are wanted, with their lengths. A file may go while they are measured. */
async function listFiles(folder: string, isWanted: (name: string) => boolean) {
  const names = (await list(folder)).filter(isWanted);
  const files = await Promise.all(
    names.map(async (name) => {
      const stats = await orNothing(stat(join(folder, name)));
      return stats?.isFile() ? [{ name, bytes: stats.size }] : [];
    }),
  );
  return files.flat();
}

async function list(folder: string): Promise<string[]> {
  return (await orNothing(readdir(folder))) ?? [];
}

async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function sumForms(days: ReadonlyMap<string, FormBytes>): FormBytes {
  const all = [...days.values()];
  return { plain: sum(all.map(({ plain }) => plain)), zstd: sum(all.map(({ zstd }) => zstd)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
