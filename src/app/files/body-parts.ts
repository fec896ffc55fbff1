import { BYTES } from '../../model/bytes.ts';

/** Some records of a body of NDJSON, one after the other. Numbers count from 0; the ends are exclusive. */
export interface BodyPart {
  readonly first: number;
  readonly end: number;
  /** Bytes of the body. */
  readonly from: number;
  readonly to: number;
}

const { NEWLINE, QUOTE } = BYTES;
const ZERO = 0x30;
/** A stored line begins so, and its hour stands at fixed places: `{"timestamp":"2015-05-17T10:05:03Z",…`. */
const QUOTE_AT = 13;
const DIGITS_AT = [14, 15, 16, 17, 19, 20, 22, 23, 25, 26];

/** Cuts a body so that no part has records of more than `maxHours` hours: mostly it is one part. */
export function cutByHours(body: Buffer, records: number, maxHours: number): readonly BodyPart[] {
  if (records <= maxHours) return [{ first: 0, end: records, from: 0, to: body.length }];
  const parts: BodyPart[] = [];
  const hours = new Set<number>();
  let part = { first: 0, from: 0 };
  let last: number | undefined;
  let index = 0;
  for (let start = 0; start < body.length; index++) {
    const hour = hourAt(body, start);
    if (hour !== last && hour !== undefined && !hours.has(hour)) {
      if (hours.size === maxHours) {
        parts.push({ ...part, end: index, to: start });
        part = { first: index, from: start };
        hours.clear();
      }
      hours.add(hour);
    }
    last = hour;
    start = endOfLine(body, start);
  }
  parts.push({ ...part, end: index, to: body.length });
  return parts;
}

/** The first and the second half of the records of a part that has at least two. */
export function halve(body: Buffer, { first, end, from, to }: BodyPart): readonly [BodyPart, BodyPart] {
  const middle = (first + end) >> 1;
  let at = from;
  for (let index = first; index < middle; index++) at = endOfLine(body, at);
  return [
    { first, end: middle, from, to: at },
    { first: middle, end, from: at, to },
  ];
}

/** The records of a part, without their newlines. */
export function* recordsOf(body: Buffer, { from, to }: BodyPart): Generator<Buffer> {
  for (let start = from; start < to; ) {
    const next = endOfLine(body, start);
    yield body.subarray(start, body[next - 1] === NEWLINE ? next - 1 : next);
    start = next;
  }
}

/** YYYYMMDDHH as a number; undefined for a line that begins in another way, about which the service decides. */
function hourAt(body: Buffer, start: number): number | undefined {
  if (body[start + QUOTE_AT] !== QUOTE) return undefined;
  let hour = 0;
  for (const at of DIGITS_AT) hour = hour * 10 + ((body[start + at] ?? 0) - ZERO);
  return hour;
}

/** After the newline. */
function endOfLine(body: Buffer, start: number): number {
  const newline = body.indexOf(NEWLINE, start);
  return newline < 0 ? body.length : newline + 1;
}
