import { join } from 'node:path';
import { expect } from 'vitest';

/*
 * The files that testdata/wild/README.md tells of, and what a user expects of each: the fields that are named here, and no reason but those
 * that are. The scripts among them make files for tests of the whole program.
 */
export const WILD_FOLDER = join(import.meta.dirname, '../../../testdata/wild');

/** `records`: some of the fields of each. `reasons`: the number of the line, and why it cannot be read. */
export interface WildFile {
  readonly format: string;
  readonly records: readonly Record<string, unknown>[];
  readonly reasons?: readonly unknown[];
}

const AT = '2026-03-05T10:00:01Z';
const C = { timestamp: AT, path: '/c', userAgent: 'curl/8' };
const GET = { method: 'GET', protocol: 'HTTP/1.1' };
const LINE = { client: '192.0.2.1', ...GET, status: 200 };
const CURL = { ...C, ...LINE, bytes: 5 };
const CURL_LINE: WildFile = { format: 'combined', records: [CURL] };
const COMMON: WildFile = {
  format: 'common',
  records: [
    { timestamp: AT, path: '/index.html', userAgent: '-', ...LINE, bytes: 512 },
    { timestamp: AT, path: '/form', userAgent: '-', user: 'alice', method: 'POST', protocol: 'HTTP/1.0', status: 302 },
  ],
};

function refused(path: string, status: number, bytes?: number) {
  return {
    timestamp: AT,
    path,
    userAgent: '-',
    client: '192.0.2.1',
    status,
    malformed: true,
    ...(bytes === undefined ? {} : { bytes }),
  };
}

function probe(client: string, status: number): WildFile {
  const times = ['2026-03-01T00:00:00Z', '2026-03-01T00:00:30Z', '2026-03-01T00:01:00Z'];
  return {
    format: 'combined',
    records: times.map((timestamp) => ({
      timestamp,
      path: '/healthz',
      userAgent: 'ELB-HealthChecker/2.0',
      client,
      status,
    })),
  };
}

function partial(second: number, path: string) {
  return { timestamp: `2026-03-06T10:00:0${second}Z`, path, userAgent: 'curl/8' };
}

export const WILD_FILES: Readonly<Record<string, WildFile>> = {
  'aws-alb.log': {
    format: 'alb',
    records: [
      {
        timestamp: '2020-01-01T00:55:04.127531Z',
        path: '/path/index.html',
        userAgent: 'curl/8',
        ...LINE,
        host: 'www.example.com',
        bytes: 24950,
        durationSeconds: 0.103,
      },
    ],
  },
  'caddy.json.log': {
    format: 'ndjson',
    records: [
      {
        timestamp: '2023-12-23T23:17:54.8155608Z',
        path: '/beta/',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'example.com',
        method: 'GET',
        protocol: 'HTTP/2.0',
        status: 200,
        bytes: 3609,
        durationSeconds: 0.0013,
      },
    ],
  },
  'cloudfront.log': {
    format: 'cloudfront',
    records: [
      {
        timestamp: '2012-08-21T18:50:09Z',
        path: '/style.css',
        userAgent: 'Mozilla/5.0 (X11)',
        client: '192.0.2.1',
        method: 'GET',
        status: 200,
        bytes: 368,
      },
    ],
  },
  'common-format.log': COMMON,
  'common-with-response-time-rack.log': {
    format: 'common',
    records: [{ timestamp: AT, path: '/', userAgent: '-', ...LINE, durationSeconds: 0.0003 }],
  },
  'csv-header-in-other-case-stored-swapped.csv': {
    format: 'csv',
    records: [{ timestamp: '2026-03-11T00:00:00Z', path: '/real/path', userAgent: 'Mozilla/5.0' }],
  },
  'csv-header-with-other-names-stored-swapped.csv': {
    format: 'csv',
    records: [{ timestamp: '2026-03-11T01:00:00Z', path: '/real/path', userAgent: 'Mozilla/5.0' }],
  },
  'docker-compose-prefix.log': CURL_LINE,
  'docker-json-file.log': CURL_LINE,
  'first-line-bracket-apache-error-then-access.log': {
    format: 'combined',
    records: [CURL],
    reasons: ['1: a line of an Apache error log, not of an access log'],
  },
  'first-line-bracket-ipv6-host.log': {
    format: 'combined',
    records: [{ ...CURL, client: expect.stringMatching(/^\[?2001:db8::1\]?$/) }],
  },
  'first-line-bracket-nginx-proxy-manager.log': {
    format: 'proxy-manager',
    records: [{ ...C, client: '192.0.2.1', host: 'www.example.com', method: 'GET', status: 404, bytes: 192 }],
  },
  'haproxy-httplog.log': {
    format: 'haproxy',
    records: [
      {
        timestamp: '2018-09-25T06:05:27.584Z',
        path: '/user/',
        userAgent: '-',
        client: '192.0.2.1',
        method: 'POST',
        protocol: 'HTTP/1.1',
        status: 200,
        bytes: 7456,
        durationSeconds: 0.072,
      },
    ],
  },
  'iis-w3c.log': {
    format: 'iis',
    records: [
      {
        timestamp: '2018-01-01T08:09:10Z',
        path: '/?q=100',
        userAgent: 'Mozilla/5.0 (Windows NT 6.1)',
        client: '192.0.2.1',
        method: 'GET',
        status: 200,
        durationSeconds: 0.123,
      },
    ],
  },
  'latin1-bytes.log': {
    format: 'combined',
    records: [{ ...CURL, path: '/caf\\xe9', userAgent: 'M\\xfcller/1.0' }],
  },
  'leading-blank.log': CURL_LINE,
  'ltsv.log': {
    format: 'ltsv',
    records: [{ timestamp: '2023-03-12T10:55:36Z', path: '/index.html', userAgent: 'curl/8', ...LINE }],
  },
  'nginx-json-elastic-example-names.log': {
    format: 'ndjson',
    records: [{ ...C, client: '192.0.2.1', ...GET, status: 200, bytes: 5 }],
  },
  'nginx-json-escape-default-x22.log': {
    format: 'ndjson',
    records: [
      { timestamp: '2026-03-12T11:00:00Z', path: '/j', userAgent: 'My "cool" agent' },
      { timestamp: '2026-03-12T11:00:01Z', path: '/k', userAgent: 'ok' },
    ],
  },
  'nginx-json-other-names.log': {
    format: 'ndjson',
    records: [
      {
        timestamp: '2013-10-10T14:52:00Z',
        path: '/c',
        userAgent: 'curl/8',
        client: '192.0.2.1',
        host: 'www.example.com',
      },
    ],
  },
  'one-word-before-time.log': {
    format: 'combined',
    records: [{ timestamp: AT, path: '/c', userAgent: 'gPXE/0.9.7', client: '192.0.2.1', status: 404, bytes: 46210 }],
  },
  'partial-last-line-1-first-run.log': {
    format: 'combined',
    records: [partial(1, '/p1')],
    reasons: [expect.stringMatching(/^2: not a line of the combined format/)],
  },
  'partial-last-line-2-file-completed-p2-is-lost.log': {
    format: 'combined',
    records: [partial(1, '/p1'), partial(2, '/p2')],
  },
  'request-dash-408.log': { format: 'combined', records: [refused('-', 408)] },
  'request-empty-400.log': { format: 'combined', records: [refused('-', 400, 0)] },
  'request-time-between-bytes-and-referer.log': { format: 'combined', records: [{ ...C, ...LINE, bytes: 612 }] },
  'status-dash-aborted-morgan-traefik.log': {
    format: 'combined',
    records: [
      { timestamp: AT, path: '/c', userAgent: 'Mozilla/5.0 (X11)', client: '192.0.2.1', ...GET },
      {
        timestamp: AT,
        path: '/remote.php/',
        userAgent: 'monitoring-client (v2.2)',
        user: 'a.user',
        method: 'OPTIONS',
        bytes: 7908,
      },
    ],
  },
  'syslog-prefix-day-1-to-9-refused-10-to-31-read.log': {
    format: 'combined',
    records: [
      { ...CURL, timestamp: '2026-03-08T10:00:01Z', path: '/day8' },
      { ...CURL, timestamp: '2026-03-18T10:00:01Z', path: '/day18' },
    ],
  },
  'time-iso8601-in-brackets.log': CURL_LINE,
  'time-with-milliseconds.log': { format: 'combined', records: [{ ...CURL, timestamp: '2026-03-05T10:00:01.123Z' }] },
  'time-without-zone.log': CURL_LINE,
  'tls-to-plain-port-refused.log': {
    format: 'combined',
    records: [refused('\u0016\u0003\u0001\u0002\u0000\u0001\u0000', 400, 226)],
  },
  'tls-with-blank-inside-stored-as-garbage-path.log': {
    format: 'combined',
    records: [
      refused('\u0016\u0003\u0001\u0001 \u0002', 400, 226),
      refused('\\x03\\x00\\x00/*\\xE0\\x00\\x00\\x00\\x00\\x00Cookie: mstshash=Administr', 400, 157),
    ],
  },
  'traefik.json.log': {
    format: 'ndjson',
    records: [{ timestamp: '2021-12-08T14:02:43.587782192Z', path: '/c', userAgent: 'curl/8', ...LINE }],
  },
  'trailing-garbage.log.gz': COMMON,
  'two-blanks-inside.log': { format: 'combined', records: [{ ...CURL, bytes: 3478 }] },
  'two-hosts-same-probe-web1.log': probe('192.0.2.11', 200),
  'two-hosts-same-probe-web2-counted-as-duplicate.log': probe('192.0.2.12', 503),
  'user-agent-cut-without-closing-quote.log': {
    format: 'combined',
    records: [{ ...C, userAgent: 'Mozilla/5.0 (compatible; Bot/2.1; +http://www.example.com/bot.html', bytes: 235 }],
  },
  'user-agent-empty.log': { format: 'combined', records: [{ ...CURL, userAgent: '-' }] },
};
