import { describe, expect, it } from 'vitest';
import { readLines } from './read-lines.case.ts';

const HEAD = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000]';
const TAIL = '200 5 "-" "curl/8"';
const CORE = { timestamp: '2026-03-05T10:00:01Z', path: '/c', userAgent: 'curl/8' };
const PLAIN = { ...CORE, client: '192.0.2.1', method: 'GET', protocol: 'HTTP/1.1', status: 200, bytes: 5 };

function read(line: string | Buffer, zone = 0): unknown {
  const [result = ''] = readLines(line, { zone });
  return result.startsWith('{') ? JSON.parse(result) : result;
}

function reads(line: string, expected: object): void {
  it(line.slice(0, 120), () => expect(read(line)).toEqual(expected));
}

describe('reads what stands before the time:', () => {
  const withHead = (head: string) => `${head} [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" ${TAIL}`;
  reads(withHead('192.0.2.1 - -'), PLAIN);
  reads(withHead('192.0.2.1 - alice'), { ...PLAIN, user: 'alice' });
  reads(withHead('192.0.2.1 - Alice B. Smith'), { ...PLAIN, user: 'Alice B. Smith' });
  reads(withHead('192.0.2.1 ident alice'), { ...PLAIN, user: 'alice' });
  reads(withHead('192.0.2.1 - ""'), PLAIN);
  reads(withHead('192.0.2.1 -'), PLAIN);
  reads(withHead('192.0.2.1'), PLAIN);
  reads(withHead(' \t 192.0.2.1\t-  -'), PLAIN);
  reads(withHead('- - -'), { ...PLAIN, client: undefined });
  reads(withHead('client.example.net - -'), { ...PLAIN, client: 'client.example.net' });
  reads(withHead('[2001:db8::1] - -'), { ...PLAIN, client: '2001:db8::1' });
  reads(withHead('2001:db8::1 - -'), { ...PLAIN, client: '2001:db8::1' });
  reads(withHead('unix: - -'), { ...PLAIN, client: 'unix:' });
  reads(withHead('203.0.113.9, 10.0.0.1 - -'), { ...PLAIN, client: '203.0.113.9, 10.0.0.1' });
  reads(withHead('www.example.com:443 192.0.2.1 - -'), { ...PLAIN, host: 'www.example.com:443' });
  reads(withHead('www.example.com 192.0.2.1 - alice'), { ...PLAIN, host: 'www.example.com', user: 'alice' });
  reads(withHead('www.example.com 192.0.2.1 - Alice B.'), { ...PLAIN, host: 'www.example.com', user: 'Alice B.' });
  reads(withHead('www.example.com 192.0.2.1'), { ...PLAIN, host: 'www.example.com' });
  reads(withHead('192.0.2.80:443 2001:db8::1 - -'), { ...PLAIN, host: '192.0.2.80:443', client: '2001:db8::1' });
  reads(withHead('www.example.com:80 client.example.net - -'), {
    ...PLAIN,
    host: 'www.example.com:80',
    client: 'client.example.net',
  });
  reads(withHead('- 192.0.2.1 - -'), PLAIN);
  reads(withHead('192.0.2.1 - [x] y]'), { ...PLAIN, user: '[x] y]' });
  reads(withHead('192.0.2.1 - [192.0.2.1] - -'), PLAIN);
  reads(withHead('192.0.2.1:4711 - -'), PLAIN);
  reads(withHead('[2001:db8::1]:4711 - -'), { ...PLAIN, client: '2001:db8::1' });
  reads(withHead('2001:db8::1:4711 - -'), { ...PLAIN, client: '2001:db8::1:4711' });
  reads(withHead('www.example.com:443 192.0.2.9 192.0.2.1 - -'), { ...PLAIN, host: 'www.example.com:443' });
  reads(withHead('203.0.113.9, 10.0.0.1 - [192.0.2.1] - alice'), { ...PLAIN, user: 'alice' });
  reads(withHead('192.0.2.1 www.example.com -'), { ...PLAIN, host: 'www.example.com' });
  reads(withHead('192.0.2.1 www.example.com - -'), { ...PLAIN, host: 'www.example.com' });
  reads(withHead('192.0.2.1 www.example.com - alice'), { ...PLAIN, host: 'www.example.com', user: 'alice' });
  reads(withHead('192.0.2.1 localhost:8080 alice'), { ...PLAIN, host: 'localhost:8080', user: 'alice' });
  reads(withHead('www.example.com 203.0.113.9, 10.0.0.1 - -'), {
    ...PLAIN,
    host: 'www.example.com',
    client: '203.0.113.9, 10.0.0.1',
  });
  reads(withHead('2026-03-05T10:00:01Z 192.0.2.1 - -'), PLAIN);
  reads(withHead('2026-03-05T10:00:01Z client.example.net - -'), { ...PLAIN, client: 'client.example.net' });
  reads(withHead('2026-03-05 10:00:01.123 INFO 7 --- [main] AccessLog : 192.0.2.1 - alice'), {
    ...PLAIN,
    user: 'alice',
  });
  reads(withHead('700957 192.0.2.1 - -'), PLAIN);
  reads(withHead('web: 192.0.2.1 - -'), PLAIN);
  reads(withHead('"192.0.2.1 - -'), PLAIN);
  reads(withHead('192.0.2.1 "-" "-"'), PLAIN);
  reads(withHead('"www.example.com" 192.0.2.1 - -'), { ...PLAIN, host: 'www.example.com' });
  reads(withHead('"192.0.2.1" 10.0.0.1 - -'), PLAIN);
  reads(withHead('"" 192.0.2.1 - -'), PLAIN);
  reads(withHead('').trim(), { ...PLAIN, client: undefined });
  reads(withHead('10:00:01 192.0.2.1 - alice'), { ...PLAIN, user: 'alice' });
  reads(withHead('10:00:01 - 192.0.2.1 - alice'), { ...PLAIN, user: 'alice' });
  reads(withHead('10:00:01.123 - 192.0.2.1 - alice'), { ...PLAIN, user: 'alice' });
});

describe('a user, whom the other side names, is no client:', () => {
  const withHead = (head: string) => `${head} [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" ${TAIL}`;
  const host = 'www.example.com';
  const user = '10.9.9.9 -';
  reads(withHead('192.0.2.1 - 10.9.9.9 -'), { ...PLAIN, user });
  reads(withHead('192.0.2.1 - 10.9.9.9 - alice'), { ...PLAIN, user: '10.9.9.9 - alice' });
  reads(withHead('192.0.2.1 - x 10.9.9.9, 10.9.9.8 -'), { ...PLAIN, user: 'x 10.9.9.9, 10.9.9.8 -' });
  reads(withHead('192.0.2.1 - [10.9.9.9] -'), { ...PLAIN, user: '[10.9.9.9] -' });
  reads(withHead('2001:db8::1 - ::2 -'), { ...PLAIN, client: '2001:db8::1', user: '::2 -' });
  reads(withHead('203.0.113.9, 192.0.2.1 - 10.9.9.9 -'), { ...PLAIN, client: '203.0.113.9, 192.0.2.1', user });
  reads(withHead('192.0.2.1 - [192.0.2.1] - 10.9.9.9 -'), { ...PLAIN, user });
  reads(withHead('www.example.com 192.0.2.1 - 10.9.9.9 -'), { ...PLAIN, host, user });
  reads(withHead('192.0.2.1 www.example.com 10.9.9.9 -'), { ...PLAIN, host, user });
  reads(withHead('client.example.net - 10.9.9.9 -'), { ...PLAIN, client: 'client.example.net', user });
  reads(withHead('www.example.com client.example.net - 10.9.9.9 -'), {
    ...PLAIN,
    client: 'client.example.net',
    host,
    user,
  });
  reads(withHead('unix: - 10.9.9.9 -'), { ...PLAIN, client: 'unix:', user });
  reads(withHead('- - 10.9.9.9 -'), { ...PLAIN, client: undefined, user });
});

describe('reads a time', () => {
  const readTime = (time: string, expected: unknown, zone = 0) =>
    it(`${time} zone ${zone}`, () => {
      const result = read(`192.0.2.1 - - [${time}] "GET /c HTTP/1.1" ${TAIL}`, zone);
      const stored = typeof result === 'string' ? result : (result as typeof CORE).timestamp;
      expect(stored).toBe(expected);
    });
  readTime('05/Mar/2026:10:00:01 +0100', '2026-03-05T09:00:01Z');
  readTime('31/Dec/2025:23:30:59 -0130', '2026-01-01T01:00:59Z');
  readTime('05/Mar/2026:10:00:01 +00:00', '2026-03-05T10:00:01Z');
  readTime('5/mar/2026:10:00:01 +0000', '2026-03-05T10:00:01Z');
  readTime('05/Mar/2026:10:00:01.120 +0000', '2026-03-05T10:00:01.12Z');
  readTime('05/Mar/2026:10:00:01.123456789', '2026-03-05T10:00:01.123456789Z');
  readTime('05/Mar/2026:10:00:01', '2026-03-05T09:00:01Z', 60);
  readTime('05/Mar/2026:10:00:01', '2026-03-05T13:30:01Z', -210);
  readTime('05/Mar/2026:10:00:01 +0000', '2026-03-05T10:00:01Z', 60);
  readTime('2026-03-05T10:00:01+00:00', '2026-03-05T10:00:01Z');
  readTime('2026-03-05T10:00:01.5+0530', '2026-03-05T04:30:01.5Z');
  readTime('2026-03-05T10:00:01Z', '2026-03-05T10:00:01Z', 60);
  readTime('2026-03-05 10:00:01', '2026-03-05T09:00:01Z', 60);
  readTime('2026-03-05 10:00:01,250', '2026-03-05T10:00:01.25Z');
  readTime('31/Dec/2016:23:59:60 +0000', '2017-01-01T00:00:00Z');
  readTime('01/Jan/2017:00:59:60 +0100', '2017-01-01T00:00:00Z');
  readTime('31/Dec/2016:22:59:60 +0000', 'invalid time "31/Dec/2016:22:59:60 +0000"');
  readTime('30/Feb/2026:10:00:01 +0000', 'invalid time "30/Feb/2026:10:00:01 +0000"');
  readTime('05/Foo/2026:10:00:01 +0000', 'invalid time "05/Foo/2026:10:00:01 +0000"');
  readTime('05/Mar/2026:10:00:61 +0000', 'invalid time "05/Mar/2026:10:00:61 +0000"');
  readTime('05/Mar/2026:10:61:01 +0000', 'invalid time "05/Mar/2026:10:61:01 +0000"');
});

describe('reads a time without brackets', () => {
  const CORE_LINE = { ...CORE, userAgent: '-', client: '192.0.2.1', method: 'GET', status: 200 };
  reads('192.0.2.1 -  05/Mar/2026:10:00:01 +0000 "GET /c" 200', CORE_LINE);
  reads('192.0.2.1 - bob "05/Mar/2026:10:00:01" "GET /c" 200', { ...CORE_LINE, user: 'bob' });
  reads(`192.0.2.1 - - [Thu, 05 Mar 2026 10:00:01 GMT] "GET /c HTTP/1.1" ${TAIL}`, PLAIN);
  reads(`192.0.2.1 - - [1772704801.000] "GET /c HTTP/1.1" ${TAIL}`, PLAIN);
  reads(`192.0.2.1 - - [1772704801000] "GET /c HTTP/1.1" ${TAIL}`, PLAIN);
});

describe('reads a request', () => {
  const withRequest = (request: string) => `${HEAD} "${request}" ${TAIL}`;
  const reads = (request: string, expected: object) =>
    it(request, () => expect(read(withRequest(request))).toEqual({ ...PLAIN, ...expected }));
  const isMalformed = (request: string, path: string) =>
    reads(request, { path, malformed: true, method: undefined, protocol: undefined });
  reads('GET /c HTTP/1.1', {});
  reads('POST /a?b=c&d=%20e HTTP/2.0', { path: '/a?b=c&d=%20e', method: 'POST', protocol: 'HTTP/2.0' });
  reads('GET /c HTTP/3', { protocol: 'HTTP/3' });
  reads('GET /c', { protocol: undefined });
  reads('GET /c 1.1', {});
  reads('GET /c 2', { protocol: 'HTTP/2' });
  reads('GET /my page 2', { path: '/my page 2', protocol: undefined });
  reads('GET /c 2.5', { path: '/c 2.5', protocol: undefined });
  reads('\u001b[33mGET /c HTTP/1.1\u001b[0m', {});
  reads('GET /a b c HTTP/1.1', { path: '/a b c' });
  reads('GET  /c  HTTP/1.1', {});
  reads('M-SEARCH * HTTP/1.1', { method: 'M-SEARCH', path: '*' });
  reads('CONNECT example.com:443 HTTP/1.1', { method: 'CONNECT', path: 'example.com:443' });
  reads('OPTIONS * HTTP/1.0', { method: 'OPTIONS', path: '*', protocol: 'HTTP/1.0' });
  reads('PRI * HTTP/2.0', { method: 'PRI', path: '*', protocol: 'HTTP/2.0' });
  reads('OPTIONS / RTSP/1.0', { method: 'OPTIONS', path: '/', protocol: 'RTSP/1.0' });
  reads(String.raw`GET /\xd0\xbf\t HTTP/1.1`, { path: '/п' });
  reads(String.raw`GET /\xe4 HTTP/1.1`, { path: String.raw`/\xe4` });
  reads(String.raw`GET /say\"hi\"\\ HTTP/1.1`, { path: '/say"hi"\\' });
  reads('GET /say"hi" HTTP/1.1', { path: '/say"hi"' });
  reads('GET /a" 20x HTTP/1.1', { path: '/a" 20x' });
  reads('GET /c\u0001 HTTP/1.1', { path: '/c\u0001' });
  reads('GET /c\\', { path: '/c\\', protocol: undefined });
  isMalformed('-', '-');
  isMalformed('', '-');
  isMalformed('  ', '-');
  isMalformed('GET', 'GET');
  isMalformed('GET HTTP/1.1', 'GET HTTP/1.1');
  isMalformed('GET  HTTP/1.1', 'GET  HTTP/1.1');
  isMalformed('get / HTTP/1.1', 'get / HTTP/1.1');
  isMalformed('t3 12.1.2', 't3 12.1.2');
  isMalformed('SSH-2.0-OpenSSH_9.6', 'SSH-2.0-OpenSSH_9.6');
  isMalformed(String.raw`\x16\x03\x01\x01 \x02`, '\u0016\u0003\u0001\u0001 \u0002');
  isMalformed(
    String.raw`\x03\x00\x00/*\xE0\x00Cookie: mstshash=Administr`,
    String.raw`\x03\x00\x00/*\xE0\x00Cookie: mstshash=Administr`,
  );
});

describe('reads what stands after the request:', () => {
  const reads = (tail: string, expected: object) =>
    it(tail, () => expect(read(`${HEAD} "GET /c HTTP/1.1" ${tail}`)).toEqual({ ...PLAIN, ...expected }));
  const common = { userAgent: '-' };
  reads('200 5', common);
  reads('200 -', { ...common, bytes: undefined });
  reads('200', { ...common, bytes: undefined });
  reads('200 5 0.0003', { ...common, duration: undefined, durationSeconds: 0.0003 });
  reads('200 5 3413', { ...common, rest: '3413' });
  reads('200 5 gzip 12', { ...common, rest: 'gzip 12' });
  reads('- - "-" "curl/8"', { status: undefined, bytes: undefined });
  reads('0 0 "-" "curl/8"', { status: undefined, bytes: 0 });
  reads('000 0 "-" "curl/8"', { status: undefined, bytes: 0 });
  reads('200\t5  "-"\t"curl/8"  ', {});
  reads('200 5 "-" ""', common);
  reads('200 5 "-" "-"', common);
  reads('200 5 "-" "  "', common);
  reads('200 5 "" "curl/8"', {});
  reads('200 5 " " "curl/8"', {});
  reads('200 5 "https://example.com/?q=a b" "curl/8"', { referrer: 'https://example.com/?q=a b' });
  reads('200 5 "https://example.com/?q="a b" c" "curl/8"', { referrer: 'https://example.com/?q="a b" c' });
  reads('200 5 "https://example.com/"', { ...common, referrer: 'https://example.com/' });
  reads('200 5 "https://exam', { ...common, referrer: 'https://exam' });
  reads('200 5 "-"', common);
  reads('200 5 "curl/8"', {});
  reads('200 5 "-" "Mozilla/5.0 (compatible; +http://exa', { userAgent: 'Mozilla/5.0 (compatible; +http://exa' });
  reads('200 5 "-" "', common);
  reads(String.raw`200 5 "-" "say \"hi\" \\ back"`, { userAgent: 'say "hi" \\ back' });
  reads('200 5 "-" "say "hi" back"', { userAgent: 'say "hi" back' });
  reads('200 5 "-" "say "hi""', { userAgent: 'say "hi"' });
  reads('200 5 "-" "say "hi" back" "10.0.0.1"', { userAgent: 'say "hi" back', rest: '"10.0.0.1"' });
  reads('200 5 "-" "curl/8" "-"', {});
  reads('200 5 "-" "curl/8" "-" - "-"', {});
  reads('200 5 "-" "curl/8" "-" 0.004', { rest: '"-" 0.004' });
  reads('200 5 "-" "curl/8" "10.0.0.1, 10.0.0.2" rt=0.1', { rest: '"10.0.0.1, 10.0.0.2" rt=0.1' });
  reads('200 5 "-" "curl/8" "cut off', { rest: '"cut off' });
  reads('200 612 3413 "-" "curl/8" X="10.0.0.1, 10.0.0.2"', { bytes: 612, rest: '3413 X="10.0.0.1, 10.0.0.2"' });
  reads('200 612 0.250 "-" "curl/8"', { bytes: 612, durationSeconds: 0.25 });
  reads('200 5 "https://example.com/" 0.004 "curl/8" "-"', {
    referrer: 'https://example.com/',
    rest: '0.004 "-"',
  });
  reads('200 9007199254740993 "-" "curl/8"', { bytes: undefined, rest: '9007199254740993' });
  reads('200 007 "-" "curl/8"', { bytes: 7 });
});

it('writes bytes that are not UTF-8 as \\xhh, and leaves the others as they are', () => {
  const line = Buffer.from(`${HEAD} "GET /caf\u00e9 HTTP/1.1" 200 5 "-" "M\u00fcller"`, 'latin1');
  expect(read(line)).toEqual({ ...PLAIN, path: '/caf\\xe9', userAgent: 'M\\xfcller' });
  expect(read(`${HEAD} "GET /café HTTP/1.1" 200 5 "-" "Müller"`)).toEqual({
    ...PLAIN,
    path: '/café',
    userAgent: 'Müller',
  });
});

describe('says why it cannot read', () => {
  const refuses = (line: string, reason: string) => it(line, () => expect(read(line)).toBe(reason));
  const NO_TIME = 'not a line of the combined format: no [time] before a request in quotes';
  refuses('junk', NO_TIME);
  refuses('{"not":"an access log"}', NO_TIME);
  refuses(' ', NO_TIME);
  refuses('[Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7005:tid 1] [client 192.0.2.1:1] "a" 200', NO_TIME);
  refuses('[2026-03-05T10:00:01Z] "GET /c HTTP/1.1" 200 5 "-" "curl/8"', NO_TIME);
  refuses('[05/Mar/2026:10:00:01 +0000] - 404 - GET http example.com "/c" [Sent-to 10.0.0.3] "curl/8" "-"', NO_TIME);
  const NO_STATUS = 'not a line of the combined format: no status after the request in quotes';
  refuses(`${HEAD} "GET /c HTTP/1.1"`, NO_STATUS);
  refuses(`${HEAD} "GET /c HTTP/1.1" 20`, NO_STATUS);
  refuses(`${HEAD} "GET /c HT`, NO_STATUS);
});
