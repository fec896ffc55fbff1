import { createPlainLine, PADDING, readPlainLine } from '../lines/plain-line.ts';
import { TokenTable } from '../lines/token-table.ts';
import { BYTES } from '../model/bytes.ts';

const { NEWLINE } = BYTES;

/** What a stretch of stored lines adds to its hour's summary. */
export interface LineCounts {
  /** Bytes counted: all whole lines. */
  readonly bytes: number;
  readonly records: number;
  readonly skippedLines: number;
  readonly paths: Map<string, number>;
  readonly userAgents: Map<string, number>;
}

export interface LineCounter {
  /**
   * Counts the whole lines at the start of `buffer`, of which `filled` bytes are used, and gives the bytes they take;
   * what is left is the beginning of a line. Fastest where the buffer is at least PADDING bytes longer than `filled`.
   */
  count(buffer: Buffer, filled: number): number;
  /** Counts one corrupt line of `bytes` bytes that was too long to be brought. */
  skipLine(bytes: number): void;
  /** What was counted since the counter was made. Ends it. */
  finish(): LineCounts;
}

/**
 * Counts stored lines by path and by user agent. A line counts as JSON.parse reads it: an object whose three fields are
 * strings; any other line is skipped and counted as that. Plain lines are counted by their bytes (plain-line.ts).
 *
 * Holds every distinct path and user agent of the hour: about 24 bytes beside its text, while it counts.
 */
export function createLineCounter(): LineCounter {
  const paths = new TokenTable();
  const userAgents = new TokenTable();
  const otherPaths = new Map<string, number>();
  const otherUserAgents = new Map<string, number>();
  const line = createPlainLine();
  let bytes = 0;
  let records = 0;
  let skippedLines = 0;

  function countParsed(text: string): void {
    const record = parseRecord(text);
    if (record === undefined) {
      skippedLines += 1;
      return;
    }
    records += 1;
    addTo(otherPaths, record.path, 1);
    addTo(otherUserAgents, record.userAgent, 1);
  }

  return {
    count(buffer, filled) {
      const end = filled === 0 ? 0 : buffer.lastIndexOf(NEWLINE, filled - 1) + 1;
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
      let at = 0;
      while (at < end) {
        const next = readPlainLine(view, at, line);
        const path = next < 0 ? 0 : paths.find(view, line.pathStart, line.pathEnd, line.pathHash);
        const userAgent =
          path === 0 ? 0 : userAgents.find(view, line.userAgentStart, line.userAgentEnd, line.userAgentHash);
        if (userAgent === 0) {
          const newline = buffer.indexOf(NEWLINE, at);
          countParsed(buffer.toString('utf8', at, newline));
          at = newline + 1;
        } else {
          paths.count(path);
          userAgents.count(userAgent);
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
      const maps = { paths: toMap(paths, otherPaths), userAgents: toMap(userAgents, otherUserAgents) };
      return { bytes, records, skippedLines, ...maps };
    },
  };
}

/** Adds `count` to what `map` has for `key`. */
export function addTo(map: Map<string, number>, key: string, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}

/** Different bytes may be the same text: an escape, or bytes that are not UTF-8. */
function toMap(table: TokenTable, others: Map<string, number>): Map<string, number> {
  table.forEach((token, count) => {
    addTo(others, token.toString(), count);
  });
  return others;
}

function parseRecord(text: string): { readonly path: string; readonly userAgent: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { timestamp, path, userAgent } = value as Record<string, unknown>;
  if (typeof timestamp !== 'string' || typeof path !== 'string' || typeof userAgent !== 'string') return undefined;
  return { path, userAgent };
}

/** Reads up to `length` bytes at `position` of a file into `target` at `offset`, and gives how many; 0 at the end. */
export type ReadBytes = (target: Buffer, offset: number, length: number, position: number) => number;

const SLICE_BYTES = 1024 * 1024;
/** No record is as long as this; what is, is no line of ours. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * Counts the lines in [from, to) of a file, slice by slice through one buffer that is kept for the next call. `to` may
 * lie within a line, which is then left for later, or behind the end of the file.
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
