import { expect, it } from 'vitest';
import { StoredLines } from './access-lines.ts';

const CORE = { timestamp: '2026-03-05T10:00:01Z', path: '/c', userAgent: 'curl/8' };
const ALL = {
  malformed: true,
  rest: '"x"',
  duration: 0.25,
  referrer: 'https://example.com/',
  bytes: 5,
  status: 200,
  protocol: 'HTTP/1.1',
  method: 'GET',
  host: 'www.example.com',
  user: 'alice',
  client: '192.0.2.1',
  ...CORE,
} as const;

it('writes the fields in stored order, under their stored names', () => {
  const lines = new StoredLines({ fields: 'all', blockBytes: 1024 });
  lines.add(ALL, [['tls', '{"version":"1.3"}']]);
  lines.add(CORE);
  const { body, records } = lines.take();
  expect(records).toBe(2);
  expect(body.toString()).toBe(
    '{"timestamp":"2026-03-05T10:00:01Z","path":"/c","userAgent":"curl/8","client":"192.0.2.1","user":"alice","host":"www.example.com",' +
      '"method":"GET","protocol":"HTTP/1.1","status":200,"bytes":5,"referrer":"https://example.com/","durationSeconds":0.25,' +
      '"rest":"\\"x\\"","malformed":true,"tls":{"version":"1.3"}}\n' +
      '{"timestamp":"2026-03-05T10:00:01Z","path":"/c","userAgent":"curl/8"}\n',
  );
});

it('writes the three fields alone where only they are wanted', () => {
  const lines = new StoredLines({ fields: 'core', blockBytes: 1024 });
  lines.add(ALL, [['tls', '1']]);
  expect(JSON.parse(lines.take().body.toString())).toEqual(CORE);
});

it('writes a dash for a blank path and user agent, and leaves out numbers that are none', () => {
  const lines = new StoredLines({ fields: 'all', blockBytes: 1024 });
  lines.add({ ...CORE, path: ' ', userAgent: '\t', duration: Number.NaN });
  expect(JSON.parse(lines.take().body.toString())).toEqual({ ...CORE, path: '-', userAgent: '-' });
});

it('begins again after a take, and leaves what was taken alone', () => {
  const lines = new StoredLines({ fields: 'all', blockBytes: 1024 });
  lines.add(CORE);
  const first = lines.take().body;
  const before = first.toString();
  lines.add({ ...CORE, path: '/other' });
  expect(first.toString()).toBe(before);
  expect(lines.take()).toMatchObject({ records: 1 });
  expect(lines.take()).toMatchObject({ body: Buffer.alloc(0), records: 0 });
});

it('refuses to grow without a limit', () => {
  const lines = new StoredLines({ fields: 'all', blockBytes: 16 });
  const path = '/'.repeat(64 * 1024);
  expect(() => {
    for (let i = 0; i < 64; i++) lines.add({ ...CORE, path });
  }).toThrow('cannot write lines: more than 4194304 bytes, 16 times those of a block');
  expect(lines.count).toBe(63);
});
