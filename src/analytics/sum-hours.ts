import type { Hour } from '../model/hour.ts';
import { type MapLimits, mapLimits, type OtherRequests, type Summary, SummaryFormatError } from '../model/summary.ts';
import type { Audience, Breakdown, RangeSum } from './analytics.ts';
import { createAudience } from './audience.ts';
import { keepLargest } from './keep-largest.ts';

/** Which hours to add up, [from, to), and what to give of the sum. */
export interface SumQuestion {
  readonly from: Hour;
  readonly to: Hour;
  /** Each map has that many of its largest entries. */
  readonly top?: number | undefined;
  /** Only paths and user agents that contain this text, in upper or lower case. The others count in `other`. */
  readonly search?: string | undefined;
  /** Whether requests are counted by bots and people too. */
  readonly audience?: boolean | undefined;
}

/** The sum of some hours. */
export interface HourSum extends RangeSum {
  readonly other: OtherRequests;
  /** The hours whose summary cannot be used. */
  readonly unusable: readonly Hour[];
  /** The number of different paths and user agents, including those that `top` left out. */
  readonly distinct: Breakdown['distinct'];
  /** Requests of all user agents, and those user agents of the maps that are bots. */
  readonly audience?: (Audience & { readonly botUserAgents: readonly string[] }) | undefined;
}

export interface SummaryReader {
  /** Changes whenever the file does; undefined where there is none. */
  version(hour: Hour): string | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(hour: Hour): Summary | undefined;
}

/** Paths and user agents in the cached summaries, of about 100 bytes each; longer ones count as several. */
const CACHE_ENTRIES = 200_000;
const ENTRY_CHARS = 100;
/** The summary used last is kept up to this size, though it is larger than the cache: it is often searched next. */
const MAX_KEPT_ENTRIES = 4_000_000;

/**
 * Adds up summaries, synchronously: for a thread of its own. Keeps the summaries read last until their files change. The maps of a sum
 * have the limits of a summary's.
 */
export function createHourSums(
  summaries: SummaryReader,
  {
    cacheEntries = CACHE_ENTRIES,
    limits = mapLimits(Infinity),
  }: { readonly cacheEntries?: number; readonly limits?: MapLimits } = {},
) {
  const cache = new SummaryCache(summaries, cacheEntries);
  const { split, kindOf } = createAudience();

  function splitAudience(all: ReadonlyMap<string, number>, kept: ReadonlyMap<string, number>): HourSum['audience'] {
    return { ...split(all), botUserAgents: [...kept.keys()].filter((agent) => kindOf(agent) === 'bots') };
  }

  return function sumHours({ from, to, top, search = '', audience: isSplit = false }: SumQuestion): HourSum {
    const { paths, userAgents, ...sum } = addHours(cache, from, to, limits);
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
  readonly #cached = new Map<Hour, { readonly version: string; readonly summary: Summary; readonly entries: number }>();
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
    const entries = known?.summary === summary ? known.entries : countEntries(summary);
    if (entries > MAX_KEPT_ENTRIES) return summary;
    this.#cached.set(hour, { version, summary, entries });
    this.#entries += entries;
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
    this.#entries -= known.entries;
  }
}

/** Adds up the summaries of the hours in [from, to). */
function addHours(cache: SummaryCache, from: Hour, to: Hour, limits: MapLimits) {
  const paths = createMapSum(limits);
  const userAgents = createMapSum(limits);
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
  return 1 + countKeys(requestsPerPath) + countKeys(requestsPerUserAgent);
}

function countKeys(counts: ReadonlyMap<string, number>): number {
  let entries = 0;
  for (const key of counts.keys()) entries += Math.ceil(key.length / ENTRY_CHARS) || 1;
  return entries;
}

/** Adds up maps. A single map is not copied. Keys beyond the limits are left out, those of later maps first. */
function createMapSum({ maxKeys, maxKeyBytes }: MapLimits) {
  let only: ReadonlyMap<string, number> | undefined;
  let sum: Map<string, number> | undefined;
  let keyBytes = 0;

  function begin(counts: ReadonlyMap<string, number>): Map<string, number> {
    for (const key of counts.keys()) keyBytes += Buffer.byteLength(key);
    return new Map(counts);
  }

  return {
    add(counts: ReadonlyMap<string, number>): void {
      if (only === undefined) {
        only = counts;
        return;
      }
      sum ??= begin(only);
      for (const [key, count] of counts) {
        const before = sum.get(key);
        if (before === undefined) {
          const bytes = Buffer.byteLength(key);
          if (sum.size >= maxKeys || keyBytes + bytes > maxKeyBytes) continue;
          keyBytes += bytes;
        }
        sum.set(key, (before ?? 0) + count);
      }
    },
    total: (): ReadonlyMap<string, number> => sum ?? only ?? new Map(),
  };
}

function countAll(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
