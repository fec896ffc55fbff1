import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFieldMap } from '../../model/field-map.ts';
import { readOneLine } from './access-collector.case.ts';
import { createJsonLog } from './json-log.ts';
import type { LineOptions } from './line-format.ts';

const WILD = join(import.meta.dirname, '../../../testdata/wild');
const log = createJsonLog();

/** What is stored of a value, or of a text as it stands; or the reason. */
function read(line: unknown, options?: Partial<LineOptions>): unknown {
  const text = typeof line === 'string' ? line : JSON.stringify(line);
  const stored = readOneLine(log, text, options);
  return stored.startsWith('{') ? JSON.parse(stored) : stored;
}

function readMapped(map: string, line: unknown, options?: Partial<LineOptions>): string {
  const text = typeof line === 'string' ? line : JSON.stringify(line);
  return readOneLine(createJsonLog(parseFieldMap(map)), text, options);
}

describe('JSON of strangers', () => {
  it.each([
    [
      'caddy.json.log',
      [
        '{"timestamp":"2023-12-23T23:17:54.8155608Z","path":"/beta/","userAgent":"curl/8","client":"192.0.2.1","host":"example.com","method":"GET","protocol":"HTTP/2.0","status":200,"bytes":3609,"durationSeconds":0.0013}',
      ],
    ],
    [
      'traefik.json.log',
      [
        '{"timestamp":"2021-12-08T14:02:43.587782192Z","path":"/c","userAgent":"curl/8","client":"192.0.2.1","method":"GET","protocol":"HTTP/1.1","status":200,"durationSeconds":0.000357313}',
      ],
    ],
    [
      'nginx-json-elastic-example-names.log',
      [
        '{"timestamp":"2026-03-05T10:00:01Z","path":"/c","userAgent":"curl/8","client":"192.0.2.1","method":"GET","protocol":"HTTP/1.1","status":200,"bytes":5}',
      ],
    ],
    [
      'nginx-json-other-names.log',
      [
        '{"timestamp":"2013-10-10T14:52:00Z","path":"/c","userAgent":"curl/8","client":"192.0.2.1","host":"www.example.com","status":200,"bytes":192}',
      ],
    ],
    [
      'nginx-json-escape-default-x22.log',
      [
        '{"timestamp":"2026-03-12T11:00:00Z","path":"/j","userAgent":"My \\"cool\\" agent"}',
        '{"timestamp":"2026-03-12T11:00:01Z","path":"/k","userAgent":"ok"}',
      ],
    ],
  ])('%s', (file, expected) => {
    const lines = readFileSync(join(WILD, file), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => readOneLine(log, line))).toEqual(expected);
    for (const line of lines) expect(log.score(Buffer.from(line))).toBe(1);
  });

  it.each([
    [
      'GET /c?a=b HTTP/2.0',
      '200',
      '"path":"/c?a=b","userAgent":"curl/8","client":"192.0.2.1","host":"h","method":"GET","protocol":"HTTP/2.0","status":200,"bytes":5,"durationSeconds":0.005',
    ],
    [
      '\\u0016\\u0003',
      '009',
      String.raw`"path":"\u0016\u0003","userAgent":"curl/8","client":"192.0.2.1","host":"h","bytes":5,"durationSeconds":0.005,"malformed":true`,
    ],
  ])('nginx as docs/files.md has it: %s', (request, status, expected) => {
    const line = `{"timestamp":"1772704801.123","client":"192.0.2.1","user":"","host":"h","request":"${request}","status":"${status}","bytes":"5","referrer":"","userAgent":"curl/8","request_time":"0.005"}`;
    expect(readOneLine(log, line)).toBe(`{"timestamp":"2026-03-05T10:00:01.123Z",${expected}}`);
  });

  it('nginx with the names of its variables, and others, which are kept', () => {
    const line = String.raw`{"time_local":"05/Mar/2026:10:00:01 +0100","time_iso8601":"2026-03-05T10:00:01+01:00","msec":"1772701201.123","remote_addr":"192.0.2.1","remote_user":"","request":"GET /c?a=b HTTP/1.1","request_method":"GET","request_uri":"/c?a=b","uri":"/c","args":"a=b","status":"200","body_bytes_sent":"612","bytes_sent":"900","http_referer":"https://example.com/","http_user_agent":"curl/8 \"x\"","request_time":"0.005","server_name":"_","host":"www.example.com","server_protocol":"HTTP/1.1","request_id":"9f","upstream_response_time":1.0,"upstream":{ "addr": "10.0.0.1" },"id":12345678901234567890}`;
    expect(readOneLine(log, line)).toBe(
      String.raw`{"timestamp":"2026-03-05T09:00:01Z","path":"/c?a=b","userAgent":"curl/8 \"x\"","client":"192.0.2.1","host":"www.example.com","method":"GET","protocol":"HTTP/1.1","status":200,"bytes":612,"referrer":"https://example.com/","durationSeconds":0.005,"msec":"1772701201.123","bytes_sent":"900","server_name":"_","request_id":"9f","upstream_response_time":1.0,"upstream":{"addr":"10.0.0.1"},"id":12345678901234567890}`,
    );
    expect(readOneLine(log, line, { fields: 'core' })).toBe(
      String.raw`{"timestamp":"2026-03-05T09:00:01Z","path":"/c?a=b","userAgent":"curl/8 \"x\""}`,
    );
  });

  it.each([
    [{ time: 'T', uri: '/c', args: 'a=b' }, { path: '/c?a=b' }],
    [{ time: 'T', uri: '/c', args: '' }, { path: '/c' }],
    [{ time: 'T', uri: '/c', args: '-' }, { path: '/c' }],
    [
      { time: 'T', request: '/c', query: '?a=b', method: 'GET' },
      { path: '/c?a=b', method: 'GET' },
    ],
    [
      { time: 'T', url: 'https://example.com/c?a=b' },
      { path: '/c?a=b', host: 'example.com' },
    ],
    [
      { time: 'T', url: 'https://example.com' },
      { path: '/', host: 'example.com' },
    ],
    [
      { '@timestamp': 'T', requestUri: '/c', remoteAddr: '192.0.2.1:4711', 'user-agent': 'curl/8' },
      { path: '/c', client: '192.0.2.1', userAgent: 'curl/8' },
    ],
    [
      { time: 'T', path: '/c', client: '[2001:db8::1]:443' },
      { path: '/c', client: '2001:db8::1' },
    ],
    [
      { time: 'T', path: '/c', client: '[192.0.2.1]' },
      { path: '/c', client: '192.0.2.1' },
    ],
    [
      { time: 'T', path: '/c', client: '2001:db8::1' },
      { path: '/c', client: '2001:db8::1' },
    ],
    [{ time: 'T', path: '/c', status: '-', bytes: '-', referrer: '', host: '-' }, { path: '/c' }],
    [
      { time: 'T', path: '/c', status: '000', bytes: 0 },
      { path: '/c', bytes: 0 },
    ],
    [
      { time: 'T', path: '/c', status: 200, duration: 12, client: { ip: 1 } },
      { path: '/c', status: 200, duration: 12, client: { ip: 1 } },
    ],
    [
      { time: 'T', path: '/c', user_agent: null, malformed: 1 },
      { path: '/c', malformed: 1, user_agent: null },
    ],
    [{ timestamp: 'T', path: '/c', user_agent: '' }, { path: '/c' }],
    [
      {
        requestTime: '05/Mar/2026:10:00:01 +0000',
        httpMethod: 'GET',
        resourcePath: '/c/{id}',
        path: '/c/1',
        ip: '192.0.2.1',
        responseLength: '5',
      },
      { path: '/c/1', method: 'GET', client: '192.0.2.1', bytes: 5, resourcePath: '/c/{id}' },
    ],
    [
      { time: 'T', uri: '/c', host: '10.0.0.1', http_host: 'www.example.com', domain: '-', server_name: '10.0.0.1' },
      { path: '/c', host: '10.0.0.1', http_host: 'www.example.com', domain: '-' },
    ],
    [
      { time: 'T', uri: '/c', status: 'late', bytes: '5 kB', remote_addr: '', ip: '192.0.2.1' },
      { path: '/c', status: 'late', bytes: '5 kB', ip: '192.0.2.1' },
    ],
    [
      { time: 'T', request: 'a1b2', uri: '/c' },
      { path: '/c', request: 'a1b2' },
    ],
    [
      { date: '2026-03-05', time: '10:00:01', uri: '/c' },
      { path: '/c', date: '2026-03-05' },
    ],
    [
      { time: 'T', request: 'GET /c', response: '404' },
      { path: '/c', method: 'GET', status: 404 },
    ],
  ])('usual names: %j', (line, expected) => {
    const dated = JSON.stringify(line).replace('"T"', '"2026-03-05T10:00:01Z"');
    expect(read(dated)).toEqual({ timestamp: '2026-03-05T10:00:01Z', userAgent: '-', ...expected });
  });

  it.each([
    [{ request: '' }, { path: '-', malformed: true }],
    [{ request: '-' }, { path: '-', malformed: true }],
    [{ request: '', request_uri: '/c' }, { path: '/c' }],
    [{ request_uri: '' }, { path: '-', malformed: true }],
    [{ uri: '-' }, { path: '-', malformed: true }],
    [{ request: '\x16\x03\x01\x01 \x02' }, { path: '\x16\x03\x01\x01 \x02', malformed: true }],
    [{ request: 'GET HTTP/1.1' }, { path: 'GET HTTP/1.1', malformed: true }],
    [{ request: '/c' }, { path: '/c', malformed: true }],
  ])('a request that is none of HTTP: %j', (line, expected) => {
    const fields = { timestamp: '2026-03-05T10:00:01Z', userAgent: '-' };
    expect(read({ time: '2026-03-05T10:00:01Z', ...line })).toEqual({ ...fields, ...expected });
  });

  it.each<[string, unknown, unknown]>([
    [
      'Caddy with texts for times',
      {
        ts: '2023/12/23 23:17:54.815',
        request: {
          remote_addr: '192.0.2.1:1234',
          uri: '/a',
          method: 'GET',
          proto: 'HTTP/1.1',
          host: 'h',
          headers: { 'User-Agent': ['a', 'b'], Referer: ['r'] },
        },
        user_id: 'u',
        duration: '1.5ms',
        size: 1,
        status: 0,
        resp_headers: {},
      },
      {
        timestamp: '2023-12-23T23:17:54.815Z',
        path: '/a',
        userAgent: 'a',
        client: '192.0.2.1',
        user: 'u',
        host: 'h',
        method: 'GET',
        protocol: 'HTTP/1.1',
        bytes: 1,
        referrer: 'r',
        durationSeconds: 0.0015,
      },
    ],
    [
      'Traefik aborted, with a port and without StartUTC',
      {
        ClientAddr: '192.0.2.1:1',
        ClientUsername: '-',
        DownstreamStatus: 0,
        DownstreamContentSize: 7,
        OriginStatus: 499,
        Duration: 1_500_000,
        RequestPath: '/c?d',
        RequestHost: 'h',
        time: '2021-12-08T14:02:43Z',
        RequestPort: '-',
      },
      {
        timestamp: '2021-12-08T14:02:43Z',
        path: '/c?d',
        userAgent: '-',
        client: '192.0.2.1',
        host: 'h',
        bytes: 7,
        durationSeconds: 0.0015,
      },
    ],
    [
      'Envoy',
      {
        start_time: '2026-03-05T10:00:01.123Z',
        path: '/b',
        'x-envoy-original-path': '/a?x',
        method: 'GET',
        protocol: 'HTTP/2',
        response_code: 200,
        bytes_sent: 12,
        duration: 3,
        user_agent: 'curl/8',
        authority: 'h',
        downstream_remote_address: '192.0.2.1:5',
        request_id: 'x',
      },
      {
        timestamp: '2026-03-05T10:00:01.123Z',
        path: '/a?x',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'h',
        method: 'GET',
        protocol: 'HTTP/2',
        status: 200,
        bytes: 12,
        durationSeconds: 0.003,
      },
    ],
    [
      'Istio, whose absent values are null or -',
      {
        start_time: '2026-03-05T10:00:01.123Z',
        path: '/b',
        'x-envoy-original-path': '-',
        response_code: 0,
        bytes_sent: 0,
        duration: 0,
        user_agent: null,
        authority: null,
      },
      { timestamp: '2026-03-05T10:00:01.123Z', path: '/b', userAgent: '-', bytes: 0, durationSeconds: 0 },
    ],
    [
      'Cloudflare',
      {
        EdgeStartTimestamp: '2026-03-05T10:00:01Z',
        ClientRequestURI: '/a?x',
        ClientRequestUserAgent: 'curl/8',
        ClientIP: '192.0.2.1',
        EdgeResponseStatus: 200,
        EdgeResponseBytes: 5,
        ClientRequestHost: 'h',
        ClientRequestMethod: 'GET',
        ClientRequestProtocol: 'HTTP/2',
        ClientRequestReferer: 'r',
        RayID: 'x',
      },
      {
        timestamp: '2026-03-05T10:00:01Z',
        path: '/a?x',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'h',
        method: 'GET',
        protocol: 'HTTP/2',
        status: 200,
        bytes: 5,
        referrer: 'r',
      },
    ],
    [
      'a load balancer of Google',
      {
        timestamp: '2026-03-05T10:00:01.078276Z',
        httpRequest: {
          requestMethod: 'GET',
          requestUrl: 'https://example.com/a?x',
          status: 200,
          responseSize: '5',
          userAgent: 'curl/8',
          remoteIp: '192.0.2.1',
          latency: '0.1s',
          protocol: 'HTTP/1.1',
        },
        jsonPayload: {},
      },
      {
        timestamp: '2026-03-05T10:00:01.078276Z',
        path: '/a?x',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'example.com',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 5,
        durationSeconds: 0.1,
      },
    ],
    [
      'pino-http',
      {
        level: 30,
        time: 1772704801123,
        pid: 1,
        hostname: 'x',
        req: {
          id: 1,
          method: 'GET',
          url: '/a?x',
          headers: { host: 'h', 'user-agent': 'curl/8' },
          remoteAddress: '::ffff:192.0.2.1',
          remotePort: 1,
        },
        res: { statusCode: 200, headers: { 'content-length': '5' } },
        responseTime: 12,
        msg: 'request completed',
      },
      {
        timestamp: '2026-03-05T10:00:01.123Z',
        path: '/a?x',
        userAgent: 'curl/8',
        client: '::ffff:192.0.2.1',
        host: 'h',
        method: 'GET',
        status: 200,
        bytes: 5,
        durationSeconds: 0.012,
      },
    ],
    [
      'Elastic Common Schema, nested',
      {
        '@timestamp': '2026-03-05T10:00:01Z',
        url: { path: '/a', query: 'x' },
        user_agent: { original: 'curl/8' },
        source: { address: '192.0.2.1' },
        http: { version: '1.1', request: { method: 'GET' }, response: { status_code: 200, body: { bytes: 5 } } },
        event: { duration: 1e9 },
        message: 'x',
      },
      {
        timestamp: '2026-03-05T10:00:01Z',
        path: '/a?x',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 5,
        durationSeconds: 1,
      },
    ],
    [
      'Elastic Common Schema, with dots',
      { '@timestamp': '2026-03-05T10:00:01Z', 'url.original': '/a?x', 'user_agent.original': 'curl/8' },
      { timestamp: '2026-03-05T10:00:01Z', path: '/a?x', userAgent: 'curl/8' },
    ],
  ])('%s', (_, line, expected) => {
    expect(read(line)).toEqual(expected);
    expect(Object.keys(read(line) as object)).toEqual(Object.keys(expected as object));
  });

  it.each([
    ['1772704801', '2026-03-05T10:00:01Z'],
    ['1772704801123', '2026-03-05T10:00:01.123Z'],
    ['1772704801123456', '2026-03-05T10:00:01.123456Z'],
    ['1772704801123456789', '2026-03-05T10:00:01.123456789Z'],
    ['"1772704801123456789"', '2026-03-05T10:00:01.123456789Z'],
    ['1772704801.123456789', '2026-03-05T10:00:01.123456789Z'],
  ])('a Unix time keeps its digits: %s', (time, expected) => {
    const fields = '"ClientRequestURI":"/c","EdgeResponseStatus":200';
    expect(read(`{${fields},"EdgeStartTimestamp":${time}}`)).toHaveProperty('timestamp', expected);
    expect(read(`{"time":${time},"path":"/c"}`)).toHaveProperty('timestamp', expected);
    expect(JSON.parse(readMapped('timestamp=a.b', `{"a":{"b":${time}},"path":"/c"}`))).toHaveProperty(
      'timestamp',
      expected,
    );
  });

  it('a time without a zone is of the zone that is given', () => {
    expect(read({ time: '2026-03-05 10:00:01', path: '/c' }, { zone: 60 })).toHaveProperty(
      'timestamp',
      '2026-03-05T09:00:01Z',
    );
  });
});

describe('a record as POST /logs takes it', () => {
  it('passes through with its extra fields, token for token', () => {
    const line =
      '{"status": 1.0,"path":" /c ","userAgent":"ü","timestamp":"2026-03-05T10:00:01.10+01:00","id":12345678901234567890,"o":{ "a" : [ 1 ] },"__proto__":{"x":1},"client":"c","client":"d"}';
    expect(readOneLine(log, line)).toBe(
      '{"timestamp":"2026-03-05T09:00:01.1Z","path":"/c","userAgent":"ü","status":1.0,"id":12345678901234567890,"o":{"a":[1]},"__proto__":{"x":1},"client":"d"}',
    );
    expect(readOneLine(log, line, { fields: 'core' })).toBe(
      '{"timestamp":"2026-03-05T09:00:01.1Z","path":"/c","userAgent":"ü"}',
    );
  });

  it.each([
    [{ timestamp: 'x', path: '/c', userAgent: 'a' }, 'invalid timestamp "x"'],
    [{ timestamp: true, path: '/c', userAgent: 'a' }, 'invalid timestamp true'],
    [{ timestamp: '2026-03-05T10:00:01Z', path: ' ', userAgent: 'a' }, 'blank path'],
  ])('or is refused with the same words: %j', (line, reason) => {
    expect(read(line)).toBe(reason);
  });

  it('has - for an empty user agent', () => {
    expect(read({ timestamp: '2026-03-05T10:00:01Z', path: '/c', userAgent: '' })).toHaveProperty('userAgent', '-');
  });
});

describe('a map', () => {
  const line = {
    ts: 1703373474.5,
    request: { uri: '/c', line: 'GET /d HTTP/1.1', headers: { 'User-Agent': ['curl/8'] }, id: 1, empty: '' },
    code: '200',
    took: '12ms',
    n: null,
  };

  it('says where the fields stand, and keeps no others', () => {
    expect(readMapped("timestamp=ts,path=request.uri,userAgent='request.headers.User-Agent[0]'", line)).toBe(
      '{"timestamp":"2023-12-23T23:17:54.5Z","path":"/c","userAgent":"curl/8"}',
    );
    expect(
      readMapped(
        'path=request.uri,timestamp=ts,status=code,duration=took,my-id=request.id,none=n,x=request.headers,t=code',
        line,
      ),
    ).toBe(
      '{"timestamp":"2023-12-23T23:17:54.5Z","path":"/c","userAgent":"-","status":200,"durationSeconds":0.012,"my-id":1,"x":{"User-Agent":["curl/8"]},"t":"200"}',
    );
  });

  it('leaves the other required fields to the members of their names', () => {
    expect(
      readMapped('path=url', {
        timestamp: '2026-03-05T10:00:01Z',
        url: 'https://example.com/c',
        userAgent: 'a',
        path: '/no',
      }),
    ).toBe('{"timestamp":"2026-03-05T10:00:01Z","path":"https://example.com/c","userAgent":"a"}');
  });

  it('counts more than a shape that is known', () => {
    const caddy = readFileSync(join(WILD, 'caddy.json.log'), 'utf8').trimEnd();
    expect(readMapped('timestamp=ts,path=request.host,userAgent=logger', caddy)).toBe(
      '{"timestamp":"2023-12-23T23:17:54.8155608Z","path":"example.com","userAgent":"http.log.access"}',
    );
  });

  it('takes the target out of a request line', () => {
    expect(readMapped('timestamp=ts,path=request.line', line)).toBe(
      '{"timestamp":"2023-12-23T23:17:54.5Z","path":"/d","userAgent":"-","method":"GET","protocol":"HTTP/1.1"}',
    );
  });

  it('keeps an empty path as malformed, and its own malformed otherwise', () => {
    expect(readMapped('timestamp=ts,path=request.empty,malformed=code', line)).toBe(
      '{"timestamp":"2023-12-23T23:17:54.5Z","path":"-","userAgent":"-","malformed":true}',
    );
    expect(readMapped('timestamp=ts,path=code,malformed=code', line)).toContain('"malformed":"200"');
  });

  it.each([
    [
      'timestamp=ts,path=request.url',
      'no "request.url" for path; the line has: ts, request.uri, request.line, request.headers, request.id, request.empty, code, took, n',
    ],
    ['timestamp=ts,path=a|b.c', 'no "a" or "b.c" for path; the line has: ts, '],
    ['timestamp=ts,path=n', 'no "n" for path; the line has: ts, '],
    ['timestamp=ts,path=request', 'invalid path {"uri":"/c","line":'],
    ['path=request.uri', 'no "timestamp" for timestamp; the line has: ts, '],
    ['timestamp=took,path=request.uri', 'invalid timestamp "12ms" in "took"'],
  ])('%s: %s', (map, reason) => {
    expect(readMapped(map, line).startsWith(reason)).toBe(true);
  });

  it('takes no more than the three fields with core', () => {
    expect(readMapped('timestamp=ts,path=request.uri,status=code,x=code', line, { fields: 'core' })).toBe(
      '{"timestamp":"2023-12-23T23:17:54.5Z","path":"/c","userAgent":"-"}',
    );
  });
});

describe('a line that is not known', () => {
  it('says which fields it has', () => {
    expect(read({ ip: '192.0.2.1', when: 1, uri: '/c' })).toBe(
      'has no known fields; it has: ip, when, uri (name them with --map)',
    );
    expect(read({})).toBe('has no known fields; it has: nothing (name them with --map)');
    expect(read({ level: 'info', http: { url: '/c', verb: 'GET' }, empty: {}, list: [1] })).toBe(
      'has no known fields; it has: level, http.url, http.verb, empty, list (name them with --map)',
    );
  });

  it('lists at most 20 names, each cut at 64 characters', () => {
    const names = Array.from({ length: 30 }, (_, i) => `n${i}`);
    const many = Object.fromEntries(names.map((name) => [name, 1]));
    expect(read(many)).toBe(`has no known fields; it has: ${names.slice(0, 20).join(', ')} … (name them with --map)`);
    expect(read({ ['x'.repeat(100)]: 1 })).toBe(
      `has no known fields; it has: ${'x'.repeat(64)}… (name them with --map)`,
    );
  });

  it('says what is missing or wrong in a known shape', () => {
    expect(read({ request: { uri: '/c', host: 'h' }, logger: 'x' })).toBe(
      'no timestamp; the line has: request.uri, request.host, logger',
    );
    expect(read({ time: 'noon', uri: '/c' })).toBe('invalid timestamp "noon"');
    expect(read({ time: 'x'.repeat(100), uri: '/c' })).toBe(`invalid timestamp "${'x'.repeat(64)}…"`);
  });

  it('is no JSON', () => {
    expect(read('{"a":}')).toContain('not JSON');
    expect(read('[1]')).toBe('not a JSON object');
  });

  it('is not affected by names that objects inherit', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'valueOf']) {
      expect(read(`{"${name}":{"timestamp":1,"path":"/c"},"x":1}`)).toContain('has no known fields');
      expect(readOneLine(log, `{"time":1,"path":"/c","${name}":{"a":1}}`)).toContain(`"${name}":{"a":1}`);
    }
  });
});

describe('the score of a line', () => {
  it.each([
    ['{"a":1}', 1],
    [' \t{"a":"\\x22"}', 1],
    ['{"a":1', 0.5],
    ['{a}', 0.5],
    ['[{"a":1}]', 0],
    ['192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5', 0],
    ['', 0],
    ['{', 0.5],
  ])('%s: %d', (line, score) => {
    expect(log.score(Buffer.from(line))).toBe(score);
  });
});
