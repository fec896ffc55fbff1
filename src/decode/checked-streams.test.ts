import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOG_ENTRY as AVRO_LOG_ENTRY, container, datum } from '../../test/support/avro-bodies.ts';
import { createBodies, mutate } from '../../test/support/decode-arbitraries.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createOneSubject } from '../../test/support/one-subject.ts';
import { delimited, logEntry } from '../../test/support/protobuf-messages.ts';
import { createRandom } from '../../test/support/random.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import { UnavailableError } from '../model/deliver.ts';
import type { Schemas } from '../model/schema.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../model/stream.ts';
import {
  type BodyFormat,
  type Decoded,
  type DecodeOptions,
  MalformedBodyError,
  TEXT_FORMATS,
  type TextFormat,
} from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';
import { createRecordCheck } from './schema-check/schema-check.ts';

const LOG_ENTRY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../config/schemas/log-entry.json'), 'utf8'),
) as object;

type Run = (format: BodyFormat, body: string | Buffer, options?: Partial<DecodeOptions>) => Decoded;

function decoderOf(stream: Stream, schemas: Schemas): Run {
  const decoders = createDecoders(stream, schemas);
  return (format, body, options = {}) =>
    runToEnd(decoders[format](Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

const linesOf = ({ batch }: Decoded): string => batch.map(({ lines }) => lines.toString()).join('');
const reasonsOf = ({ rejections }: Decoded): string[] => rejections.map(({ reason }) => reason);

const toBody: Readonly<Record<TextFormat, (records: readonly object[]) => string>> = {
  json: (records) => JSON.stringify(records),
  ndjson: (records) => records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  csv: (records) => {
    const names = Object.keys(records[0] ?? {});
    const rows = records.map((record) => names.map((name) => String(new Map(Object.entries(record)).get(name))));
    return [names, ...rows].map((row) => `${row.join(',')}\n`).join('');
  },
};

const TIMESTAMP = '2025-11-22T15:23:00Z';
const EVENT = { timestamp: TIMESTAMP, level: 'INFO', message: 'ready', service: 'api' };
const ACCESS = { timestamp: TIMESTAMP, path: '/', userAgent: 'Mozilla/5.0' };
const ORDERS: Stream = { name: 'orders', required: ['shop'], countBy: [] };
const ORDER = { timestamp: TIMESTAMP, shop: 'Bonn' };

// One that the scanner checks, and the same for ajv.
const limit = (name: string) => ({ properties: { [name]: { type: 'string', maxLength: 40 } } });
const byAjv = (schema: object) => ({ allOf: [schema] });

describe.each([
  ['access', ACCESS_STREAM, ACCESS, 'path'],
  ['events', EVENTS_STREAM, EVENT, 'message'],
  ['a stream of a team', ORDERS, ORDER, 'shop'],
] as const)('records of %s', (_name, stream, record, field) => {
  const long = 'x'.repeat(41);
  const reasonAt = (format: TextFormat, index: number) =>
    `${format === 'csv' ? `row ${index + 2}` : `record ${index}`} /${field}: ${field} too long: 41 characters, at most 40`;
  const valid = { ...record, [field]: 'x'.repeat(40) };
  const inOtherOrder = Object.fromEntries(Object.entries(valid).reverse());
  const records = [valid, { ...record, [field]: long }, inOtherOrder, { ...inOtherOrder, [field]: ` ${long} ` }, valid];
  const line = `${JSON.stringify(valid)}\n`;

  describe.each(TEXT_FORMATS)('as %s', (format) => {
    const body = toBody[format](records);
    const reasons = [reasonAt(format, 1), reasonAt(format, 3)];
    it.each([
      ['scanner', limit(field)],
      ['ajv', byAjv(limit(field))],
    ])('are checked by the newest schema (%s)', (_by, schema) => {
      const run = decoderOf(stream, createOneSubject(stream.name, schema).schemas);
      const refused = run(format, body);
      expect(reasonsOf(refused)).toEqual(reasons);
      expect(refused).toMatchObject({ batch: [], accepted: 3, rejected: 2 });
      expect(refused.rejections[0]).toMatchObject({ field, raw: expect.stringContaining(long) });
      const skipped = run(format, body, { invalid: 'skip' });
      expect(reasonsOf(skipped)).toEqual(reasons);
      expect(linesOf(skipped)).toBe(line.repeat(3));
    });

    it('are not checked without a schema, or by one of another type', () => {
      for (const { schemas } of [createOneSubject(stream.name), createOneSubject(stream.name, limit(field), 'AVRO')]) {
        expect(decoderOf(stream, schemas)(format, body).accepted).toBe(5);
      }
    });

    it('are checked by the version that is the newest when their body comes', () => {
      const { schemas, register, remove } = createOneSubject(stream.name);
      const run = decoderOf(stream, schemas);
      expect(run(format, body).rejected).toBe(0);
      register(limit(field));
      expect(run(format, body).rejected).toBe(2);
      register({ properties: { [field]: { maxLength: 39 } } });
      expect(run(format, body).rejected).toBe(5);
      remove();
      expect(run(format, body).rejected).toBe(0);
    });

    it('wait while the newest version cannot be used', () => {
      const { schemas, register } = createOneSubject(stream.name, { properties: { a: { $ref: '#/gone' } } });
      const run = decoderOf(stream, schemas);
      for (let time = 0; time < 2; time++) expect(() => run(format, body)).toThrow(UnavailableError);
      const message = `cannot check records of stream ${stream.name}: version 1 of subject ${stream.name} cannot be used: /properties/a/$ref: there is no schema at "#/gone"`;
      expect(() => run(format, body)).toThrow(message);
      register({});
      expect(run(format, body).accepted).toBe(5);
    });

    it('are checked as they are stored: without the extra fields that are dropped', () => {
      const run = decoderOf(stream, createOneSubject(stream.name, { required: ['id'] }).schemas);
      const identified = toBody[format]([{ ...record, id: 'a' }]);
      expect(run(format, identified).accepted).toBe(1);
      const reason = `${format === 'csv' ? 'row 2' : 'record 0'} /id: missing id`;
      expect(reasonsOf(run(format, identified, { extraFields: 'drop' }))).toEqual([reason]);
    });
  });
});

describe('events in binary formats', () => {
  const long = 'x'.repeat(41);
  const fine = { ...EVENT, message: 'x'.repeat(40) };
  const records = [
    fine,
    { ...EVENT, message: long },
    { ...fine, level: 'info' },
    { ...EVENT, message: ` ${long} ` },
    fine,
  ];
  const bodies = {
    avro: container(AVRO_LOG_ENTRY, [records.map(datum)]),
    'protobuf-delimited': delimited(records.map(logEntry)),
  };
  const withBuiltin = ({ newest }: Schemas): Schemas => ({
    ...BUILTIN_SCHEMAS,
    newest: (subject) => newest(subject) ?? BUILTIN_SCHEMAS.newest(subject),
  });

  it.each([
    ['avro', 'scanner', limit('message')],
    ['avro', 'ajv', byAjv(limit('message'))],
    ['protobuf-delimited', 'scanner', limit('message')],
    ['protobuf-delimited', 'ajv', byAjv(limit('message'))],
  ] as const)('are checked as they are stored (%s, %s)', (format, _by, schema) => {
    const run = decoderOf(EVENTS_STREAM, withBuiltin(createOneSubject('events', schema).schemas));
    const reason = (index: number) => `record ${index} /message: message too long: 41 characters, at most 40`;
    const refused = run(format, bodies[format]);
    expect(reasonsOf(refused)).toEqual([reason(1), reason(3)]);
    expect(refused).toMatchObject({ batch: [], accepted: 3, rejected: 2 });
    const skipped = run(format, bodies[format], { invalid: 'skip' });
    expect(linesOf(skipped)).toBe(`${JSON.stringify(fine)}\n`.repeat(3));
  });

  it('are not checked without a schema', () => {
    const run = decoderOf(EVENTS_STREAM, withBuiltin(createOneSubject('events').schemas));
    for (const format of ['avro', 'protobuf-delimited'] as const) expect(run(format, bodies[format]).accepted).toBe(5);
  });

  it('are checked one by one as well', () => {
    const run = decoderOf(EVENTS_STREAM, withBuiltin(createOneSubject('events', limit('message')).schemas));
    const [ok, bad] = [fine, { ...EVENT, message: long }];
    expect(run('avro', datum(ok)).accepted).toBe(1);
    expect(run('avro', datum(bad)).rejected).toBe(1);
    expect(run('protobuf', logEntry(ok)).accepted).toBe(1);
    expect(run('protobuf', logEntry(bad)).rejected).toBe(1);
  });
});

describe('events with the schema LogEntry', () => {
  const run = decoderOf(EVENTS_STREAM, createOneSubject(EVENTS_STREAM.name, LOG_ENTRY).schemas);

  it.each(TEXT_FORMATS)('are checked with their level normalised (%s)', (format) => {
    const given = ['warning', 'Err', 'INFO'].map((level) => ({ ...EVENT, level }));
    expect(run(format, toBody[format](given)).accepted).toBe(3);
  });

  it('are refused with the reasons of a LogEntry', () => {
    const { service: _, ...lacking } = EVENT;
    const faults = [
      lacking,
      { ...EVENT, level: 'loud' },
      { ...EVENT, message: 'x'.repeat(2049) },
      { ...EVENT, service: 'x'.repeat(129) },
      { ...EVENT, message: 'é'.repeat(2048) },
    ];
    expect(reasonsOf(run('json', toBody.json(faults)))).toEqual([
      'record 0 missing service',
      'record 1 invalid level: "loud"',
      'record 2 /message: message too long: 2049 characters, at most 2048',
      'record 3 /service: service name too long: 129 characters, at most 128',
    ]);
  });
});

// Every body, sound or damaged: the checked decoder stores the lines that the other one stores and ajv accepts, and refuses the others.
const RUNS = Math.ceil(Number(process.env.FUZZ_CASES ?? 12_000) / 12);

describe.each(TEXT_FORMATS)('the checked %s decoder', (format) => {
  const SCHEMAS = [
    limit('path'),
    { required: ['id'] },
    { properties: { path: { maxLength: 3 }, userAgent: { minLength: 2 }, a: { type: ['string', 'integer'] } } },
    { properties: { path: { enum: ['x', '/'] } }, additionalProperties: { type: ['number', 'string'] } },
    byAjv({ properties: { userAgent: { pattern: '^[a-m]' } } }),
  ];
  const bodies = createBodies(ACCESS_STREAM);
  const plain = decoderOf(ACCESS_STREAM, createOneSubject(ACCESS_STREAM.name).schemas);
  const kinds = SCHEMAS.map((schema) => ({
    run: decoderOf(ACCESS_STREAM, createOneSubject(ACCESS_STREAM.name, schema).schemas),
    check: createRecordCheck({ schema: JSON.stringify(schema), references: [] }, { version: () => undefined }),
  }));

  it('refuses what ajv refuses of the stored lines, and nothing else', { timeout: 120_000 }, () => {
    let refusedInAll = 0;
    let storedInAll = 0;
    fc.assert(
      fc.property(
        bodies[format],
        fc.constantFrom(...kinds),
        fc.constantFrom('keep', 'drop'),
        fc.nat(),
        (text, kind, extraFields, seed) => {
          const random = createRandom(seed).next;
          for (let mutant = 0; mutant < 4; mutant++) {
            const body = mutant === 0 ? Buffer.from(text) : mutate(Buffer.from(text), random);
            const expected = malformedOr(() => plain(format, body, { invalid: 'skip', extraFields }));
            const actual = malformedOr(() => kind.run(format, body, { invalid: 'skip', extraFields }));
            if (typeof expected === 'string' || typeof actual === 'string') {
              expect(actual).toEqual(expected);
              continue;
            }
            const all = linesOf(expected).split('\n').slice(0, -1);
            const refused = all.flatMap((line) => kind.check.faultOf(line)?.problem ?? []);
            const stored = all.filter((line) => kind.check.faultOf(line) === undefined);
            expect(linesOf(actual).split('\n').slice(0, -1).sort()).toEqual(stored.sort());
            const without = (reasons: readonly string[]) =>
              reasons.map((reason) => reason.replace(/^\w+ \d+ /, '')).sort();
            expect(without(reasonsOf(actual))).toEqual(
              without([...reasonsOf(expected), ...refused.map((one) => `record 0 ${one}`)]),
            );
            const counted = malformedOr(() => kind.run(format, body, { extraFields }));
            expect(counted).toMatchObject({ accepted: actual.accepted, rejected: actual.rejected });
            refusedInAll += refused.length;
            storedInAll += stored.length;
          }
        },
      ),
      { seed: 20_251_122, numRuns: RUNS },
    );
    expect(Math.min(refusedInAll, storedInAll)).toBeGreaterThan(RUNS / 50);
  });
});

function malformedOr(decode: () => Decoded): Decoded | string {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedBodyError) return error.message;
    throw error;
  }
}
