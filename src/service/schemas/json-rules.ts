import { isDeepStrictEqual } from 'node:util';

/*
 * Compatibility of JSON Schemas: everything that is valid by the writer's schema must be valid by the reader's. docs/registry.md lists
 * the changes. What cannot be proven counts as incompatible: a keyword that these rules do not know in depth must be the same in both,
 * or absent from the reader's.
 */

/** A schema with those that it refers to, by the names of the references. */
export interface SchemaDocument {
  readonly root: unknown;
  readonly references: ReadonlyMap<string, unknown>;
}

type Keywords = Readonly<Record<string, unknown>>;
type Schema = boolean | Keywords;
const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] as const;
/** Comparisons of two schemas with all their parts. Alternatives multiply. */
const MAX_STEPS = 50_000;
const MAX_PROBLEMS = 20;

/** Lower limits may fall, upper limits may rise. */
const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties', 'minContains'];
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties', 'maxContains'];
/** Must be the same, or absent from the reader's schema. */
const SAME = [
  ...[
    'pattern',
    'format',
    'contentEncoding',
    'contentMediaType',
    'contains',
    'uniqueItems',
    'propertyNames',
    'patternProperties',
  ],
  ...['not', 'if', 'then', 'else', 'dependencies', 'dependentRequired', 'dependentSchemas'],
  ...['unevaluatedItems', 'unevaluatedProperties', '$dynamicRef', '$recursiveRef'],
];
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
  ...Object.fromEntries(['minProperties', 'maxProperties', 'patternProperties'].map((name) => [name, 'object'])),
};

/** Each with the JSON pointer to the place in the reader's schema. */
export function jsonProblems(reader: SchemaDocument, writer: SchemaDocument): string[] {
  return new Comparison(reader, writer).run();
}

class TooComplexError extends Error {}

class Comparison {
  readonly #reader: SchemaDocument;
  readonly #writer: SchemaDocument;
  /** Pairs that are being compared or were: a schema may refer to itself. */
  readonly #seen = new Map<unknown, Set<unknown>>();
  #steps = 0;

  constructor(reader: SchemaDocument, writer: SchemaDocument) {
    this.#reader = reader;
    this.#writer = writer;
  }

  run(): string[] {
    try {
      return [...this.#compare(this.#reader.root, this.#writer.root, '')].slice(0, MAX_PROBLEMS);
    } catch (error) {
      // A RangeError: schemas that are nested by references without an end.
      if (error instanceof TooComplexError || error instanceof RangeError)
        return ['the schemas are too complex to compare'];
      throw error;
    }
  }

  *#compare(readerPart: unknown, writerPart: unknown, path: string): Generator<string> {
    if (++this.#steps > MAX_STEPS) throw new TooComplexError();
    const reader = follow(readerPart, this.#reader);
    const writer = follow(writerPart, this.#writer);
    if (reader === undefined || writer === undefined) {
      yield `${path || '/'}: a $ref that cannot be followed`;
      return;
    }
    if (isAnything(reader) || writer === false) return;
    if (reader === false) {
      yield `${path || '/'}: nothing is valid here any more`;
      return;
    }
    if (reader === true) return;
    const known = this.#seen.get(readerPart) ?? new Set();
    if (known.has(writerPart)) return;
    if (typeof readerPart === 'object') this.#seen.set(readerPart, known.add(writerPart));
    yield* this.#compareParts(reader, writer === true ? {} : writer, path);
  }

  // The keywords that combine schemas come first.
  *#compareParts(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    for (const name of ['anyOf', 'oneOf']) {
      const branches = listOf(writer[name]);
      if (branches === undefined || isDeepStrictEqual(branches, reader[name])) continue;
      // Whatever the writer chose must be valid.
      const { [name]: _, ...rest } = writer;
      for (const branch of branches)
        yield* this.#compare(reader, { ...rest, ...toObject(follow(branch, this.#writer)) }, path);
      return;
    }
    if (writer.allOf !== undefined && !isDeepStrictEqual(writer.allOf, reader.allOf)) {
      const { allOf, ...rest } = writer;
      const merged = (listOf(allOf) ?? []).map((part) => ({ ...rest, ...toObject(follow(part, this.#writer)) }));
      if (merged.some((part) => !this.#hasProblem(reader, part, path))) return;
      yield `${path || '/'}: allOf changed`;
      return;
    }
    yield* this.#alternatives(reader, writer, path);
    yield* compareTypes(reader, writer, path);
    yield* compareLimits(reader, writer, path);
    if (typesOf(writer).has('object')) yield* this.#compareObjects(reader, writer, path);
    if (typesOf(writer).has('array')) yield* this.#compareArrays(reader, writer, path);
  }

  *#alternatives(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    for (const part of isDeepStrictEqual(reader.allOf, writer.allOf) ? [] : (listOf(reader.allOf) ?? [])) {
      yield* this.#compare(part, writer, `${path}/allOf`);
    }
    for (const name of ['anyOf', 'oneOf']) {
      const branches = listOf(reader[name]);
      if (branches === undefined || isDeepStrictEqual(branches, writer[name])) continue;
      if (branches.every((branch) => this.#hasProblem(branch, writer, path)))
        yield `${path}/${name}: none of it takes all that was valid`;
    }
  }

  /** On its own memory of pairs: what is assumed in an alternative that fails holds nowhere else. */
  #hasProblem(reader: unknown, writer: unknown, path: string): boolean {
    const before = new Map([...this.#seen].map(([key, known]) => [key, new Set(known)]));
    const { done } = this.#compare(reader, writer, path).next();
    if (done !== true) {
      this.#seen.clear();
      for (const [key, known] of before) this.#seen.set(key, known);
    }
    return done !== true;
  }

  *#compareObjects(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    const [ours, theirs] = [toObject(reader.properties), toObject(writer.properties)];
    const given = new Set(listOf(writer.required));
    for (const name of listOf(reader.required) ?? []) {
      const hasDefault =
        toObject(Object.hasOwn(ours, String(name)) ? ours[String(name)] : undefined).default !== undefined;
      if (!given.has(name) && !hasDefault) yield `${path}/required: ${JSON.stringify(name)} is now required`;
    }
    const [ourRest, theirRest] = [reader.additionalProperties ?? true, writer.additionalProperties ?? true];
    for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      const mine = Object.hasOwn(ours, name) ? ours[name] : ourRest;
      const other = Object.hasOwn(theirs, name) ? theirs[name] : theirRest;
      yield* this.#compare(mine, other, `${path}/properties/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
    yield* this.#compare(ourRest, theirRest, `${path}/additionalProperties`);
  }

  *#compareArrays(reader: Keywords, writer: Keywords, path: string): Generator<string> {
    const [ours, theirs] = [itemsOf(reader), itemsOf(writer)];
    const length = Math.max(ours.first.length, theirs.first.length);
    for (let at = 0; at < length; at++) {
      yield* this.#compare(ours.first[at] ?? ours.rest, theirs.first[at] ?? theirs.rest, `${path}/items/${at}`);
    }
    yield* this.#compare(ours.rest, theirs.rest, `${path}/items`);
  }
}

function* compareTypes(reader: Keywords, writer: Keywords, path: string): Generator<string> {
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

function* compareLimits(reader: Keywords, writer: Keywords, path: string): Generator<string> {
  const types = typesOf(writer);
  const isAbout = (name: string) => {
    const type = ABOUT[name];
    return type === undefined || types.has(type) || (type === 'number' && types.has('integer'));
  };
  const isTighter = (name: string, sign: 1 | -1) => {
    const [ours, theirs] = [reader[name], writer[name]];
    return typeof ours === 'number' && (typeof theirs !== 'number' || ours * sign > theirs * sign);
  };
  for (const name of LOWER.filter(isAbout)) if (isTighter(name, 1)) yield `${path}/${name}: less was valid`;
  for (const name of UPPER.filter(isAbout)) if (isTighter(name, -1)) yield `${path}/${name}: more was valid`;
  for (const name of SAME.filter(isAbout)) {
    const ours = reader[name];
    if (ours !== undefined && ours !== false && !isDeepStrictEqual(ours, writer[name]))
      yield `${path}/${name}: it was added or changed`;
  }
  const [step, other] = [reader.multipleOf, writer.multipleOf];
  if (typeof step === 'number' && isAbout('multipleOf') && (typeof other !== 'number' || other % step !== 0)) {
    yield `${path}/multipleOf: other numbers were valid`;
  }
}

/** The types of valid values. A number may be an integer. */
function typesOf(schema: Keywords): ReadonlySet<string> {
  const values = valuesOf(schema);
  const declared =
    values?.map(typeOfValue) ?? listOf(schema.type) ?? (schema.type === undefined ? TYPES : [schema.type]);
  const types = new Set(declared.map(String));
  if (types.has('number')) types.add('integer');
  return types;
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function valuesOf(schema: Keywords): readonly unknown[] | undefined {
  return Object.hasOwn(schema, 'const') ? [schema.const] : listOf(schema.enum);
}

/** The items of an array: the first ones, each with its schema, and the rest. In all drafts. */
function itemsOf(schema: Keywords): { readonly first: readonly unknown[]; readonly rest: unknown } {
  const first = listOf(schema.prefixItems);
  if (first !== undefined) return { first, rest: schema.items ?? true };
  const items = listOf(schema.items);
  return items === undefined
    ? { first: [], rest: schema.items ?? true }
    : { first: items, rest: schema.additionalItems ?? true };
}

function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function toObject(value: unknown): Keywords {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** Keywords that say nothing about what is valid. */
const SAYS_NOTHING = new Set([
  ...['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions', 'title', 'description'],
  ...['default', 'examples', 'deprecated', 'readOnly', 'writeOnly'],
]);

function isAnything(schema: Schema): boolean {
  return schema === true || (schema !== false && Object.keys(schema).every((name) => SAYS_NOTHING.has(name)));
}

const MAX_REFS = 20;

/** A schema behind its references; undefined when there is none. */
function follow(part: unknown, document: SchemaDocument): Schema | undefined {
  let at = part;
  let { root } = document;
  for (let followed = 0; followed < MAX_REFS; followed++) {
    if (typeof at === 'boolean') return at;
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return undefined;
    const ref: unknown = Reflect.get(at, '$ref');
    if (typeof ref !== 'string') return toObject(at);
    const [name = '', pointer = ''] = ref.split('#', 2);
    if (name !== '') root = document.references.get(name);
    at = pointTo(root, pointer);
  }
  return undefined;
}

/** RFC 6901. */
function pointTo(root: unknown, pointer: string): unknown {
  if (pointer === '') return root;
  if (!pointer.startsWith('/')) return undefined;
  let at = root;
  for (const part of pointer.slice(1).split('/')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? Reflect.get(at, name) : undefined;
  }
  return at;
}
