import { describe, expect, it, test } from 'vitest';
import { datum } from '../../test/support/avro-bodies.ts';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { delimited, logEntry } from '../../test/support/protobuf-messages.ts';
import { EVENTS_STREAM } from '../model/stream.ts';
import type { BodyFormat, DecodeOptions, InputFormat, Mapping } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { mapFields } from './map-fields.ts';
import { runToEnd } from './pace.ts';

const decoders = createDecoders(EVENTS_STREAM);
const NONE: Mapping = { rename: new Map(), defaults: new Map(), timestamps: 'rfc3339' };
const AUTO: Mapping = { ...NONE, timestamps: 'auto' };

function decode(format: BodyFormat | InputFormat, body: string | Buffer, options: Partial<DecodeOptions>) {
  const decoded = runToEnd(
    decoders[format](Buffer.from(body), {
      ...DECODE_OPTIONS,
      invalid: 'skip',
      isBlock: true,
      text: { format: 'auto', zone: 0, service: 'app', arrival: 0 },
      ...options,
    }),
  );
  return {
    lines: decoded.batch.flatMap(({ lines }) => lines.toString().split('\n').slice(0, -1)),
    rejections: decoded.rejections.map(({ reason, raw }) => ({ reason, raw })),
  };
}

describe('timestamps: auto', () => {
  const read = (json: string) => mapFields(new Map([['timestamp', json]]), AUTO).get('timestamp');

  test.each([
    ['0', '"1970-01-01T00:00:00Z"'],
    ['1757680000', '"2025-09-12T12:26:40Z"'],
    ['"1757680000"', '"2025-09-12T12:26:40Z"'],
    ['1757680000.5', '"2025-09-12T12:26:40.5Z"'],
    ['1757680000.123456789012', '"2025-09-12T12:26:40.123456789Z"'],
    ['1757680000123', '"2025-09-12T12:26:40.123Z"'],
    ['1757680000123.25', '"2025-09-12T12:26:40.12325Z"'],
    ['1757680000123456', '"2025-09-12T12:26:40.123456Z"'],
    ['"1757680000123456789"', '"2025-09-12T12:26:40.123456789Z"'],
    ['1757680000123456789', '"2025-09-12T12:26:40.123456789Z"'],
    ['99999999999', '"5138-11-16T09:46:39Z"'],
    ['100000000000', '"1973-03-03T09:46:40Z"'],
    ['-1', '"1969-12-31T23:59:59Z"'],
    ['-0.25', '"1969-12-31T23:59:59.75Z"'],
    ['0001757680000', '"2025-09-12T12:26:40Z"'],
  ])('%s is %s', (json, text) => expect(read(json)).toBe(text));

  test.each([
    '"2025-09-12T12:26:40Z"',
    'null',
    '"1e9"',
    '"x"',
    'true',
    '"12345678901234567890123"',
  ])('%s is left as it is', (json) => expect(read(json)).toBe(json));

  it('names a number that is no time', () => {
    const body = '{"timestamp":1.7e9,"level":"INFO","message":"m","service":"s"}';
    expect(decode('ndjson', body, { mapping: AUTO }).rejections).toEqual([
      { reason: 'invalid timestamp format: "1.7e9"', raw: body },
    ]);
  });
});

describe('a mapping', () => {
  const SEED: Mapping = { rename: new Map([['source', 'service']]), defaults: new Map(), timestamps: 'auto' };

  test.each(['ndjson', 'text'] as const)('takes the records of older programs, in %s', (format) => {
    const body = '{"source":"producer","timestamp":1757680000,"level":"INFO","message":"ABC","n":1.0}\n';
    expect(decode(format, body, { mapping: SEED })).toEqual({
      lines: ['{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"ABC","service":"producer","n":1.0}'],
      rejections: [],
    });
  });

  it('keeps a field under its own name where the record has the other, too', () => {
    const line =
      '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"m","service":"s","source":"x","source2":1}';
    const mapping = { ...SEED, rename: new Map([...SEED.rename, ['source2', 'service']]) };
    expect(decode('ndjson', line, { mapping }).lines).toEqual([line]);
  });

  it('gives absent fields their defaults, after it renamed, and leaves present ones', () => {
    const mapping = {
      ...SEED,
      defaults: new Map([
        ['service', 'web'],
        ['level', 'NOTICE'],
      ]),
    };
    const body = '{"timestamp":1,"message":"a"}\n{"timestamp":1,"message":"b","source":"s","level":"WARN"}\n';
    const texts = decode('ndjson', body, { mapping }).lines.map((line) => JSON.parse(line) as Record<string, string>);
    expect(texts.map(({ level, service }) => [level, service])).toEqual([
      ['NOTICE', 'web'],
      ['WARN', 's'],
    ]);
  });

  it('holds for Protobuf, Avro and text', () => {
    const event = { timestamp: '1757680000', level: 'INFO', message: 'hi', service: 'api' };
    const raw = Buffer.from('1757680000 [INFO] [api] hi');
    const message = logEntry(event);
    const data = datum(event);
    const line = '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"hi","service":"api"}';
    expect(decode('protobuf-delimited', delimited([message]), { mapping: AUTO }).lines).toEqual([line]);
    expect(decode('avro', data, { mapping: AUTO }).lines).toEqual([line]);
    expect(decode('text', raw, { mapping: AUTO }).lines).toEqual([line]);
  });

  it('that renames an extra field changes records that are valid without it', () => {
    const mapping = { ...NONE, rename: new Map([['host', 'hostname']]) };
    const body = '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"m","service":"s","host":"a"}\n';
    expect(decode('ndjson', body, { mapping }).lines).toEqual([body.trim().replace('"host"', '"hostname"')]);
    const text = '<6>1 2025-09-12T12:26:40Z a s - - - m';
    expect(decode('text', text, { mapping }).lines).toEqual([expect.stringContaining('"hostname":"a"')]);
  });

  it('puts the record aside as it came', () => {
    const body = '{"source":1,"timestamp":"x"}';
    expect(decode('ndjson', body, { mapping: SEED }).rejections).toEqual([
      { reason: 'invalid timestamp format: "x"', raw: body },
    ]);
  });

  it('reads names and values with escapes, and the last of two values', () => {
    const body =
      '{ "\\u0073ource" : "a\\"b" , "timestamp":1,"level":"INFO","message":"m","x": { "y" : [ 1 , 2 ] },"x":"\\u00e9" }';
    expect(decode('ndjson', body, { mapping: SEED }).lines).toEqual([
      '{"timestamp":"1970-01-01T00:00:01Z","level":"INFO","message":"m","service":"a\\"b","x":"\\u00e9"}',
    ]);
  });

  it('refuses what is no record of JSON as without it', () => {
    const bodies = ['[1]', '{"a":1', `{"a":${'['.repeat(70)}${']'.repeat(70)}}`, '5', '{"a":1}x'];
    for (const body of bodies) {
      expect(decode('ndjson', body, { mapping: SEED })).toEqual(decode('ndjson', body, {}));
      expect(decode('ndjson', body, {}).rejections).toHaveLength(1);
    }
  });
});

describe('a block of JSON lines', () => {
  const GOOD = '{"timestamp":"2025-09-12T12:26:40Z","level":"INFO","message":"m","service":"s"}';

  it('of which a line is not UTF-8 loses that line alone', () => {
    const { lines, rejections } = decode('ndjson', Buffer.from(`${GOOD}\n"\xe9"\n${GOOD}\n`, 'latin1'), {});
    expect(lines).toEqual([GOOD, GOOD]);
    expect(rejections).toEqual([{ reason: 'not UTF-8: invalid byte 0xe9 at offset 1', raw: 'base64:Iuki' }]);
  });

  it('names no places that depend on what else is in the block', () => {
    const { rejections } = decode('ndjson', `${GOOD}\n\n{"a" 1}\n{"level":"INFO"}\n`, {});
    expect(rejections.map(({ reason }) => reason)).toEqual([
      'not JSON: column 6: expected ":", found "1"',
      'missing timestamp',
    ]);
  });
});

test.each([
  ['"severityNumber":17', 'ERROR'],
  ['"severityNumber":99', 'INFO'],
  ['"severityNumber":17,"level":"WARN"', 'WARN'],
])('the default level does not hide that of a record: %s', (member, level) => {
  const mapping = { ...NONE, defaults: new Map([['level', 'INFO']]) };
  const { lines } = decode('ndjson', `{"timestamp":"2025-07-02T17:00:00Z","message":"m","service":"s",${member}}\n`, {
    mapping,
  });
  expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ level });
});

describe('whether a line of JSON is valid does not depend on its neighbours', () => {
  const record = '{"timestamp":"2025-07-02T17:00:00Z","level":"INFO","message":"m","service":"s"}';

  test.each([
    `\ufeff${record}`,
    `${record}\0`,
    ` ${record}\r\0\r`,
    `${record}\f`,
    `{"a"`,
    '\0',
    `\ufeff{"a"`,
  ])('%j', (line) => {
    const bad = Buffer.from([0xff, 0x0a]);
    const text = Buffer.from(`${record}\n${line}\n`);
    const alone = decode('ndjson', text, {});
    const beside = decode('ndjson', Buffer.concat([text, bad]), {});
    expect(alone.lines).toEqual(beside.lines);
    expect(alone.rejections).toEqual(beside.rejections.slice(0, -1));
    expect(decode('ndjson', text, { mapping: AUTO })).toEqual(alone);
  });

  test('nor on its being a frame', () => {
    const payload = Buffer.from(`\ufeff${record}\0`);
    const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, payload.length]), payload]);
    expect(decode('frames', frame, {}).lines).toEqual([record]);
    expect(decode('ndjson', payload, {}).lines).toEqual([record]);
  });
});
