import { type DescEnum, type DescField, type DescMessage, type Message, ScalarType, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { LimitError } from './check-message.ts';
import { PartError } from './part-error.ts';

/** Where the message begins in the body, for messages about it, and how deep its JSON may be nested. */
export interface JsonOptions {
  readonly start: number;
  readonly maxDepth: number;
}

/** Messages that have a JSON form of their own, made by the library. https://protobuf.dev/programming-guides/json/ */
const LIBRARY_FORMS: ReadonlySet<string> = new Set(
  ['Timestamp', 'Duration', 'FieldMask'].map((name) => `google.protobuf.${name}`),
);

/** Messages that stand for the value of their one field. */
const STANDS_FOR: ReadonlyMap<string, string> = new Map([
  ['google.protobuf.Struct', 'fields'],
  ['google.protobuf.ListValue', 'values'],
  ...['Double', 'Float', 'Int64', 'UInt64', 'Int32', 'UInt32', 'Bool', 'String', 'Bytes'].map(
    (name) => [`google.protobuf.${name}Value`, 'value'] as const,
  ),
]);
const VALUE = 'google.protobuf.Value';
/** An enum whose one value is null in JSON. */
export const NULL_VALUE = 'google.protobuf.NullValue';

/**
 * The JSON text of each field of a message that is present and not an implicit default, in the order of the schema. 64-bit integers are
 * written as their digits, bytes in base64, enums by name and an unknown number as it is. Throws LimitError, or PartError for a value that
 * has no JSON form.
 */
export function fieldsOfMessage(desc: DescMessage, message: Message, options: JsonOptions): Map<string, string> {
  return new MessageWriter(options).fields(reflect(desc, message, false));
}

class MessageWriter {
  readonly #start: number;
  readonly #maxDepth: number;
  #depth = 0;

  constructor({ start, maxDepth }: JsonOptions) {
    this.#start = start;
    this.#maxDepth = maxDepth;
  }

  fields(message: ReflectMessage): Map<string, string> {
    this.#enter();
    const fields = new Map<string, string>();
    const isOfLibrary = message.desc.file.proto.package === 'google.protobuf';
    for (const field of message.fields) {
      if (message.isSet(field)) fields.set(isOfLibrary ? field.name : field.jsonName, this.#field(message, field));
      else if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) {
        throw new PartError(this.#start, `the required field ${field.name} is absent`);
      }
    }
    this.#depth--;
    return fields;
  }

  #message(message: ReflectMessage): string {
    const { desc } = message;
    const name = desc.typeName;
    if (LIBRARY_FORMS.has(name)) return this.#libraryForm(message);
    const field = desc.fields.find((each) => each.name === STANDS_FOR.get(name));
    if (field !== undefined) return this.#field(message, field);
    if (name !== VALUE) return this.#object(this.fields(message));
    const set = desc.fields.find((each) => message.isSet(each));
    if (set === undefined) throw new PartError(this.#start, `a ${VALUE} has no value`);
    return this.#field(message, set);
  }

  #libraryForm({ desc, message }: ReflectMessage): string {
    try {
      // A Duration without the zeros at the end of its fraction.
      return JSON.stringify(toJson(desc, message)).replace(/(\.\d*?)0+s"$/, '$1s"');
    } catch (error) {
      throw new PartError(this.#start, error instanceof Error ? error.message : String(error));
    }
  }

  #field(message: ReflectMessage, field: DescField): string {
    switch (field.fieldKind) {
      case 'message':
        return this.#message(message.get(field));
      case 'enum':
        return writeEnum(field.enum, message.get(field));
      case 'scalar':
        return writeScalar(field.scalar, message.get(field));
      case 'list': {
        const items: string[] = [];
        this.#enter();
        for (const item of message.get(field)) items.push(this.#value(field, field.listKind, item));
        this.#depth--;
        return `[${items.join(',')}]`;
      }
      case 'map': {
        const entries = new Map<string, string>();
        this.#enter();
        for (const [key, value] of message.get(field))
          entries.set(String(key), this.#value(field, field.mapKind, value));
        this.#depth--;
        return this.#object(entries);
      }
    }
  }

  /** An element of a list or a map. The library made it, for the kind that the field has. */
  #value(field: DescField, kind: 'scalar' | 'enum' | 'message', value: unknown): string {
    if (kind === 'message') return this.#message(value as ReflectMessage);
    return kind === 'enum' ? writeEnum(field.enum as DescEnum, value) : writeScalar(field.scalar as ScalarType, value);
  }

  #object(fields: ReadonlyMap<string, string>): string {
    const members: string[] = [];
    for (const [name, json] of fields) members.push(`${JSON.stringify(name)}:${json}`);
    return `{${members.join(',')}}`;
  }

  #enter(): void {
    if (++this.#depth > this.#maxDepth) throw new LimitError('maxDepth');
  }
}

function writeEnum(desc: DescEnum, value: unknown): string {
  if (desc.typeName === NULL_VALUE) return 'null';
  const name = desc.value[Number(value)]?.name;
  return name === undefined ? String(value) : JSON.stringify(name);
}

function writeScalar(scalar: ScalarType, value: unknown): string {
  switch (scalar) {
    case ScalarType.STRING:
      return JSON.stringify(value);
    case ScalarType.BYTES:
      return `"${Buffer.from(value as Uint8Array).toString('base64')}"`;
    case ScalarType.DOUBLE:
      return writeNumber(Number(value), String(value));
    case ScalarType.FLOAT:
      return writeNumber(Number(value), shortestFloat(Number(value)));
    default:
      return String(value);
  }
}

/** What JSON has no number for is text. */
function writeNumber(value: number, digits: string): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0' : digits;
}

/** The most digits that a float needs. */
const MAX_FLOAT_DIGITS = 9;

/** The fewest digits that mean this number of 32 bits: 0.1, not 0.10000000149011612. */
function shortestFloat(value: number): string {
  for (let digits = 1; digits < MAX_FLOAT_DIGITS; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(MAX_FLOAT_DIGITS)));
}
