// FAST PATH. Times in JSON as they are stored.

import { BYTES, isDigit } from '../../model/bytes.ts';
import { copyBytes, viewOf } from './access/line-bytes.ts';
import { exactTime, isBent } from './json-members.ts';
import type { LogTime } from './log-time.ts';

const { POINT, QUOTE, UPPER_Z, ZERO } = BYTES;

const LEAD = '{"timestamp":"';
const MINUTE = '2026-03-05T10:00:';
/** Seconds since 1970 with so many digits are those of 2001 to 2286. */
const DIGITS = 10;
/** With a point and nanoseconds. */
const MAX_LENGTH = 20;
/** A number of so many characters is to JSON.parse what it says; of a longer one isBent tells whether its digits count. */
const EXACT_LENGTH = 16;

/** Writes `{"timestamp":"2026-03-05T10:00:01.5Z`. Consecutive lines share their minute: it stands ready. */
export class FastTime {
  readonly #time: LogTime;
  /** Up to the seconds. */
  readonly #head = viewOf(Buffer.from(LEAD + MINUTE));
  /** Of the head, since 1970. */
  #minute = -1;

  constructor(time: LogTime) {
    this.#time = time;
  }

  /** The value bytes[start, end), a number or text, plain ASCII, is written at `used`. Gives where it ends; -1 where it is no time. */
  write(to: DataView, used: number, bytes: Buffer, start: number, end: number): number {
    if (bytes[start] === QUOTE)
      return this.#writeText(to, used, this.#time.read(bytes.toString('latin1', start + 1, end - 1)));
    const length = end - start;
    const isSeconds =
      length === DIGITS || (length > DIGITS + 1 && length <= MAX_LENGTH && bytes[start + DIGITS] === POINT);
    if (isSeconds && (length <= EXACT_LENGTH || isBent(Number(bytes.toString('latin1', start, end))))) {
      const at = this.#writeSeconds(to, used, bytes, start, end);
      if (at !== -1) return at;
    }
    return this.#writeNumber(to, used, bytes, start, end);
  }

  /** Whole seconds, and a fraction if there is one. */
  #writeSeconds(to: DataView, used: number, bytes: Buffer, start: number, end: number): number {
    let second = 0;
    for (let i = start; i < start + DIGITS; i++) {
      const byte = bytes[i] as number;
      if (!isDigit(byte)) return -1;
      second = second * 10 + byte - ZERO;
    }
    let last = end;
    if (last - start > DIGITS) while (bytes[last - 1] === ZERO) last--;
    for (let i = start + DIGITS + 1; i < last; i++) if (!isDigit(bytes[i] as number)) return -1;
    const minute = Math.floor(second / 60);
    if (minute !== this.#minute && !this.#readMinute(minute)) return -1;
    const rest = second - minute * 60;
    const head = this.#head.byteLength;
    copyBytes(to, used, this.#head, 0, head);
    let at = used + head;
    const tens = Math.floor(rest / 10);
    to.setUint8(at++, ZERO + tens);
    to.setUint8(at++, ZERO + rest - tens * 10);
    if (last > start + DIGITS + 1) for (let i = start + DIGITS; i < last; i++) to.setUint8(at++, bytes[i] as number);
    to.setUint8(at++, UPPER_Z);
    return at;
  }

  #readMinute(minute: number): boolean {
    const text = this.#time.read(minute * 60);
    if (text?.length !== MINUTE.length + 3) return false;
    for (let i = 0; i < MINUTE.length; i++) this.#head.setUint8(LEAD.length + i, text.charCodeAt(i));
    this.#minute = minute;
    return true;
  }

  #writeNumber(to: DataView, used: number, bytes: Buffer, start: number, end: number): number {
    const text = bytes.toString('latin1', start, end);
    const value = Number(text);
    return this.#writeText(to, used, this.#time.read(isBent(value) ? exactTime(value, text) : value));
  }

  #writeText(to: DataView, used: number, time: string | undefined): number {
    if (time === undefined) return -1;
    const at = copyBytes(to, used, this.#head, 0, LEAD.length);
    for (let i = 0; i < time.length; i++) to.setUint8(at + i, time.charCodeAt(i));
    return at + time.length;
  }
}
