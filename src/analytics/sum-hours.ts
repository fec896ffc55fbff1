import type { Hour } from '../model/hour.ts';
import { type Summary, SummaryFormatError } from '../model/summary.ts';
import type { RangeOptions, RangeSum } from './analytics.ts';
import { createAudience } from './audience.ts';
import { keepLargest } from './keep-largest.ts';
import { addTo } from './summarise.ts';

/** Which hours to add up, [from, to), and what to give of the sum: see RangeOptions. */
export interface SumQuestion extends RangeOptions {
  readonly from: Hour;
  readonly to: Hour;
}

/** The sum of some hours. */
export interface HourSum extends Omit<Summary, 'hour'> {
  /** The number of hours that had a summary, and the hours whose summary cannot be used. */
  readonly hours: number;
  readonly unusable: readonly Hour[];
  /** Requests of the paths and user agents that `top` left out. */
  readonly other: NonNullable<RangeSum['other']>;
  readonly distinct: NonNullable<RangeSum['distinct']>;
  readonly audience: RangeSum['audience'];
}

export interface SummaryReader {
  /** Changes whenever the file does; undefined where there is none. */
  version(hour: Hour): string | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(hour: Hour): Summary | undefined;
}

/** Paths and user agents in the cached summaries, about 100 bytes each. The summary used last is kept however large it is. */
const CACHE_ENTRIES = 200_000;

/** Adds up summaries, synchronously: for a thread of its own. Keeps the summaries read last until their files change. */
export function createHourSums(summaries: SummaryReader, { cacheEntries = CACHE_ENTRIES } = {}) {
  const cache = new SummaryCache(summaries, cacheEntries);
  const { split, kindOf } = createAudience();

  function splitAudience(all: ReadonlyMap<string, number>, kept: ReadonlyMap<string, number>): RangeSum['audience'] {
    return { ...split(all), botUserAgents: [...kept.keys()].filter((agent) => kindOf(agent) === 'bots') };
  }

  return function sumHours({ from, to, top, search = '', audience: isSplit = false }: SumQuestion): HourSum {
    const { paths, userAgents, ...sum } = addHours(cache, from, to);
    const found = { paths: keepMatches(paths, search), userAgents: keepMatches(userAgents, search) };
    const requestsPerPath = keepLargest(found.paths, top);
    const requestsPerUserAgent = keepLargest(found.userAgents, top);
    return {
      ...sum,
      requestsPerPath,
      requestsPerUserAgent,
      other: {
        requestsPerPath: sum.totalRequests - countAll(requestsPerPath),
        requestsPerUserAgent: sum.totalRequests - countAll(requestsPerUserAgent),
      },
      distinct: { paths: found.paths.size, userAgents: found.userAgents.size },
      audience: isSplit ? splitAudience(userAgents, requestsPerUserAgent) : undefined,
    };
  };
}

/** The summaries read last, as long as their files do not change. */
class SummaryCache {
  readonly #summaries: SummaryReader;
  readonly #maxEntries: number;
  /** In the order of last use. */
  readonly #cached = new Map<Hour, { readonly version: string; readonly summary: Summary }>();
  #entries = 0;

  constructor(summaries: SummaryReader, maxEntries: number) {
    this.#summaries = summaries;
    this.#maxEntries = maxEntries;
  }

  /** Undefined where there is none. Throws SummaryFormatError. */
  read(hour: Hour): Summary | undefined {
    const version = this.#summaries.version(hour);
    const known = this.#cached.get(hour);
    this.#forget(hour);
    if (version === undefined) return undefined;
    const summary = known?.version === version ? known.summary : this.#summaries.read(hour);
    if (summary === undefined) return undefined;
    this.#cached.set(hour, { version, summary });
    this.#entries += countEntries(summary);
    for (const oldest of this.#cached.keys()) {
      // The hour read last is kept: with a million paths it takes seconds to read, and it is often searched next.
      if (this.#entries <= this.#maxEntries || oldest === hour) break;
      this.#forget(oldest);
    }
    return summary;
  }

  #forget(hour: Hour): void {
    const known = this.#cached.get(hour);
    if (known === undefined) return;
    this.#cached.delete(hour);
    this.#entries -= countEntries(known.summary);
  }
}

/** Adds up the summaries of the hours in [from, to). */
function addHours(cache: SummaryCache, from: Hour, to: Hour) {
  const paths = createMapSum();
  const userAgents = createMapSum();
  const source = { bytes: 0, records: 0, skippedLines: 0 };
  const unusable: Hour[] = [];
  let totalRequests = 0;
  let hours = 0;
  for (let hour = from; hour < to; hour++) {
    try {
      const summary = cache.read(hour);
      if (summary === undefined) continue;
      hours += 1;
      totalRequests += summary.totalRequests;
      source.bytes += summary.source.bytes;
      source.records += summary.source.records;
      source.skippedLines += summary.source.skippedLines;
      paths.add(summary.requestsPerPath);
      userAgents.add(summary.requestsPerUserAgent);
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
      unusable.push(hour);
    }
  }
  return { totalRequests, source, hours, unusable, paths: paths.total(), userAgents: userAgents.total() };
}

function keepMatches(counts: ReadonlyMap<string, number>, search: string): ReadonlyMap<string, number> {
  if (search === '') return counts;
  const wanted = search.toLowerCase();
  const found = new Map<string, number>();
  counts.forEach((count, key) => {
    if (key.toLowerCase().includes(wanted)) found.set(key, count);
  });
  return found;
}

function countEntries({ requestsPerPath, requestsPerUserAgent }: Summary): number {
  // One for the summary itself: a thousand empty hours take memory too.
  return 1 + requestsPerPath.size + requestsPerUserAgent.size;
}

/** Adds up maps. A single map is not copied. */
function createMapSum() {
  let only: ReadonlyMap<string, number> | undefined;
  let sum: Map<string, number> | undefined;
  return {
    add(counts: ReadonlyMap<string, number>): void {
      if (only === undefined) {
        only = counts;
        return;
      }
      const all = sum ?? new Map(only);
      for (const [key, count] of counts) addTo(all, key, count);
      sum = all;
    },
    total: (): ReadonlyMap<string, number> => sum ?? only ?? new Map(),
  };
}

function countAll(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
