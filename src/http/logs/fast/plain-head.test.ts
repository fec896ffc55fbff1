import { describe, expect, test } from 'vitest';
import { readPlainHead } from './plain-head.ts';

const head = (...lines: string[]) => ['POST /logs HTTP/1.1', 'Host: a', 'Content-Length: 5', ...lines].join('\r\n');

describe('readPlainHead', () => {
  test('reads target, headers and length', () => {
    const text = head('content-TYPE: \t text/csv ', 'X-Empty:', '__proto__: x').replace('/logs', '/logs?invalid=skip');
    const plain = readPlainHead(text);
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
    expect(readPlainHead(text)).toBeUndefined();
  });

  test.each(['keep-alive', 'Keep-Alive'])('takes Connection: %s', (value) => {
    expect(readPlainHead(head(`Connection: ${value}`))?.length).toBe(5);
  });
});
