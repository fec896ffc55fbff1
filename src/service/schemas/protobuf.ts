import type { DescField, DescFile, DescMessage } from '@bufbuild/protobuf';
import { create, ScalarType, toBinary } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { toClientDescriptor } from './descriptor.ts';
import type { SchemaKind } from './schema-kind.ts';

/** The messages of a schema, from its text. Throws for one that cannot be read. Names in it are data: no code is made of them. */
export type CompileProtobuf = (
  schema: RegisteredSchema,
  schemas: Schemas,
) => { readonly messages: readonly DescMessage[] };

/** PROTOBUF. The rules are in docs/registry.md. */
export function createProtobufKind(compile: CompileProtobuf): SchemaKind {
  return {
    canonical: (text) => (text.match(TOKEN) ?? []).filter((token) => !/^\/[/*]/.test(token)).join(' '),
    parse: (schema, schemas) => void compile(schema, schemas),
    problems(reader, writer, schemas) {
      const [ours, theirs] = [compile(reader, schemas), compile(writer, schemas)];
      const files = { ours: ours.messages[0]?.file, theirs: theirs.messages[0]?.file };
      return [...compareMessages(ours.messages, theirs.messages, '', { files, seen: new Set() })];
    },
  };
}

const TOKEN = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[\w.]+|[^\s\w]/g;

/** Of a schema alone, or of it and what it imports, itself last. */
export function descriptorsOf(
  { messages }: ReturnType<CompileProtobuf>,
  { imports }: { readonly imports: boolean },
): Uint8Array {
  const [message] = messages;
  if (message !== undefined && !imports)
    return toBinary(FileDescriptorProtoSchema, toClientDescriptor(message.file.proto));
  const files = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file)) return;
    for (const imported of file.dependencies) visit(imported);
    files.add(file);
  };
  if (message !== undefined) visit(message.file);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: Array.from(files, ({ proto }) => toClientDescriptor(proto)) }),
  );
}

interface Comparison {
  /** Of the two schemas themselves. */
  readonly files: Readonly<Record<'ours' | 'theirs', DescFile | undefined>>;
  /** The imported messages that were compared: one may refer to itself. */
  readonly seen: Set<string>;
}

function* compareMessages(
  ours: readonly DescMessage[],
  theirs: readonly DescMessage[],
  scope: string,
  comparison: Comparison,
): Generator<string> {
  for (const their of theirs) {
    const our = ours.find(({ name }) => name === their.name);
    const path = `${scope}${their.name}`;
    if (our === undefined) {
      yield `message ${path} was removed`;
      continue;
    }
    yield* compareMessage(our, their, path, comparison);
    yield* compareMessages(our.nestedMessages, their.nestedMessages, `${path}.`, comparison);
  }
}

function* compareMessage(
  ours: DescMessage,
  theirs: DescMessage,
  path: string,
  comparison: Comparison,
): Generator<string> {
  for (const their of theirs.fields) {
    const our = ours.fields.find(({ number }) => number === their.number);
    if (our === undefined) {
      if (isRequired(their)) yield `${path}.${their.name} (${their.number}): a required field was removed`;
      if (their.oneof !== undefined)
        yield `${path}.${their.name} (${their.number}): a field of oneof ${their.oneof.name} was removed`;
      continue;
    }
    const place = `${path}.${our.name} (${our.number})`;
    const problems = [...compareField(our, their, place)];
    yield* problems;
    if (problems.length === 0) yield* compareImported(our, their, place, comparison);
  }
  for (const our of ours.fields) {
    const isNew = theirs.fields.every(({ number }) => number !== our.number);
    if (isNew && isRequired(our)) yield `${path}.${our.name} (${our.number}): a required field was added`;
  }
  yield* compareOneofs(ours, theirs, path);
}

/** Messages of the schemas themselves are compared by their names. An imported one may be another than before. */
function* compareImported(
  ours: DescField,
  theirs: DescField,
  path: string,
  { files, seen }: Comparison,
): Generator<string> {
  const [our, their] = [ours.message, theirs.message];
  if (our === undefined || their === undefined) return;
  if (our.file === files.ours && their.file === files.theirs) return;
  const pair = `${our.typeName} ${their.typeName}`;
  if (seen.has(pair)) return;
  seen.add(pair);
  yield* compareMessage(our, their, path, { files, seen });
}

/** One field alone may move into a new oneof. Of two, a message may have had both. */
function* compareOneofs(ours: DescMessage, theirs: DescMessage, path: string): Generator<string> {
  for (const oneof of ours.oneofs) {
    const before = oneof.fields.flatMap(({ number }) => theirs.fields.filter((field) => field.number === number));
    const moved = before.filter(
      (field) =>
        field.oneof?.name !== oneof.name &&
        !isRenamed(
          field,
          oneof.fields.map(({ number }) => number),
        ),
    );
    if (moved.length > 1 || (moved.length === 1 && before.length > 1)) {
      yield `${path}.${oneof.name}: fields that could be there together are now in one oneof`;
    }
  }
}

/** The oneof only got another name. */
function isRenamed(field: DescField, numbers: readonly number[]): boolean {
  return field.oneof?.fields.every(({ number }) => numbers.includes(number)) ?? false;
}

function* compareField(ours: DescField, theirs: DescField, path: string): Generator<string> {
  if (isRequired(ours) && !isRequired(theirs)) yield `${path}: it is required now`;
  if (isGroup(ours) !== isGroup(theirs)) yield `${path}: its encoding changed between a group and a message`;
  if (ours.fieldKind !== theirs.fieldKind) {
    const kinds = [kindOf(ours), kindOf(theirs)];
    // An enum is a varint on the wire. Of many values, a reader of one takes the last; numbers may be packed, which it cannot read.
    const isSameWire = kinds[0] === kinds[1] && !ours.fieldKind.includes('map') && !theirs.fieldKind.includes('map');
    const isPackable =
      kinds[0] !== 'bytes' &&
      ours.message === undefined &&
      ours.fieldKind.includes('list') !== theirs.fieldKind.includes('list');
    if (!isSameWire || isPackable) yield `${path}: its type changed from ${nameOf(theirs)} to ${nameOf(ours)}`;
    return;
  }
  if (kindOf(ours) !== kindOf(theirs)) yield `${path}: its type changed from ${nameOf(theirs)} to ${nameOf(ours)}`;
  else if (ours.fieldKind === 'map' && theirs.fieldKind === 'map' && WIRE[ours.mapKey] !== WIRE[theirs.mapKey]) {
    yield `${path}: the type of its keys changed`;
  }
}

/** Types of one group have the same bytes for the same value, as far as it fits. https://protobuf.dev/programming-guides/proto3/#updating */
const WIRE: Readonly<Record<ScalarType, string>> = {
  [ScalarType.INT32]: 'varint',
  [ScalarType.UINT32]: 'varint',
  [ScalarType.INT64]: 'varint',
  [ScalarType.UINT64]: 'varint',
  [ScalarType.BOOL]: 'varint',
  [ScalarType.SINT32]: 'zigzag',
  [ScalarType.SINT64]: 'zigzag',
  [ScalarType.STRING]: 'bytes',
  [ScalarType.BYTES]: 'bytes',
  [ScalarType.FIXED32]: 'fixed32',
  [ScalarType.SFIXED32]: 'fixed32',
  [ScalarType.FIXED64]: 'fixed64',
  [ScalarType.SFIXED64]: 'fixed64',
  [ScalarType.FLOAT]: 'float',
  [ScalarType.DOUBLE]: 'double',
};

/** How a value stands in the bytes; of a message its name without the package, which a new one may change. */
function kindOf(field: DescField): string {
  if (field.message !== undefined)
    return `message ${localName(field.message.typeName, field.message.file.proto.package)}`;
  return field.scalar === undefined ? 'varint' : WIRE[field.scalar];
}

function nameOf(field: DescField): string {
  const type = field.message?.typeName ?? field.enum?.typeName ?? ScalarType[field.scalar ?? 0]?.toLowerCase();
  return field.fieldKind === 'list' || field.fieldKind === 'map' ? `${field.fieldKind} of ${type}` : String(type);
}

function localName(typeName: string, scope: string): string {
  return scope !== '' && typeName.startsWith(`${scope}.`) ? typeName.slice(scope.length + 1) : typeName;
}

function isGroup(field: DescField): boolean {
  return 'delimitedEncoding' in field && field.delimitedEncoding;
}

function isRequired({ presence }: DescField): boolean {
  return presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
}
