import { AvroFault } from './fault.ts';

/** A long takes at most 10 bytes, and the last of them has one bit of it. */
const MAX_LONG_BYTES = 10;
const MAX_INT_BYTES = 5;
/** Groups of seven bits that a number holds exactly. */
const EXACT_GROUPS = 7;
const HIGH_BIT = 0x80;

/** Reads the parts that every value is made of, from `at` to `end`. Throws AvroFault. */
export class BytesReader {
  at: number;
  readonly end: number;
  readonly bytes: Buffer;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** A whole number of 64 bits; a bigint where a number cannot hold it. */
  long(): number | bigint {
    const { bytes, at: start } = this;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < EXACT_GROUPS; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < HIGH_BIT) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= HIGH_BIT;
    }
    let large = BigInt(value);
    for (let i = EXACT_GROUPS; i < MAX_LONG_BYTES; i++) {
      const byte = this.byte();
      if (i === MAX_LONG_BYTES - 1 && byte > 1) break;
      large |= BigInt(byte & 0x7f) << BigInt(i * 7);
      if (byte >= HIGH_BIT) continue;
      const signed = (large >> 1n) ^ -(large & 1n);
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
    }
    throw new AvroFault(start, 'a varint of at most 64 bits', `0x${bytes.toString('hex', start, this.at)}`);
  }

  /** A whole number of 32 bits. */
  int(): number {
    const start = this.at;
    const value = this.long();
    if (typeof value === 'number' && value === (value | 0) && this.at - start <= MAX_INT_BYTES) return value;
    throw new AvroFault(start, 'an int of 32 bits', String(value));
  }

  /** A number of bytes that are left, and the first of them. `what` has this length. */
  length(what: string): number {
    const start = this.at;
    const length = this.long();
    const left = this.end - this.at;
    if (typeof length === 'number' && length >= 0 && length <= left) return length;
    throw new AvroFault(start, `the length of ${what}, at most the ${left} bytes that are left`, String(length));
  }

  /** A number from 0 to `count` - 1. */
  index(what: string, count: number): number {
    const start = this.at;
    const index = this.long();
    if (typeof index === 'number' && index >= 0 && index < count) return index;
    throw new AvroFault(start, `${what}, 0 to ${count - 1}`, String(index));
  }

  byte(): number {
    if (this.at >= this.end) throw new AvroFault(this.at, 'another byte', 'the end');
    return this.bytes[this.at++] as number;
  }

  /** Where the next `count` bytes begin. The reader goes on after them. */
  take(what: string, count: number): number {
    const start = this.at;
    const left = this.end - start;
    if (count > left) throw new AvroFault(start, `${count} bytes of ${what}`, `the end after ${left}`);
    this.at += count;
    return start;
  }
}
