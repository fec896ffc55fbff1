import { describe, expect, it } from 'vitest';
import { readFile, readInBlocks } from './open-reading.case.ts';
import type { ReadingOptions } from './reading-options.ts';

/*
 * Lines as the programs of others write them, and what a user expects of each: the format, and some fields of each record, or why there is none.
 * All but those that say otherwise tell of the request CURL.
 */
const AT = '2026-03-05T10:00:01Z';
const TIME = '05/Mar/2026:10:00:01 +0000';
const LINE = `192.0.2.1 - - [${TIME}] "GET /c HTTP/1.1" 200 5 "-" "curl/8"`;
const CURL = {
  timestamp: AT,
  path: '/c',
  userAgent: 'curl/8',
  client: '192.0.2.1',
  method: 'GET',
  status: 200,
  bytes: 5,
};
const { userAgent: _, ...REQUEST } = CURL;

type Fields = Record<string, unknown>;
type Case = readonly [
  what: string,
  content: string,
  format: string,
  fields: Fields | string,
  options?: Partial<ReadingOptions>,
];

/** `fields`: a text is the reason of the first line, or why the file cannot be read. */
function check(content: string, format: string, fields: Fields | string, options: Partial<ReadingOptions> = {}): void {
  if (format === '') {
    expect(() => readFile(content, options)).toThrow(fields as string);
    return;
  }
  const read = readFile(content, options);
  if (typeof fields === 'string') expect(read).toMatchObject({ format, reasons: [expect.stringContaining(fields)] });
  else expect(read).toMatchObject({ format, records: [fields], reasons: [] });
  expect(readInBlocks(Buffer.from(content), [1], options)).toEqual(read);
}

function checkAll(what: string, cases: readonly Case[]): void {
  describe(what, () => {
    for (const [name, ...rest] of cases) it(name, () => check(...rest));
  });
}

const json = (value: unknown) => `${JSON.stringify(value)}\n`;

checkAll('servers and frameworks', [
  ['lighttpd', LINE.replace('- -', 'www.example.com -'), 'combined', { ...CURL, host: 'www.example.com' }],
  ['ingress-nginx before 0.25', LINE.replace('- -', '- [192.0.2.1] - -'), 'combined', CURL],
  ['LiteSpeed', `"${LINE}`, 'combined', CURL],
  ['Fastly', '192.0.2.1 "-" "-" [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5', 'combined', REQUEST],
  [
    'PHP-FPM',
    '192.0.2.1 -  05/Mar/2026:10:00:01 +0000 "GET /c" 200',
    'common',
    { path: '/c', status: 200, client: '192.0.2.1' },
  ],
  [
    'Django runserver',
    '[05/Mar/2026 10:00:01] "GET /c HTTP/1.1" 200 5',
    'common',
    { path: '/c', status: 200, bytes: 5 },
  ],
  [
    'Werkzeug with colours',
    LINE.replace('"GET /c HTTP/1.1"', '"\u001b[33mGET /c HTTP/1.1\u001b[0m"'),
    'combined',
    CURL,
  ],
  [
    'hypercorn',
    `[2026-03-05 10:00:01 +0000] [8] [INFO] ${LINE.replace('192.0.2.1', '192.0.2.1:5000').replace('HTTP/1.1', '1.1')}`,
    'combined',
    CURL,
  ],
  ['Spring and Reactor Netty', `2026-03-05 10:00:01.123  INFO 7 --- [nio-2] AccessLog : ${LINE}`, 'combined', CURL],
  ['nginx with $msec', LINE.replace(TIME, '1772704801.000'), 'combined', CURL],
  ['cPanel', LINE.replace('05/Mar/', '03/05/'), 'combined', 'invalid time "03/05/2026:10:00:01 +0000"'],
]);

checkAll('programs around a line', [
  ['kubectl --timestamps', `2026-03-05T10:00:01.12345Z ${LINE}`, 'combined', CURL],
  ['CloudWatch', `2026-03-05T10:00:01.123Z ${LINE}`, 'combined', CURL],
  ['rsyslog without a tag', `2026-03-05T10:00:01.123456+00:00 web1 ${LINE}`, 'combined', CURL],
  ['pm2 with --log-date-format', `2026-03-05 10:00:01: ${LINE}`, 'combined', CURL],
  ['pm2 logs', `0|web     | ${LINE}`, 'combined', CURL],
  ['journalctl -o short-full', `Thu 2026-03-05 10:00:01 UTC web1 nginx[7]: ${LINE}`, 'combined', CURL],
  ['journalctl -o export', `__CURSOR=s=1\n_PID=7\nPRIORITY=6\nMESSAGE=${LINE}\n\n`, 'combined', CURL],
  ['Python logging', `INFO:aiohttp.access:${LINE}`, 'combined', CURL],
  [
    'Papertrail',
    `700957\t2026-03-05T10:00:01\t2026-03-05T10:00:01\t12\tweb1\t192.0.2.9\tLocal7\tInfo\tnginx\t${LINE}`,
    'combined',
    CURL,
  ],
  ['stern', `web-7d nginx ${LINE}`, 'combined', CURL],
  ['zgrep', `/var/log/access.log.2.gz:${LINE}`, 'combined', CURL],
  ['a row of CSV', `"${LINE.replaceAll('"', '""')}"`, 'combined', CURL],
  [
    'HAProxy in a container',
    '<30>192.0.2.1:5000 [05/Mar/2026:10:00:01.000] fe be/s 0/0/1/2/3 200 5 - - ---- 1/1/0/0/0 0/0 "GET /c HTTP/1.1"',
    'haproxy',
    REQUEST,
  ],
  [
    'Envoy in kubectl',
    `2026-03-05T10:00:01.12Z [${AT}] "GET /c HTTP/2" 200 - 0 5 12 11 "192.0.2.1" "curl/8" "id-1" "www.example.com" "10.0.0.2:80"`,
    'envoy',
    CURL,
  ],
]);

const RECORD = {
  remote: '192.0.2.1',
  host: '-',
  user: '-',
  method: 'GET',
  path: '/c',
  code: '200',
  size: '5',
  agent: 'curl/8',
};

checkAll('JSON around a line', [
  ['Logstash', json({ '@timestamp': AT, event: { original: LINE }, host: { name: 'web1' } }), 'combined', CURL],
  ['Logstash 1', json({ '@timestamp': AT, '@message': LINE, '@fields': {} }), 'combined', CURL],
  ['Splunk', json({ preview: false, result: { _raw: LINE, _time: AT } }), 'combined', CURL],
  ['Graylog', json({ version: '1.1', host: 'web1', short_message: LINE, timestamp: 1.5 }), 'combined', CURL],
  ['Loki', json({ labels: { job: 'nginx' }, line: LINE, timestamp: AT }), 'combined', CURL],
  ['a logger', json({ level: 'info', time: AT, msg: LINE }), 'combined', CURL],
  ['an array of CloudWatch', json([{ timestamp: 1_772_704_801_123, message: LINE }]), 'json', CURL],
  ['fluentd, parsed', `2026-03-05T10:00:01+00:00\tnginx.access\t${json(RECORD)}`, 'ndjson', CURL],
  ['fluentd, as it came', `2026-03-05T10:00:01+00:00\tdocker\t${json({ log: LINE })}`, 'combined', CURL],
  [
    'a logger without a line',
    json({ level: 'info', ts: 1, msg: 'cleaning storage' }),
    'ndjson',
    'has no known fields; it has: level, ts, msg',
  ],
  [
    'a logger whose text has pairs',
    json({ ts: 1_772_704_801, text: 'done level=info foo=1' }),
    'ndjson',
    'has no known fields; it has: ts, text (name them with --map)',
  ],
  [
    'a logger in the file of a server',
    `${LINE}\n${LINE}\n${json({ ts: 1, text: 'done level=info foo=1' })}`,
    'combined',
    'has no known fields; it has: ts, text (name them with --map)',
  ],
]);

const HEADERS = { host: 'www.example.com', 'user-agent': 'curl/8' };
const AZURE = { httpMethod: 'GET', userAgent: 'curl/8', timeTaken: 0.012 };

checkAll('JSON of proxies and platforms', [
  [
    'Kong',
    json({
      request: { uri: '/c', method: 'GET', headers: HEADERS },
      response: { status: 200, size: 5 },
      latencies: { request: 12 },
      client_ip: '192.0.2.1',
      started_at: 1_772_704_801_000,
    }),
    'ndjson',
    { ...CURL, durationSeconds: 0.012 },
  ],
  [
    'Azure Front Door',
    json({
      time: AT,
      properties: {
        ...AZURE,
        requestUri: 'https://www.example.com:443/c',
        httpVersion: '2.0.0.0',
        clientIp: '192.0.2.1',
        httpStatusCode: '200',
        responseBytes: '5',
      },
    }),
    'ndjson',
    { ...CURL, protocol: 'HTTP/2.0', durationSeconds: 0.012 },
  ],
  [
    'Azure Application Gateway',
    json({
      timeStamp: AT,
      properties: {
        ...AZURE,
        requestUri: '/c',
        requestQuery: 'a=b',
        clientIP: '192.0.2.1',
        httpStatus: 200,
        sentBytes: 5,
      },
    }),
    'ndjson',
    { ...CURL, path: '/c?a=b' },
  ],
  [
    'Vercel',
    json({
      message: 'START',
      timestamp: 1,
      proxy: {
        timestamp: 1_772_704_801_000,
        method: 'GET',
        statusCode: 200,
        path: '/c',
        userAgent: ['curl/8'],
        clientIp: '192.0.2.1',
      },
    }),
    'ndjson',
    { path: '/c', userAgent: 'curl/8', status: 200 },
  ],
  [
    "Docker's registry",
    json({
      'http.request.uri': '/c',
      'http.request.method': 'GET',
      'http.request.useragent': 'curl/8',
      'http.request.remoteaddr': '192.0.2.1:5',
      'http.response.status': 200,
      'http.response.written': 5,
      time: AT,
    }),
    'ndjson',
    CURL,
  ],
  [
    'Envoy Gateway',
    json({
      ':authority': 'a',
      method: 'GET',
      response_code: 200,
      response_code_details: 'x',
      start_time: AT,
      'user-agent': 'curl/8',
      'x-envoy-origin-path': '/c',
    }),
    'ndjson',
    { path: '/c', userAgent: 'curl/8', host: 'a' },
  ],
  [
    'CloudFront',
    json({
      date: '2026-03-05',
      time: '10:00:01',
      'c-ip': '192.0.2.1',
      'cs-method': 'GET',
      'cs-uri-stem': '/c',
      'cs-uri-query': 'a=b',
      'sc-status': '200',
      'sc-bytes': '5',
      'cs(User-Agent)': 'curl/8%20x',
    }),
    'ndjson',
    { ...CURL, path: '/c?a=b', userAgent: 'curl/8 x' },
  ],
  [
    'ingress-nginx',
    json({
      time: AT,
      remote_addr: '192.0.2.1',
      status: 200,
      bytes_sent: 5,
      method: 'GET',
      path: '/c',
      request_query: 'a=b',
      request_proto: 'HTTP/1.1',
      http_user_agent: 'curl/8',
    }),
    'ndjson',
    { ...CURL, path: '/c?a=b', protocol: 'HTTP/1.1' },
  ],
  [
    'two hosts, of which one is kept as it is',
    json({ time: AT, uri: '/c', host: '10.0.0.1', http_host: 'www.example.com' }),
    'ndjson',
    { host: '10.0.0.1', http_host: 'www.example.com' },
  ],
]);

const IIS = '#Software: Microsoft Internet Information Services 10.0\n#Fields: ';
const ALB_TAIL = 'ECDHE TLSv1.2 - "-" "-" "-" 0';

checkAll('formats with columns', [
  [
    'IIS with X-Forwarded-For',
    `${IIS}date time cs-method cs-uri-stem c-ip sc-status X-Forwarded-For\n2026-03-05 10:00:01 GET /c 10.0.0.9 200 192.0.2.1\n`,
    'w3c',
    { path: '/c', client: '10.0.0.9', rest: 'forwardedfor:192.0.2.1' },
  ],
  [
    'IIS Advanced Logging',
    `${IIS}date-local time-local cs-method cs-uri-stem sc-status\n2026-03-05 11:00:01 GET /c 200\n`,
    'w3c',
    { timestamp: AT },
    { zone: 60 },
  ],
  [
    'Blue Coat',
    '#Software: SGOS 6.7\n#Fields: date time c-ip sc-status cs-method cs-uri-path cs-uri-query cs(User-Agent)\n2026-03-05 10:00:01 192.0.2.1 200 GET /c ?x=1 "a b"\n',
    'w3c',
    { path: '/c?x=1', userAgent: 'a b' },
  ],
  [
    "CloudFront's real-time log, with its columns",
    '#Fields: timestamp c-ip sc-status cs-method x-edge-location cs-uri-stem cs-user-agent\n1772704801.000\t192.0.2.1\t200\tGET\tA\t/c\tcurl/8\n',
    'cloudfront',
    { path: '/c', userAgent: 'curl/8' },
  ],
  [
    'ALB and quotes in quotes',
    `https ${AT} app/a/1 192.0.2.1:2817 - -1 -1 -1 200 - 225 5 "GET https://a:443/c?q="x" HTTP/2.0" "My "cool" agent" ${ALB_TAIL}`,
    'alb',
    { path: '/c?q="x"', userAgent: 'My "cool" agent', status: 200 },
  ],
  [
    'S3 and quotes in quotes',
    `o b [${TIME}] 192.0.2.1 - 3E WEBSITE.GET.OBJECT c "GET /c HTTP/1.1" 200 - 5 - 7 - "a "b"" "My "cool" agent" - h - - - b.s3.aws TLSv1.2 - -`,
    's3',
    { referrer: 'a "b"', userAgent: 'My "cool" agent', host: 'b.s3.aws' },
  ],
  [
    'S3 without a request',
    `o b [${TIME}] - AmazonS3 3E S3.EXPIRE.OBJECT c.txt "-" - - - 123 - - "-" "-" - h - - - - - - -`,
    's3',
    { path: '-', malformed: true, rest: 'S3.EXPIRE.OBJECT c.txt' },
  ],
  [
    'CSV of Kibana',
    '@timestamp,request,agent\n"Mar 5, 2026 @ 10:00:01.123",/c,curl/8\n',
    'csv',
    { timestamp: '2026-03-05T10:00:01.123Z' },
  ],
  ['CSV with semicolons', 'timestamp;path;userAgent\n', '', 'columns are separated by commas, not by semicolons'],
  ['tabs', 'timestamp\tpath\tuserAgent\n', '', 'columns are separated by commas, not by tabs'],
]);

checkAll('formats that are not read say what they are', [
  [
    'Squid',
    '1066036250.129    125 192.0.2.1 TCP_MISS/200 7456 GET http://a/c - DIRECT/10.0.0.1 text/html',
    'combined',
    "a line of Squid's native format",
  ],
  [
    'Heroku',
    '2026-03-05T10:00:01.1+00:00 heroku[router]: at=info method=GET path="/c" host=a status=200',
    'combined',
    'pairs of key=value (logfmt)',
  ],
  ['uvicorn', 'INFO:     192.0.2.1:5000 - "GET /c HTTP/1.1" 200 OK', 'combined', "a line of uvicorn's own format"],
  ['morgan dev', 'GET /c 200 12.345 ms - 5', 'combined', "a line of morgan's dev, tiny or short format"],
  [
    'gin',
    '[GIN] 2026/03/05 - 10:00:01 | 200 |  12µs |  192.0.2.1 | GET      "/c"',
    'combined',
    'a line of a Go framework',
  ],
  [
    'uWSGI',
    '[pid: 7|app: 0|req: 1/1] 192.0.2.1 () {4 vars} [Thu Mar  5 10:00:01 2026] GET /c => 5 bytes',
    'combined',
    "a line of uWSGI's own format",
  ],
  [
    'Tornado',
    '[I 260305 10:00:01 web:2271] 200 GET /c (192.0.2.1) 1.23ms',
    'combined',
    "a line of Tornado's own format",
  ],
  ['Rails', 'Started GET "/c" for 192.0.2.1 at 2026-03-05 10:00:01 +0000', 'combined', "a line of Rails' own format"],
  [
    'the IIS log file format',
    '192.0.2.1, -, 03/05/26, 10:00:01, W3SVC1, WEB1, 10.0.0.1, 15, 99, 5, 200, 0, GET, /c, -,',
    'combined',
    'a line of the IIS log file format',
  ],
  [
    'a network load balancer',
    'tls 2.0 2018-12-20T02:59:40 net/a/c6 g3 192.0.2.1:5 10.0.0.1:4 5 2 98 246 - - -',
    'combined',
    'a TLS connection of a network load balancer',
  ],
  [
    'ssl_request_log',
    `[${TIME}] 192.0.2.1 TLSv1.3 TLS_AES_256_GCM_SHA384 "GET /c HTTP/1.1" 5`,
    'combined',
    "a line of Apache's ssl_request_log",
  ],
  [
    "CloudFront's real-time log",
    '1772704801.123\t192.0.2.1\t0.002\t200\t5\tGET\thttps\ta\t/c',
    'combined',
    '#Fields: timestamp c-ip',
  ],
  [
    'IIS without its head',
    '2026-03-05 10:00:01 10.0.0.1 GET /c - 80 - 192.0.2.1 curl/8 - 200 0 0 15',
    'iis',
    'no #Fields directive before this line, so its columns are not known; put one before it',
  ],
]);

checkAll('what looks like another thing', [
  ['a field before the line', `ID=7 ${LINE}`, 'combined', { path: '/c', timestamp: AT }],
  ['words with values', `${LINE}\nTIME=${AT} METHOD=GET URI=/c`, 'combined', ''],
  ['a message with a time of day', json({ time: AT, uri: '/a', msg: 'job 10:00 done' }), 'ndjson', { path: '/a' }],
  [
    'a message with a number',
    json({ ts: 1772704801, path: '/b', remote_ip: '192.0.2.1', msg: 'trace 1234567890' }),
    'ndjson',
    { path: '/b', client: '192.0.2.1' },
  ],
  [
    'CloudFront as JSON is UTC',
    json({ date: '2026-03-05', time: '10:00:01', 'cs-uri-stem': '/c', 'cs(User-Agent)': 'curl/8' }),
    'ndjson',
    { timestamp: AT, path: '/c' },
    { zone: 120 },
  ],
  [
    'a line in two elements of an array',
    JSON.stringify([
      { log: LINE.slice(0, 40), stream: 'stdout', logtag: 'P', time: AT },
      { log: LINE.slice(40), stream: 'stdout', logtag: 'F', time: AT },
    ]),
    'json',
    CURL,
  ],
]);
