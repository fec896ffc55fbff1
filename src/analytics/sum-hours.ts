import { type Hour, type HourKey, hourKey, type StreamHour, type StreamRange } from '../model/hour.ts';
import { isDefaultStream, type Stream } from '../model/stream.ts';
import { type Dimension, type MapLimits, mapLimits, type Summary, SummaryFormatError } from '../model/summary.ts';
import type { Audience, RangeSum, Series, SeriesQuestion } from './analytics.ts';
import { createAudience } from './audience.ts';
import { keepLargest } from './keep-largest.ts';

/** Which hours of a stream to add up, and what to give of the sum. */
export interface SumQuestion extends StreamRange {
  /** Each map has that many of its largest entries. */
  readonly top?: number | undefined;
  /** Only values that contain this text, in upper or lower case. The others count in `other`. */
  readonly search?: string | undefined;
  /** Whether access records are counted by bots and people too. */
  readonly audience?: boolean | undefined;
}

/** The sum of some hours. */
export interface HourSum extends RangeSum {
  readonly dimensions: readonly SumDimension[];
  /** The hours whose summary cannot be used. */
  readonly unusable: readonly Hour[];
  /** Records of all user agents, and those user agents of the maps that are bots. */
  readonly audience?: (Audience & { readonly botUserAgents: readonly string[] }) | undefined;
}

export interface SumDimension extends Dimension {
  /** The number of different values, including those that `top` left out. */
  readonly distinct: number;
}

export interface HourSeries extends Omit<Series, 'kind'> {
  readonly unusable: readonly Hour[];
}

export interface SummaryReader {
  /** Changes whenever the file does; undefined where there is none. */
  version(at: StreamHour): string | undefined;
  /** Undefined where there is none. Throws SummaryFormatError. */
  read(at: StreamHour): Summary | undefined;
}

/** Values in the cached summaries, of about 100 bytes each; longer ones count as several. */
const CACHE_ENTRIES = 200_000;
const ENTRY_CHARS = 100;
/** The summary used last is kept up to this size, though it is larger than the cache: it is often searched next. */
const MAX_KEPT_ENTRIES = 4_000_000;

/**
 * Adds up summaries, synchronously: for a thread of its own. Keeps the summaries read last until their files change. The maps of a sum
 * have the limits of a summary's. A sum over several hours has the dimensions that the stream is counted by now; records of an hour that was
 * not counted by one of them are in its `other`. The sum of one hour has the dimensions of its summary.
 */
export function createHourSums(
  summaries: SummaryReader,
  {
    streams,
    cacheEntries = CACHE_ENTRIES,
    limits = mapLimits(Infinity),
  }: { readonly streams: Iterable<Stream>; readonly cacheEntries?: number; readonly limits?: MapLimits },
) {
  const cache = new SummaryCache(summaries, cacheEntries);
  const countBy = new Map(Array.from(streams, ({ name, countBy: names }) => [name, names]));
  const { split, kindOf } = createAudience();

  function splitAudience(all: ReadonlyMap<string, number>, kept: ReadonlyMap<string, number>): HourSum['audience'] {
    return { ...split(all), botUserAgents: [...kept.keys()].filter((agent) => kindOf(agent) === 'bots') };
  }

  function sumHours({ stream, from, to, top, search = '', audience: isSplit = false }: SumQuestion): HourSum {
    const { maps, ...sum } = addHours(cache, { stream, from, to }, { names: countBy.get(stream) ?? [], limits });
    const dimensions = Array.from(maps, ([name, all]) => {
      const found = keepMatches(all, search);
      const counts = keepLargest(found, top);
      return { name, counts, other: sum.total - countAll(counts), distinct: found.size };
    });
    const userAgents = dimensions.find(({ name }) => name === 'userAgent')?.counts;
    const audience =
      isSplit && isDefaultStream(stream) ? splitAudience(maps.get('userAgent') ?? NONE, userAgents ?? NONE) : undefined;
    return { ...sum, dimensions, ...(audience && { audience }) };
  }

  function sumSeries({ stream, from, to, dimension, rows }: SeriesQuestion): HourSeries {
    const range = { stream, from, to };
    const { maps, unusable } = addHours(cache, range, { names: [dimension], limits });
    const values = [...keepLargest(maps.get(dimension) ?? NONE, rows).keys()];
    const records = values.map(() => new Array<number>(to - from).fill(0));
    const other = new Array<number>(to - from).fill(0);
    const totals = new Array<number | null>(to - from).fill(null);
    for (let hour = from; hour < to; hour++) {
      const summary = unusable.includes(hour) ? undefined : cache.read({ stream, hour });
      if (summary === undefined) continue;
      const counts = summary.dimensions.find(({ name }) => name === dimension)?.counts ?? NONE;
      let named = 0;
      for (const [row, value] of values.entries()) {
        const count = counts.get(value) ?? 0;
        named += count;
        (records[row] as number[])[hour - from] = count;
      }
      totals[hour - from] = summary.total;
      other[hour - from] = summary.total - named;
    }
    return { values, records, other, totals, unusable };
  }

  return { sumHours, sumSeries };
}

const NONE: ReadonlyMap<string, number> = new Map();

/** The summaries read last, as long as their files do not change. */
class SummaryCache {
  readonly #summaries: SummaryReader;
  readonly #maxEntries: number;
  /** In the order of last use. */
  readonly #cached = new Map<
    HourKey,
    { readonly version: string; readonly summary: Summary; readonly entries: number }
  >();
  #entries = 0;

  constructor(summaries: SummaryReader, maxEntries: number) {
    this.#summaries = summaries;
    this.#maxEntries = maxEntries;
  }

  /** Undefined where there is none. Throws SummaryFormatError. */
  read(at: StreamHour): Summary | undefined {
    const key = hourKey(at);
    const version = this.#summaries.version(at);
    const known = this.#cached.get(key);
    this.#forget(key);
    if (version === undefined) return undefined;
    const summary = known?.version === version ? known.summary : this.#summaries.read(at);
    if (summary === undefined) return undefined;
    const entries = known?.summary === summary ? known.entries : countEntries(summary);
    if (entries > MAX_KEPT_ENTRIES) return summary;
    this.#cached.set(key, { version, summary, entries });
    this.#entries += entries;
    for (const oldest of this.#cached.keys()) {
      // The hour read last is kept: with a million paths it takes seconds to read, and it is often searched next.
      if (this.#entries <= this.#maxEntries || oldest === key) break;
      this.#forget(oldest);
    }
    return summary;
  }

  #forget(key: HourKey): void {
    const known = this.#cached.get(key);
    if (known === undefined) return;
    this.#cached.delete(key);
    this.#entries -= known.entries;
  }
}

/** Adds up the summaries of the hours in [from, to), by the dimensions of these names; one hour by all that its summary has. */
function addHours(
  cache: SummaryCache,
  { stream, from, to }: StreamRange,
  { names, limits }: { readonly names: readonly string[]; readonly limits: MapLimits },
) {
  const sums = new Map(names.map((name) => [name, createMapSum(limits)]));
  const source = { bytes: 0, records: 0, skippedLines: 0 };
  const unusable: Hour[] = [];
  let total = 0;
  let hours = 0;
  for (let hour = from; hour < to; hour++) {
    try {
      const summary = cache.read({ stream, hour });
      if (summary === undefined) continue;
      hours += 1;
      total += summary.total;
      source.bytes += summary.source.bytes;
      source.records += summary.source.records;
      source.skippedLines += summary.source.skippedLines;
      if (to - from === 1) sums.clear();
      for (const { name, counts } of summary.dimensions) {
        if (to - from === 1) sums.set(name, createMapSum(limits));
        sums.get(name)?.add(counts);
      }
    } catch (error) {
      if (!(error instanceof SummaryFormatError)) throw error;
      unusable.push(hour);
    }
  }
  const maps = new Map(Array.from(sums, ([name, sum]) => [name, sum.total()]));
  return { total, source, hours, unusable, maps };
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

function countEntries({ dimensions }: Summary): number {
  // One for the summary itself: a thousand empty hours take memory too.
  return dimensions.reduce((entries, { counts }) => entries + countKeys(counts), 1);
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
