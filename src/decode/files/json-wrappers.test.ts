import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unwrapJson } from './json-wrappers.ts';

/** As much as Docker cuts a line at. */
const PART = 'a'.repeat(16 * 1024);
const DASH = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "-" 408 0 "-" "-"';
const COMMON = '192.0.2.1 - - [05/Mar/2026:10:00:01 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8"';

function unwrap(line: unknown): unknown {
  const unwrapped = unwrapJson(Buffer.from(typeof line === 'string' ? line : JSON.stringify(line)));
  return unwrapped === undefined ? undefined : { ...unwrapped, text: unwrapped.text.toString('latin1') };
}

describe('a line of JSON around another line', () => {
  it('is what Docker writes', () => {
    const file = join(import.meta.dirname, '../../../testdata/wild/docker-json-file.log');
    expect(unwrap(readFileSync(file, 'utf8').trimEnd())).toEqual({ text: COMMON, part: false, stream: 'stdout' });
  });

  it.each([
    [
      { log: 'a\n', stream: 'stderr', time: 't' },
      { text: 'a', part: false, stream: 'stderr' },
    ],
    [
      { log: 'a\r\n', stream: 'stdout', time: 't' },
      { text: 'a', part: false, stream: 'stdout' },
    ],
    [
      { log: 'a', stream: 'stdout', time: 't' },
      { text: 'a', part: false, stream: 'stdout' },
    ],
    [
      { log: PART, stream: 'stdout', time: 't' },
      { text: PART, part: true, stream: 'stdout' },
    ],
    [
      { log: PART, stream: 'stdout', time: 't', attrs: { tag: 'x' } },
      { text: PART, part: true, stream: 'stdout' },
    ],
    [
      { log: `${PART}\n`, stream: 'stdout', time: 't' },
      { text: PART, part: false, stream: 'stdout' },
    ],
    [
      { message: DASH, '@timestamp': 't', path: '/var/log/nginx/access.log', host: 'web1' },
      { text: DASH, part: false, stream: '' },
    ],
    [
      { log: '\n', stream: 'stdout', time: 't' },
      { text: '', part: false, stream: 'stdout' },
    ],
    [
      { log: 'a', stream: 'stdout', time: 't', kubernetes: {} },
      { text: 'a', part: false, stream: 'stdout' },
    ],
    [
      { log: 'a', stream: 'stdout', logtag: 'F', time: 't' },
      { text: 'a', part: false, stream: 'stdout' },
    ],
    [
      { log: 'a', stream: 'stdout', logtag: 'P', time: 't' },
      { text: 'a', part: true, stream: 'stdout' },
    ],
    [
      { log: 'a', stream: 'stdout', _p: 'P', time: 't' },
      { text: 'a', part: true, stream: 'stdout' },
    ],
    [
      { MESSAGE: 'a', CONTAINER_PARTIAL_MESSAGE: 'true' },
      { text: 'a', part: true, stream: '' },
    ],
    [
      { log: 'a', source: 'stdout', partial_message: 'true', partial_last: 'true' },
      { text: 'a', part: false, stream: '' },
    ],
    [
      { event: { original: COMMON }, message: 'started' },
      { text: COMMON, part: false, stream: '' },
    ],
    [{ log: 'a' }, { text: 'a', part: false, stream: '' }],
    [
      { message: COMMON, '@timestamp': 't', path: '/var/log/nginx/access.log' },
      { text: COMMON, part: false, stream: '' },
    ],
    [
      { message: '{"a":1}', time: 1, path: '/var/log/a' },
      { text: '{"a":1}', part: false, stream: '' },
    ],
    [
      { MESSAGE: 'a', __REALTIME_TIMESTAMP: '1', _SYSTEMD_UNIT: 'nginx.service' },
      { text: 'a', part: false, stream: '' },
    ],
    [
      { MESSAGE: [65, 0xe9, 10], __REALTIME_TIMESTAMP: '1' },
      { text: 'A\xe9', part: false, stream: '' },
    ],
    [
      { textPayload: 'a', timestamp: 't' },
      { text: 'a', part: false, stream: '' },
    ],
    [
      { common_log: COMMON, ts: 1, request: {} },
      { text: COMMON, part: false, stream: '' },
    ],
  ])('%j', (line, expected) => {
    expect(unwrap(line)).toEqual(expected);
  });

  it.each(['_raw', '@message', 'message', 'short_message', 'msg', 'line'])('stands in %s', (name) => {
    expect(unwrap({ [name]: COMMON, host: 'web1' })).toEqual({ text: COMMON, part: false, stream: '' });
  });

  it('has its time after a long list of proxies', () => {
    const text = COMMON.replace('- -', `${'192.0.2.1, '.repeat(300)}- -`);
    expect(unwrap({ message: text, host: 'web1' })).toEqual({ text, part: false, stream: '' });
  });

  it.each([
    ['a'],
    ['{"log":"a"'],
    ['[{"log":"a"}]'],
    [{ a: 1 }],
    [{ log: 1 }],
    [{ level: 'info', msg: 'cleaning storage unit' }],
    [{ message: 'START', line: 12 }],
    [{ event: 'x', result: null }],
    [{ log: '', stream: 'stdout', time: 't' }],
    [{ log: { level: 'info' } }],
    [{ MESSAGE: null, __REALTIME_TIMESTAMP: '1' }],
    [{ MESSAGE: [65, 256], __REALTIME_TIMESTAMP: '1' }],
    [{ MESSAGE: ['a'], __REALTIME_TIMESTAMP: '1' }],
    [{ MESSAGE: [], __REALTIME_TIMESTAMP: '1' }],
    [{ timestamp: '2026-03-05T10:00:01Z', path: '/c', userAgent: 'a', message: 'GET /c HTTP/1.1' }],
    [{ ts: 1, request: { uri: '/c' }, common_log: COMMON }],
    [{ time: '2026-03-05T10:00:01Z', method: 'GET', path: '/c', message: 'request completed' }],
    [{ time: '2026-03-05T10:00:01Z', uri: '/a', msg: 'job 10:00 done' }],
    [{ time: '2026-03-05T10:00:01Z', uri: '/a', message: 'job 10:00 done' }],
    [{ ts: 1772704801, path: '/b', remote_ip: '192.0.2.1', msg: 'trace 1234567890' }],
  ])('is not %j', (line) => {
    expect(unwrap(line)).toBeUndefined();
  });
});
