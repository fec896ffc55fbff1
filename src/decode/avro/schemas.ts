import type { Layout } from '../../lines/layout.ts';
import type { RegisteredSchema, SchemaReference, Schemas } from '../../model/schema.ts';
import { type DecodeOptions, MalformedBodyError } from '../decode.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type FlatSchema, toFlatSchema } from './flat-reader.ts';
import { AvroSchemaError, type AvroType, type NamedTypes, parseAvroSchema, type RecordType } from './schema.ts';

type ExtraFields = DecodeOptions['extraFields'];

/** A schema whose data can be records. */
export interface RecordSchema {
  /** A record, or a union of which each datum is a record. */
  readonly type: RecordType | Extract<AvroType, { kind: 'union' }>;
  readonly fingerprint: bigint;
  /** How flat records are read; undefined where they are not. */
  flat(extraFields: ExtraFields): FlatSchema | undefined;
}

/** The schemas that the bodies of a stream are read by. Each is parsed once. */
export interface AvroSchemas {
  /** Throws MalformedBodyError for a schema that cannot be read, or describes no record. `what` names it. */
  ofRegistered(schema: RegisteredSchema, what: string): RecordSchema;
  /** By the text that stands in a file. */
  ofText(text: string): RecordSchema;
}

/** Texts of files that are remembered, and the longest of them. */
const MAX_TEXTS = 32;
const MAX_TEXT = 64 * 1024;
const MAX_REFERENCES = 100;

export function createAvroSchemas(layout: Layout, schemas: Schemas): AvroSchemas {
  const registered = new WeakMap<RegisteredSchema, RecordSchema>();
  const texts = new Map<string, RecordSchema>();

  function ofRegistered(schema: RegisteredSchema, what: string): RecordSchema {
    const known = registered.get(schema);
    if (known !== undefined) return known;
    if (schema.type !== 'AVRO') throw new MalformedBodyError(`${what} is a schema of ${schema.type}, not of AVRO`);
    const names: NamedTypes = new Map();
    const made = read(what, () => {
      addReferences(schema.references, names, new Set());
      return parseAvroSchema(schema.schema, names);
    });
    registered.set(schema, made);
    return made;
  }

  function ofText(text: string): RecordSchema {
    const known = texts.get(text);
    if (known !== undefined) return known;
    const made = read('the schema in the Avro file', () => parseAvroSchema(text));
    if (texts.size === MAX_TEXTS) texts.clear();
    if (text.length <= MAX_TEXT) texts.set(text, made);
    return made;
  }

  /** Adds the types of schemas that a schema refers to. */
  function addReferences(references: readonly SchemaReference[], names: NamedTypes, seen: Set<string>): void {
    for (const { subject, version } of references) {
      const key = `${subject}/${version}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > MAX_REFERENCES) throw new AvroSchemaError('', `it refers to more than ${MAX_REFERENCES} schemas`);
      const found = schemas.version(subject, version)?.schema;
      if (found === undefined)
        throw new AvroSchemaError('', `it refers to version ${version} of ${subject}, which is not there`);
      addReferences(found.references, names, seen);
      parseAvroSchema(found.schema, names);
    }
  }

  function read(what: string, parse: () => AvroType): RecordSchema {
    try {
      return toRecordSchema(parse(), layout, what);
    } catch (error) {
      if (error instanceof AvroSchemaError) throw new MalformedBodyError(`${what} cannot be read: ${error.message}`);
      throw error;
    }
  }

  return { ofRegistered, ofText };
}

function toRecordSchema(type: AvroType, layout: Layout, what: string): RecordSchema {
  if (type.kind !== 'record' && type.kind !== 'union') {
    throw new MalformedBodyError(`${what} describes a value of ${type.kind}, not a record`);
  }
  const flats = new Map<ExtraFields, FlatSchema | undefined>();
  let fingerprint: bigint | undefined;
  return {
    type,
    get fingerprint() {
      fingerprint ??= fingerprintOf(type);
      return fingerprint;
    },
    flat(extraFields) {
      if (!flats.has(extraFields)) flats.set(extraFields, toFlatSchema(type, layout, extraFields));
      return flats.get(extraFields);
    },
  };
}
