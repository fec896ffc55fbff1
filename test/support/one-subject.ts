import type { RegisteredSchema, Schemas } from '../../src/model/schema.ts';

/** Schemas of one subject, whose newest version changes as a test wants. */
export interface OneSubject {
  readonly schemas: Schemas;
  register(schema: object): void;
  remove(): void;
}

export function createOneSubject(subject: string, first?: object, type: RegisteredSchema['type'] = 'JSON'): OneSubject {
  let id = 0;
  let newest: ReturnType<Schemas['newest']>;
  const register = (schema: object) => {
    id++;
    newest = { subject, version: id, schema: { id, type, schema: JSON.stringify(schema), references: [] } };
  };
  const remove = () => {
    newest = undefined;
  };
  if (first !== undefined) register(first);
  const schemas: Schemas = {
    byId: () => undefined,
    newest: (asked) => (asked === subject ? newest : undefined),
    version: () => undefined,
  };
  return { schemas, register, remove };
}
