// Long: one function for each statement of the language, as its specification has them.

import { create } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  Edition,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  EnumValueDescriptorProtoSchema,
  type FeatureSet,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FeatureSet_Utf8Validation,
  FeatureSetSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  MessageOptionsSchema,
  OneofDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { type SchemaTextError, type Token, Tokens } from './tokens.ts';

/** A field whose type is a name that must still be looked up. */
export interface TypeReference {
  readonly field: FieldDescriptorProto;
  readonly name: string;
  /** Full name of the message that has the field. */
  readonly scope: string;
  fail(problem: string): SchemaTextError;
}

export interface ParsedSchema {
  readonly proto: FileDescriptorProto;
  readonly references: readonly TypeReference[];
}

const MAX_TEXT = 1024 * 1024;
const MAX_NESTING = 32;
const MAX_DEFINITIONS = 20_000;
const MAX_FIELD_NUMBER = 536_870_911;

// Maps, not objects: a schema may call a type `constructor`.

const SCALARS: ReadonlyMap<string, Type> = new Map(
  Object.entries({
    double: Type.DOUBLE,
    float: Type.FLOAT,
    int64: Type.INT64,
    uint64: Type.UINT64,
    int32: Type.INT32,
    fixed64: Type.FIXED64,
    fixed32: Type.FIXED32,
    bool: Type.BOOL,
    string: Type.STRING,
    bytes: Type.BYTES,
    uint32: Type.UINT32,
    sfixed32: Type.SFIXED32,
    sfixed64: Type.SFIXED64,
    sint32: Type.SINT32,
    sint64: Type.SINT64,
  }),
);
const KEY_TYPES: ReadonlySet<string> = new Set(
  [...SCALARS.keys()].filter((name) => !['double', 'float', 'bytes'].includes(name)),
);

const LABELS: ReadonlyMap<string, Label> = new Map([
  ['optional', Label.OPTIONAL],
  ['required', Label.REQUIRED],
  ['repeated', Label.REPEATED],
]);

/** The features that decide how bytes are read. https://protobuf.dev/editions/features/ */
const FEATURES: ReadonlyMap<string, Partial<FeatureSet>> = new Map([
  ['features.field_presence=EXPLICIT', { fieldPresence: FeatureSet_FieldPresence.EXPLICIT }],
  ['features.field_presence=IMPLICIT', { fieldPresence: FeatureSet_FieldPresence.IMPLICIT }],
  ['features.field_presence=LEGACY_REQUIRED', { fieldPresence: FeatureSet_FieldPresence.LEGACY_REQUIRED }],
  ['features.message_encoding=LENGTH_PREFIXED', { messageEncoding: FeatureSet_MessageEncoding.LENGTH_PREFIXED }],
  ['features.message_encoding=DELIMITED', { messageEncoding: FeatureSet_MessageEncoding.DELIMITED }],
]);

const EDITIONS: ReadonlyMap<string, Edition> = new Map([
  ['2023', Edition.EDITION_2023],
  ['2024', Edition.EDITION_2024],
]);

type Options = ReadonlyMap<string, string>;

/**
 * Reads the text of a .proto file: proto2, proto3 and editions. Makes no code: names are data. Services, extensions, defaults and options
 * that do not change how bytes are read are skipped. Throws SchemaTextError with the line and column.
 * Source: https://protobuf.dev/reference/protobuf/proto3-spec/ and its neighbours for proto2 and editions.
 */
export function parseSchema(text: string, fileName: string): ParsedSchema {
  return new SchemaParser(text, fileName).parse();
}

class SchemaParser {
  readonly #tokens: Tokens;
  readonly #references: TypeReference[] = [];
  readonly #proto: FileDescriptorProto;
  #definitions = 0;
  #nesting = 0;

  constructor(text: string, fileName: string) {
    this.#tokens = new Tokens(text.length > MAX_TEXT ? '' : text);
    if (text.length > MAX_TEXT) throw this.#tokens.fail(`the schema is longer than ${MAX_TEXT} characters`);
    // Text is UTF-8 and an unknown number of an enum is kept, in proto2 as well.
    const features = create(FeatureSetSchema, {
      enumType: FeatureSet_EnumType.OPEN,
      utf8Validation: FeatureSet_Utf8Validation.VERIFY,
    });
    this.#proto = create(FileDescriptorProtoSchema, {
      name: fileName,
      syntax: 'proto2',
      options: create(FileOptionsSchema, { features }),
    });
  }

  parse(): ParsedSchema {
    const tokens = this.#tokens;
    const proto = this.#proto;
    if (tokens.peek().text === 'syntax' || tokens.peek().text === 'edition') this.#parseSyntax();
    while (tokens.peek().kind !== 'end') {
      if (tokens.take(';')) continue;
      const at = tokens.peek();
      const keyword = tokens.word('a definition');
      if (keyword === 'import') this.#parseImport();
      else if (keyword === 'package') {
        proto.package = this.#fullName();
        tokens.expect(';');
      } else if (keyword === 'option') this.#parseFileOption();
      else if (keyword === 'message') proto.messageType.push(this.#parseMessage(proto.package));
      else if (keyword === 'enum') proto.enumType.push(this.#parseEnum());
      else if (keyword === 'service' || keyword === 'extend') tokens.skipStatement();
      else throw tokens.fail('expected a definition', at);
    }
    return { proto, references: this.#references };
  }

  #parseSyntax(): void {
    const tokens = this.#tokens;
    const isEdition = tokens.word('syntax') === 'edition';
    tokens.expect('=');
    const at = tokens.peek();
    const value = tokens.text('a syntax in quotes');
    const edition = isEdition ? EDITIONS.get(value) : undefined;
    if (isEdition ? edition === undefined : value !== 'proto2' && value !== 'proto3') {
      throw tokens.fail('unknown syntax; supported: proto2, proto3, edition 2023 and 2024', at);
    }
    this.#proto.syntax = isEdition ? 'editions' : value;
    if (edition !== undefined) this.#proto.edition = edition;
    tokens.expect(';');
  }

  #parseImport(): void {
    const tokens = this.#tokens;
    const isOption = tokens.peek().kind === 'word' && tokens.next().text === 'option';
    const name = tokens.text('the name of a file in quotes');
    if (!isOption && !this.#proto.dependency.includes(name)) this.#proto.dependency.push(name);
    tokens.expect(';');
  }

  #parseFileOption(): void {
    const options = new Map<string, string>();
    this.#parseOption(options);
    this.#tokens.expect(';');
    applyFeatures(this.#proto.options?.features, options);
  }

  #parseMessage(scope: string): DescriptorProto {
    const at = this.#tokens.peek();
    const message = create(DescriptorProtoSchema, { name: this.#tokens.word('the name of a message') });
    this.#parseBody(message, joinName(scope, message.name), at);
    return message;
  }

  #parseBody(message: DescriptorProto, fullName: string, at: Token): void {
    const tokens = this.#tokens;
    this.#count(at);
    if (++this.#nesting > MAX_NESTING) throw tokens.fail(`messages are nested deeper than ${MAX_NESTING}`, at);
    tokens.expect('{');
    while (!tokens.take('}')) this.#parseMember(message, fullName);
    this.#nesting--;
    checkUnique(message.field, tokens, at);
  }

  #parseMember(message: DescriptorProto, fullName: string): void {
    const tokens = this.#tokens;
    if (tokens.take(';')) return;
    const { text: keyword, kind } = tokens.peek();
    if (kind === 'word' && isStatement(keyword)) {
      const at = tokens.next();
      if (keyword === 'message') message.nestedType.push(this.#parseMessage(fullName));
      else if (keyword === 'enum') message.enumType.push(this.#parseEnum());
      else if (keyword === 'oneof') this.#parseOneof(message, fullName);
      else if (keyword === 'option') this.#parseMessageOption(message);
      else if (keyword === 'map' && tokens.peek().text === '<') this.#parseMap(message, fullName, at);
      else tokens.skipStatement();
      return;
    }
    const label = LABELS.get(keyword);
    if (kind === 'word' && label !== undefined) tokens.next();
    const field = this.#parseField(message, fullName, label ?? Label.OPTIONAL);
    if (keyword === 'optional' && this.#proto.syntax === 'proto3') field.proto3Optional = true;
    message.field.push(field);
  }

  /** `type name = number [options];` or a group. */
  #parseField(message: DescriptorProto, fullName: string, label: Label): FieldDescriptorProto {
    const tokens = this.#tokens;
    const at = tokens.peek();
    this.#count(at);
    const type = this.#typeName();
    const named = tokens.peek();
    const name = tokens.word('the name of a field');
    tokens.expect('=');
    const number = this.#fieldNumber();
    const options = this.#parseFieldOptions();
    if (type === 'group') {
      const group = create(DescriptorProtoSchema, { name });
      this.#parseBody(group, joinName(fullName, name), named);
      message.nestedType.push(group);
      const typeName = `.${joinName(fullName, name)}`;
      return toField({ name: name.toLowerCase(), number, label, type: Type.GROUP, typeName, options });
    }
    tokens.expect(';');
    const field = toField({ name, number, label, type: SCALARS.get(type) ?? Type.MESSAGE, options });
    if (SCALARS.get(type) === undefined) this.#refer(field, type, fullName, at);
    return field;
  }

  /** `map<key, value> name = number;`: a repeated message of a key and a value. */
  #parseMap(message: DescriptorProto, fullName: string, at: Token): void {
    const tokens = this.#tokens;
    this.#count(at);
    tokens.expect('<');
    const key = tokens.peek();
    const keyType = tokens.word('the type of a key');
    if (!KEY_TYPES.has(keyType)) throw tokens.fail('not a type of keys', key);
    tokens.expect(',');
    const valueAt = tokens.peek();
    const valueType = this.#typeName();
    tokens.expect('>');
    const name = tokens.word('the name of a field');
    tokens.expect('=');
    const number = this.#fieldNumber();
    const options = this.#parseFieldOptions();
    tokens.expect(';');
    const entryName = `${name.replace(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase())}Entry`;
    const value = toField({ name: 'value', number: 2, type: SCALARS.get(valueType) ?? Type.MESSAGE });
    if (SCALARS.get(valueType) === undefined) this.#refer(value, valueType, fullName, valueAt);
    message.nestedType.push(
      create(DescriptorProtoSchema, {
        name: entryName,
        options: create(MessageOptionsSchema, { mapEntry: true }),
        field: [toField({ name: 'key', number: 1, type: SCALARS.get(keyType) as Type }), value],
      }),
    );
    const typeName = `.${joinName(fullName, entryName)}`;
    message.field.push(toField({ name, number, label: Label.REPEATED, type: Type.MESSAGE, typeName, options }));
  }

  #parseOneof(message: DescriptorProto, fullName: string): void {
    const tokens = this.#tokens;
    const oneofIndex = message.oneofDecl.length;
    message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name: tokens.word('the name of a oneof') }));
    tokens.expect('{');
    while (!tokens.take('}')) {
      if (tokens.take(';')) continue;
      if (tokens.peek().text === 'option') {
        tokens.skipStatement();
        continue;
      }
      const field = this.#parseField(message, fullName, Label.OPTIONAL);
      field.oneofIndex = oneofIndex;
      message.field.push(field);
    }
  }

  #parseMessageOption(message: DescriptorProto): void {
    const tokens = this.#tokens;
    const at = tokens.peek();
    const options = new Map<string, string>();
    this.#parseOption(options);
    tokens.expect(';');
    if (options.has('message_set_wire_format')) throw tokens.fail('message_set_wire_format is not supported', at);
    message.options ??= create(MessageOptionsSchema, { features: create(FeatureSetSchema) });
    applyFeatures(message.options.features, options);
  }

  #parseEnum(): EnumDescriptorProto {
    const tokens = this.#tokens;
    const at = tokens.peek();
    this.#count(at);
    const definition = create(EnumDescriptorProtoSchema, { name: tokens.word('the name of an enum') });
    tokens.expect('{');
    while (!tokens.take('}')) {
      if (tokens.take(';')) continue;
      const name = tokens.word('the name of a value');
      if (name === 'option' || name === 'reserved') {
        tokens.skipStatement();
        continue;
      }
      this.#count(at);
      tokens.expect('=');
      const sign = tokens.take('-') ? -1 : 1;
      const number = sign * tokens.integer('a number');
      if (number !== (number | 0)) throw tokens.fail(`the number ${number} of ${name} is not one of 32 bits`, at);
      this.#parseFieldOptions();
      tokens.expect(';');
      definition.value.push(create(EnumValueDescriptorProtoSchema, { name, number }));
    }
    const first = definition.value[0];
    if (first === undefined) throw tokens.fail(`the enum ${definition.name} has no value`, at);
    if (first.number !== 0 && this.#proto.syntax === 'proto3') {
      throw tokens.fail(`the first value of the enum ${definition.name} is not 0`, at);
    }
    return definition;
  }

  /** `[name = value, …]`, or nothing. */
  #parseFieldOptions(): Options {
    const options = new Map<string, string>();
    if (!this.#tokens.take('[')) return options;
    do this.#parseOption(options);
    while (this.#tokens.take(','));
    this.#tokens.expect(']');
    return options;
  }

  /** `name = value`. A value in braces is skipped. */
  #parseOption(options: Map<string, string>): void {
    const tokens = this.#tokens;
    let name = '';
    for (let token = tokens.peek(); token.text !== '='; token = tokens.peek()) {
      if (token.kind === 'end' || token.kind === 'number' || '{};[]'.includes(token.text))
        throw tokens.fail('expected "="');
      name += tokens.next().text;
    }
    tokens.expect('=');
    if (tokens.peek().text === '{' && tokens.peek().kind === 'symbol') {
      this.#skipBraces();
      return;
    }
    if (tokens.peek().kind === 'text') {
      options.set(name, tokens.text('a value'));
      return;
    }
    const sign = tokens.take('-') ? '-' : '';
    const { kind, text } = tokens.peek();
    if (kind !== 'word' && kind !== 'number') throw tokens.fail('expected a value');
    tokens.next();
    options.set(name, sign + text);
  }

  #skipBraces(): void {
    let depth = 0;
    do {
      const { kind, text } = this.#tokens.next();
      if (kind === 'end') throw this.#tokens.fail('expected "}"');
      if (kind === 'symbol' && text === '{') depth++;
      if (kind === 'symbol' && text === '}') depth--;
    } while (depth > 0);
  }

  #fieldNumber(): number {
    const at = this.#tokens.peek();
    const number = this.#tokens.integer('the number of a field');
    const isValid = number >= 1 && number <= MAX_FIELD_NUMBER && !(number >= 19_000 && number <= 19_999);
    if (!isValid) throw this.#tokens.fail(`${number} is not the number of a field`, at);
    return number;
  }

  /** The name of a type; it may begin with a point. */
  #typeName(): string {
    return this.#tokens.take('.') ? `.${this.#fullName()}` : this.#fullName();
  }

  #fullName(): string {
    let name = this.#tokens.word('a name');
    while (this.#tokens.take('.')) name += `.${this.#tokens.word('a name')}`;
    return name;
  }

  #refer(field: FieldDescriptorProto, name: string, scope: string, at: Token): void {
    this.#references.push({ field, name, scope, fail: (problem) => this.#tokens.fail(problem, at) });
  }

  /** Counts a definition: a schema of a megabyte may not cost a hundred. */
  #count(at: Token): void {
    if (++this.#definitions > MAX_DEFINITIONS) {
      throw this.#tokens.fail(`the schema has more than ${MAX_DEFINITIONS} definitions`, at);
    }
  }
}

const STATEMENTS: ReadonlySet<string> = new Set('message enum oneof option map reserved extensions extend'.split(' '));

function isStatement(keyword: string): boolean {
  return STATEMENTS.has(keyword);
}

export function joinName(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`;
}

interface FieldParts {
  readonly name: string;
  readonly number: number;
  readonly label?: Label;
  readonly type: Type;
  readonly typeName?: string;
  readonly options?: Options;
}

/** `jsonName` is what the field is called in a record: its name as written, or its json_name if it has one. */
function toField({
  name,
  number,
  label = Label.OPTIONAL,
  type,
  typeName = '',
  options,
}: FieldParts): FieldDescriptorProto {
  const features = create(FeatureSetSchema);
  if (options !== undefined) applyFeatures(features, options);
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    label: features.fieldPresence === FeatureSet_FieldPresence.LEGACY_REQUIRED ? Label.REQUIRED : label,
    type,
    typeName,
    jsonName: options?.get('json_name') ?? name,
    options: create(FieldOptionsSchema, { features }),
  });
}

function applyFeatures(features: FeatureSet | undefined, options: Options): void {
  if (features === undefined) return;
  for (const [name, value] of options) Object.assign(features, FEATURES.get(`${name}=${value}`));
}

function checkUnique(fields: readonly FieldDescriptorProto[], tokens: Tokens, at: Token): void {
  const seen = new Set<string | number>();
  for (const { name, number, jsonName } of fields) {
    if (seen.has(number)) throw tokens.fail(`two fields have the number ${number}`, at);
    if (seen.has(`.${name}`)) throw tokens.fail(`two fields have the name ${name}`, at);
    if (seen.has(`"${jsonName}`)) throw tokens.fail(`two fields have the name ${jsonName} in JSON`, at);
    seen.add(number).add(`.${name}`).add(`"${jsonName}`);
  }
}
