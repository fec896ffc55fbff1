import { formatUnixTime } from '../../lines/timestamp.ts';
import { BYTES } from '../../model/bytes.ts';
import type { DecodedFields } from '../decoded-record.ts';
import { escapeBytes } from './escape-bytes.ts';
import { type TextContext, type TextRecord, toTextRecord } from './text-record.ts';

const { ZERO } = BYTES;

/*
 * The JSON of systemd's journal, one object for each entry: https://systemd.io/JOURNAL_EXPORT_FORMATS/ . Every field is a text; one that is not
 * UTF-8 is a list of its bytes, and one that the entry has several times is a list of those. Others write numbers.
 */

const TIME = '__REALTIME_TIMESTAMP';
const PRIORITY = 'PRIORITY';
const MESSAGE = 'MESSAGE';
const UNIT = '_SYSTEMD_UNIT';
/** The names of who wrote an entry without a unit, in the order in which they are asked. */
const OTHER_NAMES = ['SYSLOG_IDENTIFIER', '_COMM'];
/** The fields that the reader gives an entry. */
const OWN_NAMES = new Set(['timestamp', 'level', 'message', 'service', 'timestampSource']);
/** Before the name of a field of the entry that has one of those. */
const OTHER_PREFIX = 'journal_';
const MOST_PRIORITY = 7;

/** Whether a JSON object is an entry of the journal: it has its time, or a message with another field of the journal's. */
export function isJournalEntry(fields: DecodedFields): boolean {
  return fields.has(TIME) || (fields.has(MESSAGE) && (fields.has(PRIORITY) || fields.has(UNIT)));
}

/** Reads the fields of an entry, each as its JSON text. */
export function readJournalEntry(fields: DecodedFields, context: TextContext): TextRecord {
  const textOf = (name: string) => toText(fields.get(name));
  const service = [UNIT, ...OTHER_NAMES].find((name) => (textOf(name) ?? '').trim() !== '');
  const used = new Set([TIME, PRIORITY, MESSAGE, service]);
  const parts = {
    timestamp: toTimestamp(textOf(TIME)),
    level: toPriority(textOf(PRIORITY)),
    message: textOf(MESSAGE) ?? '',
    service: service === undefined ? undefined : textOf(service),
    more: [...fields].flatMap(([name, value]) => (used.has(name) ? [] : [[freeName(name, fields), value] as const])),
  };
  return toTextRecord('journald', parts, context, 'journald');
}

/** A name that no field of the record has yet: nothing of an entry is lost. */
function freeName(name: string, fields: DecodedFields): string {
  let free = name;
  while (OWN_NAMES.has(free) || (free !== name && fields.has(free))) free = OTHER_PREFIX + free;
  return free;
}

/** Some write the facility into it, as syslog does. */
function toPriority(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,3}$/.test(text) ? String(Number(text) & MOST_PRIORITY) : text;
}

/** Microseconds since 1970. Text that is none stays as it is, so that it is the fault of its record. */
function toTimestamp(text: string | undefined): string | undefined {
  if (text === undefined || !/^\d{1,18}$/.test(text)) return text;
  const micros = BigInt(text);
  const nanos = Number(micros % 1_000_000n) * 1_000;
  return formatUnixTime(Number(micros / 1_000_000n), nanos) ?? text;
}

/** A value as text: of a list of bytes the text that they are, of a list of values the last one, of null undefined. */
function toText(json: string | undefined): string | undefined {
  if (json === undefined || json === 'null') return undefined;
  const bytes = toBytes(json);
  if (bytes !== undefined) return escapeBytes(bytes);
  const value: unknown = JSON.parse(json);
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return json;
  const last: unknown = value.at(-1);
  if (last === null) return undefined;
  if (typeof last === 'string') return last;
  return Array.isArray(last) && last.every(isByte) ? escapeBytes(Buffer.from(last)) : JSON.stringify(last);
}

/** The bytes that a list without white space is of; undefined for any other value. Takes a tenth of the time of JSON.parse. */
function toBytes(json: string): Buffer | undefined {
  if (json[0] !== '[') return undefined;
  const bytes = Buffer.allocUnsafe(json.length);
  let used = 0;
  let byte = -1;
  for (let at = 1; at < json.length; at++) {
    const digit = json.charCodeAt(at) - ZERO;
    if (digit >= 0 && digit <= 9) byte = Math.max(byte, 0) * 10 + digit;
    else if (byte < 0 && json === '[]') return bytes.subarray(0, 0);
    else if (byte < 0 || byte > 0xff || (json[at] !== ',' && json[at] !== ']')) return undefined;
    else {
      bytes[used++] = byte;
      byte = -1;
    }
  }
  return bytes.subarray(0, used);
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xff;
}
