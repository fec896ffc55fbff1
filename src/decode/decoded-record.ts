import type { Layout } from '../lines/layout.ts';
import { levelOfSeverity, SEVERITY } from '../model/level.ts';
import type { DecodeOptions } from './decode.ts';
import { mapFields } from './map-fields.ts';
import { encodeRecord, exceeds, type RecordFault, type StoredRecord } from './record.ts';

/** What a decoder of a binary format makes of a record: the JSON text of each field's value, by name, in stored order. */
export type DecodedFields = ReadonlyMap<string, string>;

/** Of names that came with escapes in JSON: their tokens, with the quotes. */
export type NameTokens = ReadonlyMap<string, string>;

/**
 * Judges a decoded record as one that came in JSON, and makes its stored line. The one place where a mapping is applied. `names`: the tokens
 * that extra fields keep.
 */
export function encodeFields(
  layout: Layout,
  received: DecodedFields,
  { extraFields, maxRecordBytes, mapping }: DecodeOptions,
  names?: NameTokens,
): StoredRecord | RecordFault {
  const fields = mapping === undefined ? received : mapFields(received, mapping, layout.fields[layout.levelAt]);
  const values = layout.fields.map((name) => parseValue(fields.get(name)));
  if (lacksLevel(layout, values)) values[layout.levelAt] = levelOfSeverity(parseValue(fields.get(SEVERITY)));
  const extras = extraFields === 'keep' ? writeExtras(layout, fields, maxRecordBytes, names) : '';
  return encodeWithin(layout, values, extras, maxRecordBytes);
}

/** The record as one JSON object, as dead letters have it. */
export function rawOf(fields: DecodedFields): string {
  const members = [...fields].map(([name, json]) => `${JSON.stringify(name)}:${json}`);
  return `{${members.join(',')}}`;
}

/** `extras` undefined: too long. The fields are checked first, so a record's fault is reported the same whatever its size. */
export function encodeWithin(
  layout: Layout,
  values: readonly unknown[],
  extras: string | undefined,
  maxRecordBytes: number,
): StoredRecord | RecordFault {
  if (extras !== undefined) return encodeRecord(layout, values, extras, maxRecordBytes);
  const bare = encodeRecord(layout, values, '', maxRecordBytes);
  return 'problem' in bare ? bare : exceeds(maxRecordBytes);
}

export function lacksLevel({ levelAt }: Layout, values: readonly unknown[]): boolean {
  return levelAt !== -1 && values[levelAt] === undefined;
}

function parseValue(json: string | undefined): unknown {
  if (json === undefined) return undefined;
  // A text without escapes stands there as it is. For the short ones of most fields JSON.parse takes longer.
  return json[0] === '"' && !json.includes('\\') ? json.slice(1, -1) : JSON.parse(json);
}

/** `,"name":value` for each field that is not in the layout; undefined when that is more than `most` bytes. */
function writeExtras(
  layout: Layout,
  fields: DecodedFields,
  most: number,
  names: NameTokens | undefined,
): string | undefined {
  let extras = '';
  for (const [name, json] of fields) {
    if (layout.fields.includes(name)) continue;
    if (extras.length + name.length + json.length > most) return undefined;
    extras += `,${names?.get(name) ?? JSON.stringify(name)}:${json}`;
  }
  return extras;
}
