import { describe, expect, it } from 'vitest';
import { readCriLine, skipPrefixes } from './prefixes.ts';

const LINE = '192.0.2.1 - - [08/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';
const ESC = '\u001b';

/** What is left of a line, which stands inside a larger buffer. */
function withoutPrefix(line: string): string {
  const bytes = Buffer.from(`x ${line}\nMar  8 10:00:01 web1 nginx: `);
  const end = 2 + Buffer.byteLength(line);
  return bytes.toString('utf8', skipPrefixes(bytes, 2, end), end);
}

describe('a prefix is cut:', () => {
  it.each([
    'nginx-1  | ',
    'my_project-web.1_1 | ',
    'web.1.k2a@node-1    | ',
    `${ESC}[36mnginx-1  | ${ESC}[0m`,
    `${ESC}[36mnginx_1  |${ESC}[0m `,
    `${ESC}[33;1mnginx-1  |${ESC}[0m `,
    'nginx-1  | 2026-03-05T10:00:01.123456789Z ',
    '2026-03-05T10:00:01.123456789Z ',
    '[pod/nginx-7c5ddbdf54-x2x4q/nginx] ',
    '[pod/nginx-7c5ddbdf54-x2x4q/nginx] 2026-03-05T10:00:01.12Z ',
    '2026-03-05T10:00:01.123456789Z stdout F ',
    '2026-03-05T10:00:01.1+01:00 stderr P ',
    '2026-03-05T10:00:01.1+01:00 stderr F:tag ',
    'Mar  8 10:00:01 web1 nginx: ',
    'Mar 18 10:00:01 web1 nginx: ',
    'Mar 8 10:00:01 web1 nginx[123]: ',
    'Mar 08 10:00:01 web1 nginx.service[1]: ',
    'Mar 08 10:00:01.123456 web1 docker/web-1[123]: ',
    'Mar  8 2026 10:00:01 web1 nginx: ',
    'Mar  8 2026 10:00:01: web1 nginx: ',
    'Mar  8 10:00:01 nginx: ',
    'Mar  8 10:00:01 web1 ',
    'Mar  8 10:00:01 ',
    '<134>Mar  8 10:00:01 web1 nginx: ',
    '<134>nginx: ',
    '<13>2026-03-05T10:00:01Z web1 nginx: ',
    '<13>2026-03-05T10:00:01Z web1 ',
    '2026-03-05T10:00:01.1+00:00 web1 nginx: ',
    '2026-03-05T10:00:01+0000 web1 nginx[7]: ',
    '<134>1 2026-03-05T10:00:01.123Z web1 nginx 123 - - ',
    '<134>1 - - nginx - - - ',
    '<134>1 2026-03-05T10:00:01Z web1 nginx - ID47 [a@1 b="c ] \\" d"][e@1] ',
    '<134>1 2026-03-05T10:00:01Z web1 nginx - - - \ufeff',
    'nginx-1  | <134>Mar  8 10:00:01 web1 nginx: ',
    '<30>',
    '0|web    | ',
    'INFO:werkzeug:',
    'MESSAGE=',
    'haproxy[8]: ',
    'Thu 2026-03-05 10:00:01 UTC web1 nginx[7]: ',
    '1772704801.123456 web1 nginx[7]: ',
    '2026-03-05T10:00:01.123456789Z stdout F Mar  8 10:00:01 web1 nginx: ',
  ])('%j', (prefix) => {
    expect(withoutPrefix(prefix + LINE)).toBe(LINE);
    expect(withoutPrefix(prefix)).toBe('');
  });
});

describe('a time is cut where a line begins after it, or after one more word:', () => {
  const HAPROXY = '192.0.2.1:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750';
  it.each([
    '2026-03-05T10:00:01Z ',
    '2026-03-05T10:00:01.1234+02:00 ',
    '2026-03-05T10:00:01.123456+00:00 web1 ',
    '2026-03-05 10:00:01: ',
    '2026-03-05T10:00:01: ',
    '2026-03-05 10:00:01,123 web1 ',
  ])('%j', (prefix) => {
    for (const line of [LINE, HAPROXY, '{"a":1}']) expect(withoutPrefix(prefix + line)).toBe(line);
  });
});

describe('a record of fluentd stands after its time and tag', () => {
  it('as an object', () => {
    expect(withoutPrefix('2026-03-05T10:00:01+00:00\tnginx.access\t{"a":1}')).toBe('{"a":1}');
  });
});

describe('a field of a journal', () => {
  it.each(['__CURSOR=s=1', '_SYSTEMD_UNIT=nginx.service', 'PRIORITY=6', 'SYSLOG_IDENTIFIER='])('%s', (line) => {
    expect(withoutPrefix(line)).toBe('');
  });
});

describe('nothing is cut of', () => {
  it.each([
    LINE,
    '',
    ' ',
    '  192.0.2.1 - - [08/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5',
    'Mar - - [08/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"',
    'May 192.0.2.1 - - [08/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5',
    'Mar  8 web1 nginx: up',
    'Mar  8 10:00 web1 nginx: up',
    'Mat  8 10:00:01 web1 nginx: up',
    'nginx - - [08/Mar/2026:10:00:01 +0000] "GET /a | b HTTP/1.1" 200 5 "-" "a | b"',
    'www.example.com:443 192.0.2.1 - - [08/Mar/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 5',
    '192.0.2.1 | - | [08/Mar/2026:10:00:01 +0000] | "GET / HTTP/1.1"',
    '[2001:db8::1] - - [08/Mar/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 5',
    '[08/Mar/2026:10:00:01 +0000] - 404 404 - GET http www.example.com "/c" [Client 192.0.2.1]',
    '[Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7005:tid 1] AH00126: Invalid URI',
    '[2016-04-15T20:17:00.310Z] "POST /api/v1 HTTP/2" 204 - 154 0 226 100 "-" "ua" "id" "host" "up"',
    '[pod/nginx',
    '{"log":"nginx-1  | x","time":"2026-03-05T10:00:01Z"}',
    '2018-01-01 08:09:10 192.0.2.9 GET / q=100 80 - 192.0.2.1 Mozilla/5.0 - 200 123',
    '2012-08-21\t18:50:09\tAMS1\t368\t192.0.2.1\tGET\td1.cloudfront.net\t/style.css\t200\t-',
    '2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 10.0.0.1:80 0.1 0.2 0.3 200 200 0 29 "GET / HTTP/1.1"',
    'https 2020-01-01T00:55:04.127531Z app/my-alb/abcdef 192.0.2.1:2817 10.0.0.1:80 0.1',
    '79a59df900b9 mybucket [06/Feb/2014:00:01:57 +0000] 192.0.2.3 - DD6C REST.PUT.OBJECT s3-dg.pdf "PUT / HTTP/1.1"',
    '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750',
    'host:192.0.2.1\ttime:[12/Mar/2023:10:55:36 +0000]\treq:GET / HTTP/1.1',
    'time:2023-03-12T10:55:36Z\thost:a | b',
    'timestamp,path,userAgent',
    '2026-03-11T00:00:00Z,/real/path,Mozilla/5.0',
    '#Fields: date time | x',
    '<134',
    '<1345>nginx: x',
    '<html>',
    '2026-03-05T10:00:01Z web1 x {"a":1}',
    '2026-03-05 10:00:01 192.0.2.1 GET /c - 80 - 192.0.2.9 curl/8 200',
    '2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 - -1 -1 -1 503 0 0 29 "GET / HTTP/1.1"',
    '2026-03-05T10:00:01+00:00\tnginx.access\tGET /c',
    'INFO: 192.0.2.1:5000 - "GET /c HTTP/1.1" 200 OK',
    '[2001:db8::1]: x',
    'www.example.com - "a" nginx[7]: x',
    `${ESC}[36m`,
    `${ESC}[36`,
  ])('%j', (line) => {
    expect(withoutPrefix(line)).toBe(line);
  });

  it('the client of a common log after a time without a host', () => {
    expect(withoutPrefix(`Mar  8 10:00:01 ${LINE}`)).toBe(LINE);
  });

  it('an address of IPv6 that ends in two colons', () => {
    expect(withoutPrefix('Mar  8 10:00:01 web1 2001:db8:: x')).toBe('2001:db8:: x');
  });
});

describe('a line of a container runtime', () => {
  const cri = (line: string) => readCriLine(Buffer.from(line), 0, Buffer.byteLength(line));

  it.each([
    ['2026-03-05T10:00:01.123456789Z stdout F all', { start: 40, stream: 'stdout', isPart: false }],
    ['2026-03-05T10:00:01.123456789Z stderr P begin', { start: 40, stream: 'stderr', isPart: true }],
    ['2026-03-05T10:00:01.1+01:00 stdout P:x begin', { start: 39, stream: 'stdout', isPart: true }],
    ['2026-03-05T10:00:01.123456789Z stdout F', { start: 39, stream: 'stdout', isPart: false }],
    ['2026-03-05T10:00:01.123456789Z stdout F ', { start: 40, stream: 'stdout', isPart: false }],
  ])('says where its text begins and whether it is a part: %j', (line, expected) => {
    expect(cri(line)).toEqual(expected);
  });

  it.each(['', LINE, '2026-03-05T10:00:01Z stdout X x', '2026-03-05T10:00:01Z web1 nginx: x'])('is not %j', (line) => {
    expect(cri(line)).toBeUndefined();
  });
});

describe('a line of a MiB', () => {
  it.each([
    '<134>',
    '<134>1 2026-03-05T10:00:01Z web1 nginx - - [a b="',
    'Mar  8 10:00:01 ',
    `${ESC}[36m`,
    '[pod/',
    '2026-03-05T10:00:01Z ',
    '2026-03-05T10:00:01Z\t',
    'INFO:',
    'A',
    '',
  ])('takes linear time after %j', (head) => {
    for (const filling of ['"', ' ', '[', ']', '\\', `${ESC}[0m`, ': ', 'a', '1']) {
      const line = Buffer.from(head + filling.repeat(2 ** 20 / filling.length));
      const begin = performance.now();
      skipPrefixes(line, 0, line.length);
      expect(performance.now() - begin, `filled with ${filling}`).toBeLessThan(2_000);
    }
  });
});

describe('a time in front stays,', () => {
  it.each([
    '2026-03-05 10:00:01 [2001:db8::1] GET /c 200',
    '2026-03-05 10:00:01 web1 [2001:db8::1] GET /c 200',
  ])('where an address in brackets is no time: %s', (line) => {
    expect(withoutPrefix(line)).toBe(line);
  });

  it('but is cut before each form of a time in brackets', () => {
    for (const time of ['5/Mar/2026:10:00:01', '05-Mar-2026', '2026-03-05T10:00:01Z', '2026/03/05', '1772704801.5'])
      expect(withoutPrefix(`2026-03-05 10:00:01 [${time}] x`)).toBe(`[${time}] x`);
  });
});

it.each([
  '2026-03-05T10:00:01.123456Z ',
  '2026-03-05T10:00:01.123456789Z ',
  '2026-03-05 10:00:01 ',
])('a virtual host after a time stays: %s', (time) => {
  for (const host of ['www.a.com:443', 'www.a.com', 'web1:80'])
    expect(withoutPrefix(`${time}${host} ${LINE}`)).toBe(`${host} ${LINE}`);
});

it('a line that begins like a field of the journal stays', () => {
  for (const line of [`ID=7 ${LINE}`, 'TIME=2026-03-05T10:00:01Z METHOD=GET URI=/c']) {
    expect(withoutPrefix(line)).toBe(line);
  }
  for (const field of ['__CURSOR=a', 'PRIORITY=6', 'SYSLOG_IDENTIFIER=nginx', 'CONTAINER_NAME=web', 'UNIT=a'])
    expect(withoutPrefix(field)).toBe('');
});
