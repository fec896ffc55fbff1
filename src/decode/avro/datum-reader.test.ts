import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { long, text } from '../../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { Pace, runToEnd } from '../pace.ts';
import { DatumReader } from './datum-reader.ts';
import { AvroFault } from './fault.ts';
import { parseAvroSchema } from './schema.ts';

const RUNS = { numRuns: 3_000, seed: 20_251_127 };

/** A schema, a value of it as avsc takes it, and the value as it should be in JSON; undefined: left out as a field. */
interface Sample {
  readonly schema: unknown;
  readonly value: unknown;
  readonly json: unknown;
}

/** Named types need a name that no other has. */
const named = (count: { n: number }) => `T${count.n++}`;

const scalar: fc.Arbitrary<Sample> = fc.oneof(
  fc.constant({ schema: 'null', value: null, json: null }),
  fc.boolean().map((value) => ({ schema: 'boolean', value, json: value })),
  fc.integer().map((value) => ({ schema: 'int', value, json: value })),
  // avsc takes no larger ones.
  fc.integer({ min: -(2 ** 52), max: 2 ** 52 }).map((value) => ({ schema: 'long', value, json: value })),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ schema: 'float', value, json: value })),
  fc.double().map((value) => ({ schema: 'double', value, json: Number.isFinite(value) ? value : String(value) })),
  fc.string({ unit: 'grapheme' }).map((value) => ({ schema: 'string', value, json: value })),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => {
    const value = Buffer.from(bytes);
    return { schema: { type: 'bytes' }, value, json: value.toString('base64') };
  }),
  fc.integer({ min: -2_000_000_000_000, max: 4_000_000_000_000 }).map((value) => ({
    schema: { type: 'long', logicalType: 'timestamp-millis' },
    value,
    json: new Date(value).toISOString().replace(/\.?0*Z$/, 'Z'),
  })),
);

type Node = (count: { n: number }) => Sample;

const leaf: fc.Arbitrary<Node> = fc.oneof(
  scalar.map(
    (sample): Node =>
      () =>
        sample,
  ),
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat()).map(
    ([size, at]): Node =>
      (count) => {
        const symbols = Array.from({ length: size }, (_, i) => `S${i}`);
        const symbol = symbols[at % size];
        return { schema: { type: 'enum', name: named(count), symbols }, value: symbol, json: symbol };
      },
  ),
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map(
    (bytes): Node =>
      (count) => {
        const value = Buffer.from(bytes);
        return {
          schema: { type: 'fixed', name: named(count), size: bytes.length },
          value,
          json: value.toString('base64'),
        };
      },
  ),
);

const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }).map(recordOf),
    fc.tuple(tie('node'), fc.nat(3)).map(([items, length]) => arrayOf(items, length)),
    fc
      .tuple(tie('node'), fc.uniqueArray(fc.string({ unit: 'grapheme' }), { maxLength: 3 }))
      .map(([values, keys]) => mapOf(values, keys)),
    fc.tuple(tie('node'), fc.boolean()).map(([inner, isNull]) => unionOf(inner, isNull)),
  ),
}));

function recordOf(nodes: readonly Node[]): Node {
  return (count) => {
    const name = named(count);
    const samples = nodes.map((make) => make(count));
    const fields = samples.map(({ schema }, i) => ({ name: `f${i}`, type: schema }));
    const value = Object.fromEntries(samples.map((sample, i) => [`f${i}`, sample.value]));
    const present = [...samples.entries()].filter(([, { json }]) => json !== null);
    const json = Object.fromEntries(present.map(([i, sample]) => [`f${i}`, sample.json]));
    return { schema: { type: 'record', name, fields }, value, json };
  };
}

function arrayOf(items: Node, length: number): Node {
  return (count) => {
    const { schema, value, json } = items(count);
    const repeat = (each: unknown) => Array.from({ length }, () => each);
    return { schema: { type: 'array', items: schema }, value: repeat(value), json: repeat(json) };
  };
}

function mapOf(values: Node, keys: readonly string[]): Node {
  return (count) => {
    const { schema, value, json } = values(count);
    const ofEach = (each: unknown) => Object.fromEntries(keys.map((key) => [key, each]));
    return { schema: { type: 'map', values: schema }, value: ofEach(value), json: ofEach(json) };
  };
}

/** avsc names the branch of a value by its type. */
function unionOf(inner: Node, isNull: boolean): Node {
  return (count) => {
    const { schema, value, json } = inner(count);
    const isUnion = Array.isArray(schema) || schema === 'null';
    if (isUnion) return { schema, value, json };
    const branch = branchName(schema);
    return { schema: ['null', schema], value: isNull ? null : { [branch]: value }, json: isNull ? null : json };
  };
}

function branchName(schema: unknown): string {
  if (typeof schema === 'string') return schema;
  const { type = '', name } = schema as { type?: string; name?: string };
  return name ?? type;
}

function read(schema: unknown, bytes: Buffer, maxDepth = 64) {
  const type = parseAvroSchema(JSON.stringify({ type: 'record', name: 'Top', fields: [{ name: 'v', type: schema }] }));
  const reader = new DatumReader({ bytes, start: 0, end: bytes.length }, { ...DECODE_OPTIONS, maxDepth }, new Pace());
  if (type.kind !== 'record') throw new Error('no record');
  return { fields: runToEnd(reader.record(type)), reader };
}

const jsonOf = (schema: unknown, hex: string) => read(schema, Buffer.from(hex, 'hex')).fields.get('v');

describe('a datum', () => {
  test('of any schema is what avsc wrote', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(node, (make) => {
        const { schema, value, json } = make({ n: 0 });
        const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'always' });
        const bytes = type.toBuffer(value);
        const { fields, reader } = read(schema, bytes);
        expect(reader.at).toBe(bytes.length);
        const found = fields.get('v');
        // -0 has no form of its own in JSON.
        expect(found === undefined ? null : JSON.parse(found)).toEqual(JSON.parse(JSON.stringify(json)));
        for (const kind of JSON.stringify(schema).matchAll(/"(array|map|record|enum|fixed|bytes|long|null)"/g))
          seen.add(String(kind[1]));
      }),
      RUNS,
    );
    expect(seen.size).toBe(8);
  });

  test('that is cut or changed is read, or is a fault that has its place, and ends', () => {
    fc.assert(
      fc.property(node, fc.nat(), fc.nat(255), fc.boolean(), (make, place, byte, isCut) => {
        const { schema, value } = make({ n: 0 });
        const bytes = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'always' }).toBuffer(value);
        const at = place % (bytes.length + 1);
        const other = isCut
          ? bytes.subarray(0, at)
          : Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at + 1)]);
        try {
          const { fields } = read(schema, other);
          for (const found of fields.values()) JSON.parse(found);
        } catch (error) {
          expect(error).toBeInstanceOf(AvroFault);
          expect(Number(/^byte (\d+): expected/.exec(String((error as Error).message))?.[1])).toBeLessThanOrEqual(
            other.length,
          );
        }
      }),
      RUNS,
    );
  });
});

describe('a value', () => {
  const decimal = { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 };
  const logical = (type: string, logicalType: string) => ({ type, logicalType });
  const hexOf = (value: number | bigint) => long(value).toString('hex');

  test.each([
    ['a long of 64 bits', 'long', hexOf(2n ** 63n - 1n), '9223372036854775807'],
    ['the least long', 'long', hexOf(-(2n ** 63n)), '-9223372036854775808'],
    ['a padded varint', 'long', '8080808000', '0'],
    ['a double that is no number', 'double', '000000000000f87f', '"NaN"'],
    ['an infinite float', 'float', '000080ff', '"-Infinity"'],
    ['a decimal', decimal, '0404ce', '12.30'],
    ['a negative decimal', decimal, '02ff', '-0.01'],
    ['a decimal of no bytes', decimal, '00', '0.00'],
    ['a decimal without a scale', { ...decimal, scale: 0 }, '0204', '4'],
    [
      'a uuid',
      { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' },
      '00112233445566778899aabbccddeeff',
      '"00112233-4455-6677-8899-aabbccddeeff"',
    ],
    [
      'nanoseconds',
      logical('long', 'timestamp-nanos'),
      hexOf(1_763_825_000_123_456_789n),
      '"2025-11-22T15:23:20.123456789Z"',
    ],
    ['microseconds before 1970', logical('long', 'timestamp-micros'), hexOf(-1), '"1969-12-31T23:59:59.999999Z"'],
    [
      'a local timestamp',
      logical('long', 'local-timestamp-millis'),
      hexOf(1_763_825_000_500),
      '"2025-11-22T15:23:20.5Z"',
    ],
    ['an instant of no year that is written', logical('long', 'timestamp-millis'), hexOf(2 ** 52), String(2 ** 52)],
    ['a date', logical('int', 'date'), hexOf(-719_162), '"0001-01-01"'],
    ['a time', logical('long', 'time-micros'), hexOf(86_399_999_999), '"23:59:59.999999"'],
    ['a time of no day', logical('int', 'time-millis'), hexOf(86_400_000), '86400000'],
    ['a logical type that does not fit', logical('string', 'timestamp-millis'), '0261', '"a"'],
    ['an array in blocks with their lengths', { type: 'array', items: 'int' }, '03040204020800', '[1,2,4]'],
    ['a map with a key that stands twice', { type: 'map', values: 'int' }, '0402610202610400', '{"a":2}'],
  ])('has its form in JSON: %s', (_, schema, hex, expected) => {
    expect(jsonOf(schema, hex)).toBe(expected);
  });

  test.each([
    ['an int of 33 bits', 'int', hexOf(2 ** 31), 'byte 0: expected an int of 32 bits, found 2147483648'],
    ['an int in six bytes', 'int', '808080808000', 'byte 0: expected an int of 32 bits'],
    ['a varint of 11 bytes', 'long', `${'ff'.repeat(10)}01`, 'byte 0: expected a varint of at most 64 bits'],
    ['a varint of 65 bits', 'long', `${'80'.repeat(9)}02`, 'byte 0: expected a varint of at most 64 bits'],
    ['a boolean of 2', 'boolean', '02', 'byte 0: expected a boolean, 0 or 1, found 2'],
    ['a branch that there is not', ['null', 'int'], '04', 'byte 0: expected the number of a branch, 0 to 1, found 2'],
    ['a negative branch', ['null', 'int'], '01', 'byte 0: expected the number of a branch, 0 to 1, found -1'],
    [
      'a symbol that there is not',
      { type: 'enum', name: 'E', symbols: ['A'] },
      '02',
      'the number of a symbol of E, 0 to 0, found 1',
    ],
    [
      'a fixed that is cut',
      { type: 'fixed', name: 'F', size: 4 },
      '0000',
      'byte 0: expected 4 bytes of a value of fixed, found the end after 2',
    ],
    ['a double that is cut', 'double', '00', 'byte 0: expected 8 bytes of a double, found the end after 1'],
    [
      'a block that is longer than the bytes',
      { type: 'array', items: 'int' },
      '0164',
      'byte 1: expected the length of a block',
    ],
    ['more items than bytes', { type: 'array', items: 'double' }, '04', 'byte 0: expected a count of at most 0 items'],
    ['a key that is no UTF-8', { type: 'map', values: 'int' }, '0202ff02', 'byte 2: expected UTF-8, found 0xff'],
    [
      'a decimal of too many bytes',
      decimal,
      text(Buffer.alloc(1_025)).toString('hex'),
      'expected a decimal of at most 1024 bytes',
    ],
  ])('is a fault with its place: %s', (_, schema, hex, expected) => {
    expect(() => jsonOf(schema, hex)).toThrow(expected);
  });
});
