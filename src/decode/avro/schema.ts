import { parseJson } from '../../lines/parse-json.ts';

/*
 * Avro schemas (https://avro.apache.org/docs/1.12.0/specification/): from their text to the types that data are read by.
 *
 * Names are resolved in their namespaces; a named type may contain itself. Aliases, defaults, documentation and members that Avro does not
 * know (`format` and `name` of older clients among them) are ignored: data are read by the schema of their writer.
 */

/** What a value means beyond its type. A logical type that is not known, or does not fit its type, is ignored, as Avro asks. */
export type Logical =
  | { readonly kind: 'date' | 'time' | 'timestamp' | 'uuid'; readonly perSecond: number }
  | { readonly kind: 'decimal'; readonly scale: number };

export type PrimitiveKind = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

export type AvroType =
  | { readonly kind: PrimitiveKind; readonly logical?: Logical | undefined }
  | { readonly kind: 'fixed'; readonly name: string; readonly size: number; readonly logical?: Logical | undefined }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | RecordType;

export interface RecordType {
  readonly kind: 'record';
  /** With its namespace. */
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly type: AvroType }[];
}

/** The named types that are known, by their full names. */
export type NamedTypes = Map<string, AvroType>;

/** A text that is no schema. The message begins with the JSON pointer of the fault. */
export class AvroSchemaError extends Error {
  override readonly name = 'AvroSchemaError';

  constructor(pointer: string, problem: string) {
    super(`${pointer === '' ? 'the schema' : pointer}: ${problem}`);
  }
}

const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_TYPES = 10_000;

const PRIMITIVES: readonly string[] = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'];
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FULL_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const MAX_SHOWN = 64;

/** Reads the text of a schema. `names`: types that it may refer to; those that it defines are added. Throws AvroSchemaError. */
export function parseAvroSchema(text: string, names: NamedTypes = new Map()): AvroType {
  if (text.length > MAX_BYTES) throw new AvroSchemaError('', `longer than ${MAX_BYTES} characters`);
  return new SchemaParser(names).parse(readJson(text), '', '', 0);
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    // The schema of a primitive type may be its bare name.
    if (FULL_NAME.test(text)) return text;
    throw new AvroSchemaError('', `not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

type Members = Readonly<Record<string, unknown>>;

class SchemaParser {
  readonly #names: NamedTypes;
  #types = 0;

  constructor(names: NamedTypes) {
    this.#names = names;
  }

  /** `at`: the JSON pointer of `value`; `namespace`: the one that encloses it. */
  parse(value: unknown, at: string, namespace: string, depth: number): AvroType {
    if (depth > MAX_DEPTH) throw new AvroSchemaError(at, `nested deeper than ${MAX_DEPTH}`);
    if (++this.#types > MAX_TYPES) throw new AvroSchemaError(at, `more than ${MAX_TYPES} types`);
    if (typeof value === 'string') return this.#byName(value, at, namespace);
    if (Array.isArray(value)) return this.#union(value, at, namespace, depth);
    if (!isObject(value)) throw new AvroSchemaError(at, `a type is a name, an object or an array, not ${show(value)}`);
    const { type } = value;
    if (type === undefined) throw new AvroSchemaError(at, 'the member type is missing');
    if (typeof type !== 'string') return this.parse(type, `${at}/type`, namespace, depth + 1);
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(value, at, namespace, depth);
      case 'enum':
        return this.#enum(value, at, namespace);
      case 'fixed':
        return this.#fixed(value, at, namespace);
      case 'array':
        return { kind: 'array', items: this.parse(value.items, `${at}/items`, namespace, depth + 1) };
      case 'map':
        return { kind: 'map', values: this.parse(value.values, `${at}/values`, namespace, depth + 1) };
      default:
        return isPrimitive(type) ? primitive(type, value) : this.#byName(type, `${at}/type`, namespace);
    }
  }

  #byName(name: string, at: string, namespace: string): AvroType {
    if (isPrimitive(name)) return { kind: name };
    const type = this.#names.get(fullName(name, namespace)) ?? this.#names.get(name);
    if (type === undefined) throw new AvroSchemaError(at, `there is no type ${show(name)}`);
    return type;
  }

  #union(members: readonly unknown[], at: string, namespace: string, depth: number): AvroType {
    const branches = members.map((member, i) => this.parse(member, `${at}/${i}`, namespace, depth + 1));
    const seen = new Set<string>();
    for (const [i, branch] of branches.entries()) {
      if (branch.kind === 'union') throw new AvroSchemaError(`${at}/${i}`, 'a union directly in a union');
      const key = 'name' in branch ? branch.name : branch.kind;
      if (seen.has(key)) throw new AvroSchemaError(`${at}/${i}`, `the union has ${show(key)} twice`);
      seen.add(key);
    }
    return { kind: 'union', branches };
  }

  #record(value: Members, at: string, namespace: string, depth: number): AvroType {
    const name = readName(value, at, namespace);
    if (!Array.isArray(value.fields)) throw new AvroSchemaError(`${at}/fields`, 'a record has an array of fields');
    const fields: RecordType['fields'][number][] = [];
    const record: RecordType = { kind: 'record', name, fields };
    // Known before its fields are, since it may contain itself.
    this.#define(name, record, at);
    const seen = new Set<string>();
    for (const [i, field] of value.fields.entries()) {
      const here = `${at}/fields/${i}`;
      if (!isObject(field)) throw new AvroSchemaError(here, `a field is an object, not ${show(field)}`);
      if (typeof field.name !== 'string' || !NAME.test(field.name)) {
        throw new AvroSchemaError(`${here}/name`, `not a name: ${show(field.name)}`);
      }
      if (seen.has(field.name)) throw new AvroSchemaError(`${here}/name`, `the record has ${show(field.name)} twice`);
      seen.add(field.name);
      fields.push({ name: field.name, type: this.parse(field.type, `${here}/type`, namespaceOf(name), depth + 1) });
    }
    return record;
  }

  #enum(value: Members, at: string, namespace: string): AvroType {
    const name = readName(value, at, namespace);
    const { symbols } = value;
    if (!Array.isArray(symbols)) throw new AvroSchemaError(`${at}/symbols`, 'an enum has an array of symbols');
    const texts: string[] = [];
    for (const [i, symbol] of symbols.entries()) {
      const here = `${at}/symbols/${i}`;
      if (typeof symbol !== 'string' || !NAME.test(symbol)) throw new AvroSchemaError(here, `no name: ${show(symbol)}`);
      texts.push(symbol);
    }
    if (new Set(texts).size < texts.length) throw new AvroSchemaError(`${at}/symbols`, 'a symbol stands twice');
    return this.#define(name, { kind: 'enum', name, symbols: texts }, at);
  }

  #fixed(value: Members, at: string, namespace: string): AvroType {
    const name = readName(value, at, namespace);
    const { size } = value;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new AvroSchemaError(`${at}/size`, `not a number of bytes: ${show(size)}`);
    }
    return this.#define(name, { kind: 'fixed', name, size, logical: logicalOf('fixed', value, size) }, at);
  }

  #define(name: string, type: AvroType, at: string): AvroType {
    if (this.#names.has(name)) throw new AvroSchemaError(at, `the type ${show(name)} is defined twice`);
    this.#names.set(name, type);
    return type;
  }
}

function readName(value: Members, at: string, enclosing: string): string {
  const { name, namespace } = value;
  if (typeof name !== 'string' || !FULL_NAME.test(name)) {
    throw new AvroSchemaError(`${at}/name`, `not a name: ${show(name)}`);
  }
  if (namespace === undefined || namespace === null || name.includes('.')) return fullName(name, enclosing);
  if (typeof namespace !== 'string' || (namespace !== '' && !FULL_NAME.test(namespace))) {
    throw new AvroSchemaError(`${at}/namespace`, `not a namespace: ${show(namespace)}`);
  }
  return fullName(name, namespace);
}

function fullName(name: string, namespace: string): string {
  return namespace === '' || name.includes('.') ? name : `${namespace}.${name}`;
}

function namespaceOf(name: string): string {
  return name.slice(0, Math.max(name.lastIndexOf('.'), 0));
}

function primitive(kind: PrimitiveKind, value: Members): AvroType {
  return { kind, logical: logicalOf(kind, value, 0) };
}

const PER_SECOND: Readonly<Record<string, number>> = { millis: 1_000, micros: 1_000_000, nanos: 1_000_000_000 };
const UUID_BYTES = 16;
/** Digits after the point: a decimal of more is read as its bytes. */
const MAX_SCALE = 1_000;

function logicalOf(kind: string, { logicalType, scale = 0 }: Members, size: number): Logical | undefined {
  if (typeof logicalType !== 'string') return undefined;
  if (logicalType === 'decimal' && (kind === 'bytes' || kind === 'fixed')) {
    const fits = typeof scale === 'number' && Number.isInteger(scale) && scale >= 0 && scale <= MAX_SCALE;
    return fits ? { kind: 'decimal', scale } : undefined;
  }
  if (logicalType === 'uuid')
    return kind === 'fixed' && size === UUID_BYTES ? { kind: 'uuid', perSecond: 0 } : undefined;
  if (logicalType === 'date') return kind === 'int' ? { kind: 'date', perSecond: 0 } : undefined;
  const [, what, unit = ''] = /^(?:local-)?(timestamp|time)-(millis|micros|nanos)$/.exec(logicalType) ?? [];
  const perSecond = PER_SECOND[unit];
  if (perSecond === undefined || logicalType.startsWith('local-time-')) return undefined;
  if (what === 'timestamp') return kind === 'long' ? { kind: 'timestamp', perSecond } : undefined;
  return kind === (unit === 'millis' ? 'int' : 'long') ? { kind: 'time', perSecond } : undefined;
}

function isPrimitive(name: string): name is PrimitiveKind {
  return PRIMITIVES.includes(name);
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
