import { ACCESS, type Layout, TIMESTAMP } from '../lines/layout.ts';
import { parseJson } from '../lines/parse-json.ts';
import { createPlainLine, PADDING, readPlainLine } from '../lines/plain-line.ts';
import { BYTES } from '../model/bytes.ts';
import type { MapLimits } from '../model/summary.ts';
import { KeyCounts } from './key-counts.ts';

const { NEWLINE } = BYTES;

/** The counts of an hour by each dimension, in the order of the stream's `countBy`. */
export interface FieldCounts {
  readonly byField: readonly Map<string, number>[];
  /** Records whose value the map does not name, because it was full. */
  readonly others: readonly number[];
}

/** What some stored lines add to the summary of their hour. */
export interface LineCounts extends FieldCounts {
  /** Bytes counted: all whole lines. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
}

export interface LineCounter {
  /**
   * Counts the whole lines at the start of `buffer`, of which `filled` bytes are used, and gives the bytes they take;
   * what is left is the beginning of a line. Fastest where the buffer is at least PADDING bytes longer than `filled`.
   */
  count(buffer: Buffer, filled: number): number;
  /** Counts one corrupt line of `bytes` bytes that was too long to be read. */
  skipLine(bytes: number): void;
  /** What was counted since the counter was made, added to `before`. The counter must not be used again. */
  finish(): LineCounts;
}

export interface CounterOptions {
  /** What was counted before, which the counter adds to: its maps change. */
  readonly before?: FieldCounts | undefined;
  readonly limits?: MapLimits;
}

/**
 * Counts stored access records by their two required fields. A line counts as JSON.parse reads it: an object whose timestamp and required
 * fields are strings; any other line is skipped and counted as skipped. Plain lines are counted by their bytes (lines/plain-line.ts).
 *
 * Holds every distinct text of the hour, up to `limits`: about 24 bytes beside the text itself, while it counts.
 */
export function createLineCounter({ before, limits = NO_LIMITS }: CounterOptions = {}): LineCounter {
  const [firsts, seconds] = [0, 1].map(
    (field) => new KeyCounts(before?.byField[field] ?? new Map(), limits, before?.others[field] ?? 0),
  ) as [KeyCounts, KeyCounts];
  const line = createPlainLine();
  let bytes = 0;
  let records = 0;
  let skippedLines = 0;

  function countParsed(text: string): void {
    const [first, second] = readTexts(ACCESS, text) ?? [];
    if (first === undefined || second === undefined) {
      skippedLines += 1;
      return;
    }
    records += 1;
    firsts.countText(first);
    seconds.countText(second);
  }

  return {
    count(buffer, filled) {
      const end = filled === 0 ? 0 : buffer.lastIndexOf(NEWLINE, filled - 1) + 1;
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
      let at = 0;
      while (at < end) {
        const next = readPlainLine(view, at, line);
        const first = next < 0 ? 0 : firsts.find(view, line.firstStart, line.firstEnd, line.firstHash);
        const second = first === 0 ? 0 : seconds.find(view, line.secondStart, line.secondEnd, line.secondHash);
        if (second === 0) {
          const newline = buffer.indexOf(NEWLINE, at);
          countParsed(buffer.toString('utf8', at, newline));
          at = newline + 1;
        } else {
          firsts.count(first, view, line.firstStart, line.firstEnd, line.firstHash);
          seconds.count(second, view, line.secondStart, line.secondEnd, line.secondHash);
          records += 1;
          at = next;
        }
      }
      bytes += end;
      return end;
    },

    skipLine(length) {
      bytes += length;
      skippedLines += 1;
    },

    finish: () => ({
      bytes,
      records,
      skippedLines,
      byField: [firsts.finish(), seconds.finish()],
      others: [firsts.other, seconds.other],
    }),
  };
}

export const NO_LIMITS: MapLimits = { maxKeys: Infinity, maxKeyBytes: Infinity };

/** Adds `count` to what `map` has for `key`. */
export function addTo(map: Map<string, number>, key: string, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}

/** The texts of the required fields; undefined for a line that is not a record of the layout. */
function readTexts({ required }: Layout, line: string): readonly string[] | undefined {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  if (typeof fields[TIMESTAMP] !== 'string') return undefined;
  const texts = required.map((name) => fields[name]);
  return texts.every((text) => typeof text === 'string') ? texts : undefined;
}

/** Reads up to `length` bytes at `position` of a file into `target` at `offset`, and gives how many; 0 at the end. */
export type ReadBytes = (target: Buffer, offset: number, length: number, position: number) => number;

const SLICE_BYTES = 1024 * 1024;
/** No stored line is as long as this: a longer one is corrupt. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

interface FileCounterOptions {
  readonly sliceBytes?: number;
  readonly maxLineBytes?: number;
  /** Where to go on after a read that failed; undefined when the hour fails. The lines between count as one that was skipped. */
  readonly endOfDamage?: (error: unknown) => number | undefined;
}

/** What `read` gives; when it fails because of damage, the negative of how many bytes to skip. */
function readOrSkip(
  read: () => number,
  { position, to, endOfDamage }: Required<Pick<FileCounterOptions, 'endOfDamage'>> & { position: number; to: number },
): number {
  try {
    return read();
  } catch (error) {
    const next = Math.min(endOfDamage(error) ?? position, to);
    if (next <= position) throw error;
    return position - next;
  }
}

/**
 * Counts the lines in [from, to) of a file, slice by slice through one buffer that is kept for the next call. `to` may
 * lie within a line, which is then left for later, or beyond the end of the file. `counter` must not be used again.
 */
export function createFileCounter({
  sliceBytes = SLICE_BYTES,
  maxLineBytes = MAX_LINE_BYTES,
  endOfDamage = () => undefined,
}: FileCounterOptions = {}) {
  const slice = Buffer.allocUnsafeSlow(sliceBytes + PADDING);

  return function countFile(
    read: ReadBytes,
    from: number,
    to: number,
    counter: LineCounter = createLineCounter(),
  ): LineCounts {
    let buffer = slice;
    let filled = 0;
    let position = from;
    /** Bytes dropped of a line that is too long. */
    let dropped = 0;
    while (position < to) {
      const room = Math.min(buffer.length - PADDING - filled, to - position);
      const got = readOrSkip(() => read(buffer, filled, room, position), { position, to, endOfDamage });
      if (got < 0) {
        counter.skipLine(dropped + filled - got);
        [position, filled, dropped] = [position - got, 0, 0];
        continue;
      }
      if (got === 0) break;
      position += got;
      filled += got;
      if (dropped > 0) {
        const rest = buffer.indexOf(NEWLINE) + 1;
        if (rest === 0 || rest > filled) {
          dropped += filled;
          filled = 0;
          continue;
        }
        counter.skipLine(dropped + rest);
        dropped = 0;
        buffer.copyWithin(0, rest, filled);
        filled -= rest;
      }
      const counted = counter.count(buffer, filled);
      buffer.copyWithin(0, counted, filled);
      filled -= counted;
      if (filled < buffer.length - PADDING) continue;
      if (filled >= maxLineBytes) {
        dropped = filled;
        filled = 0;
      } else {
        const larger = Buffer.allocUnsafeSlow(Math.min(filled * 2, maxLineBytes) + PADDING);
        buffer.copy(larger, 0, 0, filled);
        buffer = larger;
      }
    }
    return counter.finish();
  };
}
