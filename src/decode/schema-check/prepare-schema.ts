import { parseJson } from '../../lines/parse-json.ts';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { quoteShort } from '../record.ts';
import { isObject, type JsonObject } from './json.ts';

/** A schema cannot be used. The message says where and why. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** Bytes of a schema's text together with those that it refers to. */
export const MAX_SCHEMA_BYTES = 256 * 1024;
/** Levels of a schema's text. */
export const MAX_SCHEMA_DEPTH = 64;
/** Objects in it that may be schemas. ajv takes up to half a millisecond for each, and nests its code by the properties of an object. */
export const MAX_SUBSCHEMAS = 500;

/** ajv compares a value with all of a list, one after the other. */
const STEPS_PER_TEXT = 1 / 8;
const STEPS_PER_OBJECT = 8;

/** A keyword that every subschema gets, with the steps that it takes: see compile-schema.ts. */
export const STEP = 'x-logforge-step';

/** The key of the schema itself, beside those of its references. */
export const ROOT = 'logforge:/';

/** A schema and those that it refers to, ready to be compiled. */
export interface PreparedSchema {
  readonly root: JsonObject;
  /** The versions of JSON Schema: `draft-07` also stands for draft-06. */
  readonly draft: Draft;
  /** By the names that the rewritten $refs have. */
  readonly references: ReadonlyMap<string, JsonObject>;
}

export const DRAFTS = ['draft-07', '2019-09', '2020-12'] as const;
export type Draft = (typeof DRAFTS)[number];

/** Maps from names to schemas, lists of schemas, and what is no schema though it may look like one. */
const MAPS = new Set([
  ...['properties', 'patternProperties', 'definitions', '$defs'],
  ...['dependentSchemas', 'dependentRequired', 'dependencies'],
]);
const DATA = new Set(['enum', 'const', 'default', 'examples']);
/** `$async` would make ajv answer with a promise, and the next two name schemas by what a record holds. */
const REFUSED = ['$async', '$dynamicRef', '$recursiveRef'];
/** ajv ignores the schema of a field with this name. */
const UNCHECKED = '__proto__';

/** The schemas while they are read. */
interface Reading {
  readonly schemas: Pick<Schemas, 'version'>;
  /** By their keys. */
  readonly documents: Map<string, JsonObject>;
  /** Where schemas stand in each document: its key and a pointer. */
  readonly places: Set<string>;
  readonly refs: { readonly pointer: string; readonly key: string; readonly fragment: string }[];
  bytes: number;
  subschemas: number;
}

/** One text of them. */
interface Document {
  readonly key: string;
  readonly id: string;
  /** The key of each schema that it refers to, by the name that it has for it. */
  readonly keys: ReadonlyMap<string, string>;
  readonly reading: Reading;
}

/**
 * Reads the text of a schema and of those that it refers to, within limits, and makes it safe to compile: a $ref leads only to a schema
 * in the same text or in one of its references, and each subschema gets the keyword STEP. Throws SchemaError.
 */
export function prepareSchema(
  schema: Pick<RegisteredSchema, 'schema' | 'references'>,
  schemas: Pick<Schemas, 'version'>,
): PreparedSchema {
  const reading: Reading = { schemas, documents: new Map(), places: new Set(), refs: [], bytes: 0, subschemas: 0 };
  readDocument(schema, ROOT, reading);
  for (const { pointer, key, fragment } of reading.refs) {
    const isKnown = !fragment.startsWith('/') || reading.places.has(`${key}#${decodeFragment(fragment)}`);
    if (!isKnown) throw new SchemaError(`${pointer}/$ref: there is no schema at ${quoteShort(`#${fragment}`)}`);
  }
  const { documents } = reading;
  const draft = draftOf(documents.get(ROOT)?.$schema);
  // Without names that ajv would resolve by rules of its own.
  for (const [key, { $schema: _schema, $id: _id, ...others }] of documents) documents.set(key, others);
  const root = documents.get(ROOT) ?? {};
  documents.delete(ROOT);
  return { root, draft, references: documents };
}

function readDocument(
  { schema: text, references }: Pick<RegisteredSchema, 'schema' | 'references'>,
  key: string,
  reading: Reading,
): void {
  reading.bytes += Buffer.byteLength(text);
  if (reading.bytes > MAX_SCHEMA_BYTES) throw new SchemaError(`the schema is longer than ${MAX_SCHEMA_BYTES} bytes`);
  const root = parseSchema(text);
  reading.documents.set(key, root);
  const keys = new Map<string, string>();
  for (const { name, subject, version } of references) {
    const referred = keyOf(subject, version);
    keys.set(name, referred);
    if (reading.documents.has(referred)) continue;
    const found = reading.schemas.version(subject, version)?.schema;
    const what = `reference ${quoteShort(name)}`;
    if (found === undefined) throw new SchemaError(`${what}: subject ${subject} has no version ${version}`);
    if (found.type !== 'JSON') throw new SchemaError(`${what}: subject ${subject} is ${found.type}, not JSON Schema`);
    readDocument(found, referred, reading);
  }
  const id = typeof root.$id === 'string' ? root.$id.replace(/#$/, '') : '';
  visitSchema(root, '', 1, { key, id, keys, reading });
}

function keyOf(subject: string, version: number): string {
  return `${ROOT}${encodeURIComponent(subject)}/${version}`;
}

/** The object that the text of a schema holds. Throws SchemaError. */
export function parseSchema(text: string): JsonObject {
  let root: unknown;
  try {
    root = parseJson(text);
  } catch (error) {
    throw new SchemaError(`the schema is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (root === true) return {};
  if (root === false) return { not: {} };
  if (!isObject(root)) throw new SchemaError('a JSON Schema is an object, true or false');
  return root;
}

function draftOf(name: unknown): Draft {
  if (name === undefined || (typeof name === 'string' && name.includes('draft-06'))) return 'draft-07';
  const draft = typeof name === 'string' ? DRAFTS.find((one) => name.includes(one)) : undefined;
  if (draft !== undefined) return draft;
  throw new SchemaError(
    `/$schema: ${JSON.stringify(name)} is not supported; supported: draft-06, ${DRAFTS.join(', ')}`,
  );
}

/** Anything but data that a schema may hold is taken for a schema, since a $ref may lead to it. */
function visitSchema(schema: JsonObject, pointer: string, depth: number, document: Document): void {
  const { reading } = document;
  if (++reading.subschemas > MAX_SUBSCHEMAS) throw new SchemaError(`there are more than ${MAX_SUBSCHEMAS} subschemas`);
  checkDepth(pointer, depth);
  reading.places.add(`${document.key}#${pointer}`);
  for (const keyword of REFUSED) {
    if (Object.hasOwn(schema, keyword)) throw new SchemaError(`${pointer}/${keyword}: not supported`);
  }
  if (pointer !== '' && typeof schema.$id === 'string' && !schema.$id.startsWith('#')) {
    throw new SchemaError(`${pointer}/$id: only the root of a schema may have one; use $ref with #/…`);
  }
  for (const [keyword, value] of Object.entries(schema)) {
    const at = `${pointer}/${escapePointer(keyword)}`;
    if (DATA.has(keyword)) continue;
    if (MAPS.has(keyword) && isObject(value)) {
      if (Object.hasOwn(value, UNCHECKED)) throw new SchemaError(`${at}/${UNCHECKED}: not supported as a name`);
      for (const [name, one] of Object.entries(value)) visit(one, `${at}/${escapePointer(name)}`, depth + 2, document);
    } else visit(value, at, depth + 1, document);
  }
  const writable = schema as Record<string, unknown>;
  if (typeof schema.$ref === 'string') writable.$ref = rewriteRef(schema.$ref, pointer, document);
  writable[STEP] = stepsOf(schema);
}

/** What it costs to apply a subschema to a value, beside the subschemas in it. */
function stepsOf({ enum: values }: JsonObject): number {
  if (!Array.isArray(values)) return 1;
  const isDeep = values.some((value) => typeof value === 'object' && value !== null);
  return 1 + Math.ceil(values.length * (isDeep ? STEPS_PER_OBJECT : STEPS_PER_TEXT));
}

function visit(value: unknown, pointer: string, depth: number, document: Document): void {
  checkDepth(pointer, depth);
  if (isObject(value)) visitSchema(value, pointer, depth, document);
  else if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) visit(one, `${pointer}/${i}`, depth + 1, document);
  }
}

function checkDepth(pointer: string, depth: number): void {
  if (depth <= MAX_SCHEMA_DEPTH) return;
  throw new SchemaError(`the schema is nested deeper than ${MAX_SCHEMA_DEPTH}, at ${pointer.slice(0, 64)}…`);
}

function rewriteRef(ref: string, pointer: string, document: Document): string {
  const { keys, id, reading } = document;
  const [base = '', fragment = ''] = ref.split('#', 2);
  const key = base === '' || base === id ? document.key : keys.get(base);
  if (key === undefined) {
    throw new SchemaError(
      `${pointer}/$ref: ${quoteShort(ref)} is neither in this schema nor one of its references; nothing is fetched`,
    );
  }
  reading.refs.push({ pointer, key, fragment });
  return `${key}#${fragment}`;
}

function decodeFragment(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
