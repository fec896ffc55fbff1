import { describe, expect, it } from 'vitest';
import { LTSV } from './ltsv.ts';
import { readLines } from './read-lines.case.ts';

const ltsv = (...fields: string[]): string => ['time:[12/Mar/2023:10:55:36 +0000]', ...fields].join('\t');

describe('a line of LTSV', () => {
  it('gives what the labels of ltsv.org say, and keeps the labels that are none of a record', () => {
    const line = ltsv(
      ...[
        'host:192.0.2.1',
        'forwardedfor:10.0.0.1, 10.0.0.2',
        'ident:-',
        'user:alice',
        'req:GET /index.html?a=1 HTTP/1.1',
      ],
      ...['status:200', 'size:5316', 'referer:http://example.com/start.html', 'ua:Mozilla/4.08 [en] (Win98; I ;Nav)'],
      ...['vhost:www.example.com', 'reqtime_microsec:1234', 'cache:-', 'runtime:0.002'],
    );
    expect(readLines(LTSV, [line])).toEqual([
      {
        timestamp: '2023-03-12T10:55:36Z',
        path: '/index.html?a=1',
        userAgent: 'Mozilla/4.08 [en] (Win98; I ;Nav)',
        client: '192.0.2.1',
        user: 'alice',
        host: 'www.example.com',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 5316,
        referrer: 'http://example.com/start.html',
        duration: 0.001234,
        rest: 'forwardedfor:10.0.0.1, 10.0.0.2\truntime:0.002',
      },
    ]);
  });

  it.each([
    [
      ['method:POST', 'uri:/c?a=1', 'protocol:HTTP/2.0'],
      { method: 'POST', path: '/c?a=1', protocol: 'HTTP/2.0', userAgent: '-' },
    ],
    [['request_method:GET', 'path:/c', 'query:a=1'], { path: '/c?a=1' }],
    [['path:/c', 'query_string:?a=1'], { path: '/c?a=1' }],
    [['req:-', 'status:400', 'ua:-'], { path: '-', malformed: true, status: 400, userAgent: '-' }],
    [['method:-', 'uri:-'], { path: '-', malformed: true }],
    [['req:\\x16\\x03\\x01 \\x02'], { path: '\u0016\u0003\u0001 \u0002', malformed: true }],
    [['uri:/', 'ua:"curl/8"'], { userAgent: 'curl/8' }],
    [['uri:/', 'user_agent:say \\x22hi\\x22'], { userAgent: 'say "hi"' }],
    [['uri:/', 'apptime:0.25'], { duration: 0.25 }],
    [['uri:/', 'apptime:0.25', 'reqtime:0.5'], { duration: 0.5 }],
    [['uri:/', 'apptime:0.25', 'reqtime:-'], { duration: 0.25 }],
    [['uri:/', 'apptime_microsec:1500'], { duration: 0.0015 }],
    [['uri:/', 'request_time_ms:15'], { duration: 0.015 }],
    [['uri:/', 'remote_addr:192.0.2.1', 'host:www.example.com'], { client: '192.0.2.1', host: 'www.example.com' }],
    [['uri:/', 'forwardedfor:10.0.0.1, 10.0.0.2'], { client: '10.0.0.1' }],
    [['', 'uri:/a:b', ''], { path: '/a:b' }],
  ])('is read: %j', (fields, expected) => {
    expect(readLines(LTSV, [ltsv(...fields)])).toEqual([expect.objectContaining(expected)]);
  });

  it.each([
    ['time:2025-10-13T05:17:32+09:00', '2025-10-12T20:17:32Z'],
    ['time:13/Oct/2025:05:17:32 +0000', '2025-10-13T05:17:32Z'],
    ['time:1760332652.525', '2025-10-13T05:17:32.525Z'],
    ['date:2025-10-13\ttime:05:17:32', '2025-10-13T04:17:32Z'],
    ['time_local:13/Oct/2025:05:17:32 +0000', '2025-10-13T05:17:32Z'],
    ['time:-\tmsec:1760332652.525', '2025-10-13T05:17:32.525Z'],
    ['time:2025-10-13 05:17:32', '2025-10-13T04:17:32Z'],
  ])('has the time of %j, in the zone of its file where it names none', (time, timestamp) => {
    expect(readLines(LTSV, [`${time}\turi:/`], { zone: 60 })).toEqual([expect.objectContaining({ timestamp })]);
  });

  it.each([
    ['time:yesterday\turi:/', 'invalid time "yesterday"'],
    ['host:192.0.2.1\turi:/', 'no label of a time such as time:; the line has: host, uri'],
    [ltsv('host:192.0.2.1'), 'no label of a request such as req: or uri:; the line has: time, host'],
    ['time:1760332652\tno label', 'not a line of LTSV: a field has no label such as time:'],
    ['time:1760332652', 'not a line of LTSV: a field has no label such as time:'],
  ])('is refused with the reason: %j', (line, reason) => {
    expect(readLines(LTSV, [line])).toEqual([reason]);
  });

  it('writes bytes that are not UTF-8 as they are escaped', () => {
    const line = Buffer.from(ltsv('uri:/caf\u00e9', 'ua:M\u00fcller'), 'latin1');
    expect(readLines(LTSV, [line])).toEqual([expect.objectContaining({ path: '/caf\\xe9', userAgent: 'M\\xfcller' })]);
  });
});
