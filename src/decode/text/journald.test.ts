import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';
import { isJournalEntry, readJournalEntry } from './journald.ts';

const ARRIVAL = '2025-07-02T17:00:03.250Z';
const CONTEXT = { arrival: Date.parse(ARRIVAL), zone: 'arrival', service: 'raw' } as const;
const arrived = { timestamp: ARRIVAL.replace('250', '25'), timestampSource: 'arrival' };

describe('an entry of the journal', () => {
  const readEntry = (fields: Record<string, unknown>) => {
    const tokens = new Map(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));
    expect(isJournalEntry(tokens)).toBe(true);
    const record = readJournalEntry(tokens, CONTEXT);
    return {
      kind: record.kind,
      ...Object.fromEntries([...record.fields].map(([name, json]) => [name, JSON.parse(json)])),
    };
  };
  const entry = {
    __REALTIME_TIMESTAMP: '1751475601000123',
    PRIORITY: '6',
    _SYSTEMD_UNIT: 'auth.service',
    MESSAGE: 'Cache miss',
    _HOSTNAME: 'host',
  };
  const expected = {
    kind: 'journald',
    timestamp: '2025-07-02T17:00:01.000123Z',
    level: '6',
    service: 'auth.service',
    message: 'Cache miss',
    _HOSTNAME: 'host',
  };

  test('has texts, or numbers', () => {
    expect(readEntry(entry)).toEqual(expected);
    expect(readEntry({ ...entry, __REALTIME_TIMESTAMP: 1751475601000123, PRIORITY: 6 })).toEqual(expected);
  });

  test('has bytes for what is not UTF-8, and lists of what it has several times', () => {
    expect(readEntry({ ...entry, MESSAGE: [67, 97, 0xff, 104] })).toMatchObject({ message: 'Ca\\xffh' });
    expect(readEntry({ ...entry, MESSAGE: [...Buffer.from('Straße')] })).toMatchObject({ message: 'Straße' });
    expect(readEntry({ ...entry, _SYSTEMD_UNIT: ['a.service', 'b.service'] })).toMatchObject({ service: 'b.service' });
    expect(readEntry({ ...entry, MESSAGE: ['a', [67, 0xff]] })).toMatchObject({ message: 'C\\xff' });
    expect(readEntry({ ...entry, MESSAGE: [[67], 'b', null] })).toMatchObject({ message: '-' });
    expect(readEntry({ ...entry, MESSAGE: [] })).toMatchObject({ message: '-' });
  });

  test('keeps further fields with their tokens', () => {
    const more = { CODE_LINE: '12', COREDUMP: [1, 2], GONE: null };
    expect(readEntry({ ...entry, ...more })).toEqual({ ...expected, ...more });
  });

  test('may lack its parts', () => {
    expect(readEntry({ __REALTIME_TIMESTAMP: '1751475601000000', SYSLOG_IDENTIFIER: 'sudo', MESSAGE: null })).toEqual({
      kind: 'journald',
      timestamp: '2025-07-02T17:00:01Z',
      level: 'INFO',
      service: 'sudo',
      message: '-',
    });
    expect(readEntry({ MESSAGE: 'm', PRIORITY: '3' })).toEqual({
      ...arrived,
      kind: 'journald',
      level: '3',
      service: 'journald',
      message: 'm',
    });
  });

  test('is not any JSON', () => {
    expect(isJournalEntry(new Map([['MESSAGE', '"m"']]))).toBe(false);
    expect(
      isJournalEntry(
        new Map([
          ['message', '"m"'],
          ['level', '"INFO"'],
        ]),
      ),
    ).toBe(false);
  });
});

test('the output of journalctl is read as it is', () => {
  const file = readFileSync(new URL('../../../testdata/journald/entries.json', import.meta.url));
  const text = { format: 'auto', zone: 'arrival', service: 'raw', arrival: CONTEXT.arrival } as const;
  const decoded = runToEnd(createDecoders(EVENTS_STREAM).text(file, { ...DECODE_OPTIONS, isBlock: true, text }));
  const lines = decoded.batch.flatMap((chunk) => chunk.lines.toString().trimEnd().split('\n'));
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect([decoded.rejections, [...(decoded.kinds?.keys() ?? [])]]).toEqual([[], ['journald']]);
  expect(records.map(({ timestamp, level, service, message }) => [timestamp, level, service, message])).toEqual([
    ['2026-11-28T04:20:56.908998Z', 'WARN', 'web', 'first line of a service'],
    ['2026-11-28T04:20:56.919783Z', 'INFO', 'sensor', 'a reading of 20 \\xb0C'],
    ['2026-11-28T04:20:56.92259Z', 'INFO', 'api', 'started'],
    ['2026-11-28T04:21:11.990243Z', 'ERROR', 'backup', 'the disk is full'],
    ['2026-11-28T04:21:11.993721Z', 'ERROR', 'api', 'two lines'],
    ['2026-11-28T04:21:12.001738Z', 'NOTICE', 'color', '\u001b[31mred\u001b[0m and "quoted" \\ back'],
    ['2026-11-28T04:21:12.194915Z', 'WARN', 'java', 'first line\n  at second (line)'],
    // More than 4,096 bytes, which journalctl leaves out without --all.
    ['2026-11-28T04:21:12.195318Z', 'INFO', 'long', '-'],
    ['2026-11-28T04:21:12.195548Z', 'INFO', 'none', '-'],
  ]);
  expect(records[4]).toMatchObject({ TAG: ['one', 'two'], MESSAGE_ID: '8d45620c1a4348dbb17410da57c60c66' });
  expect(records[7]).toMatchObject({ _HOSTNAME: 'web-1', _TRANSPORT: 'journal' });
});
