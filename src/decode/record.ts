import { parseTimestamp } from '../lines/timestamp.ts';
import type { Hour } from '../model/hour.ts';

/** The three fields of a record as they were received; undefined where absent. */
export interface RecordFields {
  readonly timestamp: unknown;
  readonly path: unknown;
  readonly userAgent: unknown;
}

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
}

export const NOT_AN_OBJECT: RecordFault = { field: '', problem: 'is not an object' };

const SHOWN_CHARACTERS = 64;

/**
 * The one definition of a valid record and of its stored line:
 * `{"timestamp":"…","path":"…","userAgent":"…"` + `extras` + `}\n`, the three as JSON.stringify writes them.
 * `extras` is empty or `,"name":value` for each further field. `maxRecordBytes` bounds the line with its newline.
 * Of several faults the first is told: timestamp, path, userAgent, size.
 */
export function encodeRecord(fields: RecordFields, extras: string, maxRecordBytes: number): StoredRecord | RecordFault {
  const instant = checkTimestamp(fields.timestamp);
  if ('problem' in instant) return instant;
  const path = checkText('path', fields.path);
  if (typeof path !== 'string') return path;
  const userAgent = checkText('userAgent', fields.userAgent);
  if (typeof userAgent !== 'string') return userAgent;
  // No character takes less than a byte: a giant is refused before it is escaped.
  if (path.length + userAgent.length + extras.length > maxRecordBytes) return exceeds(maxRecordBytes);
  const line = `{"timestamp":"${instant.text}","path":${JSON.stringify(path)},"userAgent":${JSON.stringify(userAgent)}${extras}}\n`;
  if (Buffer.byteLength(line) > maxRecordBytes) return exceeds(maxRecordBytes);
  return { hour: instant.hour, line };
}

function checkTimestamp(value: unknown) {
  if (value === undefined) return missing('timestamp');
  if (typeof value !== 'string') return notString('timestamp');
  return parseTimestamp(value) ?? { field: 'timestamp', problem: `invalid timestamp ${quoteShort(value)}` };
}

function checkText(field: string, value: unknown): string | RecordFault {
  if (value === undefined) return missing(field);
  if (typeof value !== 'string') return notString(field);
  const text = value.trim();
  return text === '' ? { field, problem: `blank ${field}` } : text;
}

/** The fault of a line that is longer than it may be. */
export function exceeds(maxRecordBytes: number): RecordFault {
  return { field: '', problem: `exceeds ${maxRecordBytes} bytes` };
}

function missing(field: string): RecordFault {
  return { field, problem: `missing ${field}` };
}

function notString(field: string): RecordFault {
  return { field, problem: `${field} must be a string` };
}

function quoteShort(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
}
