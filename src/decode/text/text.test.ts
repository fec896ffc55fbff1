import { describe, expect, test } from 'vitest';
import { readText, type TextFormat } from './read-text.ts';
import { readStructuredData } from './structured-data.ts';
import type { TextContext } from './text-record.ts';

const ARRIVAL = '2025-07-02T17:00:03.250Z';

function contextAt(arrival: string, zone: TextContext['zone'] = 'arrival'): TextContext {
  return { arrival: Date.parse(arrival), zone, service: 'raw' };
}

/** The record of a text as an object, with its kind. */
function read(text: string, format: TextFormat = 'auto', context = contextAt(ARRIVAL)): Record<string, unknown> {
  const { kind, fields } = readText(text, format, context);
  return { kind, ...Object.fromEntries([...fields].map(([name, json]) => [name, JSON.parse(json)])) };
}

const arrived = { timestamp: ARRIVAL.replace('250', '25'), timestampSource: 'arrival' };
const raw = { kind: 'raw', level: 'INFO', service: 'raw' };

describe('raw text', () => {
  test.each([
    [
      '2025-07-02T17:00:01Z [INFO] [api] hi',
      { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'api', message: 'hi' },
    ],
    [
      '2025-07-02T17:00:01+02:00 [warning]  [a b] line\n  at x [1]',
      { timestamp: '2025-07-02T17:00:01+02:00', level: 'warning', service: 'a b', message: 'line\n  at x [1]' },
    ],
    [
      '2025-13-45T17:00:01Z  [INFO] [api] hi',
      { timestamp: '2025-13-45T17:00:01Z', level: 'INFO', service: 'api', message: 'hi' },
    ],
    ['yesterday [INFO] [api] hi', { timestamp: 'yesterday', level: 'INFO', service: 'api', message: 'hi' }],
    ['17:00:01 [INFO] [api] hi', { timestamp: '17:00:01', level: 'INFO', service: 'api', message: 'hi' }],
    ['1751475601 [INFO] [api] hi', { timestamp: '1751475601', level: 'INFO', service: 'api', message: 'hi' }],
    [
      '2025-07-02T17:00:01Z [INFO] [] hi',
      { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'raw', message: 'hi' },
    ],
    ['2025-07-02T17:00:01Z', { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'raw', message: '-' }],
    [
      '2025-07-02 17:00:01,250 [WARN] [api] hi',
      { timestamp: '2025-07-02T17:00:01.250Z', level: 'WARN', service: 'api', message: 'hi' },
    ],
    [
      '2025-07-02 17:00:01 [LOUD] no level',
      { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'raw', message: '[LOUD] no level' },
    ],
    [
      '2025-07-02T17:00:01Z [LOUD] [api] hi',
      { timestamp: '2025-07-02T17:00:01Z', level: 'LOUD', service: 'api', message: 'hi' },
    ],
    [
      '2025-07-02T17:00:01Z [ERROR] no service',
      { timestamp: '2025-07-02T17:00:01Z', level: 'ERROR', service: 'raw', message: 'no service' },
    ],
    [
      '2025-07-02T17:00:01Z [LOUD] no level',
      { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'raw', message: '[LOUD] no level' },
    ],
    [
      '2025-07-02T17:00:01Z INFO api hi',
      { timestamp: '2025-07-02T17:00:01Z', level: 'INFO', service: 'raw', message: 'INFO api hi' },
    ],
    [
      '2025-07-02T17:00:01Z [INFO] auth [r-1] [u-2] (12ms): login',
      {
        timestamp: '2025-07-02T17:00:01Z',
        level: 'INFO',
        service: 'auth',
        request_id: 'r-1',
        user_id: 'u-2',
        duration: 12,
        message: 'login',
      },
    ],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual({ kind: 'raw', ...expected });
  });

  test.each([
    'journaling failed',
    'the ERROR was in the log',
    '<192>1 no priority',
    '<6 not closed',
    'Jul  2 17:00:01 is when it was',
    'a',
    '2025-13-45 17:00:01 is [no] level',
    'retry [3] [payment] failed again',
    'retry [x] [payment] failed again',
    'retry [3] payment [a] [b] (1ms): failed',
    '',
  ])('%j has no known form: nothing is cut from it', (text) => {
    expect(read(text)).toEqual({ ...raw, ...arrived, message: text === '' ? '-' : text });
  });
});

test.each([
  [120, '2025-07-02T17:00:01+02:00'],
  [-210, '2025-07-02T17:00:01-03:30'],
  ['arrival', '2025-07-02T17:00:01Z'],
] as const)('a time without a zone has that of the input: %s', (zone, timestamp) => {
  const context = contextAt(ARRIVAL, zone);
  expect(read('2025-07-02 17:00:01 [INFO] [api] hi', 'auto', context)).toMatchObject({ timestamp, service: 'api' });
  const syslog = read('<13>1 2025-07-02T17:00:01 host app - - - hi', 'auto', context);
  expect(syslog).toMatchObject({ timestamp, host: 'host', service: 'app' });
});

test('text has the defaults of its input in place of the usual level and service', () => {
  const defaults = new Map([
    ['level', 'WARN'],
    ['service', 'nginx'],
  ]);
  const context = { ...contextAt(ARRIVAL), defaults };
  expect(read('free text', 'auto', context)).toMatchObject({ level: 'WARN', service: 'nginx' });
  expect(read('<11>free text', 'auto', context)).toMatchObject({ level: '3', service: 'nginx' });
});

describe('syslog of RFC 3164', () => {
  const at = { timestamp: '2025-07-02T17:00:01Z', kind: 'syslog' };

  test.each([
    [
      '<6>Jul  2 17:00:01 host auth[1234]: msg',
      { level: '6', facility: 'kern', host: 'host', pid: '1234', service: 'auth', message: 'msg' },
    ],
    [
      '<6>Jul  2 17:00:01 host auth: msg',
      { level: '6', facility: 'kern', host: 'host', service: 'auth', message: 'msg' },
    ],
    [
      "<34>Jul 02 17:00:01 host su: 'su root' failed for lonvick on /dev/pts/8",
      {
        level: '2',
        facility: 'auth',
        host: 'host',
        service: 'su',
        message: "'su root' failed for lonvick on /dev/pts/8",
      },
    ],
    [
      '<13>Jul  2 17:00:01 root: of logger, without a host',
      { level: '5', facility: 'user', service: 'root', message: 'of logger, without a host' },
    ],
    [
      '<191>Jul  2 17:00:01 host postfix/smtpd[7]: ',
      { level: '7', facility: 'local7', host: 'host', pid: '7', service: 'postfix/smtpd', message: '-' },
    ],
    [
      '<13>Jul  2 17:00:01 host no tag here',
      { level: '5', facility: 'user', host: 'host', service: 'syslog', message: 'no tag here' },
    ],
    [
      '<13>Jul  2 2025 17:00:01: %ASA-6-302013: built',
      { level: '5', facility: 'user', service: '%ASA-6-302013', message: 'built' },
    ],
    [
      '<13>2025-07-02T19:00:01+02:00 host app[1]: ISO',
      { level: '5', facility: 'user', host: 'host', pid: '1', service: 'app', message: 'ISO' },
    ],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual({ ...at, ...expected });
  });

  test('has the time of arrival where it has none', () => {
    expect(read('<13>app[2]: msg')).toEqual({
      ...arrived,
      kind: 'syslog',
      level: '5',
      facility: 'user',
      pid: '2',
      service: 'app',
      message: 'msg',
    });
    expect(read('<13>free text')).toEqual({
      ...arrived,
      kind: 'syslog',
      level: '5',
      facility: 'user',
      service: 'syslog',
      message: 'free text',
    });
  });

  test('needs no priority where it is said to be syslog', () => {
    expect(read('Jul  2 17:00:01 host app: msg', 'syslog')).toEqual({
      ...at,
      level: 'INFO',
      host: 'host',
      service: 'app',
      message: 'msg',
    });
  });

  test.each([
    ['Dec 31 23:59:59', '2026-01-01T00:00:05Z', '2025-12-31T23:59:59Z'],
    ['Jan  1 00:00:05', '2025-12-31T23:59:59Z', '2026-01-01T00:00:05Z'],
    ['Dec 31 18:00:00', '2026-01-01T00:00:05Z', '2026-01-01T00:00:00Z'],
    ['Jan  1 09:00:00', '2025-12-31T23:59:59Z', '2026-01-01T00:00:00Z'],
    ['Dec 30 12:00:00', '2026-02-01T00:00:00Z', '2025-12-30T12:00:00Z'],
    ['Feb 29 10:00:00', '2028-02-29T10:00:02Z', '2028-02-29T10:00:00Z'],
    ['Feb 29 23:59:59', '2028-03-01T00:00:02Z', '2028-02-29T23:59:59Z'],
    ['Mar  1 01:00:00', '2028-02-29T23:00:02Z', '2028-02-29T23:00:00Z'],
    ['Feb 29 22:00:00', '2028-03-01T06:00:02Z', '2028-03-01T06:00:00Z'],
    ['Feb 29 10:00:00', '2025-03-01T00:00:00Z', '2024-02-29T10:00:00Z'],
    ['Feb 29 10:00:00', '2027-03-01T00:00:00Z', '2028-02-29T10:00:00Z'],
    ['Jul  2 19:00:01', '2025-07-02T17:00:03Z', '2025-07-02T17:00:01Z'],
    ['Jul  2 22:30:01', '2025-07-02T17:00:03Z', '2025-07-02T17:00:01Z'],
    ['Jan  1 01:00:00', '2025-12-31T23:00:01Z', '2025-12-31T23:00:00Z'],
    ['Jul  2 19:05:01', '2025-07-02T17:00:03Z', '2025-07-02T19:05:01Z'],
    ['Jul  2 02:00:00', '2025-07-02T17:00:03Z', '2025-07-02T02:00:00Z'],
    // A delayed message of a sender in UTC is not moved, unless the delay is whole hours to within a minute.
    ['Jul  2 16:45:00', '2025-07-02T17:00:03Z', '2025-07-02T16:45:00Z'],
    ['Jul  2 16:30:00', '2025-07-02T17:00:03Z', '2025-07-02T16:30:00Z'],
    ['Jul  2 15:15:00', '2025-07-02T17:00:03Z', '2025-07-02T15:15:00Z'],
    ['Jul  2 11:58:00', '2025-07-02T17:00:03Z', '2025-07-02T11:58:00Z'],
    ['Jul  2 12:00:00', '2025-07-02T17:00:03Z', '2025-07-02T17:00:00Z'],
    // On time in zones of half and quarter hours.
    ['Jul  2 13:30:00', '2025-07-02T17:00:03Z', '2025-07-02T17:00:00Z'],
    ['Jul  2 22:45:00', '2025-07-02T17:00:03Z', '2025-07-02T17:00:00Z'],
    // At most a minute late and five seconds early.
    ['Jul  2 18:59:03', '2025-07-02T17:00:03Z', '2025-07-02T16:59:03Z'],
    ['Jul  2 18:59:02', '2025-07-02T17:00:03Z', '2025-07-02T18:59:02Z'],
    ['Jul  2 19:00:08', '2025-07-02T17:00:03Z', '2025-07-02T17:00:08Z'],
    ['Jul  2 19:00:09', '2025-07-02T17:00:03Z', '2025-07-02T19:00:09Z'],
    ['Jul  2 17:00:01.123456', '2025-07-02T17:00:03Z', '2025-07-02T17:00:01.123456Z'],
  ])('%s that arrives at %s is %s', (time, arrival, expected) => {
    expect(read(`<6>${time} host a: b`, 'auto', contextAt(arrival))).toMatchObject({ timestamp: expected });
  });

  test('has the zone of its input where that has one', () => {
    const text = '<6>Jul  2 17:00:01 host a: b';
    expect(read(text, 'auto', contextAt(ARRIVAL, 120))).toMatchObject({ timestamp: '2025-07-02T15:00:01Z' });
    expect(read(text, 'auto', contextAt(ARRIVAL, -330))).toMatchObject({ timestamp: '2025-07-02T22:30:01Z' });
  });

  test.each(['Feb 30 10:00:00', 'Jul  2 24:00:00', 'Jul  2 17:60:00', 'Foo  2 17:00:00'])('%s is no time', (time) => {
    expect(read(`<6>${time} host a: b`)).toMatchObject({ ...arrived, kind: 'syslog' });
  });
});

describe('syslog of RFC 5424', () => {
  const at = { kind: 'syslog', level: '5', facility: 'local4', timestamp: '2003-10-11T22:14:15.003Z' };

  test('with everything', () => {
    const text =
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 12 ID47 [exampleSDID@32473 iut="3" eventID="10\\"1\\]\\\\"][a b="1" b="2"] \ufeffAn application event';
    expect(read(text)).toEqual({
      ...at,
      host: 'mymachine.example.com',
      service: 'evntslog',
      pid: '12',
      messageId: 'ID47',
      structuredData: { 'exampleSDID@32473': { iut: '3', eventID: '10"1]\\' }, a: { b: ['1', '2'] } },
      message: 'An application event',
    });
  });

  test('with nothing', () => {
    expect(read('<165>1 - - - - - -')).toEqual({
      kind: 'syslog',
      level: '5',
      facility: 'local4',
      ...arrived,
      service: 'syslog',
      message: '-',
    });
  });

  test('several lines are one message', () => {
    expect(read('<165>1 2003-10-11T22:14:15.003Z h app - - - one\n two\n')).toEqual({
      ...at,
      host: 'h',
      service: 'app',
      message: 'one\n two\n',
    });
  });

  test('broken structured data are part of the message', () => {
    expect(read('<165>1 2003-10-11T22:14:15.003Z h app - - [a b=1] x')).toMatchObject({
      kind: 'syslog',
      message: expect.stringContaining('[a b=1] x'),
    });
  });
});

test.each([
  ['a value of 16 MiB without its quote', `[a b="${'x'.repeat(16 * 1024 * 1024)}`],
  ['a value of more than 64 KiB', `[a b="${'x'.repeat(65_536)}"]`],
  ['more than 1,000 parameters', `[a${' b="c"'.repeat(1_001)}]`],
  ['more than 1,000 elements', '[a]'.repeat(1_001)],
])('%s is no structured data', (_, data) => {
  expect(readStructuredData(data, 0)).toBeUndefined();
});

test('1,000 parameters less one, of its element, are structured data', () => {
  expect(readStructuredData(`[a${' b="c"'.repeat(999)}]`, 0)?.end).toBe(3 + 999 * 6);
});
