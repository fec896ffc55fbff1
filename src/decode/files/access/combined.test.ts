import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DECODE_OPTIONS } from '../../../../test/support/decode-options.ts';
import { ACCESS_STREAM } from '../../../model/stream.ts';
import { createDecoders } from '../../decoders.ts';
import { runToEnd } from '../../pace.ts';
import { StoredLines } from './access-lines.ts';
import { COMBINED, COMMON } from './combined.ts';
import { readCombinedLine } from './combined-line.ts';
import { FastCombined } from './fast-combined.ts';
import { readLines } from './read-lines.case.ts';

const decode = createDecoders(ACCESS_STREAM).ndjson;
const LINE = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';

describe('reads the file of testdata/wild', () => {
  const wild = new URL('../../../../testdata/wild/', import.meta.url);
  const cases = JSON.parse(readFileSync(new URL('../combined-wild.json', wild), 'utf8')) as Record<string, unknown[]>;
  for (const [name, expected] of Object.entries(cases)) {
    it(name, () => {
      const results = readLines(readFileSync(new URL(name, wild)));
      expect(results.map((line) => (line.startsWith('{') ? JSON.parse(line) : line))).toEqual(expected);
    });
  }

  it('all files have their expectation', () => {
    expect(readdirSync(wild)).toEqual(expect.arrayContaining(Object.keys(cases)));
  });
});

/** Values that an ordinary line may have, and, less often, others. */
function usually(ordinary: string[], others: string[]): fc.Arbitrary<string> {
  const [usual, other] = [fc.constantFrom(...ordinary), fc.constantFrom(...others)];
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: other });
}

const word = usually(
  ['-', 'a', 'alice', '192.0.2.1', '2001:db8::1', 'www.example.com'],
  ['a,', '--', '-a', 'é', '[x]', '""', 'x y', 'a\\'],
);
const host = usually(
  ['', '', '', 'example.com:80 ', '192.0.2.9 '],
  ['- ', '[::1] ', '10.0.0.1, ', 'x y ', ' ', '-x ', 'fd12::1 ', '::1 ', '.1 '],
);
const time = usually(
  ['05/Mar/2026:10:00:01 +0000', '05/Mar/2026:10:00:59 -0130'],
  ['29/Feb/2025:10:00:01 +0000', '05/Mar/2026:10:00:60 +0000', '2026-03-05T10:00:01Z', '05/Mar/2026:10:00:01.5 +00'],
);
const request = usually(
  ['GET /c HTTP/1.1', 'POST /a b HTTP/2', 'PROPPATCH / HTTP/1.0'],
  [
    'GET  / HTTP/1.1',
    'GET /  HTTP/1.1',
    'GET HTTP/1.1',
    '-',
    '',
    'GET /',
    'G " 200 H',
    'get / HTTP/1.1',
    'A / HTTP/11',
  ],
);
const status = usually(['200', '404'], ['0', '-', '12', '000', '2000']);
const size = usually(['-', '0', '5', '123456789012345'], ['007', '1234567890123456', '0.5', 'x', '']);
const text = usually(
  ['', '-', 'curl/8', 'Mozilla/5.0 (X11)', '--'],
  [' ', ' a', 'a ', 'say "hi" x', 'say "', 'a\\', '\\"', 'é', '\t', '\x7f', '\0'],
);
const rest = usually(
  ['', '', '', ' "-"', ' "10.0.0.1"', ' "a" b', ' a'],
  [' -', ' "-" -', ' "-" x', ' "a', '  b', ' ', ' "-" "b"', ' a\\"', '"'],
);
const line = fc
  .tuple(host, word, usually(['-'], ['ident', '']), word, time, request, status, size, text, text, rest)
  .map(([before, client, ident, user, at, req, code, bytes, referrer, agent, more]) => {
    const head = `${before}${client} ${ident} ${user} [${at}] "${req}"`;
    return `${head} ${code} ${bytes} "${referrer}" "${agent}"${more}`;
  });
/** In some lines one byte is another one, or is gone, or has one more before it. */
const mutatedLine = fc
  .tuple(
    line,
    fc.nat(),
    usually([''], [' ', '"', '\\', '[', '-', 'x', '0', '\t', '\0', '\x80']),
    fc.constantFrom(0, 0, 0, 1),
  )
  .map(([base, seed, inserted, removed]) => {
    const at = seed % base.length;
    return base.slice(0, at) + inserted + base.slice(at + removed);
  });

describe('the fast path', () => {
  it.each(['all', 'core'] as const)('writes what the reference reader writes, fields %s', (fields) => {
    let fast = 0;
    fc.assert(
      fc.property(mutatedLine, (text) => {
        const line = Buffer.from(text, 'latin1');
        const written = new StoredLines({ fields, blockBytes: 4096 });
        if (!new FastCombined(fields).read(Buffer.concat([line, Buffer.from('\n')]), 0, line.length, written)) return;
        fast++;
        const expected = new StoredLines({ fields, blockBytes: 4096 });
        const read = readCombinedLine(line, 0);
        if ('reason' in read) throw new Error(`the fast path reads what the reference reader refuses: ${read.reason}`);
        expected.add(read);
        expect(written.take().body.toString()).toBe(expected.take().body.toString());
      }),
      { numRuns: 4000 },
    );
    expect(fast).toBeGreaterThan(400);
  });

  it.each(['fast', 'reference'])('writes lines in stored form: the service takes them as they are, %s', (way) => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (texts) => {
        const lines = new StoredLines({ fields: 'all', blockBytes: 16_384 });
        const reader = COMBINED.createReader({ zone: 0, fields: 'all', state: '' });
        for (const text of texts) {
          const record = readCombinedLine(Buffer.from(text), 0);
          if ('reason' in record) continue;
          if (way === 'fast') reader.read(Buffer.from(text), 0, Buffer.byteLength(text), lines);
          else lines.add(record);
        }
        const { body, records } = lines.take();
        if (records === 0) return;
        const { accepted, batch } = runToEnd(decode(Buffer.from(body), DECODE_OPTIONS));
        expect(accepted).toBe(records);
        const stored = Buffer.concat(batch.map((chunk) => chunk.lines))
          .toString()
          .split('\n');
        expect(stored.sort()).toEqual(body.toString().split('\n').sort());
      }),
    );
  });

  it('reads ordinary lines', () => {
    const reader = new FastCombined('all');
    const lines = new StoredLines({ fields: 'all', blockBytes: 4096 });
    for (const line of [
      LINE,
      LINE.replace('- -', '- alice'),
      `www.example.com:443 ${LINE}`,
      `www.example.com client.example.net ${LINE.slice('192.0.2.1 '.length)}`,
      LINE.replace(' "-" "curl/8"', ''),
      LINE.replace(' 5 ', ' - '),
      LINE.replace('"-"', '"https://example.com/"'),
      `${LINE} "-"`,
      `${LINE} "10.0.0.1" 0.004`,
      LINE.replace('HTTP/1.1', 'HTTP/2'),
      LINE.replace('GET /c', 'PROPPATCH /a b'),
    ])
      expect(reader.read(Buffer.from(line), 0, line.length, lines), line).toBe(true);
  });

  it('reads no byte beyond the line', () => {
    const reader = new FastCombined('all');
    const lines = new StoredLines({ fields: 'all', blockBytes: 4096 });
    for (let length = 0; length < LINE.length; length++) {
      const whole = reader.read(Buffer.from(LINE), 0, length, lines);
      const alone = reader.read(Buffer.from(LINE.slice(0, length)), 0, length, lines);
      expect(whole, LINE.slice(0, length)).toBe(alone);
    }
  });

  it('takes each minute and zone for itself', () => {
    const times = ['05/Mar/2026:10:00:59 +0000', '05/Mar/2026:10:01:00 +0000', '05/Mar/2026:10:01:00 +0530'];
    const log = [...times, ...times].map((time) => LINE.replace('05/Mar/2026:10:00:01 +0000', time)).join('\n');
    const stored = ['2026-03-05T10:00:59Z', '2026-03-05T10:01:00Z', '2026-03-05T04:31:00Z'];
    expect(readLines(log).map((line) => JSON.parse(line).timestamp)).toEqual([...stored, ...stored]);
  });
});

it('any bytes are a record or have a reason', () => {
  const part = fc.constantFrom(
    '"',
    '\\',
    '[',
    ']',
    ' ',
    '-',
    '05/Mar/2026:10:00:01',
    '] "',
    '" 200 ',
    'é',
    '\0',
    'GET /',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
      const [result = ''] = readLines(parts.join('') || ' ');
      expect(result).toMatch(/^(\{"timestamp".*\}|not a line of the combined format: .+|invalid time ".+")$/);
    }),
  );
});

describe('the score', () => {
  const scores = (text: string) => [COMBINED.score(Buffer.from(text)), COMMON.score(Buffer.from(text))];
  it.each([
    ['combined', LINE, [1, 0.5]],
    ['common', LINE.replace(' "-" "curl/8"', ''), [0.5, 1]],
    ['with something after it, which may be of another format', `${LINE} 12 "router" "url" 3ms`, [0.8, 0.5]],
    [
      'with a prefix that is taken for a client and a user',
      `Mar  5 10:00:01 web1 nginx: ${LINE.replace('192.0.2.1', 'client.example.net')}`,
      [0.4, 0.4],
    ],
    ['neither', 'junk', [0, 0]],
  ])('%s', (_, text, expected) => expect(scores(text)).toEqual(expected));
});

describe('the work is proportional to the length of a line', () => {
  const LENGTH = 4 * 1024 * 1024;
  const DEADLINE_MS = 8_000;
  const head = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /';
  it.each([
    ['quotes', '', '"'],
    ['backslashes', '', '\\'],
    ['brackets', '', '['],
    ['blanks', '', ' '],
    ['quotes and blanks in the request', head, '" '],
    ['escaped quotes in the request', head, '\\"'],
    ['backslashes in the request', head, '\\'],
    ['times', 'a', ' [05/Mar/2026:10:00:01 +0000]'],
    ['quotes in the user agent', `${head} HTTP/1.1" 200 5 "-" "`, '"'],
    ['quoted words', `${head} HTTP/1.1" 200 5 "-" `, '"a" '],
    ['dashes', `${head} HTTP/1.1" 200 5 "-" "-" `, '- '],
    ['numbers after the referrer', `${head} HTTP/1.1" 200 5 "-`, '" 1.0'],
    ['numbers', `${head} HTTP/1.1" 200 5`, ' 1'],
    ['bytes that are no UTF-8', head, '\x80'],
  ])(
    '%s',
    (_, start, repeated) => {
      const text = start + repeated.repeat((LENGTH - start.length) / repeated.length);
      const bytes = Buffer.from(text, 'latin1');
      const began = performance.now();
      readLines(bytes);
      expect(performance.now() - began).toBeLessThan(DEADLINE_MS);
    },
    DEADLINE_MS * 2,
  );
});
