import { describe, expect, it } from 'vitest';
import { MAX_STATE_BYTES } from '../file-reading.ts';
import { readLines, readLinesWithState } from './read-lines.case.ts';
import { CLOUDFRONT, IIS, W3C } from './w3c.ts';

const IIS_LOG = [
  '#Software: Microsoft Internet Information Services 10.0',
  '#Version: 1.0',
  '#Date: 2018-01-01 08:09:10',
  '#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status time-taken',
  '2018-01-01 08:09:10 192.0.2.9 GET / q=100 80 CORP\\alice 192.0.2.1 Mozilla/5.0+(Windows+NT+6.1) - 200 123',
];
const IIS_RECORD = {
  timestamp: '2018-01-01T08:09:10Z',
  path: '/?q=100',
  userAgent: 'Mozilla/5.0 (Windows NT 6.1)',
  client: '192.0.2.1',
  user: 'CORP\\alice',
  method: 'GET',
  status: 200,
  duration: 0.123,
};
const CLOUDFRONT_FIELDS =
  '#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version';
const CLOUDFRONT_LINE =
  '2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(Windows%20NT%2010.0)%20caf%C3%A9%2B+\ta=1\t-\tHit\tSOX4xwn4XV6Q==\twww.example.com\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE\tHit\tHTTP/2.0';

/** Of columns after date and time, with the values of one line. */
function line(columns: string, values: string, format = W3C): unknown {
  const [, outcome] = readLines(format, [`#Fields: date time ${columns}`, `2026-03-05 10:00:01 ${values}`]);
  return outcome;
}

describe('a log of IIS', () => {
  it.each([W3C, IIS])('is read by $name', (format) => {
    expect(readLines(format, IIS_LOG)).toEqual(['directive', 'directive', 'directive', 'directive', IIS_RECORD]);
  });

  it('goes on by the newest #Fields', () => {
    const outcomes = readLines(W3C, [
      ...IIS_LOG,
      '#Fields: date time s-sitename cs-method cs-uri-stem cs-uri-query c-ip cs-version cs(User-Agent) cs-host sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken',
      '2018-01-01 10:11:12 W3SVC1 GET / - 81.2.69.143 HTTP/1.1 Mozilla/5.0+(Macintosh)+Safari/537.36 example.com 200 0 0 123 456 789',
    ]);
    expect(outcomes.at(-1)).toEqual({
      timestamp: '2018-01-01T10:11:12Z',
      path: '/',
      userAgent: 'Mozilla/5.0 (Macintosh) Safari/537.36',
      client: '81.2.69.143',
      host: 'example.com',
      method: 'GET',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 123,
      duration: 0.789,
    });
  });

  it('goes on from the state of an earlier reading', () => {
    const { state } = readLinesWithState(W3C, IIS_LOG.slice(0, -1));
    expect(readLinesWithState(W3C, IIS_LOG.slice(-1), { state })).toEqual({ outcomes: [IIS_RECORD], state });
    expect(state.length).toBeLessThan(MAX_STATE_BYTES);
  });

  it('is in UTC, whatever the zone of logs that name none', () => {
    expect(readLines(IIS, IIS_LOG, { zone: 120 }).at(-1)).toEqual(IIS_RECORD);
  });

  it('has its day from #Date where there is no column of dates, and the next day after midnight', () => {
    const head = ['#Date: 2018-12-31 23:59:00', '#Fields: time cs-uri-stem cs-username'];
    expect(readLines(IIS, [...head, '23:59:58 /a -', '00:00:02 /b -']).slice(2)).toEqual([
      { timestamp: '2018-12-31T23:59:58Z', path: '/a', userAgent: '-' },
      { timestamp: '2019-01-01T00:00:02Z', path: '/b', userAgent: '-' },
    ]);
  });
});

describe('a log of CloudFront', () => {
  it.each([W3C, CLOUDFRONT])('is read by $name', (format) => {
    expect(readLines(format, ['#Version: 1.0', CLOUDFRONT_FIELDS, CLOUDFRONT_LINE]).at(-1)).toEqual({
      timestamp: '2019-12-04T21:02:31Z',
      path: '/index.html?a=1',
      userAgent: 'Mozilla/5.0 (Windows NT 10.0) café++',
      client: '192.0.2.100',
      host: 'www.example.com',
      method: 'GET',
      protocol: 'HTTP/2.0',
      status: 200,
      bytes: 392,
      duration: 0.001,
    });
  });

  it.each([
    ['Mozilla/5.0%2520(X11)%2520curl', 'Mozilla/5.0 (X11) curl'],
    ['100%%20sure%20%E9', '100% sure %E9'],
    ['-', '-'],
  ])('has the agent %s as %s', (logged, userAgent) => {
    expect(line('x-edge-location cs-uri-stem cs(User-Agent)', `AMS1 / ${logged}`)).toEqual(
      expect.objectContaining({ userAgent }),
    );
  });

  it('may have a column of Unix times', () => {
    const outcomes = readLines(CLOUDFRONT, ['#Fields: timestamp(ms) cs-uri-stem', '1731620046814\t/a']);
    expect(outcomes[1]).toEqual(expect.objectContaining({ timestamp: '2024-11-14T21:34:06.814Z' }));
  });
});

describe('a log of other software', () => {
  it.each([
    [
      'c-ip cs-method cs-uri-stem',
      '192.0.2.1 GET /c',
      { client: '192.0.2.1', method: 'GET', path: '/c', userAgent: '-' },
    ],
    ['cs-uri time-taken', '/c?a=1 0.25', { path: '/c?a=1', duration: 0.25 }],
    ['cs-uri cs-uri-query', '/c?a=1 a=1', { path: '/c?a=1' }],
    [
      'cs-uri-stem cs(User-Agent) sc-status',
      '/c "Mozilla/5.0 (X11) +x" 200',
      { userAgent: 'Mozilla/5.0 (X11) +x', status: 200 },
    ],
    ['cs-uri-stem cs(User-Agent) sc-status', '/c\t"say ""hi"""\t-', { userAgent: 'say "hi"' }],
    ['cs-uri-stem cs(User-Agent)', '/c  Mozilla/5.0+(X11)', { userAgent: 'Mozilla/5.0 (X11)' }],
    ['cs-uri-stem cs(User-Agent)', '/c Mozilla/5.0%20(+http://a)', { userAgent: 'Mozilla/5.0 (+http://a)' }],
    ['cs-method cs-uri-stem sc-status', '- - 400', { path: '-', malformed: true, status: 400 }],
    ['CS-URI-STEM SC-STATUS', '/c 000', { path: '/c' }],
  ])('with the columns %s is read: %j', (columns, values, expected) => {
    expect(line(columns, values)).toEqual(expect.objectContaining(expected));
  });

  it('has times with a fraction, and columns that tabs separate', () => {
    const outcomes = readLines(W3C, ['#Fields:\tdate\ttime\tcs-uri-stem\tcs-host', '2026-03-05\t10:00:01.250\t/a b\t']);
    expect(outcomes[1]).toEqual({ timestamp: '2026-03-05T10:00:01.25Z', path: '/a b', userAgent: '-' });
  });
});

describe('a line of W3C that cannot be read', () => {
  it.each([
    [
      'before any #Fields',
      [CLOUDFRONT_LINE],
      'no #Fields directive before this line, so its columns are not known; put one before it',
    ],
    [
      'with fewer columns',
      ['#Fields: date time cs-uri-stem', '2026-03-05 10:00:01'],
      'not as many columns as the last #Fields directive names: expected 3',
    ],
    [
      'with more columns',
      ['#Fields: date time cs-uri-stem', '2026-03-05 10:00:01 /a b'],
      'not as many columns as the last #Fields directive names: expected 3',
    ],
    [
      'without a path',
      ['#Fields: date time c-ip', '2026-03-05 10:00:01 ::1'],
      'no cs-uri-stem among the columns of #Fields: date time c-ip',
    ],
    [
      'without a time',
      ['#Fields: cs-uri-stem c-ip', '/ ::1'],
      'no date and time among the columns of #Fields: cs-uri-stem c-ip',
    ],
    [
      'without a date',
      ['#Fields: time cs-uri-stem', '10:00:01 /'],
      'no date: neither a column of #Fields nor a #Date directive',
    ],
    [
      'with an invalid time',
      ['#Fields: date time cs-uri-stem', '2026-02-30 10:00:01 /'],
      'invalid time "2026-02-30 10:00:01"',
    ],
  ])('%s says why', (_, lines, reason) => {
    expect(readLines(W3C, lines).at(-1)).toBe(reason);
  });

  it('is each one after a #Fields directive that is too long to be kept', () => {
    const { outcomes, state } = readLinesWithState(W3C, [
      '#Fields: date time cs-uri-stem',
      `#Fields: ${'x-a '.repeat(MAX_STATE_BYTES)}`,
      '2026-03-05 10:00:01 /',
    ]);
    expect(outcomes).toEqual([
      'directive',
      'a #Fields directive of more than 4 KiB',
      'no #Fields directive before this line, so its columns are not known; put one before it',
    ]);
    expect(state).toBe('');
  });
});

describe('the scores of a whole file', () => {
  const scoreOf = (lines: readonly string[]) =>
    [W3C, IIS, CLOUDFRONT]
      .map(({ name, score }) => ({ name, sum: lines.reduce((sum, line) => sum + score(Buffer.from(line)), 0) }))
      .sort((a, b) => b.sum - a.sum)[0]?.name;
  const data = Array.from({ length: 1_000 }, () => '2018-01-01 08:09:10 192.0.2.1 GET / 200 0.123');

  it('are decided by its directives, however many lines follow them', () => {
    expect(
      scoreOf(['#Version: 1.0', '#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken', ...data]),
    ).toBe('w3c');
    expect(scoreOf([...IIS_LOG, ...data])).toBe('iis');
    expect(scoreOf(['#Version: 1.0', CLOUDFRONT_FIELDS, ...Array(1_000).fill(CLOUDFRONT_LINE)])).toBe('cloudfront');
  });
});
