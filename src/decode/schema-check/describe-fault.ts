import type { ErrorObject } from 'ajv';
import { quoteShort, type RecordFault } from '../record.ts';
import { isObject } from './json.ts';

const MAX_POINTER_CHARACTERS = 128;
const MAX_LISTED_VALUES = 12;

/**
 * What ajv found first, for the one who sent the record: `/message: message too long: 2049 characters, at most 2048`. The JSON pointer says
 * where, and the text what was expected. A value is called by the title that its schema gives it, else by its name.
 */
export function describeFault(errors: readonly ErrorObject[]): RecordFault {
  const error = decisive(errors);
  if (error === undefined) return { field: '', problem: 'does not match its schema' };
  const pointer = pointerOf(error);
  const name = lastName(pointer);
  const field = unescapePointer(pointer.split('/')[1] ?? '');
  const title = isObject(error.parentSchema) ? error.parentSchema.title : undefined;
  const label = typeof title === 'string' && memberOf(error) === undefined ? title : name;
  const where = pointer === '' ? 'as a whole' : shorten(pointer);
  const bare = describe(error, shorten(label === '' ? 'record' : label));
  const isOfField = pointer.lastIndexOf('/') === 0;
  return { field, problem: `${where}: ${bare}`, ...(isOfField && { bare }) };
}

/** The last one: those before it are of alternatives that did not match, but for `if`, which adds nothing to the fault before it. */
function decisive(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const last = errors.at(-1);
  return last?.keyword === 'if' && errors.length > 1 ? decisive(errors.slice(0, -1)) : last;
}

/** The name of a field that is at fault within the value that ajv names: it is missing, or it must not be there. */
function memberOf({ params }: ErrorObject): string | undefined {
  const { missingProperty, additionalProperty, unevaluatedProperty, propertyName } = params;
  for (const name of [missingProperty, additionalProperty, unevaluatedProperty, propertyName]) {
    if (typeof name === 'string') return name;
  }
  return undefined;
}

function pointerOf(error: ErrorObject): string {
  const member = memberOf(error);
  if (member === undefined) return error.instancePath;
  return `${error.instancePath}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function lastName(pointer: string): string {
  return unescapePointer(pointer.slice(pointer.lastIndexOf('/') + 1));
}

function unescapePointer(text: string): string {
  return text.replaceAll('~1', '/').replaceAll('~0', '~');
}

function shorten(text: string): string {
  return text.length > MAX_POINTER_CHARACTERS ? `${text.slice(0, MAX_POINTER_CHARACTERS)}…` : text;
}

type Describe = (error: ErrorObject, label: string) => string;

const invalid =
  (expected: (error: ErrorObject) => string): Describe =>
  (error, label) =>
    `invalid ${label}: ${show(error.data)}; expected ${expected(error)}`;

const limitOf = ({ params }: ErrorObject): string => String(params.limit);

const DESCRIBE: Readonly<Record<string, Describe>> = {
  required: (_error, label) => `missing ${label}`,
  dependentRequired: ({ params }, label) => `missing ${label}, which must stand beside ${show(params.property)}`,
  dependencies: ({ params }, label) => `missing ${label}, which must stand beside ${show(params.property)}`,
  type: ({ schema, data }, label) => `${label} must be ${listTypes(schema)}, found ${kindOf(data)}`,
  maxLength: (error, label) =>
    `${label} too long: ${countCharacters(String(error.data))} characters, at most ${limitOf(error)}`,
  minLength: (error, label) =>
    `${label} too short: ${countCharacters(String(error.data))} characters, at least ${limitOf(error)}`,
  enum: invalid(({ schema }) => `one of ${listValues(schema)}`),
  const: invalid(({ schema }) => show(schema)),
  pattern: invalid(({ schema }) => `a text that matches ${show(schema)}`),
  format: invalid(({ schema }) => `the format ${show(schema)}`),
  minimum: invalid((error) => `at least ${limitOf(error)}`),
  maximum: invalid((error) => `at most ${limitOf(error)}`),
  exclusiveMinimum: invalid((error) => `more than ${limitOf(error)}`),
  exclusiveMaximum: invalid((error) => `less than ${limitOf(error)}`),
  multipleOf: invalid(({ params }) => `a multiple of ${String(params.multipleOf)}`),
  minItems: (error, label) => `${label} has ${sizeOf(error.data)} items, at least ${limitOf(error)} are expected`,
  maxItems: (error, label) => `${label} has ${sizeOf(error.data)} items, at most ${limitOf(error)} are allowed`,
  minProperties: (error, label) => `${label} has ${sizeOf(error.data)} fields, at least ${limitOf(error)} are expected`,
  maxProperties: (error, label) => `${label} has ${sizeOf(error.data)} fields, at most ${limitOf(error)} are allowed`,
  uniqueItems: (_error, label) => `${label} has an item twice`,
  additionalProperties: (_error, label) => `field ${label} is not allowed`,
  unevaluatedProperties: (_error, label) => `field ${label} is not allowed`,
  propertyNames: (_error, label) => `${quoteShort(label)} is not allowed as the name of a field`,
  'false schema': (_error, label) => `${label} is not allowed`,
  anyOf: (_error, label) => `${label} has none of the allowed forms (anyOf)`,
  oneOf: ({ params }, label) =>
    `${label} has ${params.passingSchemas === null ? 'none' : 'more than one'} of the forms that exclude each other (oneOf)`,
  not: (_error, label) => `${label} has a form that is not allowed (not)`,
};

function describe(error: ErrorObject, label: string): string {
  const own = Object.hasOwn(DESCRIBE, error.keyword) ? DESCRIBE[error.keyword] : undefined;
  return own?.(error, label) ?? `${label} ${error.message ?? 'does not match its schema'} (${error.keyword})`;
}

/** As JSON Schema counts them: code points. */
export function countCharacters(text: string): number {
  let count = 0;
  for (const _character of text) count++;
  return count;
}

function sizeOf(data: unknown): number {
  return typeof data === 'object' && data !== null ? Object.keys(data).length : 0;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** A value as messages name it. */
function show(value: unknown): string {
  if (typeof value === 'string') return quoteShort(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}

function listTypes(types: unknown): string {
  return Array.isArray(types) ? types.join(' or ') : String(types);
}

function listValues(values: unknown): string {
  const all: readonly unknown[] = Array.isArray(values) ? values : [];
  const shown = all.slice(0, MAX_LISTED_VALUES).map(show).join(', ');
  return all.length > MAX_LISTED_VALUES ? `${shown}, …` : shown;
}
