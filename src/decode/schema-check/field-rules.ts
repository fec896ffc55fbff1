import { TIMESTAMP } from '../../lines/layout.ts';
import { isObject, type JsonObject } from './json.ts';

/** Types of values, as bits. */
export const FieldType = {
  string: 1,
  number: 2,
  integer: 4,
  boolean: 8,
  null: 16,
  object: 32,
  array: 64,
  any: 127,
} as const;

/** What a schema asks of one field at the top level of a record. */
export interface FieldRule {
  readonly name: string;
  readonly isRequired: boolean;
  /** Bits of FieldType. */
  readonly types: number;
  /** In characters; they ask nothing of a value that is not a text. */
  readonly minLength: number;
  readonly maxLength: number;
  /** The only values that the field may have; undefined: any. */
  readonly values: readonly string[] | undefined;
}

/** They check nothing. A definition that no $ref names checks nothing either, and a $ref is not among the keywords below. */
const ANNOTATIONS = [
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'definitions',
  '$defs',
];
const OF_RECORD: ReadonlySet<string> = new Set([
  ...ANNOTATIONS,
  'type',
  'properties',
  'required',
  'additionalProperties',
]);
const OF_FIELD: ReadonlySet<string> = new Set([...ANNOTATIONS, 'type', 'minLength', 'maxLength', 'enum', 'const']);

/** More are compared one after the other for too long. */
const MAX_RULES = 64;
const MAX_VALUES = 64;

/**
 * The rules that a valid JSON Schema comes to, where it asks for nothing but types, required fields, lengths of texts and lists of texts at
 * the top level; else undefined. In the order of the schema's properties.
 */
export function readFieldRules(schema: JsonObject): readonly FieldRule[] | undefined {
  const { type = 'object', properties = {}, required = [], additionalProperties = true } = schema;
  const allowsMore = additionalProperties === true || isEmpty(additionalProperties);
  if (!hasOnly(schema, OF_RECORD) || !allowsMore || (typesOf(type) & FieldType.object) === 0) return undefined;
  if (!isObject(properties) || !isTexts(required)) return undefined;
  const names = new Set([...Object.keys(properties), ...required]);
  if (names.size > MAX_RULES) return undefined;
  const rules: FieldRule[] = [];
  for (const name of names) {
    const field = Object.hasOwn(properties, name) ? properties[name] : true;
    const rule = readRule(name, field === true ? {} : field, required.includes(name));
    if (rule === undefined) return undefined;
    rules.push(rule);
  }
  return rules;
}

function readRule(name: string, field: unknown, isRequired: boolean): FieldRule | undefined {
  if (!isObject(field)) return undefined;
  const { format, ...others } = field;
  // A stored timestamp is always a date-time.
  const isChecked = format === undefined || (name === TIMESTAMP && format === 'date-time');
  if (!isChecked || !hasOnly(others, OF_FIELD)) return undefined;
  const { type, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = others;
  const values = valuesOf(others);
  if (typeof minLength !== 'number' || typeof maxLength !== 'number' || values === 'not texts') return undefined;
  const types = type === undefined ? FieldType.any : typesOf(type);
  return { name, isRequired, types, minLength, maxLength, values };
}

/** The values that both `enum` and `const` allow. */
function valuesOf(field: JsonObject): readonly string[] | undefined | 'not texts' {
  const lists = [
    ...(Object.hasOwn(field, 'enum') ? [field.enum] : []),
    ...(Object.hasOwn(field, 'const') ? [[field.const]] : []),
  ];
  const [first, second] = lists;
  if (first === undefined) return undefined;
  if (!isTexts(first) || first.length > MAX_VALUES) return 'not texts';
  if (second === undefined) return first;
  return isTexts(second) ? first.filter((text) => second.includes(text)) : 'not texts';
}

function typesOf(type: unknown): number {
  const names: readonly unknown[] = Array.isArray(type) ? type : [type];
  let bits = 0;
  for (const name of names) bits |= BITS.get(name) ?? 0;
  return bits;
}

const BITS: ReadonlyMap<unknown, number> = new Map(Object.entries(FieldType));

function hasOnly(schema: JsonObject, keywords: ReadonlySet<string>): boolean {
  return Object.keys(schema).every((keyword) => keywords.has(keyword));
}

function isEmpty(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
