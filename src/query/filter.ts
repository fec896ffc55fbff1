import { createRequire } from 'node:module';
import type * as Re2Library from 're2js';
import { hasBackslash, hasBytes } from '../lines/find-field.ts';
import { TIMESTAMP } from '../lines/layout.ts';
import { parseTimestamp } from '../lines/timestamp.ts';
import { BYTES, isDigit } from '../model/bytes.ts';
import { LEVELS, toLevel } from '../model/level.ts';
import { type Condition, isInOrder, toNumber } from './conditions.ts';
import { createFieldReader, textOf } from './fields.ts';
import { createTextFinder } from './find-text.ts';
import { QueryTextError, type RecordQuery, toSortable } from './query.ts';

const { POINT, QUOTE, UPPER_Z, ZERO } = BYTES;

/** Whether the stored line [start, end) of a block, without its newline, is one that the query asks for. */
type LineTest = (block: Buffer, start: number, end: number) => boolean;
/** `too-long`: a line that a pattern could need too much time for. */
type FilterTest = (block: Buffer, start: number, end: number) => boolean | 'too-long';

export interface Filter {
  /** At most MAX_NEEDLE bytes that stand in every line that passes; undefined where there are none. So lines between two hits need no look. */
  readonly needle: Buffer | undefined;
  /** Where one of these bytes stands in a block, the needle says nothing about the block: a value may be written with escapes. */
  readonly unless: readonly Buffer[];
  /** For lines with the needle in them, and where the needle says nothing for every line. Undefined: all pass. */
  readonly test: FilterTest | undefined;
}

/** The time of Buffer.indexOf is at worst the bytes of a block times those of the needle. */
const MAX_NEEDLE = 64;

/** `isWhole`: all records of the hours are within the time of the query. Throws QueryTextError for a pattern that cannot be used. */
export function createFilter(query: RecordQuery): { readonly ofHour: (isWhole: boolean) => Filter } {
  const { contains, where, matches } = query;
  const needle = contains === undefined ? needleOf(where) : { bytes: Buffer.from(contains), unless: [] };
  const tests: FilterTest[] = where.map(createConditionTest);
  // The rest of a long text; that of a value is looked at with its condition.
  if (contains !== undefined && needle !== undefined && needle.bytes.length > MAX_NEEDLE)
    tests.unshift(createTextFinder(needle.bytes));
  // The last: a line that another test refuses is never too long for it.
  if (matches !== undefined) tests.push(createPatternTest(matches));
  const time = createTimeTest(query);
  const make = (first: readonly FilterTest[]): Filter => ({
    needle: needle?.bytes.subarray(0, MAX_NEEDLE),
    unless: needle?.unless ?? [],
    test: all([...first, ...tests]),
  });
  const whole = make([]);
  const edge = make(time === undefined ? [] : [time]);
  return { ofHour: (isWhole) => (isWhole ? whole : edge) };
}

function all(tests: readonly FilterTest[]): FilterTest | undefined {
  const [first, ...others] = tests;
  if (first === undefined || others.length === 0) return first;
  return (block, start, end) => {
    for (const test of tests) {
      const passes = test(block, start, end);
      if (passes !== true) return passes;
    }
    return true;
  };
}

/** Characters that JSON may not write but as they are, or with `\u`; a slash may also be `\/`. */
const SAFE_VALUE = /^[^"\\\p{Cc}\p{Cs}]+$/u;
const UNICODE_ESCAPE = Buffer.from('\\u');
const SLASH_ESCAPE = Buffer.from('\\/');

/** The longest value that a record must hold. */
function needleOf(where: readonly Condition[]): { readonly bytes: Buffer; readonly unless: Buffer[] } | undefined {
  const values = where.flatMap((one) => (one.kind === 'equal' && SAFE_VALUE.test(one.value) ? [one.value] : []));
  const [longest] = values.toSorted((a, b) => b.length - a.length);
  if (longest === undefined) return undefined;
  const unless = longest.includes('/') ? [UNICODE_ESCAPE, SLASH_ESCAPE] : [UNICODE_ESCAPE];
  return { bytes: Buffer.from(longest), unless };
}

function createConditionTest(condition: Condition): LineTest {
  const read = createFieldReader(condition.field);
  switch (condition.kind) {
    case 'absent':
      return (...line) => read(...line) === undefined;
    case 'equal':
      return createEqualTest(read, condition.value);
    case 'unequal': {
      const isEqual = createEqualTest(read, condition.value);
      return (...line) => !isEqual(...line);
    }
    case 'number':
      return (...line) => {
        const value = read(...line);
        const number = value === undefined ? undefined : toNumber(textOf(value));
        return number !== undefined && isInOrder(condition.order, number, condition.than);
      };
    case 'level': {
      const than = LEVELS.indexOf(condition.than);
      const passing = LEVELS.filter((_, i) => isInOrder(condition.order, i, than)).map((level) =>
        Buffer.from(`"${level}"`),
      );
      return (block, start, end) => {
        const value = read(block, start, end);
        if (value === undefined) return false;
        // As it is stored, where the stream has levels.
        if (passing.some((token) => hasBytes(value.bytes, value.start, token))) return true;
        const level = toLevel(textOf(value));
        return level !== undefined && isInOrder(condition.order, LEVELS.indexOf(level), than);
      };
    }
  }
}

/** Compares bytes; only a string with an escape in it becomes text. */
function createEqualTest(read: ReturnType<typeof createFieldReader>, text: string): LineTest {
  const wanted = Buffer.from(text);
  return (...line) => {
    const value = read(...line);
    if (value === undefined) return false;
    const { bytes, start, end } = value;
    const isText = bytes[start] === QUOTE;
    if (isText && hasBackslash(bytes, start, end)) return textOf(value) === text;
    const quotes = isText ? 2 : 0;
    return end - start - quotes === wanted.length && hasBytes(bytes, start + quotes / 2, wanted);
  };
}

const TIMESTAMP_LEAD = Buffer.from(`{"${TIMESTAMP}":"`);

/** Whether the timestamp is in [from, to). A line whose timestamp cannot be read is in no range. Undefined: every record passes. */
function createTimeTest({ from, to }: RecordQuery): LineTest | undefined {
  if (from === undefined && to === undefined) return undefined;
  const first = Buffer.from(from === undefined ? '' : toSortable(from));
  const end = Buffer.from(to === undefined ? '~' : toSortable(to));
  const lead = TIMESTAMP_LEAD.length;
  const read = createFieldReader(TIMESTAMP);
  return (block, lineStart, lineEnd) => {
    const start = lineStart + lead;
    if (hasBytes(block, lineStart, TIMESTAMP_LEAD)) {
      const quote = block.indexOf(QUOTE, start);
      if (quote < lineEnd && block[quote - 1] === UPPER_Z && isStoredTime(block, start, quote - 1)) {
        return (
          block.compare(first, 0, first.length, start, quote - 1) >= 0 &&
          block.compare(end, 0, end.length, start, quote - 1) < 0
        );
      }
    }
    const value = read(block, lineStart, lineEnd);
    const instant = value === undefined ? undefined : parseTimestamp(textOf(value));
    if (instant === undefined) return false;
    const time = Buffer.from(toSortable(instant));
    return time.compare(first) >= 0 && time.compare(end) < 0;
  };
}

const STORED_SECONDS = Buffer.from('0000-00-00T00:00:00');

/** FAST PATH. Whether [start, end) is a timestamp in the form that is stored, without its Z: digits and marks in their places. */
function isStoredTime(block: Buffer, start: number, end: number): boolean {
  const fraction = start + STORED_SECONDS.length;
  if (end < fraction) return false;
  for (let i = start; i < fraction; i++) {
    const form = STORED_SECONDS[i - start];
    if (form === ZERO ? !isDigit(block[i] as number) : block[i] !== form) return false;
  }
  for (let i = fraction + 1; i < end; i++) if (!isDigit(block[i] as number)) return false;
  return end === fraction || block[fraction] === POINT;
}

const require = createRequire(import.meta.url);
/** Instructions of a compiled pattern. The time of a line is its length times these, at worst. */
const MAX_PATTERN_SIZE = 2_000;
/**
 * Instructions times bytes of a line. At worst each takes 10 to 30 ns, and nothing can interrupt a search. Lines of the longest size that is
 * the default (ingestion.maxRecordBytes, 256 KiB) may be searched with 256 instructions.
 */
const MAX_PATTERN_WORK = 64 * 1024 * 1024;

/** Linear in the length of the line, whatever the pattern (RE2). The library is loaded with the first pattern. */
function createPatternTest(pattern: string): FilterTest {
  const { RE2JS } = require('re2js') as typeof Re2Library;
  let compiled: Re2Library.RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new QueryTextError('matches', `must be a regular expression in the syntax of RE2: ${reason}`);
  }
  const size = compiled.programSize();
  const maxBytes = MAX_PATTERN_WORK / size;
  if (size > MAX_PATTERN_SIZE) {
    throw new QueryTextError('matches', 'must be a smaller regular expression: it takes too many instructions');
  }
  // Of the text: re2js takes a third longer for the bytes.
  return (block, start, end) =>
    end - start > maxBytes ? 'too-long' : compiled.test(block.toString('utf8', start, end));
}
