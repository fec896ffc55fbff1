import { describe, expect, it, test } from 'vitest';
import { TEXT_FORMATS } from './formats.ts';
import { readLines } from './read-lines.case.ts';

/** Example lines of the vendors' documentation and of real files, after the prefixes of wrappers. */
const OWNER = '79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be';
const LINES: readonly (readonly [format: string, line: string])[] = [
  ['w3c', '#Fields: date time c-ip cs-method cs-uri-stem sc-status'],
  ['w3c', '#Version: 1.0'],
  ['w3c', '#Date: 12-Jan-1996 00:00:00'],
  ['iis', '#Software: Microsoft Internet Information Services 10.0'],
  [
    'iis',
    '#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status',
  ],
  ['iis', '2018-01-01 08:09:10 192.0.2.9 GET / q=100 80 - 192.0.2.1 Mozilla/5.0+(Windows+NT+6.1) - 200 123'],
  ['cloudfront', '#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status'],
  [
    'cloudfront',
    '2012-08-21\t18:50:09\tAMS1\t368\t192.0.2.1\tGET\td1.cloudfront.net\t/style.css\t200\t-\tMozilla/5.0\t-',
  ],
  [
    'alb',
    'https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:x "Root=1-58337281" "www.example.com" "arn:aws:acm:x" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-"',
  ],
  [
    'alb',
    'http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - -1 -1 -1 400 - 0 0 "- - -" "-" - - - "-" "-" "-" 0 2018-11-30T22:22:48.364000Z "-" "-" "-"',
  ],
  [
    'elb',
    '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
  ],
  [
    'elb',
    '2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -',
  ],
  [
    's3',
    `${OWNER} mybucket [06/Feb/2014:00:01:57 +0000] 192.0.2.3 ${OWNER} DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "PUT /mybucket/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" -`,
  ],
  [
    'haproxy',
    '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"',
  ],
  ['haproxy', '10.0.1.2:33312 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0'],
  ['ltsv', 'host:192.0.2.1\ttime:[12/Mar/2023:10:55:36 +0000]\treq:GET /index.html HTTP/1.1\tstatus:200\tua:curl/8'],
  ['ltsv', 'time:2025-10-13T05:17:32+00:00\tmsec:1760332652.525\tmethod:GET\turi:/\tstatus:200'],
  [
    'traefik',
    '192.168.33.1 - - [02/Oct/2017:20:22:07 +0000] "GET /ui/favicons/favicon-16x16.png HTTP/1.1" 304 0 "http://example.com/login" "Mozilla/5.0 (X11; Linux x86_64)" 262 "Host-host-1" "http://172.19.0.3:5601" 2ms',
  ],
  ['traefik', '192.0.2.1 - - [02/Oct/2017:20:22:07 +0000] "GET / HTTP/1.1" 404 19 "-" "-" 3 "-" "-" 0ms'],
  [
    'envoy',
    '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"',
  ],
  [
    'envoy',
    '[2024-08-21T01:14:56.707Z] "HEAD / HTTP/1.1" 404 NR route_not_found - "-" 0 0 0 - "10.0.0.15" "curl/7.81.0" "a01beb57" "10.2.14.4" "-" - - 10.0.2.42:80 10.0.0.15:38970 - -',
  ],
  [
    'proxy-manager',
    '[05/Mar/2026:10:00:01 +0000] - 404 404 - GET http www.example.com "/c" [Client 192.0.2.1] [Length 192] [Gzip 3.10] [Sent-to 10.0.0.3] "curl/8" "-"',
  ],
  [
    'proxy-manager',
    '[05/Mar/2026:10:00:01 +0000] 400 - - http localhost-nginx-proxy-manager "-" [Client 192.0.2.1] [Length 154] [Gzip -] "-" "-"',
  ],
];

const OTHERS = [
  '',
  ' ',
  '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /index.html HTTP/1.1" 200 512',
  '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"',
  'www.example.com:443 192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"',
  '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8" 0.012 "10.0.0.1" 12ms',
  '192.0.2.1 [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.0" 404 46210 "-" "gPXE/0.9.7"',
  '[2001:db8::1] - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"',
  '[Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7005:tid 1] [client 192.0.2.1:14532] AH00126: Invalid URI',
  '2026/03/05 10:00:01 [error] 7#7: *1 open() "/c" failed (2: No such file or directory), client: 192.0.2.1',
  '{"timestamp":"2026-03-12T11:00:00Z","path":"/j","userAgent":"My agent"}',
  '{"time":"05/Mar/2026:10:00:01 +0000","remote_ip":"192.0.2.1","request":"GET /c HTTP/1.1"}',
  'timestamp,path,userAgent',
  '2026-03-11T00:00:00Z,/real/path,Mozilla/5.0',
  '2025-07-02T17:00:01Z [INFO] [api] hi',
  'Mar 18 10:00:01 web1 sshd[1]: Accepted publickey for root from 192.0.2.1 port 22',
  'note: this line has one colon',
  '#!/bin/sh',
];

describe('the scores of a line', () => {
  it.each(LINES)('tell %s: %s', (name, line) => {
    const scores = TEXT_FORMATS.map((format) => ({ name: format.name, score: format.score(Buffer.from(line)) }));
    const best = Math.max(...scores.map(({ score }) => score));
    expect(best).toBeGreaterThan(0.5);
    expect(scores.filter(({ score }) => score === best).map((scored) => scored.name)).toEqual([name]);
  });

  it.each(OTHERS)('are 0 for what is of no such format: %s', (line) => {
    const scores = TEXT_FORMATS.map((format) => [format.name, format.score(Buffer.from(line))]);
    expect(scores.filter(([, score]) => score !== 0)).toEqual([]);
  });

  it('are those of all formats, each once', () => {
    expect(new Set(LINES.map(([name]) => name))).toEqual(new Set(TEXT_FORMATS.map(({ name }) => name)));
  });
});

describe('a line of a MiB', () => {
  const fillings = ['"', '" ', '\\', '\\"', ' ', '] ', '{} ', '[a b] ', '%20', '%80', 'a:b\t', '"- ', '" 1 ', '1'];
  const heads: readonly (readonly [name: string, head: string])[] = [
    ['w3c', ''],
    ['w3c', '#Fields: '],
    ['cloudfront', '18:50:09 / '],
    ['alb', 'https 2018-07-02T22:23:00.186641Z app/a/5 192.0.2.1:1 - 0.1 0.1 0.1 200 200 0 57 "GET /'],
    ['s3', `${OWNER} mybucket [06/Feb/2014:00:01:57 +0000] 192.0.2.3 - DD6C REST.PUT.OBJECT a "PUT /`],
    ['haproxy', '192.0.2.2:33317 [06/Feb/2009:12:14:14.655] a b/c 10/0/30/69/109 200 2 - - ---- 1/1/1/1/0 0/0 {'],
    ['traefik', '192.0.2.1 - - [02/Oct/2017:20:22:07 +0000] "GET / HTTP/1.1" 304 0 "-" "'],
    ['envoy', '[2016-04-15T20:17:00.310Z] "POST / HTTP/2" 204 - 154 0 226 100 "'],
    ['proxy-manager', '[05/Mar/2026:10:00:01 +0000] 404 - GET http www.example.com "/c" [Client 192.0.2.1] '],
    ['ltsv', 'time:2025-10-13T05:17:32+00:00\treq:GET /'],
  ];

  test.each(heads)('of %s takes linear time, whatever stands after %j', (name, head) => {
    const format = TEXT_FORMATS.find((format) => format.name === name);
    if (format === undefined) throw new Error(`no format ${name}`);
    for (const filling of fillings) {
      const end = name === 'traefik' ? ' 12ms' : '';
      const line = Buffer.from(`${head}${filling.repeat(2 ** 20 / filling.length)}${end}`);
      const begin = performance.now();
      readLines(format, [line], { state: '\n2018-01-01\ntime cs-uri-stem cs(user-agent)' });
      // A few dozen milliseconds; minutes where it is quadratic.
      expect(performance.now() - begin, `filled with ${filling}`).toBeLessThan(3_000);
    }
  });
});
