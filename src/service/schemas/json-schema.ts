import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import type { SchemaDocument } from './json-document.ts';
import { jsonProblems } from './json-rules.ts';
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
  const references = new Map(
    resolveReferences(schema, schemas).map(({ name, schema: referred }) => [name, parseSchemaJson(referred.schema)]),
  );
  const homes = new Map<object, unknown>();
  for (const root of references.values()) setHomes(root, root, homes);
  return { root: parseSchemaJson(schema.schema), references, homes };
}

function setHomes(part: unknown, root: unknown, homes: Map<object, unknown>): void {
  if (typeof part !== 'object' || part === null) return;
  if (Object.hasOwn(part, '$ref')) homes.set(part, root);
  for (const one of Object.values(part)) setHomes(one, root, homes);
}
