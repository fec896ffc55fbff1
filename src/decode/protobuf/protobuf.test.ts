import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import {
  delimited,
  FLAT_SCHEMA,
  logEntry,
  schemasOf,
  textMessage,
  varint,
  WIDE_SCHEMA,
  withSchemaId,
} from '../../../test/support/protobuf-messages.ts';
import type { Schemas } from '../../model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../../model/stream.ts';
import type { Decoded, DecodeOptions } from '../decode.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';

const WIDE = schemasOf({ 'events-protobuf': WIDE_SCHEMA });

interface Given extends Partial<DecodeOptions> {
  readonly stream?: Stream;
  readonly schemas?: Schemas;
}

function decode(body: Buffer, { stream = EVENTS_STREAM, schemas, ...options }: Given = {}): Decoded {
  const { protobuf } = createDecoders(stream, schemas);
  return runToEnd(protobuf(Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

function lineOf({ batch, rejections }: Decoded): string {
  return rejections[0]?.reason ?? batch.map(({ lines }) => lines.toString()).join('');
}

const EVENT = '{"timestamp":"2025-07-02T17:00:01Z","level":"INFO","message":"hi","service":"api"';

/** An event of WIDE_SCHEMA with these fields after it. */
function wide(write: (writer: BinaryWriter) => BinaryWriter): Buffer {
  return Buffer.concat([logEntry(), Buffer.from(write(new BinaryWriter()).finish())]);
}

/** `tag`, then a message. */
function nested(writer: BinaryWriter, number: number, message: Uint8Array): BinaryWriter {
  return writer.tag(number, WireType.LengthDelimited).bytes(message);
}

describe('values become JSON', () => {
  const V = WireType.Varint;
  const L = WireType.LengthDelimited;
  test.each<[string, (writer: BinaryWriter) => BinaryWriter, string]>([
    ['a negative int32', (w) => w.tag(5, V).int32(-7), '"i32":-7'],
    ['a uint32', (w) => w.tag(6, V).uint32(4_294_967_295), '"u32":4294967295'],
    ['a sint32', (w) => w.tag(7, V).sint32(-2_147_483_648), '"s32":-2147483648'],
    ['the least int64', (w) => w.tag(8, V).int64('-9223372036854775808'), '"i64":-9223372036854775808'],
    ['the largest uint64', (w) => w.tag(9, V).uint64('18446744073709551615'), '"u64":18446744073709551615'],
    ['a sint64', (w) => w.tag(10, V).sint64('-9007199254740993'), '"s64":-9007199254740993'],
    ['true', (w) => w.tag(11, V).bool(true), '"flag":true'],
    ['a fixed32', (w) => w.tag(12, WireType.Bit32).fixed32(5), '"f32":5'],
    ['an sfixed64', (w) => w.tag(17, WireType.Bit64).sfixed64(-5), '"sf64":-5'],
    ['a double', (w) => w.tag(14, WireType.Bit64).double(0.1), '"real":0.1'],
    ['a large double', (w) => w.tag(14, WireType.Bit64).double(1e21), '"real":1e+21'],
    ['a negative zero', (w) => w.tag(14, WireType.Bit64).double(-0), '"real":-0'],
    ['no number', (w) => w.tag(14, WireType.Bit64).double(Number.NaN), '"real":"NaN"'],
    ['infinity', (w) => w.tag(15, WireType.Bit32).float(Number.NEGATIVE_INFINITY), '"small":"-Infinity"'],
    ['a float, in its own digits', (w) => w.tag(15, WireType.Bit32).float(0.1), '"small":0.1'],
    ['bytes', (w) => w.tag(18, L).bytes(Buffer.from([0xff, 0, 1])), '"raw":"/wAB"'],
    ['an enum', (w) => w.tag(19, V).int32(5), '"color":"BLUE"'],
    ['an unknown number of an enum', (w) => w.tag(19, V).int32(-4), '"color":-4'],
    ['a present zero of an optional field', (w) => w.tag(20, V).int32(0), '"maybe_number":0'],
    ['a present empty text of an optional field', (w) => w.tag(21, L).string(''), '"maybe_text":""'],
    ['a field with a json_name', (w) => w.tag(22, L).string('x'), '"other-name":"x"'],
    ['a packed list', (w) => w.tag(23, L).bytes(Buffer.of(1, 2, 3)), '"numbers":[1,2,3]'],
    [
      'a list in parts',
      (w) => w.tag(23, V).int32(1).tag(23, L).bytes(Buffer.of(2)).tag(23, V).int32(3),
      '"numbers":[1,2,3]',
    ],
    ['the last of a oneof', (w) => w.tag(24, L).string('x').tag(25, V).int32(0), '"right":0'],
    ['a map', (w) => nested(w, 26, Buffer.from('0a016110021', 'hex')), '"counts":{"a":2}'],
    ['a map without key and value', (w) => nested(w, 26, Buffer.alloc(0)), '"counts":{"":0}'],
    ['a map from int64 to enums', (w) => nested(w, 34, Buffer.from('08011001', 'hex')), '"colors":{"1":"RED"}'],
    ['a message', (w) => nested(w, 27, textMessage({ 3: 'x' })), '"child":{"message":"x"}'],
    ['an empty message', (w) => nested(w, 27, Buffer.alloc(0)), '"child":{}'],
    [
      'a message in parts',
      (w) => nested(nested(w, 27, textMessage({ 3: 'x' })), 27, textMessage({ 4: 'y' })),
      '"child":{"message":"x","service":"y"}',
    ],
    [
      'a Timestamp',
      (w) => nested(w, 29, Buffer.from('0891cb95c3061080e59a77', 'hex')),
      '"at":"2025-07-02T17:00:01.250Z"',
    ],
    ['a Duration', (w) => nested(w, 30, Buffer.from('08011080cab5ee01', 'hex')), '"took":"1.5s"'],
    ['a wrapper', (w) => nested(w, 31, Buffer.from('0807', 'hex')), '"wrapped":7'],
    ['a wrapper of zero', (w) => nested(w, 31, Buffer.alloc(0)), '"wrapped":0'],
    [
      'a Value that is no number',
      (w) => nested(w, 32, Buffer.from('0a0e0a0161120911000000000000f87f', 'hex')),
      '"free":{"a":"NaN"}',
    ],
    ['a Struct', (w) => nested(w, 32, nestedStruct(2)), '"free":{"a":{"a":[null,true]}}'],
  ])('%s', (_, write, json) => {
    expect(lineOf(decode(wide(write), { schemas: WIDE }))).toBe(`${EVENT},${json}}\n`);
    expect(lineOf(decode(wide(write), { schemas: WIDE, extraFields: 'drop' }))).toBe(`${EVENT}}\n`);
  });

  test('implicit defaults and absent fields are left out', () => {
    const zeros = wide((w) =>
      w
        .tag(5, V)
        .int32(0)
        .tag(11, V)
        .bool(false)
        .tag(22, L)
        .string('')
        .tag(19, V)
        .int32(0)
        .tag(14, WireType.Bit64)
        .double(0),
    );
    expect(lineOf(decode(zeros, { schemas: WIDE }))).toBe(`${EVENT}}\n`);
  });

  test('a required field that is absent refuses the message', () => {
    const schemas = schemasOf({
      'events-protobuf':
        'message E { required string timestamp=1; required string level=2; required string message=3; required string service=4; required int32 x=5; }',
    });
    expect(lineOf(decode(logEntry(), { schemas }))).toBe('record 0 is not a E: byte 0: the required field x is absent');
  });

  test('a Timestamp may be the timestamp of the record, an enum its level', () => {
    const schemas = schemasOf({
      'events-protobuf': `syntax="proto3"; import "google/protobuf/timestamp.proto"; enum Level { NONE=0; WARNING=1; }
        message E { google.protobuf.Timestamp timestamp=1; Level level=2; string message=3; string service=4; int32 severityNumber=5; }`,
    });
    const time = nested(new BinaryWriter(), 1, Buffer.from('0891cb95c3061080e59a77', 'hex'));
    const texts = textMessage({ 3: 'hi', 4: 'api' });
    const parts = (more: string) => Buffer.concat([time.finish(), texts, Buffer.from(more, 'hex')]);
    const withLevel = (level: string) =>
      `{"timestamp":"2025-07-02T17:00:01.25Z","level":"${level}","message":"hi","service":"api"`;
    expect(lineOf(decode(parts('1001'), { schemas }))).toBe(`${withLevel('WARN')}}\n`);
  });

  test('a level may come from severityNumber', () => {
    const bytes = Buffer.concat([
      textMessage({ 1: '2025-07-02T17:00:01Z', 3: 'hi', 4: 'api' }),
      Buffer.from([0x88, 0x02, 17]),
    ]);
    expect(lineOf(decode(bytes, { schemas: WIDE }))).toBe(`${EVENT.replace('INFO', 'ERROR')},"severityNumber":17}\n`);
  });

  test('a Timestamp that is no time refuses the message', () => {
    const late = nested(new BinaryWriter(), 29, Buffer.from('08ffffffffffffffff7f', 'hex')).finish();
    expect(lineOf(decode(Buffer.concat([logEntry(), late]), { schemas: WIDE }))).toContain(
      'is not a test.Wide: byte 0: cannot encode',
    );
  });
});

/** A Struct in Structs, of which the innermost has a list. */
function nestedStruct(levels: number): Buffer {
  const list = Buffer.from('0a0208000a022001', 'hex');
  let value = Buffer.concat([Buffer.of(0x32), varint(list.length), list]);
  let struct = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) {
    const entry = Buffer.concat([Buffer.of(0x0a, 1, 0x61, 0x12), varint(value.length), value]);
    struct = Buffer.concat([Buffer.of(0x0a), varint(entry.length), entry]);
    value = Buffer.concat([Buffer.of(0x2a), varint(struct.length), struct]);
  }
  return struct;
}

describe('the nesting of a record', () => {
  const children = (levels: number) => {
    let message = Buffer.alloc(0);
    for (let i = 1; i < levels; i++) message = Buffer.from(nested(new BinaryWriter(), 27, message).finish());
    return Buffer.concat([logEntry(), message]);
  };

  test.each([2, 3, 64, 330, 1_000])('may be %i messages, and no more', (maxDepth) => {
    expect(decode(children(maxDepth), { schemas: WIDE, maxDepth }).accepted).toBe(1);
    const reason = `record 0 is nested deeper than ${maxDepth} (ingestion.maxDepth)`;
    expect(lineOf(decode(children(maxDepth + 1), { schemas: WIDE, maxDepth }))).toBe(reason);
    expect(lineOf(decode(children(3_000), { schemas: WIDE, maxDepth, maxRecordBytes: 2 ** 24 }))).toBe(reason);
  });

  test('counts lists, maps and Structs as levels of JSON', () => {
    const list = wide((w) => w.tag(23, WireType.Varint).int32(1));
    expect(decode(list, { schemas: WIDE, maxDepth: 2 }).accepted).toBe(1);
    expect(decode(list, { schemas: WIDE, maxDepth: 1 }).accepted).toBe(0);
    for (const levels of [2, 20]) {
      const struct = wide((w) => nested(w, 32, nestedStruct(levels)));
      expect(decode(struct, { schemas: WIDE, maxDepth: levels + 2 }).accepted).toBe(1);
      expect(decode(struct, { schemas: WIDE, maxDepth: levels + 1 }).accepted).toBe(0);
    }
  });

  test('ends in unknown groups as well', () => {
    const groups = Buffer.concat([logEntry(), Buffer.alloc(200_000, 0x4b), Buffer.alloc(200_000, 0x4c)]);
    expect(lineOf(decode(groups))).toBe('record 0 is nested deeper than 64 (ingestion.maxDepth)');
  });
});

describe('the size of a record', () => {
  test('is that of its stored line', () => {
    const line = Buffer.byteLength(`${EVENT}}\n`);
    expect(decode(logEntry(), { maxRecordBytes: line }).accepted).toBe(1);
    expect(lineOf(decode(logEntry(), { maxRecordBytes: line - 1 }))).toBe(`record 0 exceeds ${line - 1} bytes`);
  });

  test('refuses a message of four times as many bytes, whatever is in them', () => {
    const unknown = (bytes: number) => Buffer.concat([logEntry(), textMessage({ 9: 'x'.repeat(bytes) })]);
    expect(decode(unknown(1_000_000)).accepted).toBe(1);
    expect(lineOf(decode(unknown(1_100_000)))).toBe('record 0 exceeds 262144 bytes');
  });

  test('refuses more elements than a line can have, before they are made', () => {
    const list = (bytes: number) => wide((w) => w.tag(23, WireType.LengthDelimited).bytes(Buffer.alloc(bytes, 1)));
    expect(decode(list(130_000), { schemas: WIDE }).accepted).toBe(1);
    expect(lineOf(decode(list(140_000), { schemas: WIDE }))).toBe('record 0 exceeds 262144 bytes');
    const entries = Buffer.concat([logEntry(), Buffer.from('d20100'.repeat(140_000), 'hex')]);
    expect(lineOf(decode(entries, { schemas: WIDE }))).toBe('record 0 exceeds 262144 bytes');
  });
});

describe('the schema of a message', () => {
  const schemas = schemasOf({
    'events-protobuf': FLAT_SCHEMA,
    other: `syntax = "proto3"; package p; message First { map<string, int32> m = 1; message Inner { string service = 1; } message Event {
      string service = 1; string level = 2; string message = 3; string timestamp = 4; } } message Last { string timestamp = 9; }`,
    broken: 'message',
    avro: { type: 'AVRO', schema: '"string"' },
  });
  const event = textMessage({ 1: 'api', 2: 'INFO', 3: 'hi', 4: '2025-07-02T17:00:01Z' });
  const flat = textMessage({ 1: 'api', 5: 'INFO', 3: 'hi', 4: '2025-07-02T17:00:01Z' });

  test('is the newest of the stream, its first message, or the one that is named', () => {
    expect(lineOf(decode(flat, { schemas }))).toBe(`${EVENT}}\n`);
    expect(lineOf(decode(flat, { schemas, messageType: 'Flat' }))).toBe(`${EVENT}}\n`);
    const missing = 'record 0 cannot be decoded: the schema of events-protobuf has no message "p.Nothing"';
    expect(lineOf(decode(flat, { schemas, messageType: 'p.Nothing' }))).toBe(missing);
    const nestedType = schemasOf({ 'events-protobuf': schemas.byId(2) ?? '' });
    expect(lineOf(decode(event, { schemas: nestedType, messageType: 'p.First.Event' }))).toBe(`${EVENT}}\n`);
  });

  test('is the one of its id, and the message that its indexes count', () => {
    expect(lineOf(decode(withSchemaId(1, flat), { schemas }))).toBe(`${EVENT}}\n`);
    expect(lineOf(decode(withSchemaId(2, event, [0, 1]), { schemas }))).toBe(`${EVENT}}\n`);
    expect(lineOf(decode(withSchemaId(2, event, [1]), { schemas }))).toBe('record 0 missing timestamp');
    expect(lineOf(decode(withSchemaId(2, event, [0, 1]), { schemas, messageType: 'Flat' }))).toBe(`${EVENT}}\n`);
  });

  test.each([
    [9, [], 'record 0 has the schema id 9, which is not registered'],
    [4_294_967_295, [], 'record 0 has the schema id 4294967295, which is not registered'],
    [
      3,
      [],
      'record 0 cannot be decoded: the schema with the id 3: line 1 column 8: expected the name of a message, found the end',
    ],
    [4, [], 'record 0 cannot be decoded: the schema with the id 4: it is a schema of the type AVRO, not PROTOBUF'],
    [2, [2], 'record 0 cannot be decoded: the schema with the id 2 has no message with the index 2'],
    [2, [0, 2], 'record 0 cannot be decoded: the schema with the id 2 has no message with the index 2'],
    [2, [0, 1, 0], 'record 0 cannot be decoded: the schema with the id 2 has no message with the index 0'],
    [2, Array(33).fill(0), 'record 0 is not a p.First: byte 7: a tag has the field number 0'],
  ])('with the id %i and the indexes %j is refused', (id, indexes, reason) => {
    expect(lineOf(decode(withSchemaId(id, event, indexes), { schemas }))).toBe(reason);
  });

  test('must be there', () => {
    const reason = 'record 0 has no schema: register one as access-protobuf, or send its id with the message';
    expect(lineOf(decode(logEntry(), { stream: ACCESS_STREAM }))).toBe(reason);
  });

  test('may be another for the next body', () => {
    let version = 1;
    const changing: Schemas = {
      ...schemas,
      newest: () => ({ subject: 's', version, schema: schemas.byId(version) ?? never() }),
    };
    const { protobuf } = createDecoders(EVENTS_STREAM, changing);
    const run = (body: Buffer) => lineOf(runToEnd(protobuf(Buffer.from(body), DECODE_OPTIONS)));
    expect(run(flat)).toBe(`${EVENT}}\n`);
    version = 2;
    expect(run(flat)).toContain('is not a p.First');
  });

  test('may change from message to message of one body', () => {
    const body = delimited([
      flat,
      withSchemaId(2, event, [0, 1]),
      withSchemaId(1, flat),
      withSchemaId(2, event, [0, 1]),
      flat,
    ]);
    const decoder = createDecoders(EVENTS_STREAM, schemas)['protobuf-delimited'];
    expect(lineOf(runToEnd(decoder(body, DECODE_OPTIONS)))).toBe(`${EVENT}}\n`.repeat(5));
  });
});

function never(): never {
  throw new Error('not there');
}
