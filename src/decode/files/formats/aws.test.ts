import { describe, expect, it } from 'vitest';
import { ALB, ELB } from './alb.ts';
import { readLines } from './read-lines.case.ts';
import { S3 } from './s3.ts';

const TAIL =
  '- - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-"';
const alb = (middle: string): string =>
  `http 2018-11-30T22:23:00.186641Z app/my-lb/50dc 192.0.2.39:2817 ${middle} ${TAIL}`;

describe('a line of an application load balancer', () => {
  it('gives path, host, times as one duration and the client without its port', () => {
    const line =
      'https 2020-01-01T00:55:04.127531Z app/my-alb/abcdef 192.0.2.1:2817 10.0.0.1:80 0.001 0.102 0.000 200 200 225 24950 "GET https://www.example.com:443/path/index.html?a=1 HTTP/1.1" "curl/8" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 - "-" "-" "-" 0';
    expect(readLines(ALB, [line])).toEqual([
      {
        timestamp: '2020-01-01T00:55:04.127531Z',
        path: '/path/index.html?a=1',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'www.example.com',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 24950,
        duration: 0.103,
      },
    ]);
  });

  it.each([
    [
      '- 0.000 0.001 0.000 502 - 34 366 "GET http://www.example.com:8080/ HTTP/1.1" "a"',
      { path: '/', host: 'www.example.com:8080', status: 502, duration: 0.001, userAgent: 'a' },
    ],
    [
      '- -1 -1 -1 400 - 0 0 "- http://www.example.com:80- -" "-"',
      { path: '- http://www.example.com:80- -', malformed: true, status: 400, userAgent: '-' },
    ],
    ['- -1 -1 -1 400 - 0 0 "- - -" "-"', { path: '- - -', malformed: true, bytes: 0 }],
    [
      '- 0.000 -1 -1 460 - 34 0 "GET https://[2001:db8::1]:443/c HTTP/2.0" ""',
      { host: '[2001:db8::1]', protocol: 'HTTP/2.0', userAgent: '-' },
    ],
    [
      '10.0.0.1:80 0.1 0.2 0.3 200 200 1 2 "GET https://a:443/ HTTP/1.1" "say \\"hi\\" \\x41"',
      { userAgent: 'say "hi" A', duration: 0.6 },
    ],
    [
      '10.0.0.1:80 0.1 0.2 0.3 200 200 1 2 "GET https://a:443/ HTTP/1.1" "say "hi", all"',
      { userAgent: 'say "hi", all' },
    ],
  ])('is read: %s', (middle, expected) => {
    expect(readLines(ALB, [alb(middle)])).toEqual([expect.objectContaining(expected)]);
  });

  it('is read as far as it goes where it was cut', () => {
    const line = alb('10.0.0.1:80 0.1 0.2 0.3 200 200 1 2 "GET https://a:443/ HTTP/1.1" "Mozilla/5.0 (X11').slice(
      0,
      -TAIL.length - 1,
    );
    expect(readLines(ALB, [line])).toEqual([expect.objectContaining({ path: '/', userAgent: 'Mozilla/5.0 (X11' })]);
  });

  it.each(['2001:db8::1', '2001:db8::1:2817', '[2001:db8::1]:2817'])('has a client of IPv6: %s', (client) => {
    const line = alb('- 0.001 -1 -1 460 - 34 0 "GET https://a:443/ HTTP/1.1" "a"').replace('192.0.2.39:2817', client);
    expect(readLines(ALB, [line])).toEqual([expect.objectContaining({ client: '2001:db8::1' })]);
  });

  it('has no duration where one of its times is missing', () => {
    const [record] = readLines(ALB, [alb('- 0.001 -1 -1 460 - 34 0 "GET https://a:443/ HTTP/1.1" "a"')]);
    expect(record).not.toHaveProperty('duration');
  });

  it.each([
    ['tls 2.0 2018-12-20T02:59:40 net/my-lb/c6e7', 'not a line of an ALB: expected a type such as https, found "tls"'],
    ['http yesterday app/my-lb/50dc', 'not a line of a load balancer: invalid time "yesterday"'],
    [
      'http 2018-11-30T22:23:00Z app/my-lb/50dc 192.0.2.1:1 - 0.1 x 0.1 200',
      'not a line of a load balancer: invalid times "0.1 x 0.1"',
    ],
    [
      'http 2018-11-30T22:23:00Z app/my-lb/50dc 192.0.2.1:1 - 0.1 0.1 0.1 200 200 0 0',
      'no request in quotes after the bytes: found the end of the line',
    ],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(ALB, [line])).toEqual([reason]);
  });
});

describe('a line of a classic load balancer', () => {
  const elb = (end: string): string => `2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 10.0.0.1:80 ${end}`;

  it('gives what one of an application load balancer does', () => {
    const line = elb(
      '0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
    );
    expect(readLines(ELB, [line])).toEqual([
      {
        timestamp: '2015-05-13T23:39:43.945958Z',
        path: '/',
        userAgent: 'curl/7.38.0',
        client: '192.168.131.39',
        host: 'www.example.com',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 29,
        duration: 0.001178,
      },
    ]);
  });

  it('may end after the request', () => {
    const line = elb('0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1"');
    expect(readLines(ELB, [line])).toEqual([expect.objectContaining({ path: '/', userAgent: '-' })]);
  });

  it('of a TCP listener is refused', () => {
    const line = elb('0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -');
    expect(readLines(ELB, [line])).toEqual(['a TCP connection, which has no HTTP request']);
  });
});

describe('a line of S3', () => {
  const OWNER = '79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be';
  const s3 = (end: string): string => `${OWNER} mybucket [06/Feb/2019:00:00:38 +0000] 192.0.2.3 ${end}`;

  it('gives requester, host and total time', () => {
    const line = s3(
      `${OWNER} 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /mybucket?versioning HTTP/1.1" 200 - 113 - 7 3 "https://a/" "S3Console/0.4" - s9lzHYrFp76= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader mybucket.s3.us-west-1.amazonaws.com TLSV1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes`,
    );
    expect(readLines(S3, [line])).toEqual([
      {
        timestamp: '2019-02-06T00:00:38Z',
        path: '/mybucket?versioning',
        userAgent: 'S3Console/0.4',
        client: '192.0.2.3',
        user: OWNER,
        host: 'mybucket.s3.us-west-1.amazonaws.com',
        method: 'GET',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 113,
        referrer: 'https://a/',
        duration: 0.007,
      },
    ]);
  });

  it.each([
    [
      '- 3E57 REST.GET.OBJECT a/b.txt "GET /a/b.txt HTTP/1.1" 404 NoSuchKey 297 - 38 - "-" "Mozilla/5.0 (X11; Linux)" -',
      { path: '/a/b.txt', status: 404, userAgent: 'Mozilla/5.0 (X11; Linux)' },
    ],
    [
      'arn:aws:iam::123456789012:user/db 3E57 REST.GET.OBJECT a "GET /a HTTP/1.1" 200 - 1 1 45 12 "-" "-"',
      { user: 'arn:aws:iam::123456789012:user/db', userAgent: '-' },
    ],
    [
      `${OWNER} 3E57 S3.EXPIRE.OBJECT a/b.txt "-" - - - 100 - - "-" "-" - x - - - - - - -`,
      { path: '-', malformed: true, userAgent: '-' },
    ],
    [
      '- 3E57 S3.CREATE.DELETEMARKER a/b.txt - - - - 100 - - - - - x - - - - - - -',
      { path: '-', malformed: true, userAgent: '-' },
    ],
    [
      '- 3E57 REST.GET.OBJECT a "GET /a HTTP/1.1" 200 - 1 1 45 12 "-" "c" - h S C A s3.amazonaws.com T - - x-user=1 y',
      { host: 's3.amazonaws.com', rest: 'x-user=1 y' },
    ],
  ])('is read: %s', (end, expected) => {
    expect(readLines(S3, [s3(end)])).toEqual([expect.objectContaining(expected)]);
  });

  it.each([
    [`${OWNER} mybucket 192.0.2.3`, 'not a line of S3: no time in brackets after owner and bucket'],
    [s3('- 3E57 GET a'), 'not a line of S3: expected an operation such as REST.GET.OBJECT, found "GET"'],
  ])('is refused with the reason: %s', (line, reason) => {
    expect(readLines(S3, [line])).toEqual([reason]);
  });
});
