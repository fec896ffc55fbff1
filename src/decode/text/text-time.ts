// FAST PATH. Reads the times of text lines from bytes, as bsd-time.ts and parseTimestamp do from text.

import { InstantScan } from '../../lines/instant-scan.ts';
import { formatUnixTime, parseTimestamp } from '../../lines/timestamp.ts';
import type { LineWriter } from '../../lines/writer.ts';
import { BYTES, isDigit } from '../../model/bytes.ts';
import type { Hour } from '../../model/hour.ts';
import type { TextOptions } from '../decode.ts';
import { readBsdTime, toTimestamp } from './bsd-time.ts';
import { ZonedTime } from './zoned-time.ts';

const { POINT, SPACE, UPPER_Z, ZERO } = BYTES;

/** Length of `Jul  2 17:00:01`. */
export const BSD_LENGTH = 15;
const MAX_STORED_LENGTH = 32;
/** Digits of microseconds since 1970, and of the seconds in them, in the years 2001 to 2286. */
const MICROS_LENGTH = 16;
const SECONDS_DIGITS = 10;
/** Length of `2025-11-22T15:23:00`. */
const SECONDS_LENGTH = 19;

// The form of the time that was read last.
const BSD = 0;
const INSTANT = 1;
const ZONED = 2;
const MICROS = 3;

/** The time of one line after the other, all of one arrival. */
export class TextTime {
  /** Of the time read last. */
  hour: Hour = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #options: Pick<TextOptions, 'arrival' | 'zone'>;
  readonly #instants: InstantScan;
  readonly #zoned: ZonedTime;
  #form = BSD;
  /** Where it begins. */
  #at = 0;
  // The last BSD time, as four words (two of them share a byte), and what it is as stored text and hour.
  #word0 = 0;
  #word1 = 0;
  #word2 = 0;
  #word3 = 0;
  #stored = new DataView(new ArrayBuffer(MAX_STORED_LENGTH));
  #storedLength = 0;
  #storedHour: Hour = 0;

  // The last second by its ten digits, as three words (two of them share two bytes), what it is as stored text, and its hour.
  #second0 = 0;
  #second1 = 0;
  #second2 = 0;
  #second: DataView | undefined;
  #secondHour: Hour = 0;

  constructor(bytes: Buffer, view: DataView, options: Pick<TextOptions, 'arrival' | 'zone'>) {
    this.#bytes = bytes;
    this.#view = view;
    this.#options = options;
    this.#instants = new InstantScan(bytes, view);
    this.#zoned = new ZonedTime(bytes, view);
  }

  /** Reads [start, end), RFC 3339; false when it is not valid. */
  readInstant(start: number, end: number): boolean {
    this.#at = start;
    if (this.#zoned.read(start, end)) {
      this.hour = this.#zoned.hour;
      this.#form = ZONED;
      return true;
    }
    const instants = this.#instants;
    if (!instants.read(start, end)) return false;
    if (instants.text !== undefined) this.#zoned.learn(start, end, instants.text, instants.hour);
    this.hour = instants.hour;
    this.#form = INSTANT;
    return true;
  }

  /** Reads `Jul  2 17:00:01` at `at`, where a space follows before `end`; false for any other form, which the reference reader may know. */
  readBsd(at: number, end: number): boolean {
    const view = this.#view;
    if (end - at <= BSD_LENGTH + 4 || this.#bytes[at + BSD_LENGTH] !== SPACE || this.#isYear(at + BSD_LENGTH + 1)) {
      return false;
    }
    const isKnown =
      this.#storedLength > 0 &&
      view.getInt32(at, true) === this.#word0 &&
      view.getInt32(at + 4, true) === this.#word1 &&
      view.getInt32(at + 8, true) === this.#word2 &&
      view.getInt32(at + 11, true) === this.#word3;
    if (!isKnown && !this.#learn(at)) return false;
    this.hour = this.#storedHour;
    this.#form = BSD;
    return true;
  }

  /** Reads [start, end), microseconds since 1970; false for any other text, and for other centuries. */
  readMicros(start: number, end: number): boolean {
    if (end - start !== MICROS_LENGTH || this.#bytes[start] === ZERO) return false;
    for (let at = start; at < end; at++) if (!isDigit(this.#bytes[at] as number)) return false;
    const view = this.#view;
    const isKnown =
      this.#second !== undefined &&
      view.getInt32(start, true) === this.#second0 &&
      view.getInt32(start + 4, true) === this.#second1 &&
      view.getInt32(start + 6, true) === this.#second2;
    if (!isKnown) this.#learnSecond(start);
    this.hour = this.#secondHour;
    this.#form = MICROS;
    this.#at = start;
    return true;
  }

  /** Writes the stored text of the time read last. */
  write(writer: LineWriter): void {
    if (this.#form === MICROS) {
      this.#writeMicros(writer);
      return;
    }
    if (this.#form === BSD) writer.slice(this.#stored, 0, this.#storedLength);
    else if (this.#form === INSTANT) this.#instants.write(writer, this.#at);
    else this.#zoned.write(writer);
  }

  #writeMicros(writer: LineWriter): void {
    const bytes = this.#bytes;
    const fraction = this.#at + SECONDS_DIGITS;
    let end = this.#at + MICROS_LENGTH;
    while (end > fraction && bytes[end - 1] === ZERO) end--;
    writer.slice(this.#second as DataView, 0, SECONDS_LENGTH);
    if (end > fraction) {
      writer.byte(POINT);
      writer.slice(this.#view, fraction, end);
    }
    writer.byte(UPPER_Z);
  }

  #learnSecond(at: number): void {
    const view = this.#view;
    const second = Number(this.#bytes.toString('latin1', at, at + SECONDS_DIGITS));
    const text = Buffer.from(formatUnixTime(second, 0) ?? '');
    this.#second = new DataView(text.buffer, text.byteOffset, text.length);
    this.#secondHour = Math.floor(second / 3_600);
    this.#second0 = view.getInt32(at, true);
    this.#second1 = view.getInt32(at + 4, true);
    this.#second2 = view.getInt32(at + 6, true);
  }

  #isYear(at: number): boolean {
    const bytes = this.#bytes;
    for (let i = at; i < at + 4; i++) if (!isDigit(bytes[i] as number)) return false;
    return true;
  }

  #learn(at: number): boolean {
    const bsd = readBsdTime(this.#bytes.toString('latin1', at, at + BSD_LENGTH));
    if (bsd?.length !== BSD_LENGTH) return false;
    const instant = parseTimestamp(toTimestamp(bsd.time, this.#options) ?? '');
    if (instant === undefined) return false;
    const view = this.#view;
    this.#word0 = view.getInt32(at, true);
    this.#word1 = view.getInt32(at + 4, true);
    this.#word2 = view.getInt32(at + 8, true);
    this.#word3 = view.getInt32(at + 11, true);
    this.#storedHour = instant.hour;
    this.#storedLength = instant.text.length;
    for (let i = 0; i < instant.text.length; i++) this.#stored.setUint8(i, instant.text.charCodeAt(i));
    return true;
  }
}
