import { create, createFileRegistry, type DescFile, type DescMessage } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { joinName, type ParsedSchema, parseSchema } from './parse-schema.ts';
import { SchemaTextError } from './tokens.ts';

/** The messages of one schema. */
export interface MessageTypes {
  /** Those that are not nested, in the order of the text. */
  readonly messages: readonly DescMessage[];
  /** The message of that full name, nested or not. */
  find(name: string): DescMessage | undefined;
}

/** Files that every schema may import. */
const WELL_KNOWN: ReadonlyMap<string, DescFile> = new Map(
  [
    file_google_protobuf_any,
    file_google_protobuf_duration,
    file_google_protobuf_empty,
    file_google_protobuf_field_mask,
    file_google_protobuf_struct,
    file_google_protobuf_timestamp,
    file_google_protobuf_wrappers,
  ].map((file) => [file.proto.name, file]),
);

/** Files that only define options, which do not change how bytes are read. */
const OPTION_FILES: ReadonlySet<string> = new Set(['confluent/meta.proto', 'google/protobuf/descriptor.proto']);

const SCHEMA_FILE = 'schema.proto';
/** What the serializers of some clients register: a google.protobuf.FileDescriptorProto, which begins with its name. */
const DESCRIPTOR_IN_BASE64 = /^\s*C[g-v][A-Za-z0-9+/\s]+=*\s*$/;
const MAX_FILES = 100;
/** Schemas that are kept compiled. */
const MAX_KEPT = 1_000;

/**
 * Compiles schemas when they are first asked for. A schema never changes, so each is compiled once, and a fault is kept as well.
 * Returns the text of the fault where the schema cannot be used.
 */
export function createSchemaCompiler(schemas: Schemas): (schema: RegisteredSchema) => MessageTypes | string {
  const compiled = new Map<number, { readonly text: string; readonly result: MessageTypes | string }>();
  return function compile(schema) {
    const known = compiled.get(schema.id);
    if (known !== undefined && known.text === schema.schema) return known.result;
    if (compiled.size >= MAX_KEPT) compiled.clear();
    const result = tryCompile(schema, schemas);
    compiled.set(schema.id, { text: schema.schema, result });
    return result;
  };
}

function tryCompile(schema: RegisteredSchema, schemas: Schemas): MessageTypes | string {
  if (schema.type !== 'PROTOBUF') return `it is a schema of the type ${schema.type}, not PROTOBUF`;
  try {
    return compileSchema(schema, schemas);
  } catch (error) {
    if (error instanceof SchemaTextError) return error.message;
    // What the library says of a descriptor that it does not take.
    return error instanceof Error ? error.message : String(error);
  }
}

/** Reads a schema and all that it imports. Throws where one of them cannot be read or found. */
export function compileSchema(schema: RegisteredSchema, schemas: Schemas): MessageTypes {
  const files = new Map<string, ParsedSchema>();
  load(SCHEMA_FILE, schema, schemas, files, new Set());
  const known = [...WELL_KNOWN.values()].map(({ proto }) => proto);
  const own = [...files.values()].map(({ proto }) => proto);
  const kinds = kindsOf([...known, ...own]);
  for (const { references } of files.values()) {
    for (const { field, name, scope, fail } of references) {
      const typeName = lookUp(name, scope, kinds);
      if (typeName === undefined) throw fail(`unknown type ${name}`);
      field.typeName = `.${typeName}`;
      field.type = kinds.get(typeName) === 'enum' ? Type.ENUM : Type.MESSAGE;
    }
  }
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...known, ...own] }));
  const file = registry.getFile(SCHEMA_FILE);
  if (file === undefined || file.messages.length === 0) throw new SchemaTextError('the schema has no message');
  return { messages: file.messages, find: (name) => registry.getMessage(name) };
}

/** Reads a file after the files that it imports, each once. `open`: the files that are being read. */
function load(
  name: string,
  schema: RegisteredSchema,
  schemas: Schemas,
  files: Map<string, ParsedSchema>,
  open: Set<string>,
): void {
  if (files.size + open.size >= MAX_FILES) throw new SchemaTextError(`the schema imports more than ${MAX_FILES} files`);
  if (DESCRIPTOR_IN_BASE64.test(schema.schema))
    throw new SchemaTextError('the schema is a descriptor in base64; send the text of the .proto file');
  const parsed = parseSchema(schema.schema, name);
  const { proto } = parsed;
  proto.dependency = proto.dependency.filter((file) => !OPTION_FILES.has(file));
  open.add(name);
  for (const dependency of proto.dependency) {
    if (WELL_KNOWN.has(dependency) || files.has(dependency)) continue;
    if (open.has(dependency)) throw new SchemaTextError(`the file ${JSON.stringify(dependency)} imports itself`);
    const reference = schema.references.find((each) => each.name === dependency);
    const version = reference && schemas.version(reference.subject, reference.version);
    if (version === undefined) throw new SchemaTextError(`cannot find the import ${JSON.stringify(dependency)}`);
    load(dependency, version.schema, schemas, files, open);
  }
  open.delete(name);
  files.set(name, parsed);
}

type Kinds = Map<string, 'message' | 'enum'>;

function kindsOf(files: readonly FileDescriptorProto[]): Kinds {
  const kinds: Kinds = new Map();
  for (const file of files) {
    const { package: scope, messageType, enumType } = file;
    for (const { name } of enumType) define(kinds, joinName(scope, name), 'enum');
    for (const message of messageType) defineMessage(kinds, message, scope);
  }
  return kinds;
}

function defineMessage(kinds: Kinds, message: DescriptorProto, scope: string): void {
  const fullName = joinName(scope, message.name);
  define(kinds, fullName, 'message');
  for (const { name } of message.enumType) define(kinds, joinName(fullName, name), 'enum');
  for (const nested of message.nestedType) defineMessage(kinds, nested, fullName);
}

function define(kinds: Kinds, name: string, kind: 'message' | 'enum'): void {
  if (kinds.has(name)) throw new SchemaTextError(`${name} is defined twice`);
  kinds.set(name, kind);
}

/** The full name of a type: the innermost scope that has it counts. */
function lookUp(name: string, scope: string, kinds: Kinds): string | undefined {
  if (name.startsWith('.')) return kinds.has(name.slice(1)) ? name.slice(1) : undefined;
  for (let outer = scope; ; outer = outer.slice(0, Math.max(0, outer.lastIndexOf('.')))) {
    const fullName = joinName(outer, name);
    if (kinds.has(fullName)) return fullName;
    if (outer === '') return undefined;
  }
}
