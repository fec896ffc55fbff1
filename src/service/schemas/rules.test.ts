import { describe, expect, it } from 'vitest';
import { compileSchema } from '../../decode/protobuf/message-types.ts';
import { createRecordCheck } from '../../decode/schema-check/schema-check.ts';
import type { RegisteredSchema, SchemaType } from '../../model/schema.ts';
import { SchemaTable } from '../../model/schema-table.ts';
import { avroKind } from './avro.ts';
import { createJsonKind } from './json-schema.ts';
import { createProtobufKind } from './protobuf.ts';

const NONE = new SchemaTable();
const schemaOf = (type: SchemaType, schema: string): RegisteredSchema => ({ id: 1, type, schema, references: [] });
const jsonOf = (schema: unknown) => schemaOf('JSON', JSON.stringify(schema));
const protoOf = (text: string) =>
  schemaOf('PROTOBUF', text.startsWith('syntax') ? text : `syntax = "proto3"; package p; ${text}`);
const avroOf = (schema: unknown) => schemaOf('AVRO', JSON.stringify(schema));
const protobufKind = createProtobufKind(compileSchema);

/** Whether the second can read what was written with the first. */
const jsonKind = createJsonKind(createRecordCheck);
const jsonReads = (before: unknown, after: unknown) => jsonKind.problems(jsonOf(after), jsonOf(before), NONE);
const protoReads = (before: string, after: string) => protobufKind.problems(protoOf(after), protoOf(before), NONE);
const avroReads = (before: unknown, after: unknown) => avroKind.problems(avroOf(after), avroOf(before), NONE);

const closed = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...more,
});
const text = { type: 'string' };
/** A reference to a definition, and definitions. */
const t = (name: string) => ({ $ref: `#/definitions/${name}` });
const v2020 = (schema: object) => ({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema });
const of = (d: unknown) => ({ definitions: { d } });
const TREE = { properties: { next: { $ref: '#' }, a: text }, additionalProperties: false };

describe('JSON Schema', () => {
  it.each<[string, unknown, unknown]>([
    ['everything', text, {}],
    ['words about it', text, { ...text, title: 'x', description: 'y', default: '' }],
    ['integer to number', { type: 'integer' }, { type: 'number' }],
    ['another type too', text, { type: ['string', 'null'] }],
    ['a new property of a closed object', closed({ a: text }), closed({ a: text, b: text })],
    ['a removed property of an open object', { properties: { a: text } }, {}],
    ['an opened object', closed({ a: text }), { type: 'object', properties: { a: text } }],
    ['a property no longer required', closed({ a: text }, { required: ['a'] }), closed({ a: text })],
    [
      'a new required property with a default',
      closed({}),
      closed({ a: { ...text, default: '' } }, { required: ['a'] }),
    ],
    ['a wider enum', { enum: ['a'] }, { enum: ['a', 'b'] }],
    ['a const to an enum', { const: 'a' }, { enum: ['a', 'b'] }],
    ['wider limits', { minLength: 2, maxLength: 5, minimum: 3 }, { minLength: 1, maxLength: 6, minimum: 2 }],
    ['a limit of another type', text, { type: 'string', minimum: 3 }],
    ['no pattern', { pattern: 'a' }, {}],
    ['a finer multiple', { type: 'integer', multipleOf: 4 }, { type: 'integer', multipleOf: 2 }],
    ['one of several', text, { anyOf: [{ type: 'number' }, text] }],
    ['all of several', { anyOf: [text, { type: 'null' }] }, { type: ['string', 'null'] }],
    ['one more alternative', { oneOf: [text] }, { oneOf: [text, { type: 'null' }] }],
    ['items', { type: 'array', items: { type: 'integer' } }, { type: 'array', items: { type: 'number' } }],
    ['a $ref that says the same', { $ref: '#/definitions/t', definitions: { t: text } }, text],
    ['a schema that refers to itself', TREE, { ...TREE, properties: { ...TREE.properties, b: text } }],
    ['allOf in another order', { allOf: [text, { maxLength: 3 }] }, { allOf: [{ maxLength: 4 }, text] }],
    ['allOf that became one', { allOf: [text, { maxLength: 3 }] }, { type: 'string', maxLength: 3 }],
    ['a not that refuses less', { not: { type: 'number' } }, { not: { type: 'integer' } }],
    ['fewer dependencies', { dependencies: { a: ['b', 'c'], d: text } }, { dependencies: { a: ['b'] } }],
    ['a $ref with more beside it', { ...t('d'), ...of(text), maxLength: 3 }, { ...t('d'), ...of(text), maxLength: 4 }],
    [
      'a new pattern of names in a closed object',
      closed({ xa: text }),
      closed({}, { patternProperties: { '^x': text } }),
    ],
    [
      'a name that a pattern had',
      closed({}, { patternProperties: { '^x': { type: 'integer' }, '^y': text } }),
      closed({ xa: { type: 'number' } }, { patternProperties: { '^x': { type: 'integer' }, '^y': text } }),
    ],
    ['allOf that became fewer', { allOf: [text, { maxLength: 3 }] }, { maxLength: 3 }],
  ])('takes %s', (_, before, after) => expect(jsonReads(before, after)).toEqual([]));

  it.each<[string, unknown, unknown, string]>([
    ['another type', text, { type: 'number' }, '/type'],
    ['number to integer', { type: 'number' }, { type: 'integer' }, '/type'],
    [
      'a new property of an open object',
      { type: 'object' },
      { type: 'object', properties: { a: text } },
      '/properties/a',
    ],
    ['a removed property of a closed object', closed({ a: text }), closed({}), '/properties/a'],
    ['a closed object', { type: 'object' }, closed({}), '/additionalProperties'],
    ['a new required property', { type: 'object' }, { type: 'object', required: ['a'] }, '/required'],
    ['a narrower enum', { enum: ['a', 'b'] }, { enum: ['a'] }, '/enum'],
    ['a new enum', text, { type: 'string', enum: ['a'] }, '/enum'],
    ['a shorter text', { type: 'string', maxLength: 5 }, { type: 'string', maxLength: 4 }, '/maxLength'],
    ['a new least length', text, { type: 'string', minLength: 1 }, '/minLength'],
    ['a new pattern', text, { type: 'string', pattern: 'a' }, '/pattern'],
    ['a coarser multiple', { type: 'integer', multipleOf: 2 }, { type: 'integer', multipleOf: 4 }, '/multipleOf'],
    ['fewer alternatives', { oneOf: [text, { type: 'null' }] }, { oneOf: [text] }, '/oneOf'],
    ['a new not', {}, { not: text }, '/not'],
    [
      'another depth of itself',
      TREE,
      { ...TREE, properties: { ...TREE.properties, a: { type: 'null' } } },
      '/properties/a',
    ],
    [
      'a form that a $ref changed',
      { oneOf: [t('d')], ...of(text) },
      { oneOf: [t('d')], ...of({ type: 'null' }) },
      '/oneOf',
    ],
    ['a not that a $ref changed', { not: t('d'), ...of({ const: 1 }) }, { not: t('d'), ...of({}) }, '/not'],
    ['more beside a $ref', { ...t('d'), ...of(text) }, { ...t('d'), ...of(text), maxLength: 3 }, '/maxLength'],
    ['two forms of oneOf for all', { type: 'integer' }, { oneOf: [{ type: 'number' }, { type: 'integer' }] }, '/oneOf'],
    ['a not that refuses more', { not: { type: 'integer' } }, { not: { type: 'number' } }, '/not'],
    ['a dependency that asks for more', { dependencies: { a: ['b'] } }, { dependencies: { a: ['b', 'c'] } }, '/a'],
    ['no pattern of names any more', closed({}, { patternProperties: { '^x': text } }), closed({}), '/additional'],
    [
      'another type for a name that a pattern had',
      closed({}, { patternProperties: { '^x': { type: 'integer' } } }),
      closed({ xa: text }, { patternProperties: { '^x': { type: 'integer' } } }),
      '/properties/xa',
    ],
    [
      'a closed object that had other properties in a form',
      closed({ a: text }, { anyOf: [{ properties: { b: text } }] }),
      closed({ b: text }),
      'allOf changed',
    ],
    [
      'unevaluated properties that had a schema',
      v2020({ properties: { a: text }, unevaluatedProperties: false }),
      v2020({ unevaluatedProperties: false }),
      '/unevaluatedProperties',
    ],
    ['no item that is asked for', v2020({ minContains: 0, contains: text }), v2020({ contains: text }), '/minContains'],
    ['an enum without its type', { enum: ['a', 1] }, { type: 'string', enum: ['a', 1] }, '/type'],
    ['one more allOf', text, { allOf: [text, { maxLength: 3 }] }, 'maxLength'],
    ['nothing', text, false, 'nothing is valid'],
    [
      'a named place',
      { properties: { 'a/b~c': text } },
      { properties: { 'a/b~c': { type: 'null' } } },
      '/properties/a~1b~0c',
    ],
  ])('refuses %s', (_, before, after, problem) => expect(jsonReads(before, after).join()).toContain(problem));

  it('follows a $ref within the schema that it stands in', () => {
    const schemas = new SchemaTable();
    const using = (d: unknown, version: number): RegisteredSchema => {
      const shared = jsonOf({ properties: { a: t('d') }, ...of(d) });
      schemas.apply([{ ...shared, kind: 'version', subject: 's', version, id: 10 + version }]);
      const schema = jsonOf({ $ref: 's', ...of({ type: 'boolean' }) });
      return { ...schema, references: [{ name: 's', subject: 's', version }] };
    };
    const [first, wider, other] = [using({ type: 'integer' }, 1), using({ type: 'number' }, 2), using(text, 3)];
    expect(jsonKind.problems(wider, first, schemas)).toEqual([]);
    expect(jsonKind.problems(other, first, schemas).join()).toContain('/properties/a/type');
  });

  it('gives up on alternatives that multiply, and does not hang', () => {
    const nest = (depth: number): object =>
      depth === 0
        ? text
        : { anyOf: Array.from({ length: 5 }, (_, i) => ({ properties: { [`p${i}`]: nest(depth - 1) } })) };
    expect(jsonReads(nest(3), { ...nest(3), title: 'x', minProperties: 0 }).length).toBeLessThan(21);
  });

  it('ends a validation that would take for ever', () => {
    const levels = Array.from({ length: 28 }, (_, i) => [`d${i}`, { allOf: [t(`d${i + 1}`), t(`d${i + 1}`)] }]);
    const schema = jsonOf({
      ...t('d0'),
      definitions: { ...Object.fromEntries(levels), d28: { minLength: 1, anyOf: [text, text] } },
    });
    expect(createRecordCheck(schema, NONE).faultOf('"x"')?.problem).toContain('takes too long');
  });
});

describe('PROTOBUF', () => {
  it.each([
    ['a new message', 'message A { int32 a = 1; }', 'message A { int32 a = 1; } message B {}'],
    ['a new field', 'message A { int32 a = 1; }', 'message A { int32 a = 1; string b = 2; }'],
    ['a removed field', 'message A { int32 a = 1; string b = 2; }', 'message A { int32 a = 1; reserved 2; }'],
    ['another name', 'message A { int32 a = 1; }', 'message A { int32 b = 1; }'],
    [
      'int32 to int64, uint64 and bool',
      'message A { int32 a = 1; int32 b = 2; int32 c = 3; }',
      'message A { int64 a = 1; uint64 b = 2; bool c = 3; }',
    ],
    ['string to bytes', 'message A { string a = 1; }', 'message A { bytes a = 1; }'],
    ['fixed32 to sfixed32', 'message A { fixed32 a = 1; }', 'message A { sfixed32 a = 1; }'],
    ['enum to int32', 'enum E { Z = 0; } message A { E a = 1; }', 'message A { int32 a = 1; }'],
    ['a new enum value', 'enum E { Z = 0; } message A { E a = 1; }', 'enum E { Z = 0; Y = 1; } message A { E a = 1; }'],
    ['one text to many', 'message A { string a = 1; }', 'message A { repeated string a = 1; }'],
    ['one message to many', 'message A { A a = 1; }', 'message A { repeated A a = 1; }'],
    [
      'a field no longer required',
      'syntax = "proto2"; message A { required int32 a = 1; }',
      'syntax = "proto2"; message A { optional int32 a = 1; }',
    ],
    [
      'a field out of a oneof',
      'message A { oneof x { string a = 1; string b = 2; } }',
      'message A { string a = 1; oneof x { string b = 2; } }',
    ],
    [
      'one field into a new oneof',
      'message A { string a = 1; }',
      'message A { oneof x { string a = 1; string b = 2; } }',
    ],
    ['another package', 'message A { A a = 1; }', 'syntax = "proto3"; package q; message A { A a = 1; }'],
  ])('takes %s', (_, before, after) => expect(protoReads(before, after)).toEqual([]));

  it.each([
    ['a removed message', 'message A {} message B {}', 'message A {}', 'message B was removed'],
    ['a removed nested message', 'message A { message B {} }', 'message A {}', 'message A.B was removed'],
    ['int32 to string', 'message A { int32 a = 1; }', 'message A { string a = 1; }', 'from int32 to string'],
    ['int32 to sint32', 'message A { int32 a = 1; }', 'message A { sint32 a = 1; }', 'from int32 to sint32'],
    ['int32 to fixed32', 'message A { int32 a = 1; }', 'message A { fixed32 a = 1; }', 'A.a (1)'],
    [
      'another message',
      'message B {} message C {} message A { B a = 1; }',
      'message B {} message C {} message A { C a = 1; }',
      'A.a (1)',
    ],
    ['many numbers to one', 'message A { repeated int32 a = 1; }', 'message A { int32 a = 1; }', 'A.a (1)'],
    [
      'a removed field of a oneof',
      'message A { oneof x { string a = 1; string b = 2; } }',
      'message A { oneof x { string a = 1; } }',
      'oneof x',
    ],
    [
      'two fields into one oneof',
      'message A { string a = 1; string b = 2; }',
      'message A { oneof x { string a = 1; string b = 2; } }',
      'in one oneof',
    ],
    ['a key of a map', 'message A { map<int32, string> a = 1; }', 'message A { map<string, string> a = 1; }', 'keys'],
    [
      'a new required field',
      'syntax = "proto2"; message A { optional int32 a = 1; }',
      'syntax = "proto2"; message A { optional int32 a = 1; required int32 b = 2; }',
      'a required field was added',
    ],
    [
      'a field now required',
      'syntax = "proto2"; message A { optional int32 a = 1; }',
      'syntax = "proto2"; message A { required int32 a = 1; }',
      'A.a (1)',
    ],
    [
      'a group to a message',
      'syntax = "proto2"; message A { optional group G = 1 {} }',
      'syntax = "proto2"; message A { optional G g = 1; message G {} }',
      'A.g (1)',
    ],
  ])('refuses %s', (_, before, after, problem) => expect(protoReads(before, after).join()).toContain(problem));

  it('compares imported messages with those that they were', () => {
    const schemas = new SchemaTable();
    const importing = (level: string, version: number): RegisteredSchema => {
      const shared = schemaOf(
        'PROTOBUF',
        `syntax = "proto3"; package s; message S { S next = 1; ${level} level = 2; }`,
      );
      schemas.apply([{ ...shared, kind: 'version', subject: 's.proto', version, id: 10 + version }]);
      const schema = 'syntax = "proto3"; import "s.proto"; message A { repeated s.S s = 1; }';
      return { ...schemaOf('PROTOBUF', schema), references: [{ name: 's.proto', subject: 's.proto', version }] };
    };
    const [first, wider, other] = [importing('int32', 1), importing('int64', 2), importing('string', 3)];
    expect(protobufKind.problems(wider, first, schemas)).toEqual([]);
    expect(protobufKind.problems(other, first, schemas).join()).toContain('A.s (1).level (2)');
  });

  it('is the same schema with other space and comments', () => {
    const canonical = (one: string) => protobufKind.canonical(one);
    expect(canonical('message A{int32 a=1;} // x')).toBe(canonical('/* y */ message  A {\n int32 a = 1 ; }'));
    expect(canonical('option x = "a // b";')).not.toBe(canonical('option x = "a";'));
  });
});

describe('AVRO', () => {
  const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields });
  const INT = { name: 'a', type: 'int' };
  it.each<[string, unknown, unknown]>([
    ['int to long', record(INT), record({ name: 'a', type: 'long' })],
    ['a new field with a default', record(INT), record(INT, { name: 'b', type: 'int', default: 0 })],
    ['a removed field', record(INT, { name: 'b', type: 'int' }), record(INT)],
    ['a union', 'string', ['null', 'string']],
    ['a new symbol', { type: 'enum', name: 'E', symbols: ['A'] }, { type: 'enum', name: 'E', symbols: ['A', 'B'] }],
    ['a renamed field with an alias', record(INT), record({ name: 'b', type: 'int', aliases: ['a'] })],
  ])('takes %s', (_, before, after) => expect(avroReads(before, after)).toEqual([]));

  it.each<[string, unknown, unknown]>([
    ['long to int', record({ name: 'a', type: 'long' }), record(INT)],
    ['a new field without a default', record(INT), record(INT, { name: 'b', type: 'int' })],
    ['a removed symbol', { type: 'enum', name: 'E', symbols: ['A', 'B'] }, { type: 'enum', name: 'E', symbols: ['A'] }],
    ['fewer types', ['null', 'string'], 'string'],
    ['another name', record(INT), { ...record(INT), name: 'S' }],
  ])('refuses %s', (_, before, after) => expect(avroReads(before, after)).toHaveLength(1));
});
