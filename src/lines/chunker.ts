import { BYTES } from '../model/bytes.ts';
import type { Batch, Chunk } from '../model/chunk.ts';
import type { Hour } from '../model/hour.ts';
import { LineWriter } from './writer.ts';

const { COMMA, NEWLINE } = BYTES;

/** Bytes up to which a copy by words is quicker than a call of the runtime's. */
const SHORT = 512;
/** First size of the first writer's buffer, at most: the size that the lines need is not known yet. */
const FIRST_WRITER_BYTES = 1024 * 1024;
/** A writer with more bytes is followed by another: one that only grew would copy more and more bytes in one step. */
const FULL_WRITER_BYTES = 4 * 1024 * 1024;

/*
 * A range: lines of one hour that follow each other in memory. In numbers, not objects, since a body can have a million ranges
 * and the garbage collector would have to visit each.
 *
 *   hour | memory, IN_BODY or the number of a writer | start | end, after the last line | lines
 */
const RANGE_INTS = 5;
const MEMORY = 1;
const START = 2;
const END = 3;
const COUNT = 4;
const IN_BODY = -1;
const FIRST_RANGES = 16;

// The work of one step, after which it yields.
const STEP_RANGES = 8_192;
const STEP_BYTES = 2 * 1024 * 1024;
const STEP_CHUNKS = 8_192;

/** One hour while its ranges are merged. */
interface HourRanges {
  readonly hour: Hour;
  /** The place of its first range. */
  readonly first: number;
  ranges: number;
  count: number;
  length: number;
  /** Where its next range goes. */
  at: number;
}

/**
 * Collects the stored lines of one body and sorts them by hour: ranges of the body itself where it already holds stored lines, and
 * ranges of writers for the other lines. Neighbours of one hour are one range, so a body of stored lines of one hour becomes one range and is
 * not copied at all.
 *
 * It has a merge of its own, and not mergeByHour, because it must yield between steps and make no object for a range.
 */
export class Lines {
  readonly #body: Buffer;
  readonly #expected: number;
  readonly #writers: LineWriter[] = [];
  #writer: LineWriter | undefined;
  #bodyView: DataView | undefined;
  #ranges = new Int32Array(FIRST_RANGES * RANGE_INTS);
  /** Ints in use. */
  #used = 0;

  /** `expected`: about how many bytes of lines will be written, and not stay in the body. */
  constructor(body: Buffer, expected: number) {
    this.#body = body;
    this.#expected = expected;
  }

  /** For the next line that is not in the body. */
  get writer(): LineWriter {
    this.#writer ??= this.#addWriter(Math.min(this.#expected, FIRST_WRITER_BYTES));
    return this.#writer;
  }

  /** [start, end) of the body is a line. */
  addInPlace(hour: Hour, start: number, end: number): void {
    this.#add(hour, IN_BODY, start, end);
  }

  /** The bytes written to `writer` from `start` on are a line. */
  addWritten(hour: Hour, start: number): void {
    const { used } = this.writer;
    this.#add(hour, this.#writers.length - 1, start, used);
    if (used > FULL_WRITER_BYTES - FULL_WRITER_BYTES / 8) this.#writer = this.#addWriter(FULL_WRITER_BYTES);
  }

  addText(hour: Hour, line: string): void {
    const start = this.writer.used;
    this.writer.text(line);
    this.addWritten(hour, start);
  }

  /** Puts the commas between the records of the body back, where newlines had replaced them. */
  restoreCommas(): void {
    for (let range = 0; range < this.#used; range += RANGE_INTS) {
      if (this.#int(range + MEMORY) !== IN_BODY) continue;
      const lines = this.#bytesOf(range);
      for (let at = lines.indexOf(NEWLINE); at !== -1; at = lines.indexOf(NEWLINE, at + 1)) lines[at] = COMMA;
    }
  }

  /** One chunk an hour, in the order in which the hours were first seen. Once; yields every few milliseconds of work. */
  *toBatch(): Generator<undefined, Batch, undefined> {
    if (this.#used === RANGE_INTS) return [{ hour: this.#int(0), count: this.#int(COUNT), lines: this.#bytesOf(0) }];
    const hours: HourRanges[] = [];
    const numbers = new Map<Hour, number>();
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#addRanges(hours, numbers, range);
    }
    let length = 0;
    for (const target of hours) {
      target.at = length;
      if (target.ranges > 1) length += target.length;
    }
    const merged = new LineWriter(length);
    merged.reserve(length);
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#copyRanges(hours, merged, range);
    }
    const batch: Chunk[] = [];
    for (const { hour, first, ranges, count, length: bytes, at } of hours) {
      batch.push({ hour, count, lines: ranges === 1 ? this.#bytesOf(first) : merged.bytes.subarray(at - bytes, at) });
      if (batch.length % STEP_CHUNKS === 0) yield;
    }
    return batch;
  }

  /** Adds ranges to their hours, and replaces the hour in each range by its number in `hours`. Returns where to go on. */
  #addRanges(hours: HourRanges[], numbers: Map<Hour, number>, from: number): number {
    const ranges = this.#ranges;
    const end = Math.min(this.#used, from + STEP_RANGES * RANGE_INTS);
    for (let range = from; range < end; range += RANGE_INTS) {
      const hour = ranges[range] as number;
      const length = (ranges[range + END] as number) - (ranges[range + START] as number);
      const count = ranges[range + COUNT] as number;
      const number = numbers.get(hour);
      const target = number === undefined ? undefined : hours[number];
      ranges[range] = number ?? hours.length;
      if (target === undefined) {
        numbers.set(hour, hours.length);
        hours.push({ hour, first: range, ranges: 1, count, length, at: 0 });
      } else {
        target.ranges++;
        target.count += count;
        target.length += length;
      }
    }
    return end;
  }

  /** Copies ranges, so that those of one hour follow each other. Returns where to go on. */
  #copyRanges(hours: readonly HourRanges[], merged: LineWriter, from: number): number {
    const most = Math.min(this.#used, from + STEP_RANGES * RANGE_INTS);
    let bytes = 0;
    let range = from;
    for (; range < most && bytes < STEP_BYTES; range += RANGE_INTS) {
      const target = hours[this.#int(range)] as HourRanges;
      if (target.ranges === 1) continue;
      merged.used = target.at;
      this.#copy(range, merged);
      bytes += merged.used - target.at;
      target.at = merged.used;
    }
    return range;
  }

  #copy(range: number, to: LineWriter): void {
    const start = this.#int(range + START);
    const end = this.#int(range + END);
    const memory = this.#int(range + MEMORY);
    const writer = memory === IN_BODY ? undefined : this.#writers[memory];
    if (end - start > SHORT) to.copy(writer?.bytes ?? this.#body, start, end);
    else to.slice(writer?.view ?? this.#viewOfBody(), start, end);
  }

  #bytesOf(range: number): Buffer {
    const memory = this.#int(range + MEMORY);
    const bytes = memory === IN_BODY ? this.#body : (this.#writers[memory] as LineWriter).bytes;
    return bytes.subarray(this.#int(range + START), this.#int(range + END));
  }

  #viewOfBody(): DataView {
    this.#bodyView ??= new DataView(this.#body.buffer, this.#body.byteOffset, this.#body.length);
    return this.#bodyView;
  }

  #int(at: number): number {
    return this.#ranges[at] as number;
  }

  #addWriter(expected: number): LineWriter {
    const writer = new LineWriter(expected);
    this.#writers.push(writer);
    return writer;
  }

  #add(hour: Hour, memory: number, start: number, end: number): void {
    const last = this.#used - RANGE_INTS;
    const ranges = this.#ranges;
    const isNext =
      last >= 0 && ranges[last] === hour && ranges[last + END] === start && ranges[last + MEMORY] === memory;
    if (isNext) {
      ranges[last + END] = end;
      ranges[last + COUNT] = this.#int(last + COUNT) + 1;
      return;
    }
    if (this.#used === ranges.length) this.#grow();
    const range = this.#used;
    this.#ranges[range] = hour;
    this.#ranges[range + MEMORY] = memory;
    this.#ranges[range + START] = start;
    this.#ranges[range + END] = end;
    this.#ranges[range + COUNT] = 1;
    this.#used += RANGE_INTS;
  }

  #grow(): void {
    const larger = new Int32Array(this.#ranges.length * 2);
    larger.set(this.#ranges);
    this.#ranges = larger;
  }
}
