import { expect, it } from 'vitest';
import { EVENTS_STREAM } from '../../model/stream.ts';
import { openReading } from '../files/open-reading.ts';

const T = '2026-01-02T03:04:05Z';
const head = Buffer.from(`${T} [INFO] [api] a\n`);

function read(text: string, needsTime: boolean) {
  const options = { name: 'app.log', stream: EVENTS_STREAM, format: 'text', zone: 0, fields: 'all' } as const;
  return openReading(head, { ...options, needsTime, arrival: () => 0 }).convert(Buffer.from(text), 1);
}

it('a text without a time is unreadable where a time is needed, and else a record', () => {
  const text = `${T} [INFO] [api] a\nfree text of four words\n\n{"level":"INFO"}\n`;
  const { records, unreadable } = read(text, true);
  expect(records).toBe(1);
  expect(unreadable.map(({ number }) => number)).toEqual([2, 4]);
  expect(unreadable[0]?.reason).toContain('has no time at its beginning: expected "time [LEVEL] [service] message"');
  expect(read(text, false).records).toBe(2);
});

it('text of generators, JSON lines and syslog have their times', () => {
  const text = [
    `${T} [WARN] auth [req-1] [user-2] (12ms): login of user-2 is slow`,
    JSON.stringify({ timestamp: T, level: 'INFO', message: 'm', service: 's', user_id: 'u', session_token: 't' }),
    '<6>Jul  2 17:00:01 host auth[1234]: msg',
    '2026-01-02 03:04:05,123 [INFO] [api] spaced',
    '',
  ];
  const { body, unreadable } = read(text.join('\n'), true);
  expect(unreadable).toEqual([]);
  expect(body.toString().split('\n').slice(0, 2)).toEqual([
    `{"timestamp":"${T}","level":"WARN","message":"login of user-2 is slow","service":"auth","request_id":"req-1","user_id":"user-2","duration":12}`,
    text[1],
  ]);
});
