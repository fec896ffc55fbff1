import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AccessCollector } from './access-collector.case.ts';
import { MAX_STATE_BYTES } from './file-reading.ts';
import { lineFormats } from './line-formats.ts';
import { LineReading } from './line-reading.ts';
import { ACCESS } from './open-reading.case.ts';
import { openReading } from './open-reading.ts';

it.each([1_000, 3_000, 60_000])('has a state of at most 64 KiB, with #Fields of %i bytes', (length) => {
  const reading = openReading(Buffer.from(''), ACCESS);
  const fields = `date time cs-uri-stem ${'"\u0001x '.repeat(length / 4)}`;
  const lines = ['#Software: Microsoft', '#Software: x', '#Fields: x-edge-location'].map(
    (directive) => `${directive}\n#Fields: ${fields}\n`,
  );
  for (let i = 0; i < 16; i++) {
    const stream = String.fromCharCode(1).repeat(30) + i;
    lines.push(`${JSON.stringify({ log: 'x'.repeat(9_000), stream, logtag: 'P', time: 't' })}\n`);
  }
  reading.convert(Buffer.from(lines.join('')), 1);
  const { state } = reading;
  expect(Buffer.byteLength(state)).toBeLessThanOrEqual(MAX_STATE_BYTES);
  expect(state.length).toBeGreaterThan(30_000);
});

const COMMON = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /d HTTP/1.1" 200 5';
const CADDY = {
  level: 'info',
  ts: 1_772_704_801.5,
  msg: COMMON,
  request: { remote_ip: '192.0.2.1', method: 'GET', uri: '/c', headers: { 'User-Agent': ['curl/8'] } },
  status: 200,
};
const LINES = [
  CADDY,
  { ...CADDY, msg: 'handled request', common_log: COMMON },
  { StartUTC: '2026-03-05T10:00:01.5Z', RequestPath: '/c', msg: COMMON, level: 'info' },
  { time: 1_772_704_801_500, req: { method: 'GET', url: '/c' }, res: { statusCode: 200 }, msg: COMMON },
  { time: '2026-03-05T10:00:01Z', 'http.request.uri': '/c', line: COMMON },
  { log: JSON.stringify(CADDY), stream: 'stdout', time: '2026-03-05T10:00:01Z' },
  { log: COMMON },
].map((line) => JSON.stringify(line));

/** One of these, perhaps with a few characters replaced, left out or put in. */
const line = fc
  .tuple(
    fc.constantFrom(...LINES),
    fc.array(fc.tuple(fc.nat(200), fc.nat(3), fc.constantFrom('', '"', ',', '{', '}', 'x', '1', '"log":', 'é')), {
      maxLength: 2,
    }),
  )
  .map(([text, changes]) =>
    changes.reduce((changed, [at, length, put]) => changed.slice(0, at) + put + changed.slice(at + length), text),
  );

function openJson(): LineReading {
  const [format] = lineFormats(undefined);
  if (format === undefined) throw new Error('no format');
  return new LineReading({ format, others: [], zone: 0, fields: 'all', hasMap: false }, '');
}

function readOne(reading: LineReading, text: string): unknown {
  const out = new AccessCollector();
  const bytes = Buffer.from(text);
  return [reading.read(bytes, 0, bytes.length, out), out.lines.map((stored) => JSON.parse(stored))];
}

it('reads a line of JSON alike, whatever shape the lines before it had', () => {
  const reading = openJson();
  let records = 0;
  fc.assert(
    fc.property(line, (text) => {
      const expected = readOne(openJson(), text);
      const read = readOne(reading, text);
      expect(read).toEqual(expected);
      if (Array.isArray(read) && read[0] === 'record') records++;
    }),
    { numRuns: 2_000 },
  );
  expect(records).toBeGreaterThan(500);
});
