import { type Layout, TIMESTAMP } from '../lines/layout.ts';
import { formatUnixTime } from '../lines/timestamp.ts';
import { levelOfSeverity, SEVERITY } from '../model/level.ts';
import type { Mapping } from './decode.ts';

/** The JSON text of each field's value, by name, in stored order. */
type Fields = ReadonlyMap<string, string>;

/** A number of JSON without an exponent, or the same in quotes. */
const UNIX_TIME = /^"?(-?)(\d{1,20})(?:\.(\d{1,40}))?"?$/;

/** The units of Unix times: one with fewer digits than `digits` before its point is of this unit, and `exponent` more make nanoseconds. */
const UNITS = [
  { digits: 12, exponent: 9 },
  { digits: 15, exponent: 6 },
  { digits: 18, exponent: 3 },
  { digits: 21, exponent: 0 },
];
const NANO_DIGITS = 9;

/**
 * The fields of a record as the stream names them: renamed, then the defaults of those that are absent, then Unix times as RFC 3339. A field
 * keeps its own name where the record has the other name, too, so that nothing is lost. `level`: the field that has no default where the
 * record has its level as a number.
 */
export function mapFields(fields: Fields, { rename, defaults, timestamps }: Mapping, level?: string): Fields {
  const mapped = new Map<string, string>();
  for (const [name, json] of fields) {
    const target = rename.get(name);
    mapped.set(target === undefined || fields.has(target) || mapped.has(target) ? name : target, json);
  }
  for (const [name, text] of defaults) {
    if (!mapped.has(name) && (name !== level || !hasSeverity(mapped))) mapped.set(name, JSON.stringify(text));
  }
  const timestamp = timestamps === 'auto' ? mapped.get(TIMESTAMP) : undefined;
  if (timestamp !== undefined) mapped.set(TIMESTAMP, toRfc3339(timestamp));
  return mapped;
}

function hasSeverity(fields: Fields): boolean {
  return levelOfSeverity(Number(fields.get(SEVERITY) ?? Number.NaN)) !== undefined;
}

/** Whether the mapping changes a record that is valid without it. */
export function altersValidRecords({ rename }: Mapping, { fields }: Layout): boolean {
  return ![...rename.values()].every((target) => fields.includes(target));
}

/** The JSON text of a timestamp: of a Unix time in RFC 3339, to the nanosecond. A number that is none becomes text, whose fault is reported. */
function toRfc3339(json: string): string {
  const text = readUnixTime(json);
  if (text !== undefined) return `"${text}"`;
  return /^[-\d]/.test(json) ? JSON.stringify(json) : json;
}

/** The stored text of a Unix time, in s, ms, µs or ns by its size; undefined for any other text. */
export function readUnixTime(text: string): string | undefined {
  const match = UNIX_TIME.exec(text);
  return match === null ? undefined : formatDigits(match[1] === '-', match[2] ?? '', match[3] ?? '');
}

function formatDigits(isNegative: boolean, whole: string, fraction: string): string | undefined {
  const number = whole.replace(/^0+(?=\d)/, '');
  const exponent = UNITS.find(({ digits }) => number.length < digits)?.exponent ?? 0;
  const nanos = (number + fraction.slice(0, exponent).padEnd(exponent, '0')).padStart(NANO_DIGITS + 1, '0');
  const seconds = Number(nanos.slice(0, -NANO_DIGITS));
  const rest = Number(nanos.slice(-NANO_DIGITS));
  if (!isNegative) return formatUnixTime(seconds, rest);
  return rest === 0 ? formatUnixTime(-seconds, 0) : formatUnixTime(-seconds - 1, 1_000_000_000 - rest);
}
