import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../test/support/decode-options.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import type { DecodeOptions, TextOptions } from '../decode.ts';
import { createDecoders } from '../decoders.ts';
import { runToEnd } from '../pace.ts';

const ARRIVAL = Date.UTC(2025, 6, 2, 17, 0, 5);
const decoders = createDecoders(EVENTS_STREAM);

function decode(body: string | Buffer, text: Partial<TextOptions> = {}, more: Partial<DecodeOptions> = {}) {
  const decoded = runToEnd(
    decoders.text(Buffer.from(body), {
      ...DECODE_OPTIONS,
      invalid: 'skip',
      isBlock: true,
      text: { format: 'auto', zone: 'arrival', service: 'app', arrival: ARRIVAL, ...text },
      ...more,
    }),
  );
  return {
    ...decoded,
    lines: decoded.batch.flatMap(({ lines }) => lines.toString().split('\n').slice(0, -1)),
    reasons: decoded.rejections.map(({ reason }) => reason),
  };
}

const EVENT = '{"timestamp":"2025-07-02T17:00:00Z","level":"INFO","message":"ready","service":"api"}';

describe('lines of text', () => {
  it('are recognised one by one', () => {
    const { lines, reasons, kinds } = decode(
      [
        EVENT,
        '2025-07-02T17:00:01Z [WARN] [db] slow query',
        '<6>Jul  2 17:00:01 host auth[1234]: login',
        '{"__REALTIME_TIMESTAMP":"1751475602000000","MESSAGE":"started","PRIORITY":"5","_SYSTEMD_UNIT":"a.service"}',
        'journaling failed',
      ].join('\n'),
    );
    expect(reasons).toEqual([]);
    expect(lines.map((line) => (JSON.parse(line) as { service: string }).service)).toEqual([
      'api',
      'db',
      'auth',
      'a.service',
      'app',
    ]);
    expect([...(kinds ?? [])].map(([kind, { records }]) => [kind, records])).toEqual([
      ['json', 1],
      ['raw', 2],
      ['syslog', 1],
      ['journald', 1],
    ]);
    expect(kinds?.get('raw')?.sample).toBe(lines[4]);
  });

  it('are cut at newlines and trimmed; blank ones are skipped', () => {
    const { lines, reasons } = decode(`\ufeff${EVENT}\r\n\n \t\r\n  ${EVENT} \0\0\n\0\n`);
    expect(lines).toEqual([EVENT, EVENT]);
    expect(reasons).toEqual([]);
  });

  it('that begin as JSON are never taken for text', () => {
    const { lines, rejections } = decode(`{"timestamp":"2025-07-02T17:00:00Z" [INFO] [a] b\n{"level":"INFO"}\n`);
    expect(lines).toEqual([]);
    expect(rejections).toMatchObject([
      {
        reason: 'not JSON: column 37: expected "," or "}", found "["',
        raw: '{"timestamp":"2025-07-02T17:00:00Z" [INFO] [a] b',
      },
      { reason: 'missing timestamp', raw: '{"level":"INFO"}' },
    ]);
  });

  it('cost only themselves where they are not UTF-8', () => {
    const bad = Buffer.from(`${EVENT}\n${EVENT.replace('ready', '\xff')}\nraw \xe9\n${EVENT}\n`, 'latin1');
    const { lines, rejections } = decode(bad);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain('"message":"raw \\\\xe9"');
    expect(rejections).toMatchObject([
      { reason: 'not UTF-8: invalid byte 0xff at offset 62', raw: expect.stringMatching(/^base64:/) as string },
    ]);
  });

  it('of a block without records are no fault', () => {
    expect(decode('\n \n')).toMatchObject({ batch: [], accepted: 0, rejected: 0 });
  });
});

describe('a format that is given', () => {
  it('journald takes entries alone', () => {
    const { lines, reasons } = decode(`{"MESSAGE":"a"}\n${EVENT}\nplain\n{"MESSAGE"`, { format: 'journald' });
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ message: 'a', service: 'journald' }]);
    expect(reasons).toEqual([
      'is not an entry of the journal: it has no MESSAGE',
      'is not an entry of the journal: not a JSON object',
      expect.stringMatching(/^not JSON: /),
    ]);
  });

  it('raw takes everything as it stands there', () => {
    const { lines, reasons } = decode(`${EVENT}\n<6>Jul  2 17:00:01 h a: b\n`, { format: 'raw' });
    expect(reasons).toEqual([]);
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
      EVENT,
      '<6>Jul  2 17:00:01 h a: b',
    ]);
  });
});

it('lines that only the slow readers can judge give other work its turn', () => {
  const line = '2025-07-02T17:00:01Z [LOUD] [db] what\n';
  const steps = decoders.text(Buffer.from(line.repeat(5_000)), {
    ...DECODE_OPTIONS,
    invalid: 'skip',
    isBlock: true,
    text: { format: 'auto', zone: 0, service: 'app', arrival: ARRIVAL },
  });
  let turns = 0;
  while (steps.next().done !== true) turns++;
  expect(turns).toBeGreaterThanOrEqual(2);
});

describe('a text that is longer than a record', () => {
  const options = { maxRecordBytes: 2_048 };

  it('is rejected, and its letter has the beginning', () => {
    const { reasons, rejections } = decode(`${'x'.repeat(2_049)}\n`, {}, options);
    expect(reasons).toEqual(['exceeds 2048 bytes: a text of 2049, of which the first 1024 are kept']);
    expect(rejections[0]?.raw).toBe('x'.repeat(1_024));
  });

  it('is judged as it is stored where it is JSON', () => {
    const { lines } = decode(`${EVENT.replace(',', `,${' '.repeat(10_000)}`)}\n`, {}, options);
    expect(lines).toEqual([EVENT]);
  });
});

describe('an entry of the journal', () => {
  const entry = '"__REALTIME_TIMESTAMP":"1751475600000000","MESSAGE":"disk failed","_SYSTEMD_UNIT":"a"';

  it('keeps its own parts, and the fields that have their names', () => {
    const { lines } = decode(
      `{${entry},"PRIORITY":"3","message":"other","level":"DEBUG","journal_level":1,"service":2}\n`,
    );
    expect(lines).toEqual([
      '{"timestamp":"2025-07-02T17:00:00Z","level":"ERROR","message":"disk failed","service":"a","journal_message":"other","journal_journal_level":"DEBUG","journal_level":1,"journal_service":2}',
    ]);
  });

  it('may have the facility in its priority', () => {
    expect(decode(`{${entry},"PRIORITY":"11"}\n`).lines[0]).toContain('"level":"ERROR"');
  });

  it.each([
    ['[104,105]', 'hi'],
    ['[255,0]', '\\xff\0'],
    ['[]', '-'],
    ['[256]', '256'],
    ['[[104,105],[106]]', 'j'],
  ])('has the message %s', (value, message) => {
    const { lines } = decode(`{${entry.replace('"disk failed"', value)}}\n`);
    expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ message });
  });
});

it.each([
  `{"__REALTIME_TIMESTAMP":"1751475600000000","MESSAGE":"x","_SYSTEMD_UNIT":"u","\\u0061b":1}\n`,
  `${EVENT.slice(0, -1)},"\\u0061b":1}\n`,
])('the names of extra fields are stored as they came: %s', (text) => {
  const mapping = { rename: new Map([['host', 'machine']]), defaults: new Map(), timestamps: 'rfc3339' } as const;
  expect(decode(text).lines[0]).toContain(',"\\u0061b":1');
  expect(decode(text, {}, { mapping }).lines[0]).toContain(',"\\u0061b":1');
});

it('an entry whose names have escapes is one', () => {
  const { lines } = decode('{"\\u005f_REALTIME_TIMESTAMP":"1751475600000000","\\u004dESSAGE":"x"}\n');
  expect(lines[0]).toContain('"message":"x","service":"journald"');
});
