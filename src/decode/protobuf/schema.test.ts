import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { parse, type Type } from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { FLAT_SCHEMA, schemasOf, WIDE_SCHEMA } from '../../../test/support/protobuf-messages.ts';
import { BUILTIN_SUBJECTS } from '../../model/builtin-schemas.ts';
import type { SchemaReference } from '../../model/schema.ts';
import { compileSchema, createSchemaCompiler } from './message-types.ts';
import { parseSchema } from './parse-schema.ts';

const NONE = schemasOf({});
const schemaOf = (schema: string, references: readonly SchemaReference[] = []) =>
  ({ id: 1, type: 'PROTOBUF', schema, references }) as const;

function compile(text: string) {
  return compileSchema(schemaOf(text), NONE);
}

function firstOf(text: string): DescMessage {
  const [first] = compile(text).messages;
  if (first === undefined) throw new Error('no message');
  return first;
}

/** `number name kind type`, for each field. */
function describeFields({ fields }: DescMessage): string[] {
  return fields.map((field) => `${field.number} ${field.name} ${field.fieldKind} ${typeOf(field)}`);
}

function typeOf(field: DescField): string {
  const type = field.message?.typeName ?? field.enum?.typeName ?? ScalarType[field.scalar ?? 0]?.toLowerCase();
  return field.fieldKind === 'map' ? `${ScalarType[field.mapKey]?.toLowerCase()} ${type}` : `${type}`;
}

const ODD = `// A comment. /*
/* another
   // */ syntax = 'proto' "3" ;
package a.b;
option java_package = "x;y}";
option (some.option) = { text: "}" list: [1, 2] nested { a: 1 } };
import public "google/protobuf/any.proto";
message optional { int32 int32 = 1; .a.b.optional message = 0x2; string map = 03; }
message Outer {
  reserved 4 to 9, 100 to max; reserved "old", 'older';
  option deprecated = true;
  ; message Inner { enum Inner { ZERO = 0; } Inner inner = 1 [deprecated = true, (opt).a.b = -1.5e3, (o) = { a: 1 }]; }
  optional Inner.Inner inner = 1;
  repeated b.Outer outers = 2;
  map < string , a.b.Outer.Inner > by_name=3;
  oneof one { option (x) = 1; constructor toString = 10; google.protobuf.Any any = 11; }
  message constructor {}
}
enum Color { option allow_alias = true; reserved 5; RED = 0; ROT = 0; LOW = -2147483648; HIGH = 0x7fffffff [deprecated = true]; }
service Api { rpc Get (Outer) returns (stream Outer) { option (http) = { get: "/x" }; } rpc Put(Outer) returns (Outer); }
`;

describe('the text of a schema', () => {
  test('may have everything that the language has', () => {
    const { messages, find } = compile(ODD);
    expect(messages.map(({ typeName }) => typeName)).toEqual(['a.b.optional', 'a.b.Outer']);
    expect(describeFields(messages[0] as DescMessage)).toEqual([
      '1 int32 scalar int32',
      '2 message message a.b.optional',
      '3 map scalar string',
    ]);
    expect(describeFields(messages[1] as DescMessage)).toEqual([
      '1 inner enum a.b.Outer.Inner.Inner',
      '2 outers list a.b.Outer',
      '3 by_name map string a.b.Outer.Inner',
      '10 toString message a.b.Outer.constructor',
      '11 any message google.protobuf.Any',
    ]);
    expect(find('a.b.Outer.Inner')?.fields[0]?.enum?.typeName).toBe('a.b.Outer.Inner.Inner');
  });

  test.each([
    ['wide', WIDE_SCHEMA],
    ['flat', FLAT_SCHEMA],
    ['log entry', BUILTIN_SUBJECTS[0]?.schema.schema ?? ''],
  ])('means the fields that protobufjs reads: %s', (_, text) => {
    const { root } = parse(text, { keepCase: true });
    for (const message of compile(text).messages) {
      const other = root.lookup(message.typeName) as Type;
      const theirs = other.fieldsArray.map(({ id, name, repeated, map }) => `${id} ${name} ${repeated} ${map}`);
      const ours = message.fields.map(
        ({ number, name, fieldKind }) => `${number} ${name} ${fieldKind === 'list'} ${fieldKind === 'map'}`,
      );
      expect(ours).toEqual(theirs);
    }
  });

  test('is proto2 where it says nothing: required fields, groups, defaults, extensions', () => {
    const message = firstOf(`message M {
      required string a = 1; optional group Part = 2 { optional int32 b = 1; } extensions 100 to 199;
      optional string c = 3 [default = "x]"]; repeated group Many = 4 { } extend Other { optional int32 d = 100; }
    } message Other { extensions 100 to max; } extend M { optional int32 e = 101; }`);
    expect(describeFields(message)).toEqual([
      '1 a scalar string',
      '2 part message M.Part',
      '3 c scalar string',
      '4 many list M.Many',
    ]);
    expect(message.fields.map((field) => field.fieldKind === 'message' && field.delimitedEncoding)).toContain(true);
  });

  test('may be of an edition, with its features', () => {
    const [plain, implicit, group] = firstOf(`edition = "2023"; option features.field_presence = EXPLICIT;
      message M { string a = 1; string b = 2 [features.field_presence = IMPLICIT];
      M c = 3 [features.message_encoding = DELIMITED]; }`).fields;
    expect(plain?.presence).not.toBe(implicit?.presence);
    expect(group?.fieldKind === 'message' && group.delimitedEncoding).toBe(true);
  });

  test('names a field in a record as it is written, or by its json_name', () => {
    const names = firstOf(
      'syntax="proto3"; message M { string user_id = 1; string b = 2 [json_name = "B b"]; }',
    ).fields;
    expect(names.map(({ jsonName }) => jsonName)).toEqual(['user_id', 'B b']);
  });
});

describe('a schema is refused, with its place', () => {
  test.each(
    [
      ['', 'the schema has no message'],
      ['syntax = "proto3"; enum A { B = 0; }', 'the schema has no message'],
      [
        'syntax = "proto4";',
        'line 1 column 10: unknown syntax; supported: proto2, proto3, edition 2023 and 2024, found "\\"proto4\\";"',
      ],
      ['message M {\n  string a = 1\n}', 'line 3 column 1: expected ";", found "}"'],
      ['message M { string a = 1;', 'line 1 column 26: expected a name, found the end'],
      ['message M { Strin a = 1; }', 'line 1 column 13: unknown type Strin, found "Strin a = 1; }"'],
      ['message M { constructor a = 1; }', 'line 1 column 13: unknown type constructor'],
      ['message M { .M.N a = 1; }', 'line 1 column 13: unknown type .M.N'],
      ['message M { string a = 0; }', 'line 1 column 24: 0 is not the number of a field'],
      ['message M { string a = 19000; }', '19000 is not the number of a field'],
      ['message M { string a = 536870912; }', '536870912 is not the number of a field'],
      ['message M { string a = -1; }', 'expected the number of a field, found "-1; }"'],
      ['message M { string a = 1; string b = 1; }', 'two fields have the number 1'],
      ['message M { string a = 1; string a = 2; }', 'two fields have the name a'],
      ['message M { string a = 1; string b = 2 [json_name = "a"]; }', 'two fields have the name a in JSON'],
      ['message M { map<double, string> a = 1; }', 'not a type of keys, found "double'],
      ['message M {} message M {}', 'M is defined twice'],
      ['message M {} enum M { A = 0; }', 'M is defined twice'],
      ['syntax = "proto3"; message M {} enum E { A = 1; }', 'the first value of the enum E is not 0'],
      ['message M {} enum E { }', 'the enum E has no value'],
      ['message M {} enum E { A = 4294967296; }', 'the number 4294967296 of A is not one of 32 bits'],
      ['import "other.proto"; message M {}', 'cannot find the import "other.proto"'],
      ['message M { option message_set_wire_format = true; }', 'message_set_wire_format is not supported'],
      ['message M { /* no end', 'line 1 column 13: expected a name'],
      ['message M { string a = 1 [json_name = "no end]; }', 'not a token, found "\\"no end]'],
      ['message M { string \u00e4 = 1; }', 'not a token'],
      [`${'message M {'.repeat(33)}`, 'messages are nested deeper than 32'],
      [' '.repeat(1024 * 1024 + 1), 'the schema is longer than 1048576 characters'],
      [
        `message M { ${Array.from({ length: 20_000 }, (_, i) => `int32 a${i}=${i + 30_000};`).join('')} }`,
        'more than 20000 definitions',
      ],
      ['service S {', 'expected ";" or "}", found the end'],
      ['}', 'expected a definition'],
    ].map(([text = '', problem = '']) => [problem, text] as const),
  )('%s', (problem, text) => {
    expect(() => compile(text)).toThrow(problem);
  });

  test('of another type', () => {
    const compiler = createSchemaCompiler(NONE);
    expect(compiler({ id: 1, type: 'AVRO', schema: '"string"', references: [] })).toContain('not PROTOBUF');
  });
});

describe('imports', () => {
  const reference = (name: string, subject: string) => ({ name, subject, version: 1 });

  test('are found by the references of the schema, each once, also by several ways', () => {
    const schemas = schemasOf({
      base: 'syntax="proto3"; package base; message Base { int32 a = 1; }',
      left: {
        schema: 'syntax="proto3"; import "base.proto"; message Left { base.Base base = 1; }',
        references: [reference('base.proto', 'base')],
      },
    });
    const text =
      'syntax="proto3"; import "left.proto"; import "base.proto"; import "confluent/meta.proto"; message M { Left left = 1; base.Base base = 2; }';
    const references = [reference('left.proto', 'left'), reference('base.proto', 'base')];
    const { messages } = compileSchema(schemaOf(text, references), schemas);
    expect(describeFields(messages[0] as DescMessage)).toEqual(['1 left message Left', '2 base message base.Base']);
  });

  test('that import themselves, or are too many, are refused', () => {
    const self = { schema: 'import "self.proto"; message Self {}', references: [reference('self.proto', 'self')] };
    const circle = schemaOf('import "self.proto"; message M {}', [reference('self.proto', 'self')]);
    expect(() => compileSchema(circle, schemasOf({ self }))).toThrow('the file "self.proto" imports itself');
    const chain = Object.fromEntries(
      Array.from({ length: 120 }, (_, i) => {
        const next = `${i + 1}.proto`;
        return [`s${i}`, { schema: `import "${next}";`, references: [reference(next, `s${i + 1}`)] }];
      }),
    );
    const long = schemaOf('import "0.proto"; message M {}', [reference('0.proto', 's0')]);
    expect(() => compileSchema(long, schemasOf(chain))).toThrow('imports more than 100 files');
  });
});

test('the names of a schema are data', () => {
  const text =
    'syntax="proto3"; message __proto__ { string __proto__ = 1; constructor toString = 2; message constructor { int32 hasOwnProperty = 1; } }';
  expect(describeFields(firstOf(text))).toEqual([
    '1 __proto__ scalar string',
    '2 toString message __proto__.constructor',
  ]);
  expect(parseSchema(text, 'a.proto').proto.messageType[0]?.name).toBe('__proto__');
});

test('a schema is compiled once, a faulty one as well', () => {
  const compiler = createSchemaCompiler(NONE);
  const schema = schemaOf('message M {}');
  expect(compiler(schema)).toBe(compiler({ ...schema }));
  expect(compiler({ ...schema, schema: 'message' })).toContain('line 1 column 8');
});
