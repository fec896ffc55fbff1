import { describe, expect, test } from 'vitest';
import { LOG_ENTRY as AVRO_LOG_ENTRY, container, datum } from '../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { delimited, logEntry } from '../../test/support/protobuf-messages.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../model/stream.ts';
import { type BodyFormat, type DecodeOptions, MAX_LISTED_REJECTIONS, TEXT_FORMATS, type TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const HOUR = Date.parse('2025-11-22T10:00:00Z') / 3_600_000;
const OLD = '2025-11-22T09:59:59Z';
const NEW = '2025-11-22T10:00:00Z';

function decode(stream: Stream, format: BodyFormat, body: string | Buffer, options: Partial<DecodeOptions> = {}) {
  const decoder = createDecoders(stream)[format];
  return runToEnd(decoder(Buffer.from(body), { ...DECODE_OPTIONS, firstHour: HOUR, ...options }));
}

const names: Readonly<Record<string, readonly string[]>> = {
  access: ['path', 'userAgent'],
  events: ['level', 'message', 'service'],
};

/** `isStored`: the fields in the order of a stored line, which is read in place. */
function bodyOf(stream: Stream, format: TextFormat, timestamps: readonly string[], isStored: boolean): string {
  const fields = (names[stream.name] ?? []).map((name) => [name, name === 'level' ? 'INFO' : 'x'] as const);
  const records = timestamps.map((timestamp) => {
    const members = [['timestamp', timestamp] as const, ...fields];
    return Object.fromEntries(isStored ? members : members.toReversed());
  });
  if (format === 'json') return JSON.stringify(records);
  if (format === 'ndjson') return records.map((record) => `${JSON.stringify(record)}\n`).join('');
  const head = Object.keys(records[0] ?? {});
  return [head, ...records.map((record) => head.map((name) => record[name]))].map((row) => `${row.join()}\n`).join('');
}

describe.each([ACCESS_STREAM, EVENTS_STREAM])('a record of $name before the first hour', (stream) => {
  describe.each([true, false])('in stored form: %s', (isStored) => {
    test.each(TEXT_FORMATS)('is invalid, and fails its batch: %s', (format) => {
      const { batch, accepted, rejected, rejections } = decode(
        stream,
        format,
        bodyOf(stream, format, [NEW, OLD, NEW], isStored),
      );
      expect([batch, accepted, rejected]).toEqual([[], 2, 1]);
      const noun = format === 'csv' ? 'row 3' : 'record 1';
      expect(rejections).toMatchObject([{ field: 'timestamp', reason: `${noun} older than retention` }]);
    });

    test.each(TEXT_FORMATS)('is left out of its batch where invalid records are skipped: %s', (format) => {
      const body = bodyOf(stream, format, [OLD, NEW, OLD, NEW], isStored);
      const { batch, accepted, rejections } = decode(stream, format, body, { invalid: 'skip' });
      expect(batch).toMatchObject([{ hour: HOUR, count: 2 }]);
      expect(accepted).toBe(2);
      expect(rejections.map(({ raw }) => raw.includes(OLD))).toEqual([true, true]);
    });

    test.each(TEXT_FORMATS)('is counted beyond those that are listed: %s', (format) => {
      const count = MAX_LISTED_REJECTIONS + 50;
      const timestamps = Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? OLD : NEW));
      const decoded = decode(stream, format, bodyOf(stream, format, timestamps, isStored));
      expect(decoded).toMatchObject({ accepted: count, rejected: count });
      expect(decoded.rejections).toHaveLength(MAX_LISTED_REJECTIONS);
    });
  });

  test('is valid where nothing was removed', () => {
    const body = bodyOf(stream, 'ndjson', [OLD], true);
    const decoder = createDecoders(stream).ndjson;
    expect(runToEnd(decoder(Buffer.from(body), DECODE_OPTIONS))).toMatchObject({ accepted: 1, rejected: 0 });
  });
});

describe('a record of a binary format before the first hour', () => {
  const entry = (timestamp: string) => ({ timestamp, level: 'INFO', message: 'm', service: 's' });

  test('is invalid: protobuf', () => {
    const body = delimited([logEntry(entry(OLD)), logEntry(entry(NEW))]);
    const { accepted, rejections } = decode(EVENTS_STREAM, 'protobuf-delimited', body, { invalid: 'skip' });
    expect(accepted).toBe(1);
    expect(rejections).toMatchObject([{ reason: 'record 0 older than retention' }]);
  });

  test('is invalid: Avro', () => {
    const body = container(AVRO_LOG_ENTRY, [[datum(entry(NEW)), datum(entry(OLD))]]);
    const { accepted, rejections } = decode(EVENTS_STREAM, 'avro', body, { invalid: 'skip' });
    expect(accepted).toBe(1);
    expect(rejections).toMatchObject([{ reason: 'record 1 older than retention' }]);
  });
});
