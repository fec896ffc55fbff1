import avsc, { type Schema, type Type } from 'avsc';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { minifyJson, parseSchemaJson, resolveReferences, type SchemaKind } from './schema-kind.ts';

/**
 * AVRO. The library parses schemas and resolves one with another. It decodes nothing here: a few bytes of data could end the process.
 * https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
 */
export const avroKind: SchemaKind = {
  canonical: minifyJson,
  parse: (schema, schemas) => void parse(schema, schemas),
  problems(reader, writer, schemas) {
    const types = [parse(reader, schemas), parse(writer, schemas)] as const;
    try {
      types[0].createResolver(types[1]);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  },
};

function parse(schema: RegisteredSchema, schemas: Schemas): Type {
  // Without a prototype: a schema may name a type `toString`.
  const registry: Record<string, Type> = Object.create(null);
  for (const { name, schema: referred } of resolveReferences(schema, schemas)) {
    if (referred.type !== 'AVRO') throw new Error(`the reference ${JSON.stringify(name)} is not an AVRO schema`);
    toType(referred.schema, registry);
  }
  return toType(schema.schema, registry);
}

function toType(text: string, registry: Record<string, Type>): Type {
  // The library checks all of it.
  return avsc.Type.forSchema(parseSchemaJson(text) as Schema, { registry });
}
