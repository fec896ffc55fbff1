import { describe, expect, it } from 'vitest';
import { ENVOY } from './envoy.ts';
import { PROXY_MANAGER } from './proxy-manager.ts';
import { readLines } from './read-lines.case.ts';
import { TRAEFIK } from './traefik.ts';

describe('a line of Traefik', () => {
  it('gives its duration', () => {
    const line =
      '192.168.33.1 - alice [02/Oct/2017:20:22:07 +0000] "GET /ui/favicon.png HTTP/1.1" 304 0 "http://example.com/login" "Mozilla/5.0 (X11)" 262 "Host-host-1" "http://172.19.0.3:5601" 2ms';
    expect(readLines(TRAEFIK, [line])).toEqual([
      {
        timestamp: '2017-10-02T20:22:07Z',
        path: '/ui/favicon.png',
        userAgent: 'Mozilla/5.0 (X11)',
        client: '192.168.33.1',
        user: 'alice',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 304,
        bytes: 0,
        referrer: 'http://example.com/login',
        duration: 0.002,
      },
    ]);
  });

  const traefik = (end: string): string => `192.0.2.1 - - [02/Oct/2017:20:22:08 +0000] ${end}`;

  it.each([
    [
      '"GET / HTTP/1.1" 200 5 "-" "curl/8" 271 "Host-host1 "http://172.19.0.3:5601" 3ms',
      { userAgent: 'curl/8', duration: 0.003 },
    ],
    ['"GET / HTTP/1.1" - - "-" "-" 3 "-" "-" 0ms', { userAgent: '-', duration: 0 }],
    ['"GET / HTTP/1.1" 200 5 "-" "say "5" or 6" 3 "web@docker" "-" 1ms', { userAgent: 'say "5" or 6' }],
    ['"GET / HTTP/1.1" 200 5 "-" "ends in \\" 3 "web@docker" "-" 1ms', { userAgent: 'ends in \\' }],
  ])('is read: %s', (end, expected) => {
    expect(readLines(TRAEFIK, [traefik(end)])).toEqual([expect.objectContaining(expected)]);
  });

  it.each([
    [traefik('"GET / HTTP/1.1" 200 5 "-" "curl/8"'), 'not a line of Traefik: no duration such as 12ms at its end'],
    [
      traefik('"GET / HTTP/1.1" 200 5 "-" "curl/8" 12ms'),
      'not a line of Traefik: no number of the request after the user agent',
    ],
    ['192.0.2.1 - - [yesterday] 12ms', 'not a line of Traefik: no time in brackets'],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(TRAEFIK, [line])).toEqual([reason]);
  });
});

describe('a line of Envoy', () => {
  it('gives what it knows', () => {
    const line =
      '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28, 10.0.0.1" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80"';
    expect(readLines(ENVOY, [line])).toEqual([
      {
        timestamp: '2016-04-15T20:17:00.31Z',
        path: '/api/v1/locations',
        userAgent: 'nsq2http',
        client: '10.0.35.28',
        host: 'locations',
        method: 'POST',
        protocol: 'HTTP/2',
        status: 204,
        bytes: 0,
        duration: 0.226,
      },
    ]);
  });

  const envoy = (end: string): string => `[2024-08-21T01:14:56.707Z] ${end}`;

  it.each([
    [
      '"HEAD / HTTP/1.1" 404 NR route_not_found - "-" 0 7 12 - "10.0.0.15" "curl/7.81.0" "a01b" "10.2.14.4" "-" - - 10.0.2.42:80 - -',
      { path: '/', status: 404, bytes: 7, duration: 0.012, userAgent: 'curl/7.81.0', rest: '- - 10.0.2.42:80 - -' },
    ],
    [
      '"GET /c HTTP/1.1" 503 UF upstream_reset - "TLS error: 1 2 3 4" 1 2 3 - "-" "a" "b" "c" "d"',
      { bytes: 2, userAgent: 'a', host: 'c' },
    ],
    ['"GET /c HTTP/1.1" 0 DC 0 0 5 - "-" "say "hi" all" "b" "c" "-"', { userAgent: 'say "hi" all', host: 'c' }],
    ['"- - HTTP/1.1" 400 DPE 0 11 0 - "-" "-" "-" "-" "-"', { path: '- - HTTP/1.1', malformed: true, userAgent: '-' }],
  ])('is read: %s', (end, expected) => {
    expect(readLines(ENVOY, [envoy(end)])).toEqual([expect.objectContaining(expected)]);
  });

  it('has no status and no client where it says none', () => {
    const [record] = readLines(ENVOY, [envoy('"GET /c HTTP/1.1" 0 DC 0 0 5 - "-" "a" "b" "c" "-"')]);
    expect(record).toEqual(expect.objectContaining({ path: '/c', duration: 0.005 }));
    expect(record).not.toHaveProperty('status');
    expect(record).not.toHaveProperty('client');
  });

  it.each([
    [
      envoy('"- - -" 0 - - - "-" 1421 0 3 - "-" "-" "-" "-" "10.0.0.1:3306" outbound|3306'),
      'a TCP connection, which has no HTTP request',
    ],
    [
      '[05/Mar/2026:10:00:01 +0000] "GET / HTTP/1.1"',
      'not a line of Envoy: no time such as [2016-04-15T20:17:00.310Z] at its start',
    ],
    [
      envoy('"GET / HTTP/1.1" 200 - 1'),
      'not a line of Envoy: no bytes, durations and a field in quotes after the request',
    ],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(ENVOY, [line])).toEqual([reason]);
  });
});

describe('a line of nginx-proxy-manager', () => {
  it('gives what it knows', () => {
    const line =
      '[05/Mar/2026:10:00:01 +0000] - 404 404 - GET http www.example.com "/c?q=1" [Client 192.0.2.1] [Length 192] [Gzip 3.10] [Sent-to 10.0.0.3] "curl/8" "https://a/"';
    expect(readLines(PROXY_MANAGER, [line])).toEqual([
      {
        timestamp: '2026-03-05T10:00:01Z',
        path: '/c?q=1',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'www.example.com',
        method: 'GET',
        status: 404,
        bytes: 192,
        referrer: 'https://a/',
      },
    ]);
  });

  const manager = (end: string): string => `[05/Mar/2026:10:00:01 +0000] ${end}`;

  it.each([
    [
      'HIT - 200 - GET https a.example "/c" [Client 192.0.2.1] [Length 5] [Gzip -] [Sent-to b] "c" "-"',
      { status: 200, bytes: 5 },
    ],
    [
      '- 502, 200 200 - GET https a.example "/c" [Client 192.0.2.1] [Length 5] [Gzip -] [Sent-to b] "c" "-"',
      { status: 200 },
    ],
    [
      '301 - GET http a.example "/c" [Client 192.0.2.1] [Length 166] [Gzip -] "c" "-"',
      { status: 301, host: 'a.example' },
    ],
    [
      '400 - - http localhost "-" [Client 192.0.2.1] [Length 154] [Gzip -] "-" "-"',
      { path: '-', malformed: true, status: 400 },
    ],
    [
      '200 - GET http a "/\\x22" [Client ::1] [Country DE] [Rx 3] [Length 9] "say \\x22hi\\x22" "-" more',
      { path: '/"', client: '::1', userAgent: 'say "hi"', rest: 'more' },
    ],
  ])('is read: %s', (end, expected) => {
    expect(readLines(PROXY_MANAGER, [manager(end)])).toEqual([expect.objectContaining(expected)]);
  });

  it.each([
    ['"/c"', 'not a line of nginx-proxy-manager: no time in brackets at its start'],
    [
      manager('"GET / HTTP/1.1" 200'),
      'not a line of nginx-proxy-manager: expected a status, a dash, method, scheme and host before the target',
    ],
    [manager('200 - GET http a "/c" "curl/8"'), 'not a line of nginx-proxy-manager: no [Client …] after the target'],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(PROXY_MANAGER, [line])).toEqual([reason]);
  });
});
