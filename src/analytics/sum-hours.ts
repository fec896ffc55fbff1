import type { Hour } from '../model/hour.ts';
import { type Summary, SummaryFormatError } from '../model/summary.ts';
import type { RangeSum } from './analytics.ts';
import { createAudience } from './audience.ts';
import { takeTop } from './keep-largest.ts';
import { addTo } from './summarise.ts';

/** The hours in [from, to); with `top`, only so many of each map; with `search`, only what contains it; with `audience`, told apart by user agent. */
export interface SumQuestion {
  readonly from: Hour;
  readonly to: Hour;
  readonly top?: number | undefined;
  readonly search?: string | undefined;
  readonly audience?: boolean | undefined;
}

/** The sum of some hours. */
export interface HourSum extends Omit<Summary, 'hour'> {
  /** Hours that had a summary, and the hours of those that could not be used. */
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

/** Paths and user agents in the summaries kept, about 100 bytes each. The one used last is kept however large it is. */
const CACHE_ENTRIES = 200_000;

/** Adds up summaries, synchronously: for a thread of its own. Keeps those it read last until their files change. */
export function createHourSummer(summaries: SummaryReader, { cacheEntries = CACHE_ENTRIES } = {}) {
  const cached = new Map<Hour, { readonly version: string; readonly summary: Summary }>();
  const { split, kindOf } = createAudience();
  let entries = 0;

  function splitAudience(all: ReadonlyMap<string, number>, kept: ReadonlyMap<string, number>): RangeSum['audience'] {
    return { ...split(all), botUserAgents: [...kept.keys()].filter((userAgent) => kindOf(userAgent) === 'bots') };
  }

  function forget(hour: Hour): void {
    const known = cached.get(hour);
    if (known === undefined) return;
    cached.delete(hour);
    entries -= countEntries(known.summary);
  }

  function read(hour: Hour): Summary | undefined {
    const version = summaries.version(hour);
    const known = cached.get(hour);
    forget(hour);
    if (version === undefined) return undefined;
    const summary = known?.version === version ? known.summary : summaries.read(hour);
    if (summary === undefined) return undefined;
    cached.set(hour, { version, summary });
    entries += countEntries(summary);
    for (const oldest of cached.keys()) {
      // An hour with a million paths takes seconds to read, and whoever looks at it searches it next.
      if (entries <= cacheEntries || oldest === hour) break;
      forget(oldest);
    }
    return summary;
  }

  return function sumHours({ from, to, top, search = '', audience: isSplit = false }: SumQuestion): HourSum {
    const pathSum = createMapSum();
    const userAgentSum = createMapSum();
    const source = { bytes: 0, records: 0, skippedLines: 0 };
    const unusable: Hour[] = [];
    let totalRequests = 0;
    let hours = 0;
    for (let hour = from; hour < to; hour++) {
      try {
        const summary = read(hour);
        if (summary === undefined) continue;
        hours += 1;
        totalRequests += summary.totalRequests;
        source.bytes += summary.source.bytes;
        source.records += summary.source.records;
        source.skippedLines += summary.source.skippedLines;
        pathSum.add(summary.requestsPerPath);
        userAgentSum.add(summary.requestsPerUserAgent);
      } catch (error) {
        if (!(error instanceof SummaryFormatError)) throw error;
        unusable.push(hour);
      }
    }
    const [paths, userAgents] = [pathSum.total(), userAgentSum.total()];
    const found = { paths: keepMatches(paths, search), userAgents: keepMatches(userAgents, search) };
    const distinct = { paths: found.paths.size, userAgents: found.userAgents.size };
    const [requestsPerPath, requestsPerUserAgent] = [takeTop(found.paths, top), takeTop(found.userAgents, top)];
    const other = {
      requestsPerPath: totalRequests - sum(requestsPerPath),
      requestsPerUserAgent: totalRequests - sum(requestsPerUserAgent),
    };
    const audience = isSplit ? splitAudience(userAgents, requestsPerUserAgent) : undefined;
    return { totalRequests, requestsPerPath, requestsPerUserAgent, source, hours, unusable, other, distinct, audience };
  };
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
  // One for the summary itself: a thousand empty hours take room as well.
  return 1 + requestsPerPath.size + requestsPerUserAgent.size;
}

/** Adds up maps. One alone is not copied. */
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

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
