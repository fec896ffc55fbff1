import { describe, expect, it, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { parseFieldMap } from '../model/field-map.ts';
import { ACCESS_STREAM, EVENTS_STREAM, type Stream } from '../model/stream.ts';
import { type DecodeOptions, MalformedBodyError, type TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { openReading } from './files/open-reading.ts';
import { runToEnd } from './pace.ts';

const CADDY = parseFieldMap(
  "timestamp=ts,path=request.uri,userAgent=request.headers['User-Agent'][0],client=request.remote_ip,status=status,zoneId=id",
);
const LINE = {
  ts: 1_772_704_800.5,
  request: { uri: '/a?b=1', headers: { 'User-Agent': ['curl/8'] }, remote_ip: '203.0.113.9' },
  status: '200',
  id: 1,
  size: 12,
};
const JSON_LINE = JSON.stringify(LINE).replace('"id":1', '"id":12345678901234567890');
const STORED =
  '{"timestamp":"2026-03-05T10:00:00.5Z","path":"/a?b=1","userAgent":"curl/8","client":"203.0.113.9","status":200,"zoneId":12345678901234567890}';

const DECODERS = new Map([ACCESS_STREAM, EVENTS_STREAM].map((stream) => [stream, createDecoders(stream)]));

function decode(
  format: TextFormat,
  body: string | Buffer,
  { stream = ACCESS_STREAM, ...options }: Partial<DecodeOptions> & { readonly stream?: Stream } = {},
) {
  const decoders = DECODERS.get(stream) ?? createDecoders(stream);
  const decoded = runToEnd(
    decoders[format](Buffer.from(body), { ...DECODE_OPTIONS, map: CADDY, invalid: 'skip', ...options }),
  );
  return {
    lines: decoded.batch.flatMap(({ lines }) => lines.toString().split('\n').slice(0, -1)),
    rejections: decoded.rejections.map(({ index, field, reason, raw }) => ({ index, field, reason, raw })),
  };
}

const reasonsOf = (...args: Parameters<typeof decode>) => decode(...args).rejections.map(({ reason }) => reason);

describe('a body with a map', () => {
  test.each<[string, TextFormat, string]>([
    ['an array', 'json', `[${JSON_LINE},${JSON_LINE}]`],
    ['an array with white space', 'json', ` [\n ${JSON_LINE} ,\r\n${JSON_LINE}\n] \n`],
    ['lines', 'ndjson', `${JSON_LINE}\n${JSON_LINE}\n`],
    ['lines with blank ones and without an end', 'ndjson', `\ufeff\n${JSON_LINE}\r\n\n  \n${JSON_LINE}`],
  ])('is stored as its sources say: %s', (_, format, body) => {
    expect(decode(format, body)).toEqual({ lines: [STORED, STORED], rejections: [] });
  });

  it('may be one object', () => {
    expect(decode('json', `${JSON_LINE}\n`).lines).toEqual([STORED]);
  });

  it('is stored as replay --map stores the file', () => {
    const options = {
      name: 'a.json',
      stream: ACCESS_STREAM,
      zone: 0,
      fields: 'all',
      map: CADDY,
      arrival: () => 0,
    } as const;
    const body = Buffer.from(`${JSON_LINE}\n`);
    expect(openReading(body, options).convert(body, 1).body.toString()).toBe(`${STORED}\n`);
  });

  it('keeps no extra field where ingestion.extraFields is drop', () => {
    expect(decode('ndjson', JSON_LINE, { extraFields: 'drop' }).lines).toEqual([STORED.replace(/,"client.*/, '}')]);
  });

  test.each<[string, string, string, string]>([
    [
      'a source that is missing',
      '{"ts":1,"request":{"host":"h"}}',
      'path',
      'has no "request.uri" for path; it has: ts, request.host',
    ],
    ['no time', '{"request":{"uri":"/"}}', 'timestamp', 'has no "ts" for timestamp; it has: request.uri'],
    ['a time that is none', '{"ts":"soon","request":{"uri":"/"}}', 'timestamp', 'invalid timestamp "soon" in "ts"'],
    ['no object', '12', '', 'is not an object'],
    ['a deep one', `{"a":${'['.repeat(64)}${']'.repeat(64)}}`, '', 'is nested deeper than 64 (ingestion.maxDepth)'],
  ])('says which source is at fault: %s', (_, record, field, problem) => {
    const expected = { lines: [STORED], rejections: [{ index: 1, field, reason: `record 1 ${problem}`, raw: record }] };
    expect(decode('ndjson', `${JSON_LINE}\n${record}\n`)).toEqual(expected);
    expect(decode('json', `[${JSON_LINE},${record}]`)).toEqual(expected);
  });

  it('holds records to the longest line, and does not parse one that is much longer', () => {
    const long = JSON.stringify({ ...LINE, request: { ...LINE.request, uri: `/${'a'.repeat(2_000)}` } });
    expect(reasonsOf('ndjson', long, { maxRecordBytes: 1_024 })).toEqual(['record 0 exceeds 1024 bytes']);
    const padded = JSON.stringify({ ...LINE, padding: 'a'.repeat(5_000) });
    expect(decode('ndjson', padded, { maxRecordBytes: 2_048 }).lines).toHaveLength(1);
    expect(reasonsOf('ndjson', padded, { maxRecordBytes: 1_024 })).toEqual(['record 0 exceeds 1024 bytes']);
  });

  it('names the line that is not JSON, and refuses an array that is not', () => {
    expect(reasonsOf('ndjson', `\n${JSON_LINE}\n{"a":x}\n`)).toEqual([
      'record 1 not JSON: line 3 column 6: expected a value, found "x"',
    ]);
    for (const body of [
      `[${JSON_LINE},]`,
      `[${JSON_LINE}`,
      `[${JSON_LINE}]]`,
      `[${JSON_LINE} 1]`,
      `${JSON_LINE} 1`,
      '[,]',
      '7',
      '',
    ]) {
      const asRecords = () => decode('json', body, { map: undefined as never });
      const plain = errorOf(asRecords);
      expect([body, errorOf(() => decode('json', body))]).toEqual([body, plain]);
      expect(plain).toBeInstanceOf(MalformedBodyError);
    }
  });

  it('refuses bytes that are not UTF-8, and a body without records', () => {
    const broken = Buffer.from(JSON_LINE.replace('curl', 'c\u00e9'), 'latin1');
    expect(() => decode('json', broken)).toThrow('UTF-8');
    expect(() => decode('ndjson', '\n\n')).toThrow('no log records provided');
    expect(() => decode('json', '[ ]')).toThrow('no log records provided');
  });

  it('is of any stream', () => {
    const map = parseFieldMap('timestamp=t,message=msg|text,level=lvl,service="app.name",pid=pid');
    const line = '{"t":1757680000123456789,"text":"hi","lvl":"warning","app":{"name":"auth"},"pid":7.0,"host":"h"}';
    expect(decode('ndjson', line, { map, stream: EVENTS_STREAM })).toEqual({
      lines: [
        '{"timestamp":"2025-09-12T12:26:40.123456789Z","level":"WARN","message":"hi","service":"auth","pid":7.0}',
      ],
      rejections: [],
    });
    expect(reasonsOf('ndjson', '{"t":1,"lvl":"INFO","app":{"name":"a"}}', { map, stream: EVENTS_STREAM })).toEqual([
      'record 0 has no "msg" or "text" for message; it has: t, lvl, app.name',
    ]);
    const bad = line.replace('1757680000123456789', '"soon"').replace('warning', 'loud');
    expect(reasonsOf('json', bad, { map, stream: EVENTS_STREAM })).toEqual([
      'record 0 invalid timestamp "soon" in "t"',
    ]);
    expect(reasonsOf('json', line.replace('warning', 'loud'), { map, stream: EVENTS_STREAM })).toEqual([
      'record 0 invalid level: "loud"',
    ]);
  });

  it('lists with reject the first invalid records, and keeps no line', () => {
    const decoded = decode('ndjson', `${JSON_LINE}\n{}\n${JSON_LINE}\n`, { invalid: 'reject' });
    expect([decoded.lines, decoded.rejections.length]).toEqual([[], 1]);
  });

  it('pauses in a large body', () => {
    const steps = createDecoders(ACCESS_STREAM).ndjson(Buffer.from(`${JSON_LINE}\n`.repeat(5_000)), {
      ...DECODE_OPTIONS,
      map: CADDY,
    });
    let pauses = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) pauses++;
    expect(step.value.accepted).toBe(5_000);
    expect(pauses).toBeGreaterThan(3);
  });
});

function errorOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
