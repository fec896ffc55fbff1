import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readFile, readInBlocks } from './open-reading.case.ts';

const AT = '2026-03-05T10:00:01Z';
const LINE = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';
const RECORD = `{"timestamp":"${AT}","path":"/j","userAgent":"a"}`;

function docker(log: string, stream: string) {
  return JSON.stringify({ log, stream, time: '2026-03-05T10:00:01.123456789Z' });
}

/** Lines of many formats, some of which mean nothing without those before them. */
const LINES = [
  LINE,
  LINE.replace('/c', '/d'),
  '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /common HTTP/1.1" 200 5',
  `nginx-1  | ${LINE}`,
  `Mar  8 10:00:01 web1 nginx: ${LINE}`,
  RECORD,
  '{"a":1}',
  '{"a":',
  '#Fields: date time cs-method cs-uri-stem c-ip cs(User-Agent) sc-status',
  '#Fields: date time cs-uri-stem cs(User-Agent)',
  '2026-03-05 10:00:01 GET /w3c 192.0.2.1 curl/8 200',
  '2026-03-05 10:00:01 /w3c-short curl/8',
  `time:${AT}\thost:192.0.2.1\tmethod:GET\turi:/ltsv\tstatus:200\tua:curl/8`,
  '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /traefik HTTP/1.1" 200 5 "-" "a" 17 "w@d" "http://10.0.0.2:80" 12ms',
  docker(`${LINE}\n`, 'stdout'),
  docker(LINE.slice(0, 33), 'stdout'),
  docker(`${LINE.slice(33)}\n`, 'stdout'),
  docker(LINE.slice(0, 50), 'stderr'),
  docker(`${LINE.slice(50)}\n`, 'stderr'),
  `2026-03-05T10:00:01.1Z stdout P ${LINE.slice(0, 40)}`,
  `2026-03-05T10:00:01.1Z stdout F ${LINE.slice(40)}`,
  '[Fri Oct 08 17:08:41 2021] [error] [client 192.0.2.1] File does not exist',
  'rubbish',
  '',
  '\0\0\0',
];

const lines = fc.array(fc.constantFrom(...LINES), { minLength: 1, maxLength: 20 });
const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });

it('gives the same records and reasons in whatever blocks the lines come', () => {
  fc.assert(
    fc.property(lines, sizes, fc.constantFrom('\n', '\r\n'), fc.boolean(), (some, blocks, end, isEnded) => {
      const content = Buffer.from(some.join(end) + (isEnded ? end : ''));
      expect(readInBlocks(content, blocks)).toEqual(readFile(content));
    }),
    { numRuns: 100 },
  );
});

it('gives the same elements in whatever blocks they come', () => {
  const elements = fc.array(
    fc.constantFrom(RECORD, '{"a":1}', '5', `\n ${RECORD.replaceAll(',', ',\n')} `, '{"a":[1,"]"]}'),
  );
  fc.assert(
    fc.property(elements, sizes, (some, blocks) => {
      const content = Buffer.from(`[${some.join(',')}]\n`);
      const options = { format: 'json' } as const;
      expect(readInBlocks(content, blocks, options)).toEqual(readFile(content, options));
    }),
    { numRuns: 100 },
  );
});
