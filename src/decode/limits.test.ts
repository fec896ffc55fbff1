import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { NoRoomError, TooManyHoursError } from '../lines/batch-limits.ts';
import { countBytes } from '../model/chunk.ts';
import { BatchTooLargeError } from '../model/deliver.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { type DecodeOptions, TEXT_FORMATS, type TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const decoders = createDecoders(ACCESS_STREAM);

const MIB = 1024 * 1024;

function decode(format: TextFormat, body: string, options: Partial<DecodeOptions> = {}) {
  return runToEnd(decoders[format](Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

/** Records with these timestamps. `isStored`: JSON in stored form, which is not copied. */
function bodyOf(format: TextFormat, timestamps: readonly string[], isStored = true): string {
  const records = timestamps.map((timestamp, i) =>
    isStored ? { timestamp, path: `/${i}`, userAgent: '-' } : { userAgent: '-', path: `/${i}`, timestamp },
  );
  if (format === 'json') return JSON.stringify(records);
  if (format === 'ndjson') return records.map((record) => `${JSON.stringify(record)}\n`).join('');
  return records.map(({ timestamp, path, userAgent }) => `${timestamp},${path},${userAgent}\n`).join('');
}

const timestampOf = (hour: number) => `${new Date(hour * 3_600_000).toISOString().slice(0, 19)}Z`;
const hours = (count: number) => Array.from({ length: count }, (_, i) => timestampOf(400_000 + i));

/** A header with `columns` further names of `length` bytes, and rows with no value for them. */
function expanding(rows: number, columns = 900, length = 250): string {
  const names = Array.from({ length: columns }, (_, i) => String(i).padEnd(length, 'n'));
  const row = `2025-11-22T15:23:00Z,/a,x${','.repeat(columns)}\n`;
  return `timestamp,path,userAgent,${names.join(',')}\n${row.repeat(rows)}`;
}

function createMemory(most = Number.POSITIVE_INFINITY) {
  const memory = {
    bytes: 0,
    calls: 0,
    grow(bytes: number) {
      memory.calls++;
      if (memory.bytes + bytes > most) return false;
      memory.bytes += bytes;
      return true;
    },
  };
  return memory;
}

describe.each(['reject', 'skip'] as const)('the stored bytes of a batch (invalid: %s)', (invalid) => {
  describe.each([true, false])('records in stored form: %s', (isStored) => {
    test.each(TEXT_FORMATS)('may be as many as the limit, and no more: %s', (format) => {
      const body = bodyOf(format, [...hours(3), ...hours(2)], isStored);
      const bytes = countBytes(decode(format, body, { invalid }).batch);
      expect(decode(format, body, { invalid, maxBatchBytes: bytes }).accepted).toBe(5);
      const run = () => decode(format, body, { invalid, maxBatchBytes: bytes - 1 });
      expect(run).toThrow(BatchTooLargeError);
      expect(run).toThrow(
        `the batch takes more than ${bytes - 1} bytes as stored lines (ingestion.maxBatchBytes); nothing was stored; send smaller batches`,
      );
    });
  });

  test('stay under the limit where empty cells take the names of their columns, and so does the memory', () => {
    const memory = createMemory();
    expect(() => decode('csv', expanding(1_000), { invalid, memory })).toThrow(BatchTooLargeError);
    expect(memory.bytes).toBeGreaterThan(50 * MIB);
    expect(memory.bytes).toBeLessThan(80 * MIB);
  });

  test('are counted also where the reference reader makes the lines', () => {
    const rows = expanding(1_000).replaceAll(',/a,x', ',"/""",x');
    expect(() => decode('csv', rows, { invalid })).toThrow(BatchTooLargeError);
  });
});

test.each(TEXT_FORMATS)('a batch that an invalid record refuses is still judged by its size: %s', (format) => {
  const body = bodyOf(format, ['yesterday', ...hours(5)]);
  expect(decode(format, body).rejected).toBe(1);
  expect(() => decode(format, body, { maxBatchBytes: 300 })).toThrow(BatchTooLargeError);
  expect(() => decode(format, bodyOf(format, ['yesterday', ...hours(5)], false), { maxBatchBytes: 300 })).toThrow(
    BatchTooLargeError,
  );
});

describe('the dead letters of a batch', () => {
  const good = bodyOf('ndjson', hours(1));

  test('count as stored lines: many small ones', () => {
    const body = good + 'x\n'.repeat(50_000);
    expect(decode('ndjson', body, { invalid: 'skip' }).rejected).toBe(50_000);
    expect(() => decode('ndjson', body, { invalid: 'skip', maxBatchBytes: 8 * MIB })).toThrow(BatchTooLargeError);
  });

  test('count as stored lines: one of control characters, of which each takes six bytes', () => {
    const memory = createMemory();
    const body = `${good}${'\u0001'.repeat(12 * MIB)}\n`;
    expect(() => decode('ndjson', body, { invalid: 'skip', memory })).toThrow(BatchTooLargeError);
    expect(decode('ndjson', body).rejected).toBe(1);
  });
});

describe('the hours of a batch', () => {
  describe.each([true, false])('records in stored form: %s', (isStored) => {
    test.each(TEXT_FORMATS)('may be as many as the limit, and no more: %s', (format) => {
      const allowed = bodyOf(format, [...hours(1_000), ...hours(1_000)], isStored);
      expect(decode(format, allowed).batch).toHaveLength(1_000);
      const run = () => decode(format, bodyOf(format, hours(1_001), isStored));
      expect(run).toThrow(TooManyHoursError);
      expect(run).toThrow(
        'the batch has records of more than 1000 hours (ingestion.maxHoursPerBatch); nothing was stored',
      );
    });

    test.each(TEXT_FORMATS)('may be one: %s', (format) => {
      const sameHour = ['2025-11-22T15:00:00Z', '2025-11-22T15:59:59Z'];
      expect(decode(format, bodyOf(format, sameHour, isStored), { maxHours: 1 }).accepted).toBe(2);
      expect(() => decode(format, bodyOf(format, hours(2), isStored), { maxHours: 1 })).toThrow(TooManyHoursError);
    });
  });

  test('are found before the rest of the body is read', () => {
    const decoding = decoders.csv(Buffer.from(bodyOf('csv', hours(300_000))), DECODE_OPTIONS);
    expect(() => decoding.next()).toThrow(TooManyHoursError);
  });
});

describe('the memory of lines', () => {
  test('is not counted where it is about that of the body', () => {
    const memory = createMemory();
    for (const format of TEXT_FORMATS) decode(format, bodyOf(format, Array(500).fill(hours(1)[0]), false), { memory });
    expect(memory.calls).toBe(0);
  });

  test('is counted as far as it is larger than the body, the merged copy too', () => {
    const memory = createMemory();
    const body = expanding(200);
    const stored = countBytes(decode('csv', body, { memory }).batch);
    expect(stored).toBeGreaterThan(40 * MIB);
    // The writers, and the copy that joins them.
    expect(memory.bytes).toBeGreaterThan(2 * stored - body.length - MIB);
    expect(memory.bytes).toBeLessThan(2 * stored + 10 * MIB);
    expect(memory.calls).toBeLessThan(40);
  });

  test('is refused when there is no room, before it is made', () => {
    const memory = createMemory(10 * MIB);
    expect(() => decode('csv', expanding(200), { memory })).toThrow(NoRoomError);
    expect(memory.bytes).toBeLessThanOrEqual(10 * MIB);
  });
});

test('a long name that appears twice is quoted in short', () => {
  const name = 'n'.repeat(MIB);
  expect(() => decode('csv', `timestamp,${name},${name}\n`)).toThrow(/column "n{64}…" appears twice$/);
});

test('names that are longer than a line refuse each row, and a fault of a field comes first', () => {
  const name = 'n'.repeat(300_000);
  const body = `timestamp,path,userAgent,${name}\n2025-11-22T15:23:00Z,/,-,\nyesterday,/,-,\n`;
  const { rejections } = decode('csv', body, { invalid: 'skip' });
  expect(rejections.map(({ reason }) => reason)).toEqual([
    'row 2 exceeds 262144 bytes',
    'row 3 invalid timestamp "yesterday"',
  ]);
  expect(decode('csv', body, { invalid: 'skip', extraFields: 'drop' }).accepted).toBe(1);
});
