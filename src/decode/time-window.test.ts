import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { type DecodeOptions, TEXT_FORMATS, type TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const EARLIEST = Date.parse('2025-11-22T10:20:30Z') / 1_000;
const LATEST = Date.parse('2025-11-23T12:00:05Z') / 1_000;
const TOO_EARLY = ['2025-11-22T09:59:59Z', '2025-11-22T10:20:29.999Z', '0001-01-01T00:00:00Z'];
const TOO_LATE = ['2025-11-23T12:00:06Z', '2025-11-23T14:00:06.5+02:00', '9999-12-31T23:59:59Z'];
const INSIDE = ['2025-11-22T10:20:30Z', '2025-11-22T11:00:00Z', '2025-11-23T11:59:59Z', '2025-11-23T12:00:05.9Z'];
const BEFORE = 'before 2025-11-22T10:20:30Z (ingestion.minTimestamp)';
const AFTER = 'too far in the future (ingestion.maxFuture)';

/** `isStored`: the fields in the order of a stored line, which is read in place. */
function bodyOf(format: TextFormat, timestamps: readonly string[], isStored: boolean): string {
  const records = timestamps.map((timestamp) =>
    isStored ? { timestamp, path: '/a', userAgent: 'b' } : { userAgent: 'b', path: '/a', timestamp },
  );
  if (format === 'json') return JSON.stringify(records);
  if (format === 'ndjson') return records.map((record) => `${JSON.stringify(record)}\n`).join('');
  return [Object.keys(records[0] ?? {}), ...records.map((record) => Object.values(record))]
    .map((row) => `${row.join()}\n`)
    .join('');
}

function decode(format: TextFormat, body: string, options: Partial<DecodeOptions>) {
  const decoder = createDecoders(ACCESS_STREAM)[format];
  return runToEnd(decoder(Buffer.from(body), { ...DECODE_OPTIONS, invalid: 'skip', ...options }));
}

describe.each(TEXT_FORMATS)('a rule about the time: %s', (format) => {
  describe.each([true, false])('in stored form: %s', (isStored) => {
    test('refuses a record before the earliest and after the latest second, and takes those between', () => {
      const timestamps = [...TOO_EARLY, ...INSIDE, ...TOO_LATE];
      const body = bodyOf(format, timestamps, isStored);
      const { accepted, rejections } = decode(format, body, { earliest: EARLIEST, latest: LATEST });
      expect(accepted).toBe(INSIDE.length);
      expect(rejections.map(({ reason }) => reason.replace(/^(record|row) \d+ /, ''))).toEqual([
        ...TOO_EARLY.map(() => BEFORE),
        ...TOO_LATE.map(() => AFTER),
      ]);
      expect(rejections.every(({ field }) => field === 'timestamp')).toBe(true);
    });

    test('says of a removed hour that it is older than retention, whatever the rule', () => {
      const body = bodyOf(format, ['2025-11-22T09:00:00Z', '2025-11-22T11:10:00Z'], isStored);
      const firstHour = Math.floor(EARLIEST / 3_600) + 1;
      const { accepted, rejections } = decode(format, body, { earliest: EARLIEST, firstHour });
      expect(accepted).toBe(1);
      expect(rejections.map(({ reason }) => reason)).toEqual([expect.stringMatching(/ older than retention$/)]);
    });

    test('takes any time where there is none', () => {
      expect(decode(format, bodyOf(format, [...TOO_EARLY, ...TOO_LATE], isStored), {})).toMatchObject({
        accepted: TOO_EARLY.length + TOO_LATE.length,
        rejected: 0,
      });
    });
  });
});

describe('a blank user agent', () => {
  const body = '{"timestamp":"2025-11-22T10:20:30Z","path":"/a","userAgent":" "}\n';
  test('is invalid, or a dash where the stream says so', () => {
    expect(decode('ndjson', body, {})).toMatchObject({ rejections: [{ reason: 'record 0 blank userAgent' }] });
    const { ndjson } = createDecoders({ ...ACCESS_STREAM, orDash: 'userAgent' });
    const decoded = runToEnd(ndjson(Buffer.from(body), DECODE_OPTIONS));
    expect(decoded.batch[0]?.lines.toString()).toContain('"userAgent":"-"');
    const csv = runToEnd(
      createDecoders({ ...ACCESS_STREAM, orDash: 'userAgent' }).csv(
        Buffer.from('2025-11-22T10:20:30Z,/a,""\n'),
        DECODE_OPTIONS,
      ),
    );
    expect(csv.batch[0]?.lines.toString()).toBe('{"timestamp":"2025-11-22T10:20:30Z","path":"/a","userAgent":"-"}\n');
  });

  test('is no reason to take a blank path', () => {
    const { ndjson } = createDecoders({ ...ACCESS_STREAM, orDash: 'userAgent' });
    const blank = body.replace('/a', '');
    expect(runToEnd(ndjson(Buffer.from(blank), DECODE_OPTIONS))).toMatchObject({ accepted: 0, rejected: 1 });
  });
});
