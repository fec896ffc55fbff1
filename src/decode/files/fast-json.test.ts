import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { StoredLines } from './access/access-lines.ts';
import { readAccessFields, readValues } from './access-values.ts';
import { FastJson } from './fast-json.ts';
import { isOwnRecord } from './json-log.ts';
import { findShape, planOfShape, type Shape } from './json-shapes.ts';
import { type JsonObject, readJsonObject } from './json-text.ts';
import { unwrapJson } from './json-wrappers.ts';
import { LogTime } from './log-time.ts';
import { MAPPED, MappedValues } from './mapped-values.ts';

type Fields = 'all' | 'core';

const MAPS = [
  'timestamp=ts,path=request.uri,userAgent=request.headers.User-Agent[0],status=status,client=request.remote_ip',
  'timestamp=ts|time,path=uri|request.uri,userAgent=agent|request.headers.User-Agent[1],bytes=size,durationSeconds=duration,host=request.host',
  'timestamp=time,path=request.uri,agent=agent,level=level,again=request.uri,first=list[0].a,protocol=proto,user=user,referrer=agent',
];
const SHAPES = [
  '{"ts":1703373474.8155608,"request":{"uri":"/b"}}',
  '{"StartUTC":"2021-12-08T14:02:43.587Z","RequestPath":"/c"}',
  '{"start_time":"2021-12-08T14:02:43.587Z","path":"/c","response_code":200}',
].map((line) => findShape(objectOf(line)) as Shape);

const text = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('/c', '/c?a=b', 'GET', 'curl/8', '192.0.2.1', '2001:db8::1', 'HTTP/1.1', '200', 'alice'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '-', '0', '007', '12ms', '0.005', '2021-12-08T14:02:43.587Z', 'http://a.b/c'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ' a',
      'a ',
      'a b',
      '192.0.2.1:80',
      '[::1]:80',
      '[192.0.2.1]',
      '2',
      'é',
      'a\\b',
      '"',
      '\u0001',
      '/',
      '05/Mar/2026:10:00:01 +0100',
    ),
  },
);
const number = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('1772704801', '1772704801.5', '1703373474.8155608', '200', '5', '0.0013', '0'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '-1',
      '1e3',
      '1772704801123',
      '1772704801.000',
      '1772704801.100000001',
      '1772704800.1234567891',
      '12345678901234567890',
      '99',
      '1000',
      '0.50',
      '1e-7',
    ),
  },
);
const value = fc.oneof(
  { weight: 5, arbitrary: text.map((given) => JSON.stringify(given)) },
  { weight: 5, arbitrary: number },
  {
    weight: 1,
    arbitrary: fc.constantFrom('null', 'true', 'false', '[]', '{}', '["a"]', '{"a":1}', '"\\u0041"', '"\\/c"'),
  },
);

function mostly(weight: number, usual: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: value });
}

const word = mostly(
  12,
  fc.constantFrom('"GET"', '"curl/8"', '"192.0.2.1"', '"2001:db8::1"', '"HTTP/1.1"', '"-"', '""', 'null'),
);
const count = mostly(12, fc.constantFrom('200', '"404"', '500'));
const time = mostly(
  8,
  fc.constantFrom('1772704801', '1772704801.5', '1703373474.8155608', '"2021-12-08T14:02:43.587Z"'),
);
const target = mostly(12, fc.constantFrom('"/c"', '"/d?e"'));

/** An object with the members in any order, some of them left out. */
function objectWith(members: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> {
  const pairs = Object.entries(members).map(([name, of]) =>
    fc.tuple(fc.nat(9), of).map(([chance, json]) => (chance === 0 ? [] : [`"${name}":${json}`])),
  );
  return fc.tuple(fc.nat(8), ...pairs).map(([seed, ...written]) => {
    const all = written.flat();
    return `{${[...all.slice(seed), ...all.slice(0, seed)].join(seed === 1 ? ' , ' : ',')}}`;
  });
}

const headers = objectWith({
  'User-Agent': mostly(12, fc.constantFrom('["curl/8","b"]', '[]', '[null,"b"]', '["-","",1]')),
  Referer: word,
});
/** Of another line, which a wrapper would have. */
const inner = fc.constantFrom(
  JSON.stringify('192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /d HTTP/1.1" 200 5'),
  JSON.stringify('{"ts":1772704801,"request":{"uri":"/d"}}'),
  '"handled request"',
);
const request = objectWith({ remote_ip: word, method: word, host: word, uri: target, proto: word, headers });
const line = fc.oneof(
  objectWith({
    level: word,
    ts: time,
    time,
    uri: target,
    request: mostly(6, request),
    agent: word,
    user: word,
    proto: word,
    duration: mostly(
      6,
      fc.constantFrom(
        '0.0013',
        '12',
        '"12ms"',
        '0',
        '0.50',
        '1.000',
        '0.0',
        '0.000001',
        '0.0000012',
        '123456789.1234',
        '1234567890123',
      ),
    ),
    size: count,
    status: count,
    msg: inner,
    log: mostly(1, inner),
    list: mostly(12, fc.constantFrom('[]', '[{"a":1},2]', '[{"a":"b"}]', '1')),
  }),
  objectWith({
    StartUTC: time,
    RequestPath: target,
    'request_User-Agent': word,
    ClientHost: word,
    DownstreamStatus: count,
    Duration: count,
    timestamp: time,
    path: target,
    userAgent: word,
    message: inner,
    line: inner,
  }),
  objectWith({
    start_time: time,
    path: target,
    response_code: count,
    user_agent: word,
    method: word,
    bytes_sent: count,
  }),
);
/** In some of them a few bytes are others. */
const mutated = fc
  .tuple(
    line,
    fc.nat(),
    fc.constantFrom('', '', '', '', '"', '\\', '{', '}', ' ', ',"ts":1', 'x', '\u00e9', '\t', '9'),
    fc.constantFrom(0, 0, 1),
  )
  .map(([base, seed, inserted, removed]) => {
    const at = seed % base.length;
    return base.slice(0, at) + inserted + base.slice(at + removed);
  });

function objectOf(given: string): JsonObject {
  const object = readJsonObject(Buffer.from(given), 0, Buffer.byteLength(given));
  if ('reason' in object) throw new Error(`the fast path reads what is none: ${object.reason}: ${given}`);
  return object;
}

function readFast(reader: FastJson, given: string, fields: Fields): string | undefined {
  const bytes = Buffer.from(`x${given}}`);
  const out = new StoredLines({ fields, blockBytes: 4096 });
  return reader.read(bytes, 1, bytes.length - 1, out) ? out.take().body.toString() : undefined;
}

function expected(object: JsonObject, by: MappedValues | Shape, fields: Fields): string {
  const out = new StoredLines({ fields, blockBytes: 4096 });
  const context = { time: new LogTime(60), fields };
  const read =
    by instanceof MappedValues
      ? readAccessFields(by.read(object), MAPPED, context)
      : readAccessFields(readValues(by.sources, object), by, context);
  if ('fault' in read) throw new Error(`the fast path reads what has no ${read.fault}: ${object.text}`);
  out.add(read, by instanceof MappedValues ? by.extras(object, read) : []);
  return out.take().body.toString();
}

const CASES = [...MAPS.map((map) => new MappedValues(parseFieldMap(map))), ...SHAPES];

describe('the fast path', () => {
  it.each(['all', 'core'] as const)('writes what the reference reader writes, fields %s', (fields) => {
    const fast = CASES.map(() => 0);
    const readers = CASES.map(
      (by) => new FastJson(by instanceof MappedValues ? by.plan : planOfShape(by), { zone: 60, fields }),
    );
    fc.assert(
      fc.property(mutated, (given) => {
        for (const [i, by] of CASES.entries()) {
          const written = readFast(readers[i] as FastJson, given, fields);
          if (written === undefined) continue;
          fast[i] = (fast[i] as number) + 1;
          const object = objectOf(given);
          if (!(by instanceof MappedValues)) {
            expect([isOwnRecord(object), findShape(object), unwrapJson(Buffer.from(given))]).toEqual([
              false,
              by,
              undefined,
            ]);
          }
          expect(written).toBe(expected(object, by, fields));
        }
      }),
      { numRuns: 6_000 },
    );
    expect(Math.min(...fast)).toBeGreaterThan(60);
  });

  it('reads lines as programs write them', () => {
    const wild = join(import.meta.dirname, '../../../testdata/wild');
    const caddy = readFileSync(join(wild, 'caddy.json.log'), 'utf8').split('\n')[0] as string;
    expect(readFast(new FastJson(planOfShape(SHAPES[0] as Shape), { zone: 0, fields: 'all' }), caddy, 'all')).toBe(
      expected(objectOf(caddy), SHAPES[0] as Shape, 'all'),
    );
  });
});
