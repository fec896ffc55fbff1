import { BYTES } from '../model/bytes.ts';
import type { Batch, Chunk } from '../model/chunk.ts';
import type { Hour } from '../model/hour.ts';
import { LineWriter } from './writer.ts';

const { COMMA, NEWLINE } = BYTES;

/** Bytes up to which a copy by words is quicker than a call of the runtime's. */
const SHORT = 512;
/** Bytes that are taken for a scratch buffer before it is known how many are needed. */
const FIRST_WRITER_BYTES = 1024 * 1024;
/** Beyond, another scratch buffer is begun: to let one grow for ever would copy ever more of it in one step. */
const FULL_WRITER_BYTES = 4 * 1024 * 1024;

/*
 * A range: lines of one hour that lie one behind the other. In numbers, not objects, since a body can have a million of them
 * and the garbage collector would stop to look at each.
 *
 *   hour | memory, IN_BODY or the place of a scratch buffer | start | end, behind the last line | lines
 */
const RANGE_INTS = 5;
const MEMORY = 1;
const START = 2;
const END = 3;
const COUNT = 4;
const IN_BODY = -1;
const FIRST_RANGES = 16;

// What is joined in one go.
const STEP_RANGES = 8_192;
const STEP_BYTES = 2 * 1024 * 1024;
const STEP_CHUNKS = 8_192;

/** What is known of an hour while its ranges are joined. */
interface Joint {
  readonly hour: Hour;
  /** Its first range. */
  readonly first: number;
  ranges: number;
  count: number;
  length: number;
  /** Where its next line goes. */
  at: number;
}

/**
 * The stored lines of one body, while they are found: ranges of the body itself where it already holds them, and of
 * scratch buffers for those that had to be written anew. Neighbours of one hour are one range, so a body of stored lines
 * of one hour ends as one range and is not copied at all.
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

  /** `expected`: about how many bytes the lines will take that are not in the body. */
  constructor(body: Buffer, expected: number) {
    this.#body = body;
    this.#expected = expected;
  }

  /** Where the next line is written that is not in the body. */
  get writer(): LineWriter {
    this.#writer ??= this.#addWriter(Math.min(this.#expected, FIRST_WRITER_BYTES));
    return this.#writer;
  }

  /** [start, end) of the body is a line. */
  addInPlace(hour: Hour, start: number, end: number): void {
    this.#add(hour, IN_BODY, start, end);
  }

  /** What was written to `scratch` from `start` on is a line. */
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

  /** Puts back the commas that newlines took the place of between the lines in the body. */
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
    const joints: Joint[] = [];
    const places = new Map<Hour, number>();
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#noteSome(joints, places, range);
    }
    let length = 0;
    for (const joint of joints) {
      joint.at = length;
      if (joint.ranges > 1) length += joint.length;
    }
    const joined = new LineWriter(length);
    joined.reserve(length);
    for (let range = 0; range < this.#used; ) {
      if (range > 0) yield;
      range = this.#joinSome(joints, joined, range);
    }
    const batch: Chunk[] = [];
    for (const { hour, first, ranges, count, length: bytes, at } of joints) {
      batch.push({ hour, count, lines: ranges === 1 ? this.#bytesOf(first) : joined.bytes.subarray(at - bytes, at) });
      if (batch.length % STEP_CHUNKS === 0) yield;
    }
    return batch;
  }

  /** Counts ranges to their hours, and writes the place of the joint where the hour stood. Returns where to go on. */
  #noteSome(joints: Joint[], places: Map<Hour, number>, from: number): number {
    const ranges = this.#ranges;
    const end = Math.min(this.#used, from + STEP_RANGES * RANGE_INTS);
    for (let range = from; range < end; range += RANGE_INTS) {
      const hour = ranges[range] as number;
      const length = (ranges[range + END] as number) - (ranges[range + START] as number);
      const count = ranges[range + COUNT] as number;
      const place = places.get(hour);
      const joint = place === undefined ? undefined : joints[place];
      ranges[range] = place ?? joints.length;
      if (joint === undefined) {
        places.set(hour, joints.length);
        joints.push({ hour, first: range, ranges: 1, count, length, at: 0 });
      } else {
        joint.ranges++;
        joint.count += count;
        joint.length += length;
      }
    }
    return end;
  }

  /** Copies ranges behind each other, hour by hour. Returns where to go on. */
  #joinSome(joints: readonly Joint[], joined: LineWriter, from: number): number {
    const most = Math.min(this.#used, from + STEP_RANGES * RANGE_INTS);
    let bytes = 0;
    let range = from;
    for (; range < most && bytes < STEP_BYTES; range += RANGE_INTS) {
      const joint = joints[this.#int(range)] as Joint;
      if (joint.ranges === 1) continue;
      joined.used = joint.at;
      this.#copy(range, joined);
      bytes += joined.used - joint.at;
      joint.at = joined.used;
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
