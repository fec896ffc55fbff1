import { ACCESS, type Layout, TIMESTAMP } from '../lines/layout.ts';
import { createPlainLine, PADDING, readPlainLine } from '../lines/plain-line.ts';
import { TokenTable } from '../lines/token-table.ts';
import { BYTES } from '../model/bytes.ts';

const { NEWLINE } = BYTES;

/** What some stored lines add to the summary of their hour. */
export interface LineCounts {
  /** Bytes counted: all whole lines. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
  /** Records by the text of each required field, in the order of the layout. */
  readonly byField: readonly Map<string, number>[];
}

export interface LineCounter {
  /**
   * Counts the whole lines at the start of `buffer`, of which `filled` bytes are used, and gives the bytes they take;
   * what is left is the beginning of a line. Fastest where the buffer is at least PADDING bytes longer than `filled`.
   */
  count(buffer: Buffer, filled: number): number;
  /** Counts one corrupt line of `bytes` bytes that was too long to be read. */
  skipLine(bytes: number): void;
  /** What was counted since the counter was made. The counter must not be used again. */
  finish(): LineCounts;
}

/**
 * Counts stored access records by their two required fields. A line counts as JSON.parse reads it: an object whose timestamp and required
 * fields are strings; any other line is skipped and counted as skipped. Plain lines are counted by their bytes (lines/plain-line.ts).
 *
 * Holds every distinct text of the hour: about 24 bytes beside the text itself, while it counts.
 */
export function createLineCounter(): LineCounter {
  const firsts = new TokenTable();
  const seconds = new TokenTable();
  /** Texts that were not counted by their bytes. */
  const others = ACCESS.required.map(() => new Map<string, number>());
  const line = createPlainLine();
  let bytes = 0;
  let records = 0;
  let skippedLines = 0;

  function countParsed(text: string): void {
    const texts = readTexts(ACCESS, text);
    if (texts === undefined) {
      skippedLines += 1;
      return;
    }
    records += 1;
    for (const [field, map] of others.entries()) addTo(map, texts[field] as string, 1);
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
          firsts.count(first);
          seconds.count(second);
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

    finish() {
      const byField = [firsts, seconds].map((table, field) => addTokens(table, others[field] as Map<string, number>));
      return { bytes, records, skippedLines, byField };
    },
  };
}

/** Adds the counts of a table to `map`. Different bytes may be the same text: an escape, or bytes that are not UTF-8. */
function addTokens(table: TokenTable, map: Map<string, number>): Map<string, number> {
  table.forEach((token, count) => {
    addTo(map, token.toString(), count);
  });
  return map;
}

/** Adds `count` to what `map` has for `key`. */
export function addTo(map: Map<string, number>, key: string, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}

/** The texts of the required fields; undefined for a line that is not a record of the layout. */
function readTexts({ required }: Layout, line: string): readonly string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
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

/**
 * Counts the lines in [from, to) of a file, slice by slice through one buffer that is kept for the next call. `to` may
 * lie within a line, which is then left for later, or beyond the end of the file.
 */
export function createFileCounter({ sliceBytes = SLICE_BYTES, maxLineBytes = MAX_LINE_BYTES } = {}) {
  const slice = Buffer.allocUnsafeSlow(sliceBytes + PADDING);

  return function countFile(read: ReadBytes, from: number, to: number): LineCounts {
    const counter = createLineCounter();
    let buffer = slice;
    let filled = 0;
    let position = from;
    /** Bytes dropped of a line that is too long. */
    let dropped = 0;
    while (position < to) {
      const room = Math.min(buffer.length - PADDING - filled, to - position);
      const got = read(buffer, filled, room, position);
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
