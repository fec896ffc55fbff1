import { describe, expect, it } from 'vitest';
import { splitRequest } from './request-line.ts';

describe('a request line', () => {
  it.each([
    ['GET /c?a=b HTTP/1.1', { method: 'GET', path: '/c?a=b', protocol: 'HTTP/1.1' }],
    ['GET /c', { method: 'GET', path: '/c', protocol: undefined }],
    ['GET /a b HTTP/1.1', { method: 'GET', path: '/a b', protocol: 'HTTP/1.1' }],
    ['GET /a HTTP/1.1 HTTP/2.0', { method: 'GET', path: '/a HTTP/1.1', protocol: 'HTTP/2.0' }],
    ['GET /c 1.1', { method: 'GET', path: '/c', protocol: 'HTTP/1.1' }],
    ['GET  /c  2', { method: 'GET', path: '/c', protocol: 'HTTP/2' }],
    ['GET /my page 2', { method: 'GET', path: '/my page 2', protocol: undefined }],
    ['GET /c  d 1.1', { method: 'GET', path: '/c  d 1.1', protocol: undefined }],
    ['GET /c HTTP/1.1 2', { method: 'GET', path: '/c HTTP/1.1 2', protocol: undefined }],
    ['POST  /c  HTTP/2', { method: 'POST', path: '/c', protocol: 'HTTP/2' }],
    ['CONNECT example.com:443 HTTP/1.1', { method: 'CONNECT', path: 'example.com:443', protocol: 'HTTP/1.1' }],
    ['OPTIONS * HTTP/1.1', { method: 'OPTIONS', path: '*', protocol: 'HTTP/1.1' }],
    ['PRI * HTTP/2.0', { method: 'PRI', path: '*', protocol: 'HTTP/2.0' }],
    ['OPTIONS / RTSP/1.0', { method: 'OPTIONS', path: '/', protocol: 'RTSP/1.0' }],
    ['M-SEARCH * HTTP/1.1', { method: 'M-SEARCH', path: '*', protocol: 'HTTP/1.1' }],
    ['SSTP_DUPLEX_POST /sra/ HTTP/1.1', { method: 'SSTP_DUPLEX_POST', path: '/sra/', protocol: 'HTTP/1.1' }],
    ['GET https://example.com/x HTTP/1.1', { method: 'GET', path: 'https://example.com/x', protocol: 'HTTP/1.1' }],
    [' GET / HTTP/1.1 ', { method: 'GET', path: '/', protocol: 'HTTP/1.1' }],
  ])('%s', (text, expected) => {
    expect(splitRequest(text)).toEqual(expected);
  });

  it.each([
    ['', '-'],
    [' ', '-'],
    ['-', '-'],
    ['GET', 'GET'],
    ['GET ', 'GET'],
    ['GET HTTP/1.1', 'GET HTTP/1.1'],
    ['GET  HTTP/1.1', 'GET  HTTP/1.1'],
    ['/c', '/c'],
    ['/c HTTP/1.1', '/c HTTP/1.1'],
    ['get / http/1.1', 'get / http/1.1'],
    ['\\x16\\x03\\x01\\x01 \\x02', '\\x16\\x03\\x01\\x01 \\x02'],
    ['\x16\x03\x01\x01 \x02', '\x16\x03\x01\x01 \x02'],
    ['\\x03\\x00\\x00/*\\xE0\\x00Cookie: mstshash=Administr', '\\x03\\x00\\x00/*\\xE0\\x00Cookie: mstshash=Administr'],
    ['Cookie: mstshash=Administr', 'Cookie: mstshash=Administr'],
    ['SSH-2.0-Go', 'SSH-2.0-Go'],
    ['t3 12.1.2', 't3 12.1.2'],
  ])('that is none of HTTP is the path as a whole: %j', (text, path) => {
    expect(splitRequest(text)).toEqual({ path, malformed: true });
  });

  it('takes linear time', () => {
    const started = performance.now();
    for (const text of [
      'A'.repeat(4e6),
      `GET ${' '.repeat(4e6)}`,
      `GET ${' HTTP/1.1'.repeat(4e5)}x`,
      ' '.repeat(4e6),
    ]) {
      splitRequest(text);
    }
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
