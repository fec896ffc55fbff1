import { expect, test } from 'vitest';
import { container, datum, long, text } from '../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { PermanentError } from '../model/deliver.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { type BodyFormat, type DecodeOptions, MalformedBodyError } from './decode.ts';
import { createDecoders } from './decoders.ts';

const decoders = createDecoders(ACCESS_STREAM);

// Bodies of 16 MB that would hold up a reader that only comes back when it is done. Each step is measured in CPU time of
// this thread, so that other load on the machine does not count.
const SIZE = 16 * 1024 * 1024;
const MOST_MS = 50;
const REJECT: DecodeOptions['invalid'] = 'reject';
const TOO_MANY = 'more than 100000 invalid records in one body';

const RECORD = '"timestamp":"2025-11-22T15:23:00Z","path":"/","userAgent":"-"';
const fill = (unit: string, around = 64) => unit.repeat(Math.floor((SIZE - around) / unit.length));
/** A quarter of it, of records so small that it is millions. */
const millions = (unit: string) => unit.repeat(Math.floor(SIZE / 4 / unit.length));
const BY_TURNS = ['2025-11-22T15:23:00Z', '2025-11-22T16:23:00Z'];
const extra = (value: string) => `[{${RECORD},"x":${value}}]`;

stalls('json', 'plain records', () => `[${fill(`{${RECORD}},`)}{${RECORD}}]`, 'accepted 262144');
stalls(
  'json',
  'records in another order',
  () => `[${fill('{"userAgent":"-", "path":"/","timestamp":"2025-11-22T15:23:00Z"},')}1]`,
  'record 258110 is not an object',
);
stalls('json', 'one string', () => `["${fill('x')}"]`, 'record 0 is not an object');
stalls('json', 'a string in a record', () => extra(`"${fill('x', 128)}"`), 'record 0 exceeds 262144 bytes');
stalls('json', 'escapes only', () => extra(`"${fill('\\"', 128)}"`), 'record 0 exceeds 262144 bytes');
stalls(
  'json',
  'a path of escapes',
  () => `[{"timestamp":"x","path":"${fill('\\u0041')}"}]`,
  'record 0 invalid timestamp "x"',
);
stalls(
  'json',
  'a timestamp of escapes',
  () => `[{"timestamp":"${fill('\\u0041')}"}]`,
  'record 0 invalid timestamp "AAAA',
);
stalls(
  'json',
  'digits of a second',
  () => `[{"timestamp":"2025-11-22T15:23:00.${fill('1')}Z"}]`,
  'record 0 invalid timestamp',
);
stalls('json', 'a million empty objects and more', () => `[${millions('{},')}{}]`, 'record 0 missing timestamp');
stalls('json', 'empty objects in a record', () => extra(`[${fill('{},', 128)}{}]`), 'record 0 exceeds 262144 bytes');
stalls('json', 'numbers', () => `[${millions('1,')}1]`, 'record 0 is not an object');
stalls('json', 'nesting', () => `${fill('[')}`, 'not JSON: line 1 column 16777153');
stalls(
  'json',
  'nesting in a record',
  () => extra('['.repeat(8_300_000) + ']'.repeat(8_300_000)),
  'record 0 is nested deeper than 64',
);
stalls(
  'json',
  'nesting 100,000 deep',
  () => extra('['.repeat(100_000) + ']'.repeat(100_000)),
  'record 0 is nested deeper',
);
stalls('json', 'objects in objects', () => `[${fill('{"a":')}`, 'not JSON: line 1 column 16777');
stalls(
  'ndjson',
  'objects in objects, skipped',
  () => `{${RECORD}}\n${'{"a":'.repeat(1_800_000)}1${'}'.repeat(1_800_000)}`,
  'record 1 is nested deeper than 64',
  'skip',
);
stalls('json', 'white space', () => `[${fill(' ')}]`, 'no log records provided');
stalls('json', 'white space in a record', () => extra(`[${fill(' ', 128)}]`), 'accepted 1');
stalls('json', 'one repeated name', () => `[{${fill('"a":0,', 128)}${RECORD}}]`, 'accepted 1');
stalls('json', 'only new names', () => `[{${newNames()}${RECORD}}]`, 'record 0 exceeds');
stalls('json', 'newlines and no end', () => `[${fill('\n')}`, 'not JSON: line 16777153 column 1');
stalls('ndjson', 'plain records', () => fill(`{${RECORD}}\n`), 'accepted 262143');
stalls(
  'ndjson',
  'records of two alternating hours',
  () => fill(BY_TURNS.map((hour) => `${recordOf(hour)}\n`).join('')),
  'accepted 2621',
);
// So many hours a batch has only here: see ingestion.maxHoursPerBatch. Each is an entry of a map.
stalls('ndjson', 'records of as many hours', () => fillHours(), 'accepted 262', REJECT, 4 * MOST_MS);
stalls('ndjson', 'empty lines', () => fill('\n'), 'no log records provided');
stalls('ndjson', 'lines that are not JSON', () => millions('x\n'), 'record 0 not JSON: line 1 column 1');
stalls('ndjson', 'empty objects', () => millions('{}\n'), 'record 0 missing timestamp');
stalls('ndjson', 'one line', () => fill('['), 'record 0 not JSON: line 1 column 16777153');
stalls('csv', 'plain rows', () => fill('2025-11-22T15:23:00Z,/,-\n'), 'accepted 671086');
stalls('csv', 'quoted rows', () => fill('2025-11-22T15:23:00Z,"/""","-,"\n'), 'accepted 524286');
stalls('avro', 'plain records', () => avroFile('int', Array(400_000).fill(long(1))), 'accepted 400000');
stalls(
  'avro',
  'a block that unpacks to 8 MiB',
  () => avroFile('int', Array(270_000).fill(long(1)), 'deflate'),
  'accepted 270000',
);
stalls(
  'avro',
  'records for the reference',
  () => avroFile({ type: 'array', items: 'int' }, Array(100_000).fill(long(0))),
  'accepted 100000',
);
stalls(
  'avro',
  'items of a byte each',
  () => avroFile({ type: 'array', items: ['null', 'int'] }, [avroItems(SIZE - 200)]),
  'record 0 exceeds 262144 bytes',
);
stalls(
  'avro',
  'fields that are null in items',
  () => {
    const nulls = Array.from({ length: 1_000 }, (_, i) => ({ name: `n${i}`, type: ['null', 'int'] }));
    const count = Math.floor(SIZE / 1_100);
    const items = Buffer.concat([long(count), Buffer.alloc(count * 1_000), long(0)]);
    return avroFile({ type: 'array', items: { type: 'record', name: 'N', fields: nulls } }, [items]);
  },
  'accepted 1',
);
stalls('avro', 'a long text', () => avroFile('string', [text(Buffer.alloc(SIZE - 200, 'x'))]), 'record 0 exceeds');
stalls(
  'csv',
  'rows of two alternating hours',
  () => fill(BY_TURNS.map((hour) => `${hour},/,-\n`).join('')),
  'accepted 6',
);
stalls('csv', 'empty values under long names', () => rowsUnder(names(900, 250), 2_000), 'the batch takes more than');
stalls(
  'csv',
  'quoted values under long names',
  () => rowsUnder(names(900, 250), 2_000, '"'.repeat(4)),
  'the batch takes more than',
);
stalls('csv', 'lines a little too long', () => rowsUnder(names(904, 284), 8_000), 'row 2 exceeds 262144 bytes');
stalls(
  'csv',
  'a name of half the body',
  () => rowsUnder(['n'.repeat(SIZE / 2)], 300_000),
  'row 2 exceeds 262144 bytes',
);
stalls('csv', 'empty lines', () => millions('\n'), 'no log records provided');
stalls('csv', 'short rows', () => millions('x\n'), 'row 1 has 1 column, expected 3');
stalls('csv', 'one row of commas', () => fill(','), 'not CSV: row 1: 16777153 columns');
stalls(
  'csv',
  'one row of commas after a header',
  () => `timestamp\n${fill(',')}`,
  'row 2 has 16777153 columns, expected 1',
);
stalls('csv', 'one value', () => `2025-11-22T15:23:00Z,${fill('x')},-`, 'row 1 exceeds 262144 bytes');
stalls('csv', 'doubled quotes', () => `2025-11-22T15:23:00Z,"${fill('""')}",-`, 'row 1 exceeds 262144 bytes');
stalls('csv', 'control characters', () => `2025-11-22T15:23:00Z,"${fill('\u0001')}",-`, 'row 1 exceeds 262144 bytes');
stalls('csv', 'no closing quote', () => `2025-11-22T15:23:00Z,"${fill('x')}`, 'row 1: a quote is not closed');

stalls('json', 'a million empty objects and more', () => `[${millions('{},')}{}]`, TOO_MANY, 'skip');
stalls(
  'json',
  'empty objects before a valid record',
  () => `[${'{},'.repeat(99_999)}{${RECORD}}]`,
  'record 0 missing',
  'skip',
);
stalls('ndjson', 'lines that are not JSON', () => millions('x\n'), TOO_MANY, 'skip');
stalls('csv', 'short rows', () => millions('x\n'), TOO_MANY, 'skip');

function recordOf(timestamp: string): string {
  return `{"timestamp":"${timestamp}","path":"/","userAgent":"-"}`;
}

function fillHours(): string {
  const lines = Array.from({ length: 262_000 }, (_, i) =>
    recordOf(`${new Date(i * 3_600_000).toISOString().slice(0, 19)}Z`),
  );
  return lines.join('\n');
}

function toBuffer(body: string | Buffer): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

const ACCESS_FIELDS = ['timestamp', 'path', 'userAgent'].map((name) => ({ name, type: 'string' }));
const ACCESS_DATUM = datum({ timestamp: '2025-11-22T15:23:00Z', path: '/', userAgent: '-' });

/** An Avro file of one block of records that end in a field of this type. */
function avroFile(type: unknown, values: readonly Buffer[], codec = 'null'): Buffer {
  const fields = [...ACCESS_FIELDS, { name: 'x', type }];
  return container(
    { type: 'record', name: 'R', fields },
    [values.map((value) => Buffer.concat([ACCESS_DATUM, value]))],
    codec,
  );
}

/** Items that are empty but for a byte each. */
function avroItems(count: number): Buffer {
  return Buffer.concat([long(count), Buffer.alloc(count), long(0)]);
}

function names(count: number, length: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i).padEnd(length, 'n'));
}

/** A header with these further columns, and rows with nothing in them but perhaps one value. */
function rowsUnder(columns: readonly string[], rows: number, value = ''): string {
  const row = `2025-11-22T15:23:00Z,/,-,${value}${','.repeat(columns.length - 1)}\n`;
  return `timestamp,path,userAgent,${columns.join(',')}\n${row.repeat(rows)}`;
}

/** What is said to the client holds `expected`, and no step towards it takes long. */
function stalls(
  format: BodyFormat,
  what: string,
  body: () => string | Buffer,
  expected: string,
  invalid = REJECT,
  mostMs = MOST_MS,
): void {
  test(`${format}, ${what}: no step takes long (${invalid})`, () => {
    const options: DecodeOptions = { ...DECODE_OPTIONS, maxHours: 1_000_000, invalid };
    let best: number[] = [];
    // A step is slow by chance once (code not compiled yet, a collection, a machine that is shared), a stall every time: what
    // counts of each step is the fastest of its attempts. Steps are cut by the work done, so each attempt has the same.
    for (let attempt = 0; attempt < 15 && (attempt === 0 || Math.max(...best) >= mostMs); attempt++) {
      const { verdict, steps } = measure(format, toBuffer(body()), options);
      expect(verdict).toContain(expected);
      if (attempt > 0) expect(steps).toHaveLength(best.length);
      best = steps.map((ms, i) => Math.min(ms, best[i] ?? ms));
    }
    expect(Math.max(...best)).toBeLessThan(mostMs);
  });
}

/** What is said to the client, and the CPU milliseconds of each step towards it. */
function measure(format: BodyFormat, body: Buffer, options: DecodeOptions) {
  const decoding = decoders[format](body, options);
  const steps: number[] = [];
  for (;;) {
    const before = process.threadCpuUsage();
    const verdict = step(decoding);
    const { user, system } = process.threadCpuUsage(before);
    steps.push((user + system) / 1000);
    if (verdict !== undefined) return { verdict, steps };
  }
}

/** The verdict, or undefined where the decoder paused. */
function step(steps: ReturnType<(typeof decoders)[BodyFormat]>): string | undefined {
  try {
    const { done, value } = steps.next();
    if (done !== true) return undefined;
    return value.rejections[0]?.reason ?? `accepted ${value.accepted}`;
  } catch (error) {
    if (error instanceof MalformedBodyError || error instanceof PermanentError) return error.message;
    throw error;
  }
}

function newNames(): string {
  let text = '';
  for (let i = 0; text.length < SIZE - 200; i++) text += `"${i.toString(36)}":0,`;
  return text;
}
