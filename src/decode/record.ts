import { formatLine, type Layout, TIMESTAMP } from '../lines/layout.ts';
import { parseTimestamp } from '../lines/timestamp.ts';
import type { Hour } from '../model/hour.ts';
import { type Level, toLevel } from '../model/level.ts';

export interface StoredRecord {
  readonly hour: Hour;
  /** The stored line, its newline included. */
  readonly line: string;
}

/** Why a record is refused: `problem` follows the words `record 3 `. */
export interface RecordFault {
  /** The field at fault; empty when the record as a whole is. */
  readonly field: string;
  readonly problem: string;
  /** The problem without the place that it begins with, where `field` is the whole of it. */
  readonly bare?: string;
}

export const NOT_AN_OBJECT: RecordFault = { field: '', problem: 'is not an object' };

/** Of a record whose hour retention removed. */
export const OLDER_THAN_RETENTION: RecordFault = { field: TIMESTAMP, problem: 'older than retention' };

const SHOWN_CHARACTERS = 64;

/**
 * The one definition of a valid record and of its stored line. `values` are those of the fields of the layout, in its order, as
 * they were received; undefined where absent. `extras` is empty or `,"name":value` for each extra field. `maxRecordBytes` limits the line
 * with its newline. Of several faults the first is reported: the fields in the order of the layout, then the size.
 */
export function encodeRecord(
  layout: Layout,
  values: readonly unknown[],
  extras: string,
  maxRecordBytes: number,
): StoredRecord | RecordFault {
  const instant = checkTimestamp(layout, values[0]);
  if ('problem' in instant) return instant;
  const texts: string[] = [];
  let characters = extras.length;
  for (let i = 1; i < layout.fields.length; i++) {
    const field = layout.fields[i] as string;
    const text = i === layout.levelAt ? checkLevel(field, values[i]) : checkText(field, values[i], i === layout.dashAt);
    if (typeof text !== 'string') return text;
    texts.push(text);
    characters += text.length;
  }
  // No character takes less than a byte, so an oversized record is refused before its texts are escaped.
  if (characters > maxRecordBytes) return exceeds(maxRecordBytes);
  const line = formatLine(layout, instant.text, texts, extras);
  if (Buffer.byteLength(line) > maxRecordBytes) return exceeds(maxRecordBytes);
  return { hour: instant.hour, line };
}

function checkTimestamp({ levelAt }: Layout, value: unknown) {
  if (value === undefined) return missing(TIMESTAMP);
  if (typeof value !== 'string') return notString(TIMESTAMP);
  // Programs that send log entries know the second text.
  const problem = levelAt === -1 ? 'invalid timestamp' : 'invalid timestamp format:';
  return parseTimestamp(value) ?? { field: TIMESTAMP, problem: `${problem} ${quoteShort(value)}` };
}

function checkText(field: string, value: unknown, orDash: boolean): string | RecordFault {
  if (value === undefined) return missing(field);
  if (typeof value !== 'string') return notString(field);
  const text = value.trim();
  if (text === '') return orDash ? '-' : { field, problem: `blank ${field}` };
  return text;
}

function checkLevel(field: string, value: unknown): Level | RecordFault {
  if (value === undefined) return missing(field);
  if (typeof value !== 'string' && typeof value !== 'number') return notString(field);
  return (
    toLevel(value) ?? { field, problem: `invalid ${field}: ${typeof value === 'string' ? quoteShort(value) : value}` }
  );
}

/** The fault of a line that is longer than the limit. */
export function exceeds(maxRecordBytes: number): RecordFault {
  return { field: '', problem: `exceeds ${maxRecordBytes} bytes` };
}

function missing(field: string): RecordFault {
  return { field, problem: `missing ${field}` };
}

function notString(field: string): RecordFault {
  return { field, problem: `${field} must be a string` };
}

/** A text as messages quote it: a client's text must not make an answer long. */
export function quoteShort(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
}
