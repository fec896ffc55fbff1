import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOptions, flatText, timestamp } from '../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createLayout, type Layout } from '../lines/layout.ts';
import { LineWriter } from '../lines/writer.ts';
import { LEVEL_SYNONYMS, LEVELS } from '../model/level.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../model/stream.ts';
import type { DecodeOptions } from './decode.ts';
import { encodeFields, rawOf } from './decoded-record.ts';
import { FlatLine, planFlatLine } from './flat-line.ts';

const RUNS = { numRuns: 10_000, seed: 20_251_127 };
const BARE: Stream = { name: 'bare', required: [], countBy: [] };

/** A text as bytes, a whole number, a JSON token, or nothing. */
type Value = Buffer | number | string | undefined;

const EVENT: Record<string, Value> = {
  timestamp: Buffer.from('2025-11-22T15:23:00Z'),
  level: Buffer.from('INFO'),
  message: Buffer.from('ready'),
  service: Buffer.from('api'),
};

/** The stored line that is written from the bytes; undefined where the reference must judge. */
function write(stream: Stream, record: Record<string, Value>, options: DecodeOptions = DECODE_OPTIONS) {
  const layout = createLayout(stream);
  const plan = planFlatLine(layout, Object.keys(record), options.extraFields);
  if (plan === undefined) return undefined;
  const parts = Object.values(record).map((value) => (Buffer.isBuffer(value) ? value : Buffer.alloc(0)));
  const bytes = Buffer.concat(parts.flatMap((part) => [part, Buffer.from('x')]));
  const flat = new FlatLine(bytes, layout, plan);
  const writer = new LineWriter(0);
  // A record before this one must leave nothing behind.
  for (let at = 0; at < plan.count; at++) flat.text(at, 0, 1);
  flat.clear();
  let start = 0;
  for (const [at, value] of Object.values(record).entries()) {
    if (Buffer.isBuffer(value)) flat.text(at, start, start + value.length);
    else if (typeof value === 'number') flat.integer(at, value);
    else if (value !== undefined) flat.token(at, value);
    start += (parts[at]?.length ?? 0) + 1;
  }
  if (flat.write(writer)) {
    const line = writer.bytes.toString('utf8', 0, writer.used);
    expectFieldEnds(layout, writer.bytes, JSON.parse(line) as Record<string, string>);
    return { hour: flat.instants.hour, line };
  }
  expect(writer.used).toBe(0);
  return undefined;
}

/** Between the lead of each field and its end stands the text of the field. */
function expectFieldEnds({ fields, leads, fieldEnds }: Layout, line: Buffer, record: Record<string, string>): void {
  const texts = fields.map((_, field) => {
    const start = (field === 0 ? 0 : (fieldEnds[field - 1] as number)) + (leads[field]?.length ?? 0);
    return `"${line.toString('utf8', start, fieldEnds[field])}"`;
  });
  expect(texts).toEqual(fields.map((name) => JSON.stringify(record[name])));
}

function encode(stream: Stream, record: Record<string, Value>, options: DecodeOptions = DECODE_OPTIONS) {
  const present = Object.entries(record).filter(([, value]) => value !== undefined);
  const fields = new Map(present.map(([name, value]) => [name, jsonOf(value)]));
  return encodeFields(createLayout(stream), fields, options);
}

function jsonOf(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(Buffer.isBuffer(value) ? value.toString() : value);
}

const usually = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: usual }, { weight: 1, arbitrary: odd });
const toBytes = (text: string) => Buffer.from(text);
const level = usually(
  fc.constantFrom(...LEVELS, ...Object.keys(LEVEL_SYNONYMS), 'warn', ' Info', '3', 'INFX', 'INFOINFO'),
  flatText,
).map(toBytes);
const text = usually(
  flatText.map((inner) => `<${inner}>`).map(toBytes),
  fc.oneof(flatText.map(toBytes), fc.uint8Array({ maxLength: 12 }).map(toBuffer)),
);
const extra = fc.oneof(
  text,
  fc.maxSafeInteger(),
  fc.integer({ min: -1100, max: 1100 }),
  fc.constantFrom('true', '1.5e300', '18446744073709551615', '"A"', undefined),
);
const name = fc.oneof(fc.constantFrom('path', 'level', 'severityNumber', '__proto__', 'a"b'), flatText);

function toBuffer(array: Uint8Array): Buffer {
  return Buffer.from(array);
}

/** Records of a stream with their fields in any order. */
function recordsOf({ required, levelField }: Stream) {
  const own = fc.tuple(timestamp.map(toBytes), ...required.map((field) => (field === levelField ? level : text)));
  return fc.tuple(own, fc.dictionary(name, extra, { maxKeys: 4, noNullPrototype: true })).chain(([values, extras]) => {
    const fields = ['timestamp', ...required].map((field, i) => [field, values[i]] as const);
    const all = [...Object.entries<Value>(extras).filter(([each]) => !required.includes(each)), ...fields];
    return fc.shuffledSubarray(all, { minLength: all.length }).map((entries) => Object.fromEntries<Value>(entries));
  });
}

describe('a line that is written from the bytes of a flat record', () => {
  test.each([ACCESS_STREAM, EVENTS_STREAM, BARE])('is the one that the reference makes: $name', (stream) => {
    let written = 0;
    fc.assert(
      fc.property(recordsOf(stream), decodeOptions, (record, options) => {
        const actual = write(stream, record, options);
        if (actual === undefined || Buffer.byteLength(actual.line) > options.maxRecordBytes) return;
        written++;
        const isUtf8 = Object.values(record).every((value) => !Buffer.isBuffer(value) || isText(value));
        expect([isUtf8, actual]).toEqual([true, encode(stream, record, options)]);
      }),
      RUNS,
    );
    expect(written).toBeGreaterThan(RUNS.numRuns / 6);
  });

  test('has its extra fields in the order of their names in the schema, and drops them where they are dropped', () => {
    const record = {
      id: 7,
      ...EVENT,
      'a"b': Buffer.from('x"\\\n\u007f'),
      big: '18446744073709551615',
      none: undefined,
    };
    const line = '{"timestamp":"2025-11-22T15:23:00Z","level":"INFO","message":"ready","service":"api"';
    expect(write(EVENTS_STREAM, record)?.line).toBe(
      `${line},"id":7,"a\\"b":"x\\"\\\\\\n\u007f","big":18446744073709551615}\n`,
    );
    expect(write(EVENTS_STREAM, record, { ...DECODE_OPTIONS, extraFields: 'drop' })?.line).toBe(`${line}}\n`);
  });

  test('has room for a text of nothing but escapes', () => {
    const record = { ...EVENT, message: Buffer.from(`<${'\u0001'.repeat(5_000)}>`) };
    expect(write(EVENTS_STREAM, record)).toEqual(encode(EVENTS_STREAM, record));
  });

  test.each([
    ['an absent field', { ...EVENT, service: undefined }],
    ['a blank text', { ...EVENT, message: Buffer.from(' ') }],
    ['an empty text', { ...EVENT, message: Buffer.alloc(0) }],
    ['a text that is not trimmed', { ...EVENT, message: Buffer.from('ready\u00a0') }],
    ['a text that is not UTF-8', { ...EVENT, message: Buffer.from('a\xff', 'latin1') }],
    ['a text that begins in a character', { ...EVENT, message: Buffer.from('\x80', 'latin1') }],
    [
      'an extra text that is not UTF-8',
      { ...EVENT, x: Buffer.from('\xc3', 'latin1'), y: Buffer.from('\xa9', 'latin1') },
    ],
    ['a number for a text', { ...EVENT, message: 1 }],
    ['an unknown level', { ...EVENT, level: Buffer.from('loud') }],
    ['an invalid timestamp', { ...EVENT, timestamp: Buffer.from('2025-11-31T15:23:00Z') }],
    ['a timestamp with an escape in it', { ...EVENT, timestamp: Buffer.from('2025-11-22T15:23:00Z\n') }],
    ['a long text', { ...EVENT, message: Buffer.alloc(64 * 1024 + 1, 'x') }],
  ])('is left to the reference for %s', (_, record) => {
    expect(write(EVENTS_STREAM, record)).toBeUndefined();
    expect(write(EVENTS_STREAM, EVENT)).toBeDefined();
  });

  test('cannot be planned where a field of the layout has no name', () => {
    expect(planFlatLine(createLayout(EVENTS_STREAM), ['timestamp', 'level', 'message'], 'keep')).toBeUndefined();
  });
});

describe('the fields of a decoded record', () => {
  test('are judged as those of JSON', () => {
    const { level: _, ...rest } = EVENT;
    expect(encode(EVENTS_STREAM, { ...rest, severityNumber: 13 })).toMatchObject({
      line: '{"timestamp":"2025-11-22T15:23:00Z","level":"WARN","message":"ready","service":"api","severityNumber":13}\n',
    });
    expect(encode(EVENTS_STREAM, rest)).toEqual({ field: 'level', problem: 'missing level' });
    expect(encode(EVENTS_STREAM, { ...EVENT, level: 9 })).toEqual({ field: 'level', problem: 'invalid level: 9' });
    expect(encode(EVENTS_STREAM, { ...EVENT, service: 'null' })).toEqual({
      field: 'service',
      problem: 'service must be a string',
    });
  });

  test('are limited in their stored line, the fault of a field first', () => {
    const short = { ...DECODE_OPTIONS, maxRecordBytes: 100 };
    const long = Buffer.alloc(100, 'x');
    expect(encode(EVENTS_STREAM, { ...EVENT, x: long }, short)).toEqual({ field: '', problem: 'exceeds 100 bytes' });
    expect(encode(EVENTS_STREAM, { ...EVENT, level: 9, x: long }, short)).toMatchObject({ field: 'level' });
    expect(encode(EVENTS_STREAM, { ...EVENT, x: long }, { ...short, extraFields: 'drop' })).toMatchObject({
      hour: 489_951,
    });
  });

  test('are one JSON object for a dead letter', () => {
    expect(
      rawOf(
        new Map([
          ['a"b', '18446744073709551615'],
          ['c', '{"d":[]}'],
        ]),
      ),
    ).toBe('{"a\\"b":18446744073709551615,"c":{"d":[]}}');
  });
});

function isText(value: Buffer): boolean {
  return Buffer.from(value.toString()).equals(value);
}
