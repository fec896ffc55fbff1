import vm from 'node:vm';
import { Ajv, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { RE2JS } from 're2js';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { jsonProblems, type SchemaDocument } from './json-rules.ts';
import { minifyJson, parseSchemaJson, resolveReferences, type SchemaKind } from './schema-kind.ts';

/** Of one compilation and of one validation. Few levels of references that double can take for ever. */
const MAX_MS = 1_000;

/** JSON Schema, drafts 6, 7, 2019-09 and 2020-12. ajv says what compiles and what is valid; json-rules.ts what is compatible. */
export const jsonKind: SchemaKind = {
  canonical: minifyJson,
  parse: (schema, schemas) => void compile(schema, schemas),
  problems(reader, writer, schemas) {
    compile(reader, schemas);
    return jsonProblems(toDocument(reader, schemas), toDocument(writer, schemas));
  },
};

/** What is wrong with a value, with its JSON pointer; undefined when it is valid. */
export function validateJson(schema: RegisteredSchema, schemas: Schemas, value: unknown): string | undefined {
  const validate = compile(schema, schemas);
  if (withinTime(() => validate(value), 'the value takes too long to check')) return undefined;
  const [error] = validate.errors ?? [];
  return `${error?.instancePath || '/'}: ${error?.message ?? 'not valid'}`;
}

function compile(schema: RegisteredSchema, schemas: Schemas): ValidateFunction {
  const root = parseSchemaJson(schema.schema);
  if (typeof root !== 'boolean' && (typeof root !== 'object' || root === null || Array.isArray(root))) {
    throw new Error('a JSON Schema is an object, true or false');
  }
  const ajv = createAjv(root);
  for (const { name, schema: referred } of resolveReferences(schema, schemas)) {
    if (referred.type !== 'JSON') throw new Error(`the reference ${JSON.stringify(name)} is not a JSON schema`);
    // Under the name of the reference, whatever its own id is.
    const { $id: _, ...rest } = Object(parseSchemaJson(referred.schema));
    ajv.addSchema(rest, name);
  }
  return withinTime(() => ajv.compile(root), 'the schema takes too long to compile');
}

/** `$schema`, without its fragment, of each supported draft but 7, which is the default. */
const DIALECTS: Readonly<Record<string, typeof Ajv>> = {
  'https://json-schema.org/draft/2019-09/schema': Ajv2019,
  'https://json-schema.org/draft/2020-12/schema': Ajv2020,
};
const DRAFT_7 = /^https?:\/\/json-schema\.org\/(?:draft-0[67]\/)?schema$/;

function createAjv(root: object | boolean): Ajv {
  const declared: unknown = Object(root).$schema ?? 'http://json-schema.org/draft-07/schema';
  const dialect = String(declared).replace(/#$/, '');
  const Dialect = DIALECTS[dialect] ?? (DRAFT_7.test(dialect) ? Ajv : undefined);
  if (Dialect === undefined) {
    throw new Error(`$schema ${JSON.stringify(declared)} is not supported; use draft-07, 2019-09 or 2020-12`);
  }
  const ajv = new Dialect(OPTIONS);
  if (Object(root).$schema !== undefined && dialect.includes('draft-06')) ajv.addMetaSchema(DRAFT_6);
  formats.default(ajv);
  return ajv;
}

/** Draft 6 has no keyword that draft 7 reads in another way. */
const DRAFT_6 = { $id: 'http://json-schema.org/draft-06/schema', type: ['object', 'boolean'] };

/** Patterns of users run in linear time. The library keeps what it compiled by its text, so the object must have one. */
const linear = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern);
    return { test: (text: string) => compiled.matcher(text).find(), toString: () => pattern };
  },
  { code: 'linear' },
);
const OPTIONS: Options = { strict: false, allErrors: false, logger: false, code: { regExp: linear } };

/** Ends what takes too long. It blocks the thread until then. */
function withinTime<T>(work: () => T, problem: string): T {
  try {
    return vm.runInNewContext('work()', { work }, { timeout: MAX_MS, microtaskMode: 'afterEvaluate' }) as T;
  } catch (error) {
    // The error of another context is no Error of this one.
    if (Reflect.get(Object(error), 'code') === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new Error(problem);
    if (Reflect.get(Object(error), 'name') === 'RangeError')
      throw new Error('the schema refers to itself without an end');
    throw error;
  }
}

function toDocument(schema: RegisteredSchema, schemas: Schemas): SchemaDocument {
  const references = resolveReferences(schema, schemas);
  return {
    root: parseSchemaJson(schema.schema),
    references: new Map(references.map(({ name, schema: referred }) => [name, parseSchemaJson(referred.schema)])),
  };
}
