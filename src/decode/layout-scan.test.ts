import { describe, expect, test } from 'vitest';
import { outcome } from '../../test/fuzz/targets/decode.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { createReferenceDecoders } from '../../test/support/reference-decoders.ts';
import { EVENTS_STREAM, type Stream } from '../model/stream.ts';
import type { DecodeOptions } from './decode.ts';
import { createDecoders } from './decoders.ts';

const team: Stream = { name: 'team', required: ['a', 'ab', 'größe "x"', 'lvl'], levelField: 'lvl', countBy: [] };
const bare: Stream = { name: 'bare', required: [], countBy: [] };

const lines: readonly (readonly [what: string, stream: Stream, line: string])[] = [
  [
    'an event in stored form',
    EVENTS_STREAM,
    '{"timestamp":"2025-11-22T15:23:00.5Z","level":"WARN","message":"said \\"no\\" to all of them","service":"api","id":1}',
  ],
  [
    'an event in another order, with white space and a level by another name',
    EVENTS_STREAM,
    '{ "service":"api","x":[1, {}],"level" :"warning","message":"m/\\/n","timestamp":"2025-11-22T15:23:00+00:00"}',
  ],
  [
    'an event with the digit of a level',
    EVENTS_STREAM,
    '{"level":3,"service":"a","timestamp":"2025-11-22T15:23:00Z","message":"b"}',
  ],
  [
    'an event without a level, and with a severity number',
    EVENTS_STREAM,
    '{"service":"a","timestamp":"2025-11-22T15:23:00Z","message":"b","severityNumber":9}',
  ],
  [
    'a record of a team in stored form',
    team,
    '{"timestamp":"2025-11-22T15:23:00Z","a":"1","ab":"2","größe \\"x\\"":"3","lvl":"EMERG"}',
  ],
  [
    'a record of a team in another order',
    team,
    '{"lvl":"Info","größe \\"x\\"":"3","abc":1,"ab":"2","a":"1","timestamp":"2025-11-22T15:23:00Z"}',
  ],
  ['a record with nothing but a timestamp', bare, '{"timestamp":"2025-11-22T15:23:00Z"}'],
];

const ANY_BYTES = Buffer.from(Array.from({ length: 0x80 }, (_, byte) => byte));
const TELLING_BYTES = Buffer.from('"\\{}:, 1a\n\t');

/** After so many invalid records readers may only say that a record is invalid. */
const NOT_LISTED = '1\n'.repeat(100);

describe.each(lines)('%s', (_, stream, line) => {
  const decode = createDecoders(stream).ndjson;
  const reference = createReferenceDecoders(stream).ndjson;

  function compare(body: Buffer, options: DecodeOptions): string {
    const expected = outcome(reference, body, options);
    const actual = outcome(decode, body, options);
    if (actual !== expected) expect({ body: body.toString(), actual }).toBe(expected);
    return expected;
  }

  test.each([
    { where: 'first', before: '', extraFields: 'keep', bytes: ANY_BYTES },
    { where: 'first, without its extra fields', before: '', extraFields: 'drop', bytes: TELLING_BYTES },
    { where: 'after many invalid records', before: NOT_LISTED, extraFields: 'keep', bytes: TELLING_BYTES },
  ] as const)('$where: is read as its reference reads it, with any one byte changed or added', (variant) => {
    const options: DecodeOptions = { ...DECODE_OPTIONS, extraFields: variant.extraFields };
    const before = Buffer.from(variant.before);
    const whole = Buffer.from(line);
    const verdicts = new Set<string>();
    for (let at = 0; at <= whole.length; at++) {
      const [head, next, tail] = [whole.subarray(0, at), whole.subarray(at, at + 1), whole.subarray(at + 1)];
      for (const byte of variant.bytes) {
        verdicts.add(compare(Buffer.concat([before, head, Buffer.of(byte), tail]), options));
      }
      for (const byte of TELLING_BYTES) compare(Buffer.concat([before, head, Buffer.of(byte), next, tail]), options);
    }
    expect(verdicts.size).toBeGreaterThan(1);
  });

  test('is read as its reference reads it, cut anywhere and with any stretch twice', () => {
    for (let from = 0; from < line.length; from++) {
      compare(Buffer.from(line.slice(0, from)), DECODE_OPTIONS);
      for (let to = from + 1; to <= line.length; to++) {
        compare(Buffer.from(line.slice(0, from) + line.slice(to)), DECODE_OPTIONS);
        compare(Buffer.from(line.slice(0, to) + line.slice(from)), DECODE_OPTIONS);
      }
    }
  });
});
