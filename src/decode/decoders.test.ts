import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { hourToIso } from '../model/hour.ts';
import { ACCESS_STREAM } from '../model/stream.ts';
import { type Decoded, type DecodeOptions, MAX_SKIPPED, TEXT_FORMATS } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const decoders = createDecoders(ACCESS_STREAM);

const RECORD = { timestamp: '2025-11-22T15:23:00Z', path: '/home', userAgent: 'curl/8' };

function decodeJson(body: string, options: Partial<DecodeOptions> = {}): Decoded {
  return runToEnd(decoders.json(Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

function withExtra(source: string): string {
  return `[${JSON.stringify(RECORD).slice(0, -1)},"x":${source}}]`;
}

function linesOf({ batch }: Decoded): string {
  return batch.map((chunk) => chunk.lines.toString()).join('');
}

describe('JSON', () => {
  test.each([1, 2, 31, 32, 33, 34, 64])('keeps a record nested %i deep, and refuses a deeper one', (maxDepth) => {
    const nested = (levels: number) => {
      const [objects, arrays] = [Math.floor(levels / 2), levels % 2];
      return withExtra(`${'{"a":['.repeat(objects)}${'['.repeat(arrays)}1${']'.repeat(arrays)}${']}'.repeat(objects)}`);
    };
    const allowed = maxDepth === 1 ? withExtra('1') : nested(maxDepth - 1);
    for (const extraFields of ['keep', 'drop'] as const) {
      expect(decodeJson(allowed, { maxDepth, extraFields }).accepted).toBe(1);
      const [refused] = decodeJson(nested(maxDepth), { maxDepth, extraFields }).rejections;
      expect(refused).toMatchObject({
        field: '',
        reason: `record 0 is nested deeper than ${maxDepth} (ingestion.maxDepth)`,
      });
    }
  });

  test('refuses a record nested too deep even where the deep value is not the one that counts', () => {
    const deep = '['.repeat(64) + ']'.repeat(64);
    for (const body of [withExtra(`${deep},"x":1`), withExtra(`1,"path":${deep},"path":"/home"`)]) {
      expect(decodeJson(body).rejections[0]?.reason).toContain('record 0 is nested deeper than 64');
    }
  });

  test('says of a deep value that is no object, or not JSON, what it says of any other', () => {
    const deep = '['.repeat(100_000);
    expect(decodeJson(`[${deep}${']'.repeat(100_000)}]`).rejections[0]?.reason).toBe('record 0 is not an object');
    expect(() => decodeJson(withExtra(deep))).toThrow('not JSON: line 1 column 100078: expected a value, found "}"');
  });

  test('rejects an oversized record with too many names to fit', () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":0`).join(',');
    expect(decodeJson(withExtra(`1,${names}`)).rejections[0]?.reason).toBe('record 0 exceeds 262144 bytes');
  });

  test('accepts an oversized record that is short once stored', () => {
    const path = `"${'\\u0020'.repeat(130_000)}\\u002fhome${'\\t'.repeat(100)}"`;
    const extra = `${' '.repeat(400_000)}1,${'"x":0,'.repeat(60_000)}"x" : [ 1 ,${'\n'.repeat(100_000)}2 ]`;
    const body = `[{"timestamp":"2025-11-22T15:23:00Z","path":${path},"userAgent":"curl/8","x":${extra}}]`;
    expect(linesOf(decodeJson(body))).toBe(`${JSON.stringify({ ...RECORD, x: [1, 2] })}\n`);
  });

  test('gives the place where an oversized record is not JSON', () => {
    const body = `[\n${JSON.stringify(RECORD)},\n{"x":[${'{},'.repeat(500_000)}}]`;
    expect(() => decodeJson(body)).toThrow('not JSON: line 3 column 1500007: expected a value, found "}"');
  });

  test('keeps the sizes of the stored line and of the source apart', () => {
    const source = withExtra(`"${'é'.repeat(50)}"`);
    const line = Buffer.byteLength(source) - 1;
    expect(decodeJson(source, { maxRecordBytes: line }).accepted).toBe(1);
    expect(decodeJson(source, { maxRecordBytes: line - 1 }).accepted).toBe(0);
  });
});

describe('CSV', () => {
  const decodeCsv = (body: string) =>
    runToEnd(decoders.csv(Buffer.from(body), { ...DECODE_OPTIONS, maxRecordBytes: 2 ** 22 }));
  const stored = (path: string) => `${JSON.stringify({ ...RECORD, path })}\n`;
  const row = (path: string) => `${RECORD.timestamp},"${path.replaceAll('"', '""')}",${RECORD.userAgent}`;

  test.each([
    0, 1, 2, 3, 4, 5,
  ])('reads oversized values with quotes in them, wherever a pause divides them (%i)', (shift) => {
    const path = `/${'x'.repeat(shift)}${'é"日😀""'.repeat(60_000)}`;
    expect(linesOf(decodeCsv(`${row(path)}\n${row('/"')}\r\n${row(path)}`))).toBe(
      stored(path) + stored('/"') + stored(path),
    );
  });

  test('reads each row by itself, whatever the end of the row before', () => {
    const paths = ['/"', '/', '"', '/\r\n\r\n"', '/x', '""', '/\n/'];
    const rows = paths.flatMap((path) => [`${row(path)}\r\n`, '\n', `${row(path)}\n`]);
    expect(linesOf(decodeCsv(rows.join('')))).toBe(paths.map((path) => stored(path).repeat(2)).join(''));
  });

  test('keeps a carriage return at the very end', () => {
    const body = `path,timestamp,userAgent,x\n"/""",${RECORD.timestamp},${RECORD.userAgent},a\r`;
    expect(linesOf(decodeCsv(body))).toBe(`${JSON.stringify({ ...RECORD, path: '/"', x: 'a\r' })}\n`);
  });

  test('refuses a NUL after a closing quote', () => {
    expect(() => decodeCsv(`${RECORD.timestamp},"/"""\0,curl/8\n`)).toThrow('row 1: text after a closing quote');
  });
});

describe('rejections', () => {
  const body = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => (i % 4 === 0 ? RECORD : { i })));

  test('are counted in full and the first 100 listed, without lines, when the batch is refused', () => {
    const decoded = decodeJson(body);
    expect(decoded).toMatchObject({ accepted: 250, rejected: 750, batch: [] });
    expect(decoded.rejections).toHaveLength(100);
    expect(decoded.rejections[99]).toMatchObject({ index: 133, field: 'timestamp' });
  });

  test('are all listed, and the valid records kept, when they are skipped', () => {
    const decoded = decodeJson(body, { invalid: 'skip' });
    expect(decoded).toMatchObject({ accepted: 250, rejected: 750 });
    expect(decoded.rejections).toHaveLength(750);
    expect(decoded.rejections[749]).toMatchObject({ index: 999, raw: '{"i":999}' });
    expect(linesOf(decoded)).toBe(`${JSON.stringify(RECORD)}\n`.repeat(250));
  });

  test('have a limit when they are skipped', () => {
    const bad = (count: number) => `[${'1,'.repeat(count - 1)}1]`;
    expect(decodeJson(bad(MAX_SKIPPED), { invalid: 'skip' }).rejections).toHaveLength(MAX_SKIPPED);
    expect(() => decodeJson(bad(MAX_SKIPPED + 1), { invalid: 'skip' })).toThrow('more than 100000 invalid records');
  });
});

describe('batches', () => {
  test.each([
    'json',
    'ndjson',
  ] as const)('are the body itself where %s records stand there as they are stored', (format) => {
    const records = Array.from({ length: 50 }, (_, i) => ({
      ...RECORD,
      path: `/${i}`,
      status: 200,
      tags: ['a', { b: 1 }],
    }));
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    const body = Buffer.from(format === 'json' ? JSON.stringify(records) : lines);
    const [chunk, ...others] = runToEnd(decoders[format](body, DECODE_OPTIONS)).batch;
    expect(others).toEqual([]);
    expect(chunk?.lines.toString()).toBe(lines);
    expect(chunk?.lines.buffer).toBe(body.buffer);
  });

  test('hold one chunk for each hour in the order in which they came', () => {
    const records = [5, 3, 5, 4, 3].map((h) => ({ ...RECORD, timestamp: `2025-11-22T0${h}:00:00Z` }));
    const { batch } = decodeJson(JSON.stringify(records));
    expect(batch.map((chunk) => [hourToIso(chunk.hour).slice(11, 13), chunk.count])).toEqual([
      ['05', 2],
      ['03', 2],
      ['04', 1],
    ]);
    for (const chunk of batch) expect(chunk.lines.toString().split('\n')).toHaveLength(chunk.count + 1);
  });

  test('keep every line of an hour that grows', () => {
    const records = Array.from({ length: 3_000 }, (_, i) => ({ ...RECORD, path: `/${i}/${'é日😀'.repeat(i % 50)}` }));
    expect(linesOf(decodeJson(JSON.stringify(records)))).toBe(records.map((r) => `${JSON.stringify(r)}\n`).join(''));
  });
});

test.each(TEXT_FORMATS)('a small %s body is decoded without a pause', (format) => {
  const { timestamp, path, userAgent } = RECORD;
  const bodies = {
    json: JSON.stringify(Array.from({ length: 1_000 }, () => RECORD)),
    ndjson: `${JSON.stringify(RECORD)}\n`.repeat(1_000),
    csv: `${timestamp},${path},${userAgent}\n`.repeat(1_000),
  };
  expect(decoders[format](Buffer.from(bodies[format]), DECODE_OPTIONS).next()).toMatchObject({
    done: true,
    value: { accepted: 1_000 },
  });
});

test.each(TEXT_FORMATS)('text in %s that is not UTF-8 is refused at any place', (format) => {
  for (const at of [0, 65_533, 65_534, 65_535, 65_536, 131_080, 199_999]) {
    const body = Buffer.from('é'.repeat(100_000));
    body[at] = 0xff;
    const offset = at % 2 === 0 ? at : at - 1;
    const run = () => runToEnd(decoders[format](body, DECODE_OPTIONS));
    expect(run).toThrow(`invalid byte 0x${offset === at ? 'ff' : 'c3'} at offset ${offset}`);
  }
});
