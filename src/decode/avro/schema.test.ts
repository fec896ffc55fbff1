import { describe, expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint.ts';
import { AvroSchemaError, parseAvroSchema } from './schema.ts';

const record = (...fields: readonly unknown[]) => ({ type: 'record', name: 'R', fields });
const parse = (schema: unknown) => parseAvroSchema(JSON.stringify(schema));

describe('a schema', () => {
  test('may be the bare name of a type, and may have members that Avro does not know', () => {
    expect(parseAvroSchema('string')).toEqual({ kind: 'string' });
    const schema = {
      format: 'avro',
      name: 'A',
      type: 'record',
      fields: [{ name: 'a', type: 'int', doc: 'x' }],
      aliases: ['B'],
    };
    expect(parse(schema)).toEqual({ kind: 'record', name: 'A', fields: [{ name: 'a', type: { kind: 'int' } }] });
  });

  test('may contain itself, and refers to types in their namespaces', () => {
    const inner = { type: 'enum', name: 'Kind', symbols: ['A'] };
    const type = parse({
      ...record(
        { name: 'kind', type: inner },
        { name: 'again', type: 'Kind' },
        { name: 'full', type: 'a.b.Kind' },
        { name: 'self', type: ['null', 'R'] },
      ),
      namespace: 'a.b',
    });
    if (type.kind !== 'record') throw new Error('no record');
    const [kind, again, full, self] = type.fields.map((field) => field.type);
    expect(kind).toEqual({ kind: 'enum', name: 'a.b.Kind', symbols: ['A'] });
    expect([again, full]).toEqual([kind, kind]);
    expect(self?.kind === 'union' && self.branches[1]).toBe(type);
  });

  const deep = (levels: number): unknown => (levels === 0 ? 'int' : { type: 'array', items: deep(levels - 1) });
  test.each([
    ['{', 'the schema: not JSON'],
    ['7', 'the schema: a type is a name, an object or an array, not 7'],
    ['"nothing"', 'the schema: there is no type "nothing"'],
    [`"${'x'.repeat(1024 * 1024)}"`, 'the schema: longer than 1048576 characters'],
    ['{"name":"A"}', 'the schema: the member type is missing'],
    ['{"type":"record","name":"A"}', '/fields: a record has an array of fields'],
    ['{"type":"record","name":"A b","fields":[]}', '/name: not a name: "A b"'],
    ['{"type":"record","name":"A","namespace":"1","fields":[]}', '/namespace: not a namespace: "1"'],
    [JSON.stringify(record(1)), '/fields/0: a field is an object, not 1'],
    [JSON.stringify(record({ name: 'a-b', type: 'int' })), '/fields/0/name: not a name: "a-b"'],
    [
      JSON.stringify(record({ name: 'a', type: 'int' }, { name: 'a', type: 'int' })),
      '/fields/1/name: the record has "a" twice',
    ],
    [
      JSON.stringify(record({ name: 'a', type: { type: 'array', items: { type: 'map', values: 'b' } } })),
      '/fields/0/type/items/values: there is no type "b"',
    ],
    [JSON.stringify(record({ name: 'a', type: record() })), '/fields/0/type: the type "R" is defined twice'],
    [JSON.stringify(['int', 'int']), '/1: the union has "int" twice'],
    [JSON.stringify(['int', ['null']]), '/1: a union directly in a union'],
    ['{"type":"enum","name":"E"}', '/symbols: an enum has an array of symbols'],
    ['{"type":"enum","name":"E","symbols":["a","1"]}', '/symbols/1: no name: "1"'],
    ['{"type":"enum","name":"E","symbols":["a","a"]}', '/symbols: a symbol stands twice'],
    ['{"type":"fixed","name":"F","size":-1}', '/size: not a number of bytes: -1'],
    [JSON.stringify(deep(65)), 'nested deeper than 64'],
    [
      JSON.stringify(record(...Array.from({ length: 10_001 }, (_, i) => ({ name: `f${i}`, type: 'int' })))),
      'more than 10000 types',
    ],
  ])('is refused with the JSON pointer of its fault: %.60s', (text, expected) => {
    expect(() => parseAvroSchema(text)).toThrow(AvroSchemaError);
    expect(() => parseAvroSchema(text)).toThrow(expected);
  });

  test('is not refused for its depth where it is not too deep', () => {
    expect(parse(deep(64)).kind).toBe('array');
  });
});

// By fastavro 1.13.1, which writes the eight bytes in little endian; the primitive ones also stand in Avro's own test data.
test.each([
  ['"null"', '8a8f25cce724dd63'],
  ['"int"', '8f5c393f1ad57572'],
  ['"string"', 'c70345637248018f'],
  [
    '{"type":"record","name":"A","namespace":"x.y","doc":"d","aliases":["Q"],"fields":[{"name":"f","type":{"type":"fixed","name":"F","size":16},"default":"a"},{"name":"e","type":{"type":"enum","name":"z.E","symbols":["B","C"]}},{"name":"g","type":["null","F","A",{"type":"array","items":{"type":"map","values":{"type":"long","logicalType":"timestamp-millis"}}}]}]}',
    '932cc4e9207f9b66',
  ],
])('the fingerprint of %.40s is that of other implementations', (text, expected) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(fingerprintOf(parseAvroSchema(text)));
  expect(bytes.toString('hex')).toBe(expected);
});
