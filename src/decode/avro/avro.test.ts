import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  block,
  container,
  datum,
  EVENT,
  header,
  LOG_ENTRY,
  long,
  PACKERS,
  text,
} from '../../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { BUILTIN_SCHEMAS } from '../../model/builtin-schemas.ts';
import { BatchTooLargeError } from '../../model/deliver.ts';
import type { RegisteredSchema, Schemas } from '../../model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../../model/stream.ts';
import { type Decoded, type DecodeOptions, MalformedBodyError } from '../decode.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';

const LINE = '{"timestamp":"2025-07-02T17:00:01Z","level":"INFO","message":"hi","service":"api"}\n';
const DATUM = datum(EVENT);

interface Given {
  readonly stream?: Stream;
  readonly schemas?: Schemas;
  readonly options?: Partial<DecodeOptions>;
}

function decode(
  body: Buffer,
  { stream = EVENTS_STREAM, schemas = BUILTIN_SCHEMAS, options = {} }: Given = {},
): Decoded {
  return runToEnd(createDecoders(stream, schemas).avro(Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

const linesOf = ({ batch }: Decoded): string => batch.map(({ lines }) => lines.toString()).join('');

/** What the client is told of a body that is refused; nothing of it is kept. */
function refusal(body: Buffer, given: Given = {}): string {
  try {
    const { batch, rejections, accepted } = decode(body, given);
    expect([batch, accepted]).toEqual([[], 0]);
    return rejections[0]?.reason ?? 'nothing';
  } catch (error) {
    if (error instanceof MalformedBodyError || error instanceof BatchTooLargeError) return error.message;
    throw error;
  }
}

/** A registry of these schemas: ids from 10 on, all of them versions of the subject events-avro. */
function registryOf(...schemas: readonly (object | Partial<RegisteredSchema>)[]): Schemas {
  const versions = schemas.map((schema, i) => ({
    subject: 'events-avro',
    version: i + 1,
    schema: {
      id: 10 + i,
      type: 'AVRO' as const,
      references: [],
      schema: JSON.stringify(schema),
      ...('schema' in schema ? schema : {}),
    },
  }));
  return {
    byId: (id) => versions[id - 10]?.schema,
    newest: (subject) => (subject === 'events-avro' ? versions.at(-1) : undefined),
    version: (_, version) => versions[version - 1],
  };
}

const confluent = (id: number, payload: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, 0, id]), payload]);
const TWO = { ...LOG_ENTRY, fields: [{ name: 'flag', type: 'boolean' }, ...LOG_ENTRY.fields] };

describe('one record', () => {
  test('is read by the newest schema of its stream: the frame of an older client', () => {
    const frame = Buffer.from('2128323032352d30372d30325431373a30303a30315a08494e464f04686906617069'.slice(2), 'hex');
    expect(frame).toEqual(DATUM);
    expect(linesOf(decode(frame))).toBe(LINE);
  });

  test('is read by the schema whose id stands before it', () => {
    const schemas = registryOf(LOG_ENTRY, TWO);
    expect(linesOf(decode(confluent(10, DATUM), { schemas }))).toBe(LINE);
    expect(linesOf(decode(confluent(11, Buffer.concat([Buffer.from([1]), DATUM])), { schemas }))).toBe(
      LINE.replace('}', ',"flag":true}'),
    );
  });

  test('that begins as the wire format does by chance is read as the record that it is', () => {
    const schemas = registryOf(LOG_ENTRY, TWO);
    expect(linesOf(decode(Buffer.concat([Buffer.from([0]), DATUM]), { schemas }))).toBe(
      LINE.replace('}', ',"flag":false}'),
    );
  });

  test('is read by the schema whose fingerprint stands before it', () => {
    const schemas = registryOf(LOG_ENTRY, TWO);
    // By fastavro: fingerprint(to_parsing_canonical_form(LOG_ENTRY), "CRC-64-AVRO").
    const marked = Buffer.concat([Buffer.from('c301', 'hex'), Buffer.from('85321900c689cc63', 'hex'), DATUM]);
    expect(linesOf(decode(marked, { schemas }))).toBe(LINE);
  });

  test('is refused with the place and what was expected there', () => {
    const cut = DATUM.subarray(0, -1);
    expect(refusal(cut)).toBe(
      'record 0 is not Avro: byte 29: expected the length of a string, at most the 2 bytes that are left, found 3',
    );
    expect(refusal(Buffer.concat([DATUM, DATUM]))).toBe(
      `record 0 is not Avro: byte ${DATUM.length}: expected the end, found ${DATUM.length} bytes after the last record`,
    );
    const [rejection] = decode(cut).rejections;
    expect(rejection).toMatchObject({
      index: 0,
      field: '',
      raw: `base64:${cut.toString('base64')}`,
      contentType: 'avro/binary',
    });
  });

  test('that is no valid record is refused as one of JSON, and its raw text is its JSON', () => {
    const [rejection] = decode(datum({ ...EVENT, level: 'loud' })).rejections;
    expect(rejection).toEqual({
      index: 0,
      field: 'level',
      reason: 'record 0 invalid level: "loud"',
      raw: JSON.stringify({ ...EVENT, level: 'loud' }),
    });
  });

  test('has its fields trimmed and normalised, and its extra fields after them or dropped', () => {
    const extra = {
      ...LOG_ENTRY,
      fields: [{ name: 'n', type: 'long' }, ...LOG_ENTRY.fields, { name: 'x', type: 'string' }],
    };
    const schemas = registryOf(extra);
    const given = { ...EVENT, timestamp: '2025-07-02T19:00:01+02:00', level: 'information', message: ' hi\u00a0' };
    const body = Buffer.concat([long(-(2n ** 63n)), datum({ ...given, x: '"\n' })]);
    expect(linesOf(decode(body, { schemas }))).toBe(LINE.replace('}', ',"n":-9223372036854775808,"x":"\\"\\n"}'));
    expect(linesOf(decode(body, { schemas, options: { extraFields: 'drop' } }))).toBe(LINE);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'no log records provided'],
    [
      'an id that is not registered',
      confluent(99, DATUM),
      'there is no schema id 99; read as a record without an id: byte 4',
    ],
    ['an id of another kind', confluent(1, DATUM), 'schema id 1 is of PROTOBUF, not of AVRO; read as a record'],
    ['a cut datum after a known id', confluent(2, DATUM.subarray(0, -1)), 'record 0 is not Avro: byte 34: expected'],
    ['a length that is negative', Buffer.concat([long(-5), DATUM]), 'byte 0: expected the length of a string'],
    ['a length of 2 GB', Buffer.concat([long(2 ** 31), DATUM]), 'at most the 33 bytes that are left, found 2147483648'],
    [
      'a length beyond 64 bits',
      Buffer.alloc(20, 0xff),
      'expected a varint of at most 64 bits, found 0xffffffffffffffffffff',
    ],
    [
      'a text that is not UTF-8',
      Buffer.concat([text(Buffer.from([0x41, 0xff])), DATUM]),
      'byte 2: expected UTF-8, found 0xff',
    ],
  ])('is refused: %s', (_, body, expected) => {
    expect(refusal(body)).toContain(expected);
  });

  test('is refused where no schema is registered, or the registered one describes no record', () => {
    expect(refusal(DATUM, { stream: ACCESS_STREAM })).toBe(
      'no schema describes the body: register one under the subject access-avro, or send an Avro file, which has its own',
    );
    expect(refusal(confluent(99, DATUM), { stream: ACCESS_STREAM })).toBe('there is no schema id 99');
    expect(refusal(DATUM, { schemas: registryOf({ type: 'string' }) })).toBe(
      'version 1 of the subject events-avro describes a value of string, not a record',
    );
    expect(
      refusal(DATUM, { schemas: registryOf({ type: 'record', name: 'A', fields: [{ name: 'a', type: 'b' }] }) }),
    ).toBe('version 1 of the subject events-avro cannot be read: /fields/0/type: there is no type "b"');
  });

  test('may refer to schemas that are registered', () => {
    const level = { type: 'enum', name: 'logs.Level', symbols: ['INFO', 'WARN'] };
    const entry = LOG_ENTRY.fields.map((field) => (field.name === 'level' ? { ...field, type: 'logs.Level' } : field));
    const references = [{ name: 'logs.Level', subject: 'level', version: 1 }];
    const schemas = registryOf(level, { schema: JSON.stringify({ ...LOG_ENTRY, fields: entry }), references });
    const body = Buffer.concat([text(EVENT.timestamp), long(1), text('hi'), text('api')]);
    expect(linesOf(decode(body, { schemas }))).toBe(LINE.replace('INFO', 'WARN'));
  });
});

describe('an object container file', () => {
  const other = datum({ ...EVENT, message: 'höre "x"' });
  const otherLine = LINE.replace('hi', 'höre \\"x\\"');

  test.each(Object.keys(PACKERS))('has its records read, block by block, by its own schema: %s', (codec) => {
    const body = container(LOG_ENTRY, [[DATUM, other, DATUM], [], [other]], codec);
    const decoded = decode(body, { schemas: registryOf(TWO) });
    expect(linesOf(decoded)).toBe(LINE + otherLine + LINE + otherLine);
    expect(decoded.accepted).toBe(4);
  });

  test('need not name a codec', () => {
    const body = Buffer.concat([header(LOG_ENTRY), block({ data: DATUM, count: 1 })]);
    expect(linesOf(decode(body))).toBe(LINE);
  });

  test('has each invalid record refused by itself, and skipped where they are', () => {
    const body = container(LOG_ENTRY, [
      [DATUM, datum({ ...EVENT, level: 'x' })],
      [datum({ ...EVENT, service: ' ' }), other],
    ]);
    const decoded = decode(body, { options: { invalid: 'skip' } });
    expect(decoded.rejections.map(({ reason }) => reason)).toEqual([
      'record 1 invalid level: "x"',
      'record 2 blank service',
    ]);
    expect(linesOf(decoded)).toBe(LINE + otherLine);
    expect(decode(body)).toMatchObject({ batch: [], accepted: 2, rejected: 2 });
  });

  test('has a record that is too long refused, and the next one read', () => {
    const long = datum({ ...EVENT, message: 'x'.repeat(100_000) });
    const options = { maxRecordBytes: 1_000, invalid: 'skip' } as const;
    const decoded = decode(container(LOG_ENTRY, [[long, DATUM]]), { options });
    expect(decoded.rejections).toMatchObject([{ index: 0, field: '', reason: 'record 0 exceeds 1000 bytes' }]);
    // A file of its own, which holds its schema.
    const raw = decoded.rejections[0]?.raw ?? '';
    expect(raw.startsWith('base64:')).toBe(true);
    const again = linesOf(decode(Buffer.from(raw.slice('base64:'.length), 'base64')));
    expect(again === `${JSON.stringify({ ...EVENT, message: 'x'.repeat(100_000) })}\n`).toBe(true);
    expect(linesOf(decoded)).toBe(LINE);
  });

  const head = header(LOG_ENTRY);
  const whole = block({ data: DATUM, count: 1 });
  const at = head.length;
  test.each([
    ['a header that is cut', head.subarray(0, 30), 'not an Avro file: the header: byte'],
    [
      'a header without a sync marker',
      head.subarray(0, -1),
      'expected 16 bytes of a sync marker, found the end after 15',
    ],
    [
      'a header without a schema',
      Buffer.concat([Buffer.from('Obj\x01\0'), Buffer.alloc(16)]),
      'its metadata have no avro.schema',
    ],
    [
      'a schema that cannot be read',
      header('{"type":"x"}'),
      'the schema in the Avro file cannot be read: /type: there is no type "x"',
    ],
    [
      'a schema of no record',
      header('"string"'),
      'the schema in the Avro file describes a value of string, not a record',
    ],
    [
      'a codec that is not supported',
      header(LOG_ENTRY, 'bzip2'),
      'has the codec "bzip2"; supported: null, deflate, zstandard, snappy',
    ],
    ['no blocks', head, 'no log records provided'],
    [
      'a block that is cut',
      Buffer.concat([head, whole.subarray(0, -20)]),
      `block 0: byte ${at + 1}: expected the length of a block`,
    ],
    [
      'a wrong sync marker',
      Buffer.concat([head, whole, block({ data: DATUM, count: 1, sync: Buffer.alloc(16) })]),
      `block 1: byte ${at + whole.length + 2 + DATUM.length}: expected the sync marker 0x30`,
    ],
    [
      'a negative count',
      Buffer.concat([head, block({ data: DATUM, count: -1 })]),
      'expected the count of a block, 0 or more, found -1',
    ],
    [
      'a huge count',
      Buffer.concat([head, block({ data: DATUM, count: 2 ** 40 })]),
      'expected a count of at most 33 records',
    ],
    [
      'fewer records than counted',
      Buffer.concat([head, block({ data: DATUM, count: 2 })]),
      `record 1 in block 0 (at byte ${at} of the body): byte 33: expected another byte, found the end`,
    ],
    [
      'more records than counted',
      Buffer.concat([head, block({ data: Buffer.concat([DATUM, DATUM]), count: 1 })]),
      'byte 33: expected the end, found 33 bytes after the last record',
    ],
    ['records in a block of none', Buffer.concat([head, block({ data: DATUM, count: 0 })]), 'byte 0: expected the end'],
  ])('is refused as a whole: %s', (_, body, expected) => {
    expect(refusal(body)).toContain(expected);
    expect(refusal(body, { options: { invalid: 'skip' } })).toContain(expected);
  });

  test.each(['deflate', 'zstandard', 'snappy'])('is refused where a block cannot be unpacked: %s', (codec) => {
    const packed = PACKERS[codec]?.(Buffer.from('x'.repeat(100))) as Buffer;
    const withData = (data: Buffer) => refusal(Buffer.concat([header(LOG_ENTRY, codec), block({ data, count: 1 })]));
    expect(withData(packed)).toContain('record 0 in block 0');
    expect(withData(packed.subarray(0, -5))).toContain('block 0 (at byte');
    expect(withData(packed.subarray(0, -5))).toContain('cannot be unpacked');
    expect(withData(Buffer.concat([packed, Buffer.from('xxxxx')]))).toContain('cannot be unpacked');
    expect(withData(Buffer.alloc(0))).toContain('cannot be unpacked');
    const bomb = PACKERS[codec]?.(Buffer.alloc(9 * 1024 * 1024)) as Buffer;
    expect(withData(bomb)).toContain('it unpacks to more than 8388608 bytes; write smaller blocks');
  });

  test('is refused where its blocks together unpack to more than a batch may have', () => {
    const pad = { name: 'pad', type: { type: 'fixed', name: 'Pad', size: 2 ** 20 } };
    const padded = container({ ...LOG_ENTRY, fields: [pad, ...LOG_ENTRY.fields] }, [], 'deflate');
    const data = PACKERS.deflate?.(Buffer.concat([Buffer.alloc(2 ** 20), DATUM])) as Buffer;
    const body = Buffer.concat([padded, ...Array.from({ length: 5 }, () => block({ data, count: 1 }))]);
    const within = (maxBatchBytes: number) => refusal(body, { options: { maxBatchBytes, extraFields: 'drop' } });
    expect(within(6 * 2 ** 20)).toContain('record 0 exceeds 262144 bytes');
    expect(within(4 * 2 ** 20)).toBe(
      'the Avro file unpacks to more than 4194304 bytes (ingestion.maxBatchBytes); nothing was stored; send smaller files',
    );
  });
});

describe('the schema of a file', () => {
  const recursive = {
    type: 'record',
    name: 'Node',
    fields: [...LOG_ENTRY.fields, { name: 'next', type: ['null', { type: 'array', items: 'Node' }] }],
  };

  test('may make values as deep as a record may be, and no deeper', () => {
    const nested = (levels: number): Buffer =>
      levels === 0
        ? Buffer.concat([DATUM, long(0)])
        : Buffer.concat([DATUM, long(1), long(1), nested(levels - 1), long(0)]);
    const options = { maxDepth: 5 };
    expect(decode(container(recursive, [[nested(2)]]), { options }).accepted).toBe(1);
    expect(refusal(container(recursive, [[nested(3)]]), { options })).toContain(
      'nested at most 5 deep (ingestion.maxDepth)',
    );
  });

  test('with items of no bytes makes no more text than a record may have', () => {
    const empty = {
      ...LOG_ENTRY,
      fields: [...LOG_ENTRY.fields, { name: 'x', type: { type: 'array', items: 'null' } }],
    };
    const items = (count: number) => Buffer.concat([DATUM, long(count), long(0)]);
    expect(linesOf(decode(container(empty, [[items(3)]])))).toBe(LINE.replace('}', ',"x":[null,null,null]}'));
    expect(refusal(container(empty, [[items(2 ** 45)]]))).toBe('record 0 exceeds 262144 bytes');
  });

  test('with six bytes that ask for 2^31 items is refused', () => {
    const list = { ...LOG_ENTRY, fields: [{ name: 'x', type: { type: 'array', items: 'string' } }] };
    const body = container(list, [[Buffer.from('808080801000', 'hex')]]);
    expect(refusal(body)).toContain(
      'byte 0: expected a count of at most 1 items, for the bytes that are left, found 2147483648',
    );
  });
});

test('the frame of an older client is the golden one', () => {
  const frame = readFileSync(new URL('../../../testdata/frames/avro.hex', import.meta.url), 'utf8').trim();
  const bytes = Buffer.from(frame, 'hex');
  expect([bytes[0], bytes.readUInt32BE(1)]).toEqual([3, bytes.length - 5]);
  expect(linesOf(decode(bytes.subarray(5)))).toBe(LINE);
});
