import { describe, expect, test } from 'vitest';
import { mayBecomePlain, readPlainHead } from './plain-head.ts';

const read = (text: string) => readPlainHead(Buffer.from(text, 'latin1'), 0, text.length);
const head = (...lines: string[]) => ['POST /logs HTTP/1.1', 'Host: a', 'Content-Length: 5', ...lines].join('\r\n');

describe('readPlainHead', () => {
  test('reads target, headers and length', () => {
    const text = head('content-TYPE: \t text/csv ', 'X-Empty:', '__proto__: x').replace('/logs', '/logs?invalid=skip');
    const plain = read(text);
    expect(plain).toMatchObject({ url: '/logs?invalid=skip', length: 5 });
    expect(plain?.headers['content-type']).toBe('text/csv');
    expect(plain?.headers['x-empty']).toBe('');
    expect(Object.keys(plain?.headers ?? {})).toContain('__proto__');
    expect(plain?.headers.constructor).toBeUndefined();
  });

  test.each([
    ['another method', head().replace('POST', 'PUT')],
    ['another path', head().replace('/logs', '/logs/')],
    ['a fragment of a path', head().replace('/logs', '/logsx')],
    ['an absolute target', head().replace('/logs', 'http://a/logs')],
    ['HTTP/1.0', head().replace('1.1', '1.0')],
    ['two spaces', head().replace('POST ', 'POST  ')],
    ['no Host', head().replace('Host: a\r\n', '')],
    ['an invalid Host', head().replace('Host: a', 'Host: a b')],
    ['an empty Host', head().replace('Host: a', 'Host:')],
    ['Proxy-Connection, which node:http obeys', head('Proxy-Connection: close')],
    ['two of one name', head('host: b')],
    ['no length', head().replace('\r\nContent-Length: 5', '')],
    ['two lengths in one', head().replace('Length: 5', 'Length: 5, 5')],
    ['a signed length', head().replace('Length: 5', 'Length: +5')],
    ['a length in hex', head().replace('Length: 5', 'Length: 0x5')],
    ['an empty length', head().replace('Length: 5', 'Length: ')],
    ['chunks', head('Transfer-Encoding: chunked')],
    ['an expectation', head('Expect: 100-continue')],
    ['an upgrade', head('Upgrade: h2c')],
    ['the end of the connection', head('Connection: close')],
    ['headers of one hop', head('Connection: keep-alive, x')],
    ['a folded line', head('X-A: b', ' c')],
    ['white space before the colon', head('X-A : b')],
    ['a line without a colon', head('nonsense')],
    ['no name', head(': b')],
    ['a bare line feed', head('X-A: b\nX-B: c')],
    ['a bare carriage return', head('X-A: b\rX-B: c')],
    ['a NUL', head('X-A: \0')],
    ['a byte beyond ASCII', head('X-A: \xe9')],
    ['a control character in the query', head().replace('/logs', '/logs?\x01')],
  ])('leaves to node:http: %s', (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  test.each(['keep-alive', 'Keep-Alive'])('accepts Connection: %s', (value) => {
    expect(read(head(`Connection: ${value}`))?.length).toBe(5);
  });

  test('reads a head in the middle of other bytes', () => {
    const bytes = Buffer.from(`before${head()}after`);
    expect(readPlainHead(bytes, 'before'.length, bytes.length - 'after'.length)?.length).toBe(5);
  });

  test('leaves to node:http: a head of more than 8 KiB', () => {
    expect(read(head(`X-A: ${'x'.repeat(8_000)}`))?.length).toBe(5);
    expect(read(head(`X-A: ${'x'.repeat(8_192)}`))).toBeUndefined();
  });
});

describe('mayBecomePlain', () => {
  test.each([
    ['P', true],
    ['POST /logs', true],
    ['POST /logs HTTP/1.1\r\nHost: a', true],
    ['', true],
    ['GET ', false],
    ['POST /log?', false],
    [`POST /logs HTTP/1.1\r\nX-A: ${'x'.repeat(9_000)}`, false],
  ])('of %j: %s', (text, expected) => {
    expect(mayBecomePlain(Buffer.from(`before${text}`), 'before'.length)).toBe(expected);
  });
});
