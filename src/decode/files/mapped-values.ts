import { type FieldMap, type FieldPair, parseFieldMap } from '../../model/field-map.ts';
import { EXTRAS } from './access/access-lines.ts';
import { type AccessValues, hasStored, type Meaning, readValues, type ValueName } from './access-values.ts';
import { pairToken } from './json-members.ts';
import type { JsonPlan } from './json-plan.ts';
import type { JsonObject } from './json-text.ts';
import type { AccessFields, ExtraField } from './line-format.ts';

/** A path is taken as it stands. */
export const MAPPED: Meaning = { durationUnit: 's', splitsUrls: false };

/** What a map may name beside extra fields, as it is stored and as AccessFields has it. A duration may be named either way. */
const VALUE_NAMES = new Map<string, ValueName>([
  ...(['timestamp', 'path', 'userAgent', 'duration'] as const).map((name) => [name, name] as const),
  ...EXTRAS.flatMap(([field, stored]) => (field === 'malformed' ? [] : [[stored, field] as const])),
]);

/** A record has each of these: where a map does not name one, it is the member of that name. */
const REQUIRED = parseFieldMap('timestamp=timestamp,path=path,userAgent=userAgent').pairs;

/** A map as it is read for the stream access. */
export class MappedValues {
  readonly #values: { -readonly [Name in ValueName]?: FieldPair } = {};
  readonly #extras: FieldPair[] = [];

  constructor({ pairs }: FieldMap) {
    for (const pair of [...REQUIRED, ...pairs]) {
      const name = VALUE_NAMES.get(pair.target);
      if (name === undefined) this.#extras.push(pair);
      else this.#values[name] = pair;
    }
  }

  read(object: JsonObject): AccessValues {
    return readValues(this.#values, object);
  }

  /** Of the record with these fields. */
  extras(object: JsonObject, fields: AccessFields): ExtraField[] {
    const extras: ExtraField[] = [];
    for (const pair of this.#extras) {
      if (hasStored(fields, pair.target)) continue;
      const token = extraToken(pair, object);
      if (token !== undefined) extras.push([pair.target, token]);
    }
    return extras;
  }

  /** The plan by which FastJson reads the same. */
  get plan(): JsonPlan {
    return { sources: this.#values, meaning: MAPPED, extras: this.#extras, needs: [], foreign: [] };
  }

  /** See nameSources. */
  sourcesOf(name: ValueName): string {
    return nameSources(this.#values[name]);
  }
}

/** The sources of a field, for messages: `"request.uri" or "uri"`. */
export function nameSources(pair: FieldPair | undefined): string {
  return [...new Set(pair?.sources.map(({ text }) => JSON.stringify(text)))].join(' or ');
}

/** A text is written again, which is faster than to look for it; any other value is the one that stands there. */
function extraToken(pair: FieldPair, object: JsonObject): string | undefined {
  const value = pair.read(object.value);
  if (value === undefined) return undefined;
  return typeof value === 'string' ? JSON.stringify(value) : pairToken(pair, object);
}
