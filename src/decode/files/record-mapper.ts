import { TIMESTAMP } from '../../lines/layout.ts';
import { type FieldMap, type FieldPair, pairOfNames } from '../../model/field-map.ts';
import { SEVERITY } from '../../model/level.ts';
import { isDefaultStream, type Stream } from '../../model/stream.ts';
import type { DecodedFields } from '../decoded-record.ts';
import { storedFields } from './access/access-lines.ts';
import { type ReadContext, readAccessFields } from './access-values.ts';
import { exactTime, isBent, mapMembers, pairToken } from './json-members.ts';
import type { JsonObject } from './json-text.ts';
import { LogTime } from './log-time.ts';
import { MAPPED, MappedValues, nameSources } from './mapped-values.ts';

/** A field that the object does not have where the map says, or whose value cannot be read. */
export interface MapFault {
  readonly fault: string;
  /** undefined: the object does not have it. */
  readonly value: unknown;
  /** `"request.uri" or "uri"` */
  readonly sources: string;
}

/** The fields of the record in an object, as a sender of records would write them: times in RFC 3339, what the map does not name left out. */
export type MapRecord = (object: JsonObject) => DecodedFields | MapFault;

/**
 * Makes records of a stream from JSON whose fields stand where a map says; a field of the stream that it does not name is the member of that
 * name. `zone`: of times that name none, minutes east of UTC.
 */
export function createRecordMapper(map: FieldMap, stream: Stream, zone: number): MapRecord {
  const time = new LogTime(zone);
  return isDefaultStream(stream.name) ? mapAccess(map, { time, fields: 'all' }) : mapOther(map, stream, time);
}

function mapAccess(map: FieldMap, context: ReadContext): MapRecord {
  const mapped = new MappedValues(map);
  return (object) => {
    const fields = readAccessFields(mapped.read(object), MAPPED, context);
    if ('fault' in fields) return { ...fields, sources: mapped.sourcesOf(fields.fault) };
    const stored = storedFields(fields);
    for (const [name, json] of mapped.extras(object, fields)) stored.set(name, json);
    return stored;
  };
}

function mapOther(map: FieldMap, stream: Stream, times: LogTime): MapRecord {
  const { required, levelField } = stream;
  const whole = withOwnNames(map, [TIMESTAMP, ...required]);
  const pairs = new Map(whole.pairs.map((pair) => [pair.target, pair]));
  return (object) => {
    const fields = new Map(mapMembers(whole, object));
    for (const field of [TIMESTAMP, ...required]) {
      const isGiven = fields.has(field) || (field === levelField && fields.has(SEVERITY));
      if (!isGiven) return { fault: field, value: undefined, sources: nameSources(pairs.get(field)) };
    }
    const pair = pairs.get(TIMESTAMP) as FieldPair;
    const value = pair.read(object.value);
    const time = times.read(isBent(value) ? exactTime(value, pairToken(pair, object)) : value);
    if (time === undefined) return { fault: TIMESTAMP, value, sources: nameSources(pair) };
    return fields.set(TIMESTAMP, JSON.stringify(time));
  };
}

function withOwnNames(map: FieldMap, fields: readonly string[]): FieldMap {
  const named = new Set(map.pairs.map(({ target }) => target));
  const own = fields.filter((field) => !named.has(field)).map((field) => pairOfNames(field, [field]));
  return { pairs: [...map.pairs, ...own] };
}
