import { describe, expect, test } from 'vitest';
import { DECODE_OPTIONS } from '../../test/support/decode-options.ts';
import { EVENTS_STREAM, type Stream } from '../model/stream.ts';
import type { Decoded, DecodeOptions, TextFormat } from './decode.ts';
import { createDecoders } from './decoders.ts';
import { runToEnd } from './pace.ts';

const EVENT = { timestamp: '2025-11-22T15:23:00Z', level: 'INFO', message: 'ready', service: 'api' };
const LINE = `${JSON.stringify(EVENT)}\n`;

const orders: Stream = { name: 'orders', required: ['shop', 'größe "x"'], countBy: ['shop', 'total'] };

function decode(stream: Stream, format: TextFormat, body: string, options: Partial<DecodeOptions> = {}): Decoded {
  return runToEnd(createDecoders(stream)[format](Buffer.from(body), { ...DECODE_OPTIONS, ...options }));
}

const linesOf = ({ batch }: Decoded): string => batch.map(({ lines }) => lines.toString()).join('');
const reasonsOf = ({ rejections }: Decoded): string[] => rejections.map(({ reason }) => reason);

describe('events', () => {
  const bodies = {
    json: (events: readonly object[]) => JSON.stringify(events),
    ndjson: (events: readonly object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join(''),
    csv: (events: readonly object[]) =>
      [['service', 'timestamp', 'message', 'level'], ...events.map(csvRow)]
        .map((row) => `${row.join(',')}\r\n`)
        .join(''),
  } satisfies Record<TextFormat, (events: readonly object[]) => string>;
  const csvRow = (event: object) => {
    const { service = '', timestamp = '', message = '', level = '' } = event as Partial<typeof EVENT>;
    return [service, timestamp, message, level];
  };

  test.each(['json', 'ndjson', 'csv'] as const)('%s: become lines of their stream', (format) => {
    const { service, message, ...rest } = EVENT;
    const decoded = decode(EVENTS_STREAM, format, bodies[format]([EVENT, { service, message, ...rest }]));
    expect(decoded.batch.map(({ stream, count }) => [stream, count])).toEqual([['events', 2]]);
    expect(linesOf(decoded)).toBe(LINE.repeat(2));
  });

  test.each(['json', 'ndjson', 'csv'] as const)('%s: have their level normalised', (format) => {
    const given = ['warning', 'Err', ' fatal ', 'panic', '6', 'trace'];
    const decoded = decode(EVENTS_STREAM, format, bodies[format](given.map((level) => ({ ...EVENT, level }))));
    const levels = linesOf(decoded)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).level);
    expect(levels).toEqual(['WARN', 'ERROR', 'CRIT', 'EMERG', 'INFO', 'TRACE']);
  });

  test('may have a number of syslog as their level, or a severity number of OpenTelemetry without a level', () => {
    const { level: _, ...bare } = EVENT;
    const long = 'x'.repeat(100_000);
    const events = [
      { ...EVENT, level: 3 },
      { ...bare, severityNumber: 13 },
      { ...bare, message: long, severityNumber: 21 },
      { ...EVENT, severityNumber: 21 },
      { ...EVENT, level: 3, message: long.repeat(2) },
      { ...EVENT, level: 3, message: `\u0001${long}` },
    ];
    const lines = linesOf(decode(EVENTS_STREAM, 'json', JSON.stringify(events)))
      .trim()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['ERROR', 'WARN', 'CRIT', 'INFO', 'ERROR', 'ERROR']);
    expect(lines[1]).toBe(JSON.stringify({ ...EVENT, level: 'WARN', severityNumber: 13 }));
  });

  test('are refused with the fields in stored order', () => {
    const { level, message, service, ...bare } = EVENT;
    const faults = [
      { ...bare, message, service },
      { ...bare, level: 'loud', message, service },
      { ...bare, level: 9, message, service },
      { ...bare, level: true, message, service },
      { ...bare, level, service },
      { ...bare, level, message: ' ', service },
      { ...bare, level, message },
      { level, message, service },
      { ...EVENT, timestamp: 'yesterday' },
      { ...bare, severityNumber: 25, message, service },
    ];
    expect(reasonsOf(decode(EVENTS_STREAM, 'json', JSON.stringify(faults)))).toEqual([
      'record 0 missing level',
      'record 1 invalid level: "loud"',
      'record 2 invalid level: 9',
      'record 3 level must be a string',
      'record 4 missing message',
      'record 5 blank message',
      'record 6 missing service',
      'record 7 missing timestamp',
      'record 8 invalid timestamp format: "yesterday"',
      'record 9 missing level',
    ]);
  });
});

describe('a stream of a team', () => {
  test('has its required fields in order, whatever their names, and then the others', () => {
    const body = `[{"total":1.50,"größe \\"x\\"":" L ","shop":"a","timestamp":"2025-11-22T15:23:00+01:00"}]`;
    const decoded = decode(orders, 'json', body);
    expect(decoded.batch[0]?.stream).toBe('orders');
    expect(linesOf(decoded)).toBe(`{"timestamp":"2025-11-22T14:23:00Z","shop":"a","größe \\"x\\"":"L","total":1.50}\n`);
  });

  test('has its names read right, whatever names were read before', () => {
    const fields = ['"', '\n', '\\', 'a\nb', 'a\\n'];
    for (const before of fields) {
      for (const field of fields) {
        const stream: Stream = { name: 'odd', required: [field], countBy: [] };
        // The escape in the value makes the reference reader judge.
        const bodyOf = (name: string) => `{"timestamp":"2025-11-22T15:23:00Z",${JSON.stringify(name)}:"\\u0041"}\n`;
        for (let times = 0; times < 3; times++) decode(stream, 'ndjson', bodyOf(before), { invalid: 'reject' });
        expect(linesOf(decode(stream, 'ndjson', bodyOf(field)))).toBe(bodyOf(field).replace('\\u0041', 'A'));
      }
    }
  });

  test('may require nothing but the timestamp', () => {
    const bare: Stream = { name: 'bare', required: [], countBy: [] };
    const body = '{"timestamp":"2025-11-22T15:23:00Z"}\n{"a":1,"timestamp":"2025-11-22T15:23:00Z"}\n';
    expect(linesOf(decode(bare, 'ndjson', body))).toBe(
      '{"timestamp":"2025-11-22T15:23:00Z"}\n{"timestamp":"2025-11-22T15:23:00Z","a":1}\n',
    );
  });
});
