import { BYTES } from '../model/bytes.ts';
import type { Batch, Chunk } from '../model/chunk.ts';
import type { Hour } from '../model/hour.ts';
import type { StreamName } from '../model/stream.ts';
import { type BatchLimits, batchTooLarge, NoRoomError, tooManyHours } from './batch-limits.ts';
import { LineWriter, type SpareMemory, type WriterMemory } from './writer.ts';

const { COMMA, NEWLINE } = BYTES;

/** Bytes up to which a copy by words is quicker than a call of the runtime's. */
const SHORT = 512;
/** First size of the first writer's buffer, at most: the size that the lines need is not known yet. */
const FIRST_WRITER_BYTES = 1024 * 1024;
/** A writer with more bytes is followed by another: one that only grew would copy more and more bytes in one step. */
const FULL_WRITER_BYTES = 4 * 1024 * 1024;
/** Memory beside the body is counted when it is larger than the body by more than this, and in steps of this size. */
const CLAIM_BYTES = 64 * 1024;

/*
 * A range: lines of one hour that follow each other in memory. In numbers, not objects, since a body can have a million ranges
 * and the garbage collector would have to visit each.
 *
 *   number of the hour, counted as hours come | memory, IN_BODY or the number of a writer | start | end, after the last line | lines
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
 *
 * The line that takes the batch beyond its limits throws: BatchTooLargeError, TooManyHoursError, or NoRoomError.
 */
export class Lines implements WriterMemory {
  readonly #stream: StreamName;
  readonly #body: Buffer;
  readonly #expected: number;
  readonly #limits: BatchLimits;
  /** Bytes of all lines and dead letters. */
  #bytes = 0;
  /** Bytes of memory that were made beside the body, and how many of them are allowed for by the body or counted. */
  #made = 0;
  #counted: number;
  readonly #writers: LineWriter[] = [];
  #writer: LineWriter | undefined;
  #bodyView: DataView | undefined;
  #ranges = new Int32Array(FIRST_RANGES * RANGE_INTS);
  /** Ints in use. */
  #used = 0;
  /** The hour of the last range, and its number. */
  #hour: Hour = 0;
  #number = 0;
  /** The number of each hour, in order; undefined while there is one hour. */
  #numbers: Map<Hour, number> | undefined;

  /** `expected`: about how many bytes of lines will be written, and not stay in the body. */
  constructor(stream: StreamName, body: Buffer, expected: number, limits: BatchLimits) {
    this.#stream = stream;
    this.#body = body;
    this.#expected = expected;
    this.#limits = limits;
    this.#counted = body.length + CLAIM_BYTES;
  }

  /** For the next line that is not in the body. */
  get writer(): LineWriter {
    this.#writer ??= this.#addWriter(Math.min(this.#expected, FIRST_WRITER_BYTES), this.#limits.spare);
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

  /** Counts bytes that belong to the batch and are not among these lines: dead letters, and lines of a batch that is refused. */
  countOther(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.maxBatchBytes) throw batchTooLarge(this.#bytes, this.#limits);
  }

  /** Counts memory that is made beside the body, before it is made. */
  claim(bytes: number): void {
    this.#made += bytes;
    if (this.#made <= this.#counted) return;
    const more = Math.max(this.#made - this.#counted, CLAIM_BYTES);
    if (this.#limits.memory?.grow(more) === false) throw new NoRoomError('there is no room for the lines of the batch');
    this.#counted += more;
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
    const stream = this.#stream;
    if (this.#used === RANGE_INTS)
      return [{ stream, hour: this.#hour, count: this.#int(COUNT), lines: this.#bytesOf(0) }];
    const names = [...(this.#numbers?.keys() ?? [this.#hour])];
    const hours: HourRanges[] = [];
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#addRanges(hours, names, range);
    }
    let length = 0;
    for (const target of hours) {
      target.at = length;
      if (target.ranges > 1) length += target.length;
    }
    const merged = new LineWriter(length, this);
    merged.reserve(length);
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#copyRanges(hours, merged, range);
    }
    const batch: Chunk[] = [];
    for (const { hour, first, ranges, count, length: bytes, at } of hours) {
      batch.push({
        stream,
        hour,
        count,
        lines: ranges === 1 ? this.#bytesOf(first) : merged.bytes.subarray(at - bytes, at),
      });
      if (batch.length % STEP_CHUNKS === 0) yield;
    }
    return batch;
  }

  /** Adds ranges to their hours. Returns where to go on. */
  #addRanges(hours: HourRanges[], names: readonly Hour[], from: number): number {
    const ranges = this.#ranges;
    const end = Math.min(this.#used, from + STEP_RANGES * RANGE_INTS);
    for (let range = from; range < end; range += RANGE_INTS) {
      const number = ranges[range] as number;
      const length = (ranges[range + END] as number) - (ranges[range + START] as number);
      const count = ranges[range + COUNT] as number;
      const target = hours[number];
      if (target === undefined) {
        hours.push({ hour: names[number] as Hour, first: range, ranges: 1, count, length, at: 0 });
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

  #addWriter(expected: number, spare?: SpareMemory): LineWriter {
    const writer = new LineWriter(expected, this, spare);
    this.#writers.push(writer);
    return writer;
  }

  #add(hour: Hour, memory: number, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > this.#limits.maxBatchBytes) throw batchTooLarge(this.#bytes, this.#limits);
    const last = this.#used - RANGE_INTS;
    const ranges = this.#ranges;
    const isNext = last >= 0 && hour === this.#hour && ranges[last + END] === start && ranges[last + MEMORY] === memory;
    if (isNext) {
      ranges[last + END] = end;
      ranges[last + COUNT] = this.#int(last + COUNT) + 1;
      return;
    }
    if (last < 0) this.#hour = hour;
    else if (hour !== this.#hour) this.#enterHour(hour);
    if (this.#used === ranges.length) this.#grow();
    const range = this.#used;
    this.#ranges[range] = this.#number;
    this.#ranges[range + MEMORY] = memory;
    this.#ranges[range + START] = start;
    this.#ranges[range + END] = end;
    this.#ranges[range + COUNT] = 1;
    this.#used += RANGE_INTS;
  }

  #enterHour(hour: Hour): void {
    this.#numbers ??= new Map([[this.#hour, 0]]);
    const numbers = this.#numbers;
    let number = numbers.get(hour);
    if (number === undefined) {
      number = numbers.size;
      if (number === this.#limits.maxHours) throw tooManyHours(this.#limits);
      numbers.set(hour, number);
    }
    this.#hour = hour;
    this.#number = number;
  }

  #grow(): void {
    const larger = new Int32Array(this.#ranges.length * 2);
    larger.set(this.#ranges);
    this.#ranges = larger;
  }
}
