import { isDeepStrictEqual } from 'node:util';
import { type Keywords, listOf } from './json-document.ts';

const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] as const;

/** Lower limits may fall, upper limits may rise. */
const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties', 'minContains'];
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties', 'maxContains'];
/** The type of values that a keyword is about; the others are about all. */
const ABOUT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'multipleOf'].map((name) => [name, 'number']),
  ),
  ...Object.fromEntries(
    ['minLength', 'maxLength', 'pattern', 'format', 'contentEncoding'].map((name) => [name, 'string']),
  ),
  ...Object.fromEntries(
    ['minItems', 'maxItems', 'contains', 'uniqueItems', 'minContains'].map((name) => [name, 'array']),
  ),
  ...Object.fromEntries(['minProperties', 'maxProperties'].map((name) => [name, 'object'])),
};

export function* compareTypes(reader: Keywords, writer: Keywords, path: string): Generator<string> {
  const [ours, theirs] = [typesOf(reader), typesOf(writer)];
  for (const type of theirs) {
    if (!ours.has(type)) yield `${path}/type: ${type} was valid`;
  }
  const [ourValues, theirValues] = [valuesOf(reader), valuesOf(writer)];
  if (ourValues === undefined) return;
  const lost = theirValues?.find((value) => !ourValues.some((one) => isDeepStrictEqual(one, value)));
  if (theirValues === undefined) yield `${path}/enum: other values were valid`;
  else if (lost !== undefined) yield `${path}/enum: ${JSON.stringify(lost)} was valid`;
}

export function* compareLimits(reader: Keywords, writer: Keywords, path: string): Generator<string> {
  const about = isAbout(writer);
  const isTighter = (name: string, sign: 1 | -1) => {
    const [ours, theirs] = [limitOf(reader, name), limitOf(writer, name)];
    return typeof ours === 'number' && (typeof theirs !== 'number' || ours * sign > theirs * sign);
  };
  for (const name of LOWER.filter(about)) if (isTighter(name, 1)) yield `${path}/${name}: less was valid`;
  for (const name of UPPER.filter(about)) if (isTighter(name, -1)) yield `${path}/${name}: more was valid`;
  const [step, other] = [reader.multipleOf, writer.multipleOf];
  if (typeof step === 'number' && about('multipleOf') && (typeof other !== 'number' || other % step !== 0)) {
    yield `${path}/multipleOf: other numbers were valid`;
  }
}

/** Whether a keyword is about values that are valid. */
export function isAbout(writer: Keywords): (name: string) => boolean {
  const types = typesOf(writer);
  return (name) => {
    const type = ABOUT[name];
    return type === undefined || types.has(type) || (type === 'number' && types.has('integer'));
  };
}

function limitOf(schema: Keywords, name: string): unknown {
  return schema[name] ?? (name === 'minContains' && schema.contains !== undefined ? 1 : undefined);
}

/** The types of valid values. A number may be an integer. */
export function typesOf(schema: Keywords): ReadonlySet<string> {
  const declared = new Set((listOf(schema.type) ?? (schema.type === undefined ? TYPES : [schema.type])).map(String));
  if (declared.has('number')) declared.add('integer');
  const values = valuesOf(schema)?.map(typeOfValue);
  return values === undefined ? declared : new Set(values.filter((type) => declared.has(type)));
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function valuesOf(schema: Keywords): readonly unknown[] | undefined {
  return Object.hasOwn(schema, 'const') ? [schema.const] : listOf(schema.enum);
}
