import type { Clock } from '../model/clock.ts';
import type { SourceFigures } from './live.ts';

/** Sources that are distinguished. */
export const MAX_SOURCES = 1_000;
/** What became of the others. */
export const OTHER_SOURCES = 'other';
/** Rates are over the last 5 to 10 seconds. */
const WINDOW_MS = 5_000;

interface Entry {
  records: number;
  bytes: number;
  /** Unix milliseconds. */
  seen: number;
  /** The number of the present window, and the records in it and in the one before. */
  window: number;
  inWindow: number;
  before: number;
}

/** The figures of one source as numbers, which can be summed up over threads. */
export interface SourceCounts extends Omit<SourceFigures, 'last_seen'> {
  /** Unix milliseconds. */
  readonly seen: number;
}

/**
 * Counts records and bytes by their source. Of more than `max` sources the one that was seen longest ago is added to the entry `other`, so
 * memory is bounded whoever sends. A note costs about 0.1 µs.
 */
export class SourceTable {
  /** The one that was seen last is the last. */
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #max: number;
  #newest = '';

  constructor({ clock, max = MAX_SOURCES }: { readonly clock: Clock; readonly max?: number }) {
    this.#clock = clock;
    this.#max = max;
  }

  note(source: string, records: number, bytes: number): void {
    const now = this.#clock();
    const entry = this.#entryOf(source);
    turn(entry, now);
    entry.records += records;
    entry.bytes += bytes;
    entry.inWindow += records;
    entry.seen = now;
  }

  read(): readonly SourceCounts[] {
    const now = this.#clock();
    return [...this.#entries].map(([source, entry]) => {
      turn(entry, now);
      const { records, bytes, seen } = entry;
      return { source, records, bytes, seen, rate: rateOf(entry, now) };
    });
  }

  #entryOf(source: string): Entry {
    const known = this.#entries.get(source);
    if (source === this.#newest && known !== undefined) return known;
    this.#newest = source;
    if (known !== undefined) {
      this.#entries.delete(source);
      this.#entries.set(source, known);
      return known;
    }
    if (this.#entries.size >= this.#max) this.#fold();
    const entry = { records: 0, bytes: 0, seen: 0, window: 0, inWindow: 0, before: 0 };
    this.#entries.set(source, entry);
    return entry;
  }

  /** Adds the oldest entry, which is not `other` itself, to `other`. */
  #fold(): void {
    let other = this.#entries.get(OTHER_SOURCES);
    // Without `other` two entries make room: for it, and for the new one.
    for (const [source, entry] of this.#entries) {
      if (source === OTHER_SOURCES) continue;
      this.#entries.delete(source);
      if (other !== undefined) {
        other.records += entry.records;
        other.bytes += entry.bytes;
        other.seen = Math.max(other.seen, entry.seen);
        return;
      }
      other = { ...entry };
      this.#entries.set(OTHER_SOURCES, other);
      if (this.#entries.size < this.#max) return;
    }
  }
}

/** Begins a new window when its time has come. */
function turn(entry: Entry, now: number): void {
  const window = Math.floor(now / WINDOW_MS);
  if (window === entry.window) return;
  entry.before = window === entry.window + 1 ? entry.inWindow : 0;
  entry.inWindow = 0;
  entry.window = window;
}

/** The part of the window before that is still within the last WINDOW_MS counts. */
function rateOf({ inWindow, before }: Entry, now: number): number {
  const part = 1 - (now % WINDOW_MS) / WINDOW_MS;
  return ((before * part + inWindow) / WINDOW_MS) * 1_000;
}

/** The same source in several tables becomes one; of the sum at most MAX_SOURCES are shown, the largest first, `other` last. */
export function toSourceFigures(tables: readonly (readonly SourceCounts[])[]): readonly SourceFigures[] {
  const sums = new Map<string, SourceCounts>();
  for (const counts of tables.flat()) {
    const sum = sums.get(counts.source);
    sums.set(counts.source, sum === undefined ? counts : add(sum, counts));
  }
  const other = sums.get(OTHER_SOURCES);
  sums.delete(OTHER_SOURCES);
  const sorted = [...sums.values()].sort((a, b) => b.records - a.records || a.source.localeCompare(b.source));
  const hasOthers = other !== undefined || sorted.length > MAX_SOURCES;
  const shown = hasOthers ? sorted.slice(0, MAX_SOURCES - 1) : sorted;
  const rest = sorted.slice(shown.length);
  const others = other === undefined ? rest : [other, ...rest];
  if (others.length > 0) shown.push({ ...others.reduce(add), source: OTHER_SOURCES });
  return shown.map(({ source, records, bytes, rate, seen }) => {
    return { source, records, bytes, rate: Math.round(rate * 10) / 10, last_seen: new Date(seen).toISOString() };
  });
}

function add(a: SourceCounts, b: SourceCounts): SourceCounts {
  return {
    source: a.source,
    records: a.records + b.records,
    bytes: a.bytes + b.bytes,
    rate: a.rate + b.rate,
    seen: Math.max(a.seen, b.seen),
  };
}
