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

/** What one day of a stream has, in bytes. */
interface Day extends FormBytes {
  readonly summaries: number;
}

/** Adds up the lengths of the service's files, in small steps: one day of a stream, or one folder. Other files are not counted. */
export class DiskWalk {
  readonly #folders: WalkFolders;
  readonly #configured: readonly StreamName[];
  /** By stream and day. Streams that are not configured are here too. */
  readonly #streams = new Map<StreamName, Map<string, Day>>();
  #other = { journal: 0, keys: 0, dead_letters: 0 };
  #walkedAt: number | undefined;

  /** `streams`: those that are configured. */
  constructor(folders: WalkFolders, streams: readonly StreamName[]) {
    this.#folders = folders;
    this.#configured = streams;
  }

  /** Walks once, one step for each `next()`. The figures change with each step. `clock`: Unix ms. */
  async *steps(clock: () => number): AsyncGenerator<void> {
    const { logsDir, stateDir, dlqDir } = this.#folders;
    const [found, state, letters] = await Promise.all([
      listStreams(logsDir),
      readState(stateDir),
      listFiles(dlqDir, (name) => DLQ_FILE.test(name)),
    ]);
    this.#other = { ...state, dead_letters: sumOf(letters) };
    const streams = new Set([...this.#configured, ...found]);
    for (const known of this.#streams.keys()) if (!streams.has(known)) this.#streams.delete(known);
    for (const stream of streams) {
      yield;
      yield* this.#walkStream(stream);
    }
    this.#walkedAt = clock();
  }

  /** What is known now. `stream`: whose days are listed. */
  use(stream: StreamName): DiskUse {
    const daysOf = (name: StreamName) => [...(this.#streams.get(name) ?? [])].filter(([, day]) => hasHours(day));
    const streams = [...this.#streams.keys()];
    const removed = streams.filter((name) => !this.#configured.includes(name)).flatMap(daysOf);
    const summaries = [...this.#streams.values()].flatMap((days) => [...days.values()].map((day) => day.summaries));
    return {
      streams: this.#configured.map((name) => ({ name, ...sumForms(daysOf(name)), days: daysOf(name).length })),
      days: daysOf(stream)
        .sort(([a], [b]) => (a < b ? 1 : -1))
        .slice(0, MAX_DAYS)
        .map(([day, { plain, zstd }]) => ({ day, plain, zstd })),
      other: { ...this.#other, summaries: sum(summaries), removed_streams: sum(Object.values(sumForms(removed))) },
      walkedAt: this.#walkedAt,
    };
  }

  /** Measures the days of a stream, newest first, and forgets those that are not there any more. */
  async *#walkStream(stream: StreamName): AsyncGenerator<void> {
    const { logsDir, analyticsDir } = this.#folders;
    const folders = { hours: streamFolder(logsDir, stream), summaries: streamFolder(analyticsDir, stream) };
    const names = await Promise.all([list(folders.hours), list(folders.summaries)]);
    const days = new Set(names.flat().filter((name) => parseHour(`${name}T00`) !== undefined));
    const known = this.#streams.get(stream) ?? new Map<string, Day>();
    this.#streams.set(stream, known);
    for (const day of known.keys()) if (!days.has(day)) known.delete(day);
    for (const day of [...days].sort().reverse()) {
      const [forms, summaries] = await Promise.all([
        hourBytes(join(folders.hours, day)),
        listFiles(join(folders.summaries, day), (name) => SUMMARY_FILE.test(name)),
      ]);
      known.set(day, { ...forms, summaries: sumOf(summaries) });
      yield;
    }
  }
}

/** Empty files count as nothing. */
function hasHours({ plain, zstd }: FormBytes): boolean {
  return plain + zstd > 0;
}

async function readState(folder: string): Promise<{ journal: number; keys: number }> {
  const state = { journal: 0, keys: 0 };
  for (const { name, bytes } of await listFiles(folder, (each) => STATE_FILE.test(each)))
    state[STATE_FILE.exec(name)?.groups?.journal === undefined ? 'keys' : 'journal'] += bytes;
  return state;
}

async function hourBytes(folder: string): Promise<FormBytes> {
  const total: Record<HourForm, number> = { plain: 0, zstd: 0 };
  for (const { name, bytes } of await listFiles(folder, (each) => HOUR_FILE.test(each)))
    total[HOUR_FILE.exec(name)?.groups?.zstd === undefined ? 'plain' : 'zstd'] += bytes;
  return total;
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

function sumForms(days: readonly (readonly [string, FormBytes])[]): FormBytes {
  return { plain: sum(days.map(([, { plain }]) => plain)), zstd: sum(days.map(([, { zstd }]) => zstd)) };
}

function sumOf(files: readonly { readonly bytes: number }[]): number {
  return sum(files.map(({ bytes }) => bytes));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
