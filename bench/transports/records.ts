/*
 * The records that are sent, lines of the stream `events` in their stored form:
 *
 *   {"timestamp":"2026-01-31T12:00:00Z","level":"INFO","message":"PNNNNNNNNTTTTTTTTTxxxx…","service":"p"}\n
 *
 *   P  the producer, one digit
 *   N  the number of the record within its producer, from 0
 *   T  when it was sent: µs since the epoch of the run; zeros where no time is wanted
 *   x  so many that the line has its size
 *
 * All records of a run have one length, and their digits stand at fixed places: a sender writes only them, in place.
 */

import { createReadStream } from 'node:fs';

const MESSAGE = '{"timestamp":"2026-01-31T12:00:00Z","level":"INFO","message":"';
const END = '","service":"p"}\n';
const NUMBER_DIGITS = 8;
const TIME_DIGITS = 9;
const PRODUCER_AT = MESSAGE.length;
const NUMBER_AT = PRODUCER_AT + 1;
const TIME_AT = NUMBER_AT + NUMBER_DIGITS;
const FILL_AT = TIME_AT + TIME_DIGITS;
/** Records of one producer in a run. */
export const MAX_RECORDS = 10 ** NUMBER_DIGITS;
/** The shortest record, bytes. */
export const MIN_SIZE = FILL_AT + END.length;
const ZERO = 48;
/** Of a read of a stored file. */
const READ_BYTES = 1024 * 1024;

/** `count` records of a producer, one after the other. Each has `size` bytes, its newline included. */
export function makeBlock({ producer, size, count }: { producer: number; size: number; count: number }): Buffer {
  const digits = `${producer}${'0'.repeat(NUMBER_DIGITS + TIME_DIGITS)}`;
  const fill = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(Math.ceil(size / 26)).slice(0, size - MIN_SIZE);
  return Buffer.from(`${MESSAGE}${digits}${fill}${END}`.repeat(count), 'latin1');
}

/** Gives the records of a block, which begin at `from`, the numbers from `first` on. */
export function numberRecords(block: Buffer, from: number, size: number, first: number): void {
  let number = first;
  for (let at = from; at < block.length; at += size) writeDigits(block, at + NUMBER_AT, NUMBER_DIGITS, number++);
}

/** Gives them the time, µs since the epoch of the run. */
export function timeRecords(block: Buffer, from: number, size: number, time: number): void {
  for (let at = from; at < block.length; at += size) writeDigits(block, at + TIME_AT, TIME_DIGITS, time);
}

/** µs since the epoch; 0: none. */
export const readTime = (lines: Buffer, at: number): number => readDigits(lines, at + TIME_AT, TIME_DIGITS);
const readNumber = (lines: Buffer, at: number): number => readDigits(lines, at + NUMBER_AT, NUMBER_DIGITS);

/** µs of the machine's monotonic clock since `epochNs`, which all processes of a run share. */
export function microsSince(epochNs: bigint): number {
  return Number((process.hrtime.bigint() - epochNs) / 1000n);
}

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const tens = (rest / 10) | 0;
    bytes[i] = ZERO + rest - tens * 10;
    rest = tens;
  }
}

function readDigits(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) value = value * 10 + (bytes[i] as number) - ZERO;
  return value;
}

/** What became of the records, by what is in the store. */
export interface Counts {
  /** Records that are stored, each counted once. */
  readonly stored: number;
  readonly lost: number;
  /** Stored once more. */
  readonly duplicates: number;
  /** Stored before one that its producer had sent earlier. */
  readonly outOfOrder: number;
  /** Lines that nobody sent: made of pieces of several records. */
  readonly broken: number;
}

/** Counts stored lines. `sent`: of each producer. */
export function createCounter(size: number, sent: readonly number[]) {
  const seen = sent.map((count) => new Uint8Array(count));
  const newest = sent.map(() => -1);
  const prefix = Buffer.from(MESSAGE, 'latin1');
  let [stored, duplicates, outOfOrder, broken] = [0, 0, 0, 0];

  function count(line: Buffer): void {
    const producer = (line[PRODUCER_AT] as number) - ZERO;
    const ofProducer = seen[producer];
    const isWhole = line.length === size && prefix.compare(line, 0, prefix.length) === 0;
    const number = isWhole ? readNumber(line, 0) : -1;
    if (ofProducer === undefined || !(number >= 0 && number < ofProducer.length)) {
      broken++;
      return;
    }
    if (ofProducer[number] === 1) {
      duplicates++;
      return;
    }
    ofProducer[number] = 1;
    stored++;
    if (number < (newest[producer] as number)) outOfOrder++;
    else newest[producer] = number;
  }

  /** Takes whole lines. Gives the bytes of them; what is behind the last newline is none. */
  function add(lines: Buffer): number {
    let at = 0;
    for (let end = lines.indexOf(10) + 1; end > 0; end = lines.indexOf(10, at) + 1) {
      count(lines.subarray(at, end));
      at = end;
    }
    return at;
  }

  return {
    add,
    /** Takes the lines of an hour's file. */
    async addFile(path: string): Promise<void> {
      let rest = Buffer.alloc(0);
      for await (const part of createReadStream(path, { highWaterMark: READ_BYTES })) {
        const lines: Buffer = rest.length === 0 ? part : Buffer.concat([rest, part]);
        rest = Buffer.from(lines.subarray(add(lines)));
      }
      if (rest.length > 0) throw new Error(`cannot count path=${path}: its last line has no end`);
    },
    counts(): Counts {
      const total = sent.reduce((sum, each) => sum + each, 0);
      return { stored, lost: total - stored, duplicates, outOfOrder, broken };
    },
  };
}
