import { describe, expect, it } from 'vitest';
import { type ReadFile, readFile, readInBlocks } from './open-reading.case.ts';
import type { ReadingOptions } from './reading-options.ts';

/*
 * More lines of the kinds that testdata/wild has one of each: content, and the fields that a user expects of each record. Where no format is
 * named it is the combined one.
 */
const AT = '2026-03-05T10:00:01Z';
const TIME = '05/Mar/2026:10:00:01 +0000';
const C = { timestamp: AT, path: '/c', userAgent: 'curl/8' };
const TAIL = '"GET /c HTTP/1.1" 200 5 "-" "curl/8"';
const LINE = `192.0.2.1 - - [${TIME}] ${TAIL}`;
const CURL = { ...C, client: '192.0.2.1', method: 'GET', protocol: 'HTTP/1.1', status: 200, bytes: 5 };

type Records = readonly Record<string, unknown>[];
type Case = readonly [what: string, content: string | Buffer, records: Records, more: More | undefined];
/** A case without `more`. */
function cases(
  all: readonly (readonly [what: string, content: string | Buffer, records: Records, more?: More])[],
): Case[] {
  return all.map(([what, content, records, more]) => [what, content, records, more]);
}
interface More extends Partial<ReadingOptions> {
  readonly is?: string;
  readonly reasons?: readonly unknown[];
}

function check(
  content: string | Buffer,
  records: readonly Record<string, unknown>[],
  { is, reasons = [], ...options }: More = {},
) {
  const read: ReadFile = readFile(content, options);
  expect({ format: read.format, reasons: read.reasons }).toEqual({ format: is ?? 'combined', reasons });
  expect(read.records).toHaveLength(records.length);
  expect(read.records).toMatchObject(records);
  expect(readInBlocks(Buffer.from(content), [1], options)).toEqual(read);
}

function request(text: string, status = 400) {
  return `192.0.2.1 - - [${TIME}] "${text}" ${status} 0 "-" "-"\n`;
}

describe('the combined family', () => {
  it.each<Case>(
    cases([
      [
        'a virtual host and port in front',
        `www.example.com:443 ${LINE}\n`,
        [{ ...C, host: expect.stringMatching(/^www\.example\.com/), client: '192.0.2.1' }],
      ],
      [
        'a virtual host in front',
        `www.example.com ${LINE}\n`,
        [{ ...C, host: 'www.example.com', client: '192.0.2.1' }],
      ],
      [
        'a virtual host before common',
        `www.example.com 192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5\n`,
        [{ path: '/c', userAgent: '-', host: 'www.example.com' }],
        { is: 'common' },
      ],
      [
        'common and combined in one file',
        `${LINE}\n192.0.2.1 - - [${TIME}] "GET /d HTTP/1.1" 200 5\n`,
        [CURL, { path: '/d', userAgent: '-' }],
      ],
      ['a user with a blank', `192.0.2.1 - Ann Lee [${TIME}] ${TAIL}\n`, [{ ...C, user: 'Ann Lee' }]],
      ['a client by name', `host.example.com - - [${TIME}] ${TAIL}\n`, [{ ...C, client: 'host.example.com' }]],
      ['an IPv6 client', `2001:db8::1 - - [${TIME}] ${TAIL}\n`, [{ ...C, client: '2001:db8::1' }]],
      ['tabs for blanks', `${LINE.replaceAll(' - - ', '\t-\t-\t')}\n`, [C]],
      ['tabs and blanks in front', `\t ${LINE}\n`, [CURL]],
      [
        'a referrer',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "https://example.com/a?b=c" "curl/8"\n`,
        [{ ...C, referrer: 'https://example.com/a?b=c' }],
      ],
      [
        'text after its end',
        `${LINE} "192.0.2.7" 0.004 req-1\n`,
        [{ ...CURL, rest: expect.stringContaining('req-1') }],
      ],
      ['status 0', `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 0 0 "-" "curl/8"\n`, [C]],
      ['status 000', `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 000 0 "-" "curl/8"\n`, [C]],
      [
        'status 499 and no bytes',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 499 - "-" "curl/8"\n`,
        [{ ...C, status: 499 }],
      ],
      ['an empty referrer', `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "" "curl/8"\n`, [C]],
      [
        'quotes inside the agent',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "My "cool" agent"\n`,
        [{ path: '/c', userAgent: 'My "cool" agent' }],
      ],
      [
        'escaped quotes inside the agent',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "My \\"cool\\" agent"\n`,
        [{ path: '/c', userAgent: 'My "cool" agent' }],
      ],
      [
        'an agent of nginx with \\x22',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "My \\x22cool\\x22 agent"\n`,
        [{ path: '/c', userAgent: 'My "cool" agent' }],
      ],
      [
        'Latin-1 in the agent',
        Buffer.from(`192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "Br\xe4u/1"\n`, 'latin1'),
        [{ path: '/c', userAgent: 'Br\\xe4u/1' }],
      ],
      [
        'UTF-8 in the path',
        `192.0.2.1 - - [${TIME}] "GET /café HTTP/1.1" 200 5 "-" "curl/8"\n`,
        [{ path: '/café', userAgent: 'curl/8' }],
      ],
      ['returns at the ends', `${LINE}\r\n${LINE}\r\n`, [CURL, CURL]],
      ['no newline at its end', LINE, [CURL]],
      ['NULs before a line', `${'\0'.repeat(4096)}${LINE}\n${'\0'.repeat(9)}${LINE}\n`, [CURL, CURL]],
    ]),
  )('with %s', (_, content, records, more) => check(content, records, more));
});

describe('times of the combined family', () => {
  it.each<Case>(
    cases([
      ['a zone', LINE.replace('+0000', '-0530'), [{ timestamp: '2026-03-05T15:30:01Z' }]],
      ['microseconds', LINE.replace(':01 +', ':01.000250 +'), [{ timestamp: '2026-03-05T10:00:01.00025Z' }]],
      ['ISO 8601 and Z', LINE.replace(TIME, AT), [C]],
      [
        'ISO 8601, a fraction and a zone',
        LINE.replace(TIME, '2026-03-05T12:00:01.5+02:00'),
        [{ timestamp: '2026-03-05T10:00:01.5Z' }],
      ],
      [
        'a blank for T and no zone',
        LINE.replace(TIME, '2026-03-05 10:00:01'),
        [{ timestamp: '2026-03-05T09:00:01Z' }],
        { zone: 60 },
      ],
      [
        'no zone, which --zone names',
        LINE.replace(' +0000]', ']'),
        [{ timestamp: '2026-03-05T15:00:01Z' }],
        { zone: -300 },
      ],
      [
        'a leap second',
        LINE.replace('05/Mar/2026:10:00:01', '31/Dec/2016:23:59:60'),
        [{ timestamp: '2017-01-01T00:00:00Z' }],
      ],
    ]),
  )('with %s', (_, content, records, more) => check(content, records, more));

  it('that are none are named', () => {
    const content = `${LINE}\n${LINE.replace('05/Mar', '32/Mar')}\n${LINE.replace('05/Mar/2026', '05/Mrz/2026')}\n`;
    check(content, [CURL], {
      reasons: [expect.stringMatching(/^2: invalid time/), expect.stringMatching(/^3: invalid time/)],
    });
  });
});

describe('requests', () => {
  it.each<readonly [string, string]>([
    ['GET /a b c HTTP/1.1', '/a b c'],
    ['GET /old', '/old'],
    ['GET http://example.com/x?y=1 HTTP/1.1', 'http://example.com/x?y=1'],
    ['OPTIONS * HTTP/1.0', '*'],
    ['CONNECT example.com:443 HTTP/1.1', 'example.com:443'],
    ['PRI * HTTP/2.0', '*'],
    ['PROPFIND /dav HTTP/1.1', '/dav'],
    [
      'SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1',
      '/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/',
    ],
  ])('%j has the path %j', (text, path) => {
    const [record] = readFile(request(text, 200)).records;
    expect(record).toMatchObject({ path });
    expect(record).not.toHaveProperty('malformed');
  });

  it.each<readonly [string, string]>([
    ['-', '-'],
    ['', '-'],
    ['\\x16\\x03\\x01', '\u0016\u0003\u0001'],
    ['\\x16\\x03\\x01\\x00\\xEE\\x01', '\\x16\\x03\\x01\\x00\\xEE\\x01'],
    [
      '\\x03\\x00\\x00\\x13\\x0E\\xE0\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x08',
      '\\x03\\x00\\x00\\x13\\x0E\\xE0\\x00\\x00\\x00\\x00\\x00\\x01\\x00\\x08',
    ],
    ['GET', 'GET'],
    ['quit', 'quit'],
    ['/only/a/path', '/only/a/path'],
    ['GET HTTP/1.1', 'GET HTTP/1.1'],
  ])('%j is malformed, and the whole of it is the path', (text, path) => {
    expect(readFile(request(text)).records).toMatchObject([{ path, userAgent: '-', malformed: true, status: 400 }]);
  });
});

describe('lines after the prefix of a program', () => {
  it.each<Case>(
    cases([
      ['docker compose', `nginx-1      | ${LINE}\nweb_1  | ${LINE}\n`, [CURL, CURL]],
      ['docker compose with colours', `\u001b[36mnginx-1  | \u001b[0m${LINE}\n`, [CURL]],
      ['syslog', `Mar 18 10:00:01 web1 nginx: ${LINE}\n`, [CURL]],
      ['syslog with a process', `Mar  8 10:00:01 web1 nginx[123]: ${LINE}\n`, [CURL]],
      ['syslog with a priority', `<190>Mar  8 10:00:01 web1 nginx: ${LINE}\n`, [CURL]],
      ['RFC 5424', `<190>1 2026-03-05T10:00:01.003Z web1 nginx 123 - - ${LINE}\n`, [CURL]],
      ['syslog with an ISO time', `2026-03-05T10:00:01.123456+00:00 web1 nginx: ${LINE}\n`, [CURL]],
      ['journalctl', `Mar 08 10:00:01 web1 nginx[123]: ${LINE}\n`, [CURL]],
      ['kubectl logs --prefix', `[pod/web-7d/nginx] ${LINE}\n`, [CURL]],
      ['CRI', `2026-03-05T10:00:01.123456789Z stdout F ${LINE}\n`, [CURL]],
      [
        'CRI in parts, of two streams',
        `2026-03-05T10:00:01.1Z stdout P ${LINE.slice(0, 40)}\n2026-03-05T10:00:01.1Z stderr F ${LINE}\n2026-03-05T10:00:01.2Z stdout F ${LINE.slice(40)}\n`,
        [CURL, CURL],
      ],
    ]),
  )('%s', (_, content, records, more) => check(content, records, more));
});

function docker(log: string, stream = 'stdout') {
  return `${JSON.stringify({ log, stream, time: '2026-03-05T10:00:01.123456789Z' })}\n`;
}

describe('lines in JSON', () => {
  it.each<Case>(
    cases([
      ['docker, of both streams', docker(`${LINE}\n`) + docker(`${LINE}\r\n`, 'stderr'), [CURL, CURL]],
      ['docker, written by others who leave the newline out', docker(LINE) + docker(LINE, 'stderr'), [CURL, CURL]],
      [
        'a request that is none, within the JSON of a shipper',
        `${JSON.stringify({ '@timestamp': AT, path: '/var/log/nginx/access.log', host: 'web1', message: LINE.replace('GET /c HTTP/1.1', '-') })}\n`,
        [{ timestamp: CURL.timestamp, path: '-', malformed: true, status: 200 }],
      ],
      [
        'JSON that tells of a request, whose message repeats it',
        `{"timestamp":"${AT}","method":"GET","path":"/c","status":200,"message":"GET /c HTTP/1.1 200"}\n`,
        [{ timestamp: CURL.timestamp, path: '/c', userAgent: '-' }],
        { is: 'ndjson' },
      ],
      [
        'JSON whose time is the duration of the request',
        `{"ts":1772704801,"time":0.003,"method":"GET","path":"/c","user_agent":"curl/8"}\n`,
        [{ timestamp: CURL.timestamp, path: '/c', userAgent: 'curl/8' }],
        { is: 'ndjson' },
      ],
      ['the time of Werkzeug', `${LINE.replace('2026:10', '2026 10').replace(' +0000]', ']')}\n`, [CURL]],
      [
        'docker around JSON',
        docker(`{"time_iso8601":"${AT}","request":"GET /c HTTP/1.1","http_user_agent":"curl/8"}\n`),
        [C],
        { is: 'ndjson' },
      ],
      [
        'journald',
        `${JSON.stringify({ MESSAGE: LINE, __REALTIME_TIMESTAMP: '1772704801000000', _SYSTEMD_UNIT: 'nginx.service' })}\n`,
        [CURL],
      ],
      ['fluentd', `${JSON.stringify({ log: LINE, kubernetes: { pod_name: 'web' } })}\n`, [CURL]],
    ]),
  )('%s', (_, content, records, more) => check(content, records, more));

  it.each<Case>(
    cases([
      [
        'own records with others',
        `{"timestamp":"${AT}","path":"/c","userAgent":"curl/8","id":12345678901234567890}\n`,
        [C],
      ],
      [
        'nginx by its own names',
        `{"time_local":"${TIME}","remote_addr":"192.0.2.1","request":"GET /c HTTP/1.1","status":"200","body_bytes_sent":"5","http_user_agent":"curl/8"}\n`,
        [CURL],
      ],
      [
        'Cloudflare',
        `{"EdgeStartTimestamp":"${AT}","ClientIP":"192.0.2.1","ClientRequestURI":"/c","ClientRequestUserAgent":"curl/8","EdgeResponseStatus":200}\n`,
        [{ ...C, client: '192.0.2.1', status: 200 }],
      ],
      [
        'Envoy',
        `{"start_time":"${AT}","path":"/c","user_agent":"curl/8","response_code":200,"duration":7,"bytes_sent":5,"method":"GET"}\n`,
        [C],
      ],
      ['a carriage return', `{"timestamp":"${AT}","path":"/c","userAgent":"curl/8"}\r\n`, [C]],
      [
        'an access line between',
        `{"timestamp":"${AT}","path":"/c","userAgent":"curl/8"}\n${LINE}\n{"timestamp":"${AT}","path":"/c","userAgent":"curl/8"}\n`,
        [C, CURL, C],
      ],
    ]),
  )('%s', (_, content, records) => check(content, records, { is: 'ndjson' }));

  it('an array has the same shapes as lines', () => {
    const caddy = {
      ts: 1772704801,
      logger: 'http.log.access',
      msg: 'handled request',
      request: {
        remote_ip: '192.0.2.1',
        method: 'GET',
        uri: '/c',
        host: 'a',
        proto: 'HTTP/1.1',
        headers: { 'User-Agent': ['curl/8'] },
      },
      status: 200,
      size: 5,
      duration: 0.1,
    };
    check(JSON.stringify([caddy, { a: 1 }], undefined, 2), [C], {
      is: 'json',
      reasons: [expect.stringMatching(/^2: has no known fields; it has: a/)],
    });
  });

  it('that is not known says which fields it has', () => {
    const [reason] = readFile('{"when":"x","where":"/c"}\n').reasons;
    expect(reason).toBe('1: has no known fields; it has: when, where (name them with --map)');
  });
});

describe('other formats', () => {
  const W3C = '#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-03-05 10:00:00\n';
  const FIELDS = '#Fields: date time cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status time-taken\n';
  const ALB = `https ${AT.replace('Z', '.5Z')} app/a/1 192.0.2.1:2817 10.0.0.1:80 0.001 0.102 0.000 200 200 225 5 "GET https://www.example.com:443/c?q=1 HTTP/2.0" "curl/8" ECDHE TLSv1.2 - "-" "-" "-" 0`;
  it.each<Case>(
    cases([
      [
        'IIS with new fields in the middle',
        `${W3C}${FIELDS}2026-03-05 10:00:01 GET /c - 192.0.2.1 curl/8 200 12\n${W3C}#Fields: time date c-ip cs-uri-stem cs(User-Agent)\n10:00:01 2026-03-05 192.0.2.1 /c curl/8\n`,
        [{ ...C, status: 200 }, C],
        { is: 'w3c' },
      ],
      [
        'IIS with blanks in the agent and no agent',
        `${W3C}${FIELDS}2026-03-05 10:00:01 GET /c a=b+c 192.0.2.1 A+B+(C) 200 12\n2026-03-05 10:00:01 GET /c - 192.0.2.1 - 200 12\n`,
        [
          { path: '/c?a=b+c', userAgent: 'A B (C)' },
          { path: '/c', userAgent: '-' },
        ],
        { is: 'w3c' },
      ],
      [
        'ALB with a query',
        `${ALB}\n`,
        [{ timestamp: '2026-03-05T10:00:01.5Z', path: '/c?q=1', userAgent: 'curl/8', host: 'www.example.com' }],
        { is: 'alb' },
      ],
      [
        'ALB without a target',
        `${ALB.replace('10.0.0.1:80 0.001 0.102 0.000 200 200', '- -1 -1 -1 503 -')}\n`,
        [{ path: '/c?q=1', status: 503 }],
        { is: 'alb' },
      ],
      [
        'LTSV',
        `time:${AT}\thost:192.0.2.1\tmethod:GET\turi:/c\tstatus:200\tsize:5\tua:curl/8\treqtime:0.012\n`,
        [{ ...C, status: 200, bytes: 5, durationSeconds: 0.012 }],
        { is: 'ltsv' },
      ],
      [
        'LTSV without an agent',
        `time:[${TIME}]\treq:GET /c HTTP/1.1\tstatus:200\n`,
        [{ path: '/c', userAgent: '-' }],
        { is: 'ltsv' },
      ],
      [
        'HAProxy without a prefix',
        '192.0.2.1:55008 [05/Mar/2026:10:00:01.584] www~ app/web1 0/0/0/72/72 200 7456 - - ---- 5/4/0/1/0 0/0 "GET /c HTTP/1.1"\n',
        [{ timestamp: '2026-03-05T09:00:01.584Z', path: '/c', userAgent: '-' }],
        { is: 'haproxy', zone: 60 },
      ],
      [
        'HAProxy and a request that is none',
        '192.0.2.1:55008 [05/Mar/2026:10:00:01.584] www www/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 5/4/0/1/0 0/0 "<BADREQ>"\n',
        [{ path: '<BADREQ>', malformed: true, status: 400 }],
        { is: 'haproxy' },
      ],
      [
        'Traefik',
        `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "curl/8" 17 "web@docker" "http://10.0.0.2:80" 12ms\n`,
        [{ ...C, durationSeconds: 0.012 }],
        { is: 'traefik' },
      ],
      [
        'Envoy',
        `[${AT.replace('Z', '.310Z')}] "GET /c HTTP/2" 200 - 0 5 12 11 "192.0.2.1" "curl/8" "id-1" "www.example.com" "10.0.0.2:80"\n`,
        [{ timestamp: '2026-03-05T10:00:01.31Z', path: '/c', userAgent: 'curl/8', status: 200 }],
        { is: 'envoy' },
      ],
      [
        'S3',
        `79a59df900b949e5 bucket [${TIME}] 192.0.2.3 79a59df900b949e5 3E57427F3EXAMPLE REST.GET.OBJECT c.txt "GET /bucket/c.txt?x=1 HTTP/1.1" 200 - 113 113 7 6 "-" "curl/8" -\n`,
        [{ timestamp: AT, path: '/bucket/c.txt?x=1', userAgent: 'curl/8', status: 200 }],
        { is: 's3' },
      ],
      [
        'nginx-proxy-manager',
        `[${TIME}] - 200 200 - GET https www.example.com "/c" [Client 192.0.2.1] [Length 5] [Gzip -] [Sent-to 10.0.0.3] "curl/8" "-"\n`,
        [{ ...C, client: '192.0.2.1' }],
        { is: 'proxy-manager' },
      ],
    ]),
  )('%s', (_, content, records, more) => check(content, records, more));
});

describe('files of several kinds of lines', () => {
  it.each<Case>(
    cases([
      [
        'an Apache 2.2 error line',
        `[Fri Oct 08 17:08:41 2021] [error] [client 192.0.2.1] File does not exist\n${LINE}\n`,
        [CURL],
        { reasons: ['1: a line of an Apache error log, not of an access log'] },
      ],
      [
        'an nginx error line in front',
        `2026/03/05 10:00:01 [error] 7#7: *1 open() failed\n${LINE}\n`,
        [CURL],
        { reasons: ['1: a line of an nginx error log, not of an access log'] },
      ],
      [
        'what a container says at its start',
        `/docker-entrypoint.sh: Configuration complete; ready for start up\n${LINE}\n`,
        [CURL],
        { reasons: ['1: a message of a container at its start, not of an access log'] },
      ],
      [
        'an application log with brackets',
        `[2026-03-05 10:00:01] production.ERROR: failed {"a":1}\n${LINE}\n`,
        [CURL],
        { reasons: [expect.stringMatching(/^1: /)] },
      ],
      [
        'a banner longer than what is looked at',
        `${`${'='.repeat(1000)}\n`.repeat(70)}{"timestamp":"${AT}","path":"/c","userAgent":"curl/8"}\n${LINE}\n`,
        [C, CURL],
        { reasons: expect.objectContaining({ length: 70 }) },
      ],
      [
        'a format that changes',
        `${LINE}\n{"timestamp":"${AT}","path":"/c","userAgent":"curl/8"}\n${LINE}\n`,
        [CURL, C, CURL],
      ],
    ]),
  )('%s', (_, content, records, more) => check(content, records, more));

  it('a format that is named is the only one', () => {
    const { records, reasons } = readFile(`${LINE}\n{"timestamp":"${AT}","path":"/c","userAgent":"a"}\n`, {
      format: 'combined',
    });
    expect(records).toHaveLength(1);
    expect(reasons).toEqual([expect.stringMatching(/^2: not a line of the combined format/)]);
  });
});
