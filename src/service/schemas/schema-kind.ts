import { parseJson } from '../../lines/parse-json.ts';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';

/** What the registry must know of a type of schemas. */
export interface SchemaKind {
  /** The text without what means nothing. Schemas with the same one are the same schema. */
  canonical(text: string): string;
  /** Throws when the schema is not one. The message says why. */
  parse(schema: RegisteredSchema, schemas: Schemas): void;
  /** Why what was written with one schema cannot be read with the other; empty when all of it can. Throws as `parse` does. */
  problems(reader: RegisteredSchema, writer: RegisteredSchema, schemas: Schemas): string[];
}

/** Of one schema, and of what it refers to. */
export const LIMITS = { textBytes: 512 * 1024, references: 100, depth: 64, nodes: 20_000 } as const;

/** The JSON of a schema. Throws for one that is too deep or has too many values. */
export function parseSchemaJson(text: string): unknown {
  checkDepth(text);
  let nodes = 0;
  const count = (_: string, value: unknown): unknown => {
    nodes++;
    if (nodes > LIMITS.nodes) throw new Error(`the schema has more than ${LIMITS.nodes} values`);
    return value;
  };
  JSON.parse(text, count);
  return parseJson(text);
}

/** Before the parser sees it: deep nesting overflows the stack of those that recurse. */
function checkDepth(text: string): void {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[{]|[\]}]/gs)) {
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    if (depth > LIMITS.depth) throw new Error(`the schema is nested deeper than ${LIMITS.depth} levels`);
  }
}

/** JSON without the space between its tokens. */
export function minifyJson(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/gs, '$1');
}

/** The schemas that one refers to, each before those that refer to it, by the names of the references. Throws for one that is not there. */
export function resolveReferences(
  root: RegisteredSchema,
  schemas: Schemas,
): { readonly name: string; readonly schema: RegisteredSchema }[] {
  const found = new Map<string, RegisteredSchema>();
  const open = new Set<RegisteredSchema>();
  const visit = (schema: RegisteredSchema): void => {
    open.add(schema);
    for (const { name, subject, version } of schema.references) {
      const target = schemas.version(subject, version)?.schema;
      if (target === undefined) {
        throw new Error(
          `the reference ${JSON.stringify(name)} names subject ${JSON.stringify(subject)} version ${version}, which does not exist`,
        );
      }
      if (found.has(name) || open.has(target)) continue;
      if (found.size + open.size > LIMITS.references)
        throw new Error(`the schema refers to more than ${LIMITS.references} schemas`);
      visit(target);
      found.set(name, target);
    }
    open.delete(schema);
  };
  visit(root);
  return Array.from(found, ([name, schema]) => ({ name, schema }));
}
