import { describe, expect, it } from 'vitest';
import { skipPrefixes } from '../prefixes.ts';
import { HAPROXY } from './haproxy.ts';
import { readLines } from './read-lines.case.ts';

const http = (end: string): string => `10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 ${end}`;

describe('a line of HAProxy', () => {
  it('gives what it knows, its total time in seconds and the captured headers', () => {
    const line = http('10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu|curl} {} "GET /index.html HTTP/1.1"');
    expect(readLines(HAPROXY, [line])).toEqual([
      {
        timestamp: '2009-02-06T12:14:14.655Z',
        path: '/index.html',
        userAgent: '-',
        client: '10.0.1.2',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 2750,
        duration: 0.109,
        rest: '{1wt.eu|curl}',
      },
    ]);
  });

  it('stands after the prefix of syslog', () => {
    const line = Buffer.from(
      'Sep 25 06:05:27 hostname haproxy[6801]: 192.0.2.1:55008 [25/Sep/2018:06:05:27.584] ft_https~ bk_https/abc 0/0/0/72/72 200 7456 - - ---- 5/4/0/1/0 0/0 "POST /user/ HTTP/1.1"',
    );
    const rest = line.subarray(skipPrefixes(line, 0, line.length));
    expect(readLines(HAPROXY, [rest])).toEqual([
      expect.objectContaining({
        timestamp: '2018-09-25T06:05:27.584Z',
        client: '192.0.2.1',
        path: '/user/',
        duration: 0.072,
      }),
    ]);
  });

  it('has the zone of its file', () => {
    const line = http('10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"');
    expect(readLines(HAPROXY, [line], { zone: 60 })).toEqual([
      expect.objectContaining({ timestamp: '2009-02-06T11:14:14.655Z' }),
    ]);
  });

  it.each([
    [
      '-1/-1/-1/-1/5000 408 212 - - cR-- 0/0/0/0/0 0/0 "<BADREQ>"',
      { path: '<BADREQ>', malformed: true, status: 408, duration: 5 },
    ],
    ['6559/0/7/147/6723 200 243 - - ---- 5/3/3/1/+2 0/0 "HEAD / HTTP/1.0"', { path: '/', duration: 6.723 }],
    ['9/0/7/14/+30 200 +243 - - ---- 3/3/3/1/0 0/0 "GET /image.iso HTTP/1.0"', { bytes: 243, duration: 0.03 }],
    ['3183/-1/-1/-1/11215 -1 0 - - SC-- 205/202/202/115/3 0/0 "HEAD / HTTP/1.0"', { bytes: 0, duration: 11.215 }],
    [
      '0/0/0/1/1 200 5 a=1 b=2 ---- 1/1/1/1/0 0/0 {a b} {c} "GET /x HTTP/1.1" 0/0000/0/0/0 1wt.eu/TLSv1.3/TLS_AES',
      { rest: '{a b} {c} 0/0000/0/0/0 1wt.eu/TLSv1.3/TLS_AES' },
    ],
    [
      '0/0/0/1/1 200 5 - - ---- 1/1/1/1/0 0/0 "GET https://www.example.com/c?q HTTP/2.0"',
      { path: '/c?q', host: 'www.example.com' },
    ],
    [
      '0/0/0/1/1 200 5 - - ---- 1/1/1/1/0 0/0 "GET http://www.example.com/c HTTP/1.1"',
      { path: 'http://www.example.com/c' },
    ],
    ['0/0/0/1/1 200 5 - - ---- 1/1/1/1/0 0/0 "GET /cut', { path: '/cut', method: 'GET' }],
  ])('is read: %s', (end, expected) => {
    expect(readLines(HAPROXY, [http(end)])).toEqual([expect.objectContaining(expected)]);
  });

  it('has no status where there was no answer', () => {
    const [record] = readLines(HAPROXY, [
      http('3183/-1/-1/-1/11215 -1 0 - - SC-- 205/202/202/115/3 0/0 "HEAD / HTTP/1.0"'),
    ]);
    expect(record).not.toHaveProperty('status');
  });

  it.each(['2001:db8::1:33317', '2001:db8::1'])('may come from an address of IPv6: %s', (client) => {
    const line = `${client} [06/Feb/2009:12:14:14.655] a b/<NOSRV> 0/0/0/1/1 200 5 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"`;
    expect(readLines(HAPROXY, [line])).toEqual([expect.objectContaining({ client: '2001:db8::1' })]);
  });

  it.each([
    [http('0/0/5007 212 -- 0/0/0/0/3 0/0'), 'a TCP connection (tcplog), which has no HTTP request'],
    [http('0/0/5007/1 212'), 'not a line of HAProxy: expected five times as 0/0/0/1/2, found "0/0/5007/1"'],
    ['Proxy http-in started.', 'not a line of HAProxy: no accept date in brackets after "Proxy"'],
    [
      '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] a b 0/0/0/1/1',
      'not a line of HAProxy: expected backend/server, found "b"',
    ],
    [http('0/0/0/1/1 200 5 - - ---- 1/1'), 'expected five counts of connections as 1/1/1/1/0, found "1/1"'],
    [http('0/0/0/1/1 200 5 - - ---- 1/1/1/1/0 0/0 GET'), 'no request in quotes after the queues: found "GET"'],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(HAPROXY, [line])).toEqual([reason]);
  });
});
