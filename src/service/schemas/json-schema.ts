import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { jsonProblems, type SchemaDocument } from './json-rules.ts';
import { minifyJson, parseSchemaJson, resolveReferences, type SchemaKind } from './schema-kind.ts';

/** The check that a JSON Schema stands for: the one that records get. Throws for a schema that cannot be used. */
export type CompileJson = (
  schema: RegisteredSchema,
  schemas: Schemas,
) => {
  /** What is wrong with a JSON text, with its JSON pointer; undefined when it is valid. */
  readonly faultOf: (text: string) => { readonly problem: string } | undefined;
};

/** JSON Schema. `compile` says what is one, json-rules.ts what is compatible. */
export function createJsonKind(compile: CompileJson): SchemaKind {
  return {
    canonical: minifyJson,
    parse(schema, schemas) {
      parseSchemaJson(schema.schema);
      compile(schema, schemas);
    },
    problems(reader, writer, schemas) {
      compile(reader, schemas);
      return jsonProblems(toDocument(reader, schemas), toDocument(writer, schemas));
    },
  };
}

function toDocument(schema: RegisteredSchema, schemas: Schemas): SchemaDocument {
  const references = resolveReferences(schema, schemas);
  return {
    root: parseSchemaJson(schema.schema),
    references: new Map(references.map(({ name, schema: referred }) => [name, parseSchemaJson(referred.schema)])),
  };
}
