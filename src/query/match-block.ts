import type { Span } from '../lines/find-field.ts';
import { BYTES } from '../model/bytes.ts';
import type { Filter } from './filter.ts';
import type { Block, UnreadRange } from './hour-blocks.ts';
import { type OutputSlice, type WriteRecord, writeLine } from './output.ts';

const { NEWLINE } = BYTES;

/** Counted for each line that is looked at, beside its bytes. */
const BYTES_A_LINE = 256;

/** What is done with the lines that a query finds. */
export interface Matching {
  readonly output: OutputSlice;
  readonly write: WriteRecord;
  /** Records still to give. */
  left: number;
  /** Bytes of lines that are looked at between two calls of mustPause. */
  readonly bytesALook: number;
  readonly mustPause: () => boolean;
}

/** Work that stops where others may have a turn: `hours` where it needs further hours first. */
export type Pauses = Generator<'more' | 'hours', undefined, undefined>;

/** What the lines of an hour are asked for. */
interface HourTest {
  readonly filter: Filter;
  /** Told of a line that cannot be looked at. */
  readonly onUnread: (range: UnreadRange) => void;
}

/** The needle, where it says something about the block. */
function needleFor({ needle, unless }: Filter, lines: Buffer): Buffer | undefined {
  return unless.every((bytes) => !lines.includes(bytes)) ? needle : undefined;
}

/** Gives the lines of a block that pass. FAST PATH. A block without the needle costs one search. */
export function* matchForward(scan: Matching, block: Block, hour: HourTest): Pauses {
  const { lines } = block;
  const { test } = hour.filter;
  const needle = needleFor(hour.filter, lines);
  if (needle === undefined && test === undefined && takesAll(scan, lines)) {
    scan.output.append(lines, 0, lines.length);
    return;
  }
  let looked = 0;
  for (let at = 0; at < lines.length && scan.left > 0; ) {
    let start = at;
    let from = at;
    if (needle !== undefined) {
      const hit = lines.indexOf(needle, at);
      if (hit === -1) return;
      start = lines.lastIndexOf(NEWLINE, hit) + 1;
      from = hit + needle.length;
    }
    const end = lines.indexOf(NEWLINE, from);
    at = end + 1;
    take(scan, block, { start, end }, hour);
    looked += BYTES_A_LINE + end - start;
    if (looked < scan.bytesALook && !scan.output.isFull) continue;
    looked = 0;
    if (scan.mustPause()) yield 'more';
  }
}

const EMPTY_LINE = Buffer.from('\n\n');

/** Whether the block as it is is what the query asks for. */
function takesAll({ write, left }: Matching, lines: Buffer): boolean {
  const isWhole = write === writeLine && left === Number.POSITIVE_INFINITY;
  return isWhole && lines[0] !== NEWLINE && !lines.includes(EMPTY_LINE);
}

/** The same from the end. */
export function* matchBackward(scan: Matching, block: Block, hour: HourTest): Pauses {
  const { lines } = block;
  const needle = needleFor(hour.filter, lines);
  let looked = 0;
  for (let end = lines.length - 1; end > 0 && scan.left > 0; ) {
    let start: number;
    if (needle === undefined) {
      start = lines.lastIndexOf(NEWLINE, end - 1) + 1;
    } else {
      if (end < needle.length) return;
      const hit = lines.lastIndexOf(needle, end - needle.length);
      if (hit === -1) return;
      start = lines.lastIndexOf(NEWLINE, hit) + 1;
      end = lines.indexOf(NEWLINE, hit + needle.length);
    }
    take(scan, block, { start, end }, hour);
    looked += BYTES_A_LINE + end - start;
    end = start - 1;
    if (looked < scan.bytesALook && !scan.output.isFull) continue;
    looked = 0;
    if (scan.mustPause()) yield 'more';
  }
}

/** Gives the line if it passes. An empty line is no record. */
function take(scan: Matching, { lines, offset }: Block, { start, end }: Span, { filter, onUnread }: HourTest): void {
  if (end === start) return;
  const { test } = filter;
  const passes = test === undefined || test(lines, start, end);
  if (passes === 'too-long') {
    const reason = `the pattern could need seconds for a line of ${end - start} bytes; ask with a smaller one`;
    onUnread({ offset: offset + start, bytes: end + 1 - start, reason });
  } else if (passes) {
    scan.write(scan.output, lines, start, end);
    scan.left -= 1;
  }
}
