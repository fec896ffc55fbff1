import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import type { RegisteredSchema, Schemas } from '../../src/model/schema.ts';
import { flatText, timestamp } from './decode-arbitraries.ts';

// Messages of Protocol Buffers, valid and not, as bytes.

/** An event with a field of every type. */
export const WIDE_SCHEMA = `syntax = "proto3";
package test;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";

enum Color { NONE = 0; RED = 1; BLUE = 5; }

message Wide {
  string timestamp = 1;
  string level = 2;
  string message = 3;
  string service = 4;
  int32 i32 = 5;
  uint32 u32 = 6;
  sint32 s32 = 7;
  int64 i64 = 8;
  uint64 u64 = 9;
  sint64 s64 = 10;
  bool flag = 11;
  fixed32 f32 = 12;
  sfixed32 sf32 = 13;
  double real = 14;
  float small = 15;
  fixed64 f64 = 16;
  sfixed64 sf64 = 17;
  bytes raw = 18;
  Color color = 19;
  optional int32 maybe_number = 20;
  optional string maybe_text = 21;
  string renamed = 22 [json_name = "other-name"];
  repeated int32 numbers = 23;
  oneof choice { string left = 24; int32 right = 25; }
  map<string, int32> counts = 26;
  Wide child = 27;
  repeated string texts = 28;
  google.protobuf.Timestamp at = 29;
  google.protobuf.Duration took = 30;
  google.protobuf.Int64Value wrapped = 31;
  google.protobuf.Struct free = 32;
  int32 severityNumber = 33;
  map<int64, Color> colors = 34;
  repeated Wide children = 35;
  string far = 1000;
}
`;

/** Text and numbers only. */
export const FLAT_SCHEMA = `syntax = "proto3";
message Flat {
  string service = 1;
  optional string note = 2;
  string message = 3;
  string timestamp = 4;
  string level = 5;
  int64 count = 6;
  sint32 change = 7;
  bool ok = 8;
  double load = 9;
  fixed32 code = 10;
  sint64 far = 11;
  uint32 small = 300;
  enum Kind { OTHER = 0; SALE = 1; }
  Kind kind = 12;
  optional int32 maybe = 13;
}
`;

/** Schemas by subject, the first version of each, with ids from 1. */
export function schemasOf(subjects: Readonly<Record<string, string | Partial<RegisteredSchema>>>): Schemas {
  const versions = Object.entries(subjects).map(([subject, given], at) => {
    const parts = typeof given === 'string' ? { schema: given } : given;
    return {
      subject,
      version: 1,
      schema: { id: at + 1, type: 'PROTOBUF', schema: '', references: [], ...parts } as const,
    };
  });
  return {
    byId: (id) => versions.find(({ schema }) => schema.id === id)?.schema,
    newest: (subject) => versions.find((each) => each.subject === subject),
    version: (subject, version) => versions.find((each) => each.subject === subject && each.version === version),
  };
}

/** A message of text fields: their numbers and texts. */
export function textMessage(fields: Readonly<Record<number, string>>): Buffer {
  const writer = new BinaryWriter();
  for (const [number, text] of Object.entries(fields))
    writer.tag(Number(number), WireType.LengthDelimited).string(text);
  return Buffer.from(writer.finish());
}

/** A LogEntry. */
export function logEntry({
  timestamp: time = '2025-07-02T17:00:01Z',
  level = 'INFO',
  message = 'hi',
  service = 'api',
} = {}): Buffer {
  return textMessage({ 1: time, 2: level, 3: message, 4: service });
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** Each message after its length. */
export function delimited(messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => [varint(message.length), message]));
}

/** The message in the wire format of Confluent: after the id of its schema and the indexes of its type. */
export function withSchemaId(id: number, message: Buffer, indexes: readonly number[] = []): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  const count = indexes.length === 0 ? 0 : indexes.length * 2;
  return Buffer.concat([head, varint(count), ...indexes.map((index) => varint(index * 2)), message]);
}

const usually = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: odd });
const someBytes = fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes));
const textBytes = usually(
  flatText.map((text) => Buffer.from(text)),
  someBytes,
);
const level = fc.constantFrom('INFO', 'warn', ' Error ', '', 'WARNING', '3', 'loud').map((text) => Buffer.from(text));
const whole = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    127n,
    128n,
    300n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 35n,
    2n ** 49n,
    2n ** 63n,
    2n ** 64n - 1n,
  ),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const varintBytes = usually(
  whole.map(bigVarint),
  fc.constantFrom('80', '8000', '808000', `${'ff'.repeat(10)}01`).map(fromHex),
);
const i64Bytes = fc.oneof(
  fc.double().map((value) => writeInto(8, (bytes) => bytes.writeDoubleLE(value))),
  fc.constantFrom(0, -0, 1.5).map((value) => writeInto(8, (bytes) => bytes.writeDoubleLE(value))),
  someBytes,
);
const i32Bytes = fc.oneof(
  fc.float().map((value) => writeInto(4, (bytes) => bytes.writeFloatLE(value))),
  fc.constantFrom('00000000', 'ffffffff', '0000').map(fromHex),
);

/** A number of a field, a wire type, and the bytes after the tag. */
type Part = readonly [number: number, wire: number, bytes: Buffer];

function fromHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

function writeInto(length: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length);
  write(bytes);
  return bytes;
}

function bigVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) + 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

const withLength = (bytes: Buffer) => Buffer.concat([varint(bytes.length), bytes]);
const required = (numbers: Readonly<Record<'timestamp' | 'level' | 'message' | 'service', number>>) =>
  fc.tuple(timestamp, level, textBytes, textBytes).map(([time, severity, message, service]): Part[] => [
    [numbers.timestamp, 2, withLength(Buffer.from(time))],
    [numbers.level, 2, withLength(severity)],
    [numbers.message, 2, withLength(message)],
    [numbers.service, 2, withLength(service)],
  ]);

/** A field of any number and wire type: often one that the schema has. */
const anyPart = (numbers: readonly number[]): fc.Arbitrary<Part> =>
  fc
    .tuple(usually(fc.constantFrom(...numbers), fc.integer({ min: 0, max: 40 })), fc.integer({ min: 0, max: 7 }))
    .chain(([number, wire]): fc.Arbitrary<Part> => {
      if (wire === 0) return varintBytes.map((bytes) => [number, 0, bytes]);
      if (wire === 1) return i64Bytes.map((bytes) => [number, 1, bytes]);
      if (wire === 5) return i32Bytes.map((bytes) => [number, 5, bytes]);
      if (wire === 2 || wire > 5) return textBytes.map((bytes) => [number, 2, withLength(bytes)]);
      return fc.constant([number, wire, Buffer.alloc(0)] as const);
    });

/** The wire types that the fields of a schema have, so that most parts are sound. */
const soundPart = (wires: Readonly<Record<number, number>>): fc.Arbitrary<Part> =>
  fc.constantFrom(...Object.entries(wires)).chain(([number, wire]): fc.Arbitrary<Part> => {
    const make = (bytes: Buffer): Part => [Number(number), wire, bytes];
    if (wire === 0) return whole.map(bigVarint).map(make);
    if (wire === 1) return fc.double().map((value) => make(writeInto(8, (bytes) => bytes.writeDoubleLE(value))));
    if (wire === 5) return fc.nat().map((value) => make(writeInto(4, (bytes) => bytes.writeUInt32LE(value))));
    return flatText.map((text) => make(withLength(Buffer.from(text))));
  });

function join(parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.flatMap(([number, wire, bytes]) => [varint(number * 8 + wire), bytes]));
}

function messagesOf(
  names: Readonly<Record<'timestamp' | 'level' | 'message' | 'service', number>>,
  wires: Readonly<Record<number, number>>,
): fc.Arbitrary<Buffer> {
  const numbers = Object.keys(wires).map(Number);
  const odd = fc.array(fc.oneof(anyPart(numbers), soundPart(wires)), { maxLength: 4 });
  const sound = fc.array(soundPart(wires), { maxLength: 5 });
  const sane = fc.tuple(required(names), sound).map(([first, more]) => [...first, ...more]);
  const mixed = fc
    .tuple(required(names), odd)
    .chain(([first, more]) => fc.shuffledSubarray([...first, ...more], { minLength: 3 }));
  return fc.oneof({ weight: 2, arbitrary: sane }, { weight: 1, arbitrary: mixed }).map(join);
}

/** Messages of FLAT_SCHEMA, mostly valid. */
export const flatMessage = messagesOf(
  { timestamp: 4, level: 5, message: 3, service: 1 },
  { 2: 2, 6: 0, 7: 0, 8: 0, 9: 1, 10: 5, 11: 0, 300: 0, 12: 0, 13: 0, 99: 0, 98: 2, 97: 1, 96: 5 },
);

/** Messages of WIDE_SCHEMA, mostly valid. */
export const wideMessage = messagesOf(
  { timestamp: 1, level: 2, message: 3, service: 4 },
  {
    ...{ 5: 0, 6: 0, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 5, 13: 5, 14: 1, 15: 5, 16: 1, 17: 1, 18: 2, 19: 0, 20: 0 },
    ...{ 21: 2, 22: 2, 23: 0, 24: 2, 25: 0, 26: 2, 27: 2, 28: 2, 29: 2, 30: 2, 31: 2, 32: 2, 33: 0, 35: 2, 1000: 2 },
  },
);
