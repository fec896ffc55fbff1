// FAST PATH. The figures stand at fast-text.ts.

import { BYTES, isDigit } from '../../model/bytes.ts';
import { LEVELS, toLevel } from '../../model/level.ts';
import type { FastData } from './fast-data.ts';
import type { FastLine } from './fast-line.ts';
import { FACILITIES, LEVELS_PER_FACILITY } from './syslog.ts';
import { BSD_LENGTH, type TextTime } from './text-time.ts';

const { BACKSLASH, CLOSE_BRACKET, COLON, GREATER_THAN, LESS_THAN, MINUS, OPEN_BRACKET, QUOTE, SPACE, ZERO } = BYTES;
const ONE = ZERO + 1;

const MAX_TIME_LENGTH = 64;
const MAX_NAME_LENGTH = 255;
const MAX_PID_LENGTH = 64;
/** The places in LEVELS of the levels of syslog, by their numbers. */
export const LEVELS_BY_NUMBER: readonly number[] = Array.from({ length: LEVELS_PER_FACILITY }, (_, number) =>
  LEVELS.indexOf(toLevel(number) ?? 'INFO'),
);

// What stands where a tag may stand.
const UNKNOWN = -1;
const NO_TAG = 0;
const TAG = 1;

/** Of bytes: printable ASCII that stands for itself in JSON, but a space. A name of RFC 3164 has no colon or bracket either. */
const IS_PLAIN = 1;
const IS_NAME = 2;
const CLASSES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const isPlain = byte > SPACE && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH;
  const isName = isPlain && byte !== COLON && byte !== OPEN_BRACKET && byte !== CLOSE_BRACKET;
  return (isPlain ? IS_PLAIN : 0) | (isName ? IS_NAME : 0);
});

/** Finds the parts of messages of RFC 3164 and RFC 5424, as syslog.ts does. */
export class FastSyslog {
  readonly #bytes: Buffer;
  readonly #time: TextTime;
  readonly #line: FastLine;
  /** Where the part ends that was read last, or where the next one begins. */
  #at = 0;
  readonly #data: FastData;

  constructor(bytes: Buffer, time: TextTime, data: FastData, line: FastLine) {
    this.#data = data;
    this.#bytes = bytes;
    this.#time = time;
    this.#line = line;
  }

  /** Sets the time and the parts of the text at [start, end); false where the reference reader must judge it. */
  read(start: number, end: number): boolean {
    const bytes = this.#bytes;
    if (!this.#readPriority(start, end)) return false;
    const at = this.#at;
    if (bytes[at] === ONE && bytes[at + 1] === SPACE) return this.#read5424(at + 2, end);
    return this.#read3164(at, end);
  }

  /** `<13>` */
  #readPriority(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let at = start + 1;
    let priority = 0;
    for (; at < end && at < start + 4; at++) {
      const byte = bytes[at] as number;
      if (!isDigit(byte)) break;
      priority = priority * 10 + byte - ZERO;
    }
    const isPriority = bytes[start] === LESS_THAN && at > start + 1 && at < end && bytes[at] === GREATER_THAN;
    if (!isPriority || priority >= FACILITIES.length * LEVELS_PER_FACILITY) return false;
    this.#at = at + 1;
    this.#line.level = LEVELS_BY_NUMBER[priority & 7] as number;
    this.#line.facility = priority >> 3;
    return true;
  }

  /** `Jul  2 17:00:01 host auth[1234]: msg`, the time in RFC 3339 too, without a host, or without a tag. */
  #read3164(start: number, end: number): boolean {
    const bytes = this.#bytes;
    const line = this.#line;
    let at = start;
    if (this.#time.readBsd(at, end)) at += BSD_LENGTH;
    else {
      at = this.#tokenEnd(at, end, MAX_TIME_LENGTH);
      if (at === -1 || bytes[at] !== SPACE || !this.#time.readInstant(start, at)) return false;
    }
    while (at < end && bytes[at] === SPACE) at++;
    let tag = this.#readTag(at, end);
    if (tag === NO_TAG) {
      line.hostStart = at;
      line.hostEnd = this.#at;
      at = this.#at + 1;
      tag = this.#readTag(at, end);
    }
    if (tag === UNKNOWN) return false;
    return line.setMessage(tag === TAG ? this.#at : at, end);
  }

  /**
   * TAG: the service and the pid are set, and the message begins at #at. NO_TAG: what stands there ends at #at, before a space or at the
   * end. UNKNOWN: neither is certain.
   */
  #readTag(start: number, end: number): number {
    const bytes = this.#bytes;
    const line = this.#line;
    let at = start;
    while (at < end && ((CLASSES[bytes[at] as number] as number) & IS_NAME) !== 0) at++;
    const length = at - start;
    if (length === 0 || length > MAX_NAME_LENGTH || bytes[start] === LESS_THAN) return UNKNOWN;
    this.#at = at;
    if (at === end || bytes[at] === SPACE) return NO_TAG;
    if (bytes[at] === COLON) {
      // Digits alone are no tag.
      if (isDigit(bytes[start] as number) || (at + 1 < end && bytes[at + 1] !== SPACE)) return UNKNOWN;
      this.#at = at + 1;
    } else if (bytes[at] !== OPEN_BRACKET || !this.#readPid(at + 1, end)) return UNKNOWN;
    line.serviceStart = start;
    line.serviceEnd = at;
    return TAG;
  }

  /** `1234]:` */
  #readPid(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let at = start;
    while (at < end && bytes[at] !== CLOSE_BRACKET && CLASSES[bytes[at] as number] !== 0) at++;
    if (at >= end || bytes[at] !== CLOSE_BRACKET || at - start > MAX_PID_LENGTH) return false;
    this.#line.pidStart = start;
    this.#line.pidEnd = at;
    this.#at = at + 2;
    return at + 1 < end && (bytes[at + 1] === COLON || bytes[at + 1] === SPACE);
  }

  /** `2003-10-11T22:14:15.003Z host app 12 ID47 - msg`, after the version. */
  #read5424(start: number, end: number): boolean {
    const line = this.#line;
    const timeEnd = this.#headerEnd(start, end, MAX_TIME_LENGTH);
    if (timeEnd === -1 || !this.#time.readInstant(start, timeEnd)) return false;
    const hostEnd = this.#headerEnd(timeEnd + 1, end, MAX_NAME_LENGTH);
    const appEnd = hostEnd === -1 ? -1 : this.#headerEnd(hostEnd + 1, end, MAX_NAME_LENGTH);
    const pidEnd = appEnd === -1 ? -1 : this.#headerEnd(appEnd + 1, end, MAX_NAME_LENGTH);
    const idEnd = pidEnd === -1 ? -1 : this.#headerEnd(pidEnd + 1, end, MAX_NAME_LENGTH);
    if (idEnd === -1) return false;
    line.hostStart = this.#orEnd(timeEnd + 1, hostEnd);
    line.hostEnd = hostEnd;
    line.serviceStart = this.#orEnd(hostEnd + 1, appEnd);
    line.serviceEnd = appEnd;
    line.pidStart = this.#orEnd(appEnd + 1, pidEnd);
    line.pidEnd = pidEnd;
    line.messageIdStart = this.#orEnd(pidEnd + 1, idEnd);
    line.messageIdEnd = idEnd;
    return this.#readData(idEnd + 1, end) && line.setMessage(this.#afterMark(this.#at + 1, end), end);
  }

  /** Where a part of the header ends that begins at `start`: at a space; -1 where there is none. */
  #headerEnd(start: number, end: number, most: number): number {
    const at = this.#tokenEnd(start, end, most);
    return at === -1 || at === end || this.#bytes[at] !== SPACE ? -1 : at;
  }

  #tokenEnd(start: number, end: number, most: number): number {
    const bytes = this.#bytes;
    let at = start;
    while (at < end && CLASSES[bytes[at] as number] !== 0) at++;
    return at === start || at - start > most ? -1 : at;
  }

  /** `start`, or `end` where nothing but the sign of an absent part stands between them. */
  #orEnd(start: number, end: number): number {
    return end - start === 1 && this.#bytes[start] === MINUS ? end : start;
  }

  /** Structured data, after which #at stands at a space or at the end. */
  #readData(start: number, end: number): boolean {
    const bytes = this.#bytes;
    if (bytes[start] === MINUS) {
      this.#at = start + 1;
      return start + 1 === end || bytes[start + 1] === SPACE;
    }
    if (bytes[start] !== OPEN_BRACKET || !this.#data.read(start, end)) return false;
    this.#line.hasData = true;
    this.#at = this.#data.end;
    return true;
  }

  #afterMark(start: number, end: number): number {
    const bytes = this.#bytes;
    const hasMark = start + 3 <= end && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf;
    return hasMark ? start + 3 : start;
  }
}
