import { describe, expect, test } from 'vitest';
import { BODY, type CreateServer, type Fixture, postBytes, startFixture } from './contract-fixture.case.ts';
import type { RawClient } from './raw-client.case.ts';

// One verdict on every request, by whichever reader: RFC 9110's and RFC 9112's, the strict one where two servers could read
// the bytes in two ways.

const GET_HEALTH = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
/** What comes before the request on its connection, and so who reads it. */
const READERS: readonly (readonly [string, readonly (string | Buffer)[]])[] = [
  ['first on its connection', []],
  ['after a batch, which the fast path reads', [postBytes()]],
  ['on node:http, after another request', [GET_HEALTH]],
];

/** Status of each answer; whether the connection is kept for a next request; batches that are stored. */
interface Verdict {
  readonly statuses: readonly number[];
  readonly kept: boolean;
  readonly stored: number;
}
const STORED: Verdict = { statuses: [202], kept: true, stored: 1 };
const STORED_LAST: Verdict = { statuses: [202], kept: false, stored: 1 };
const refused = (status: number): Verdict => ({ statuses: [status], kept: true, stored: 0 });
/** The connection closes: what follows may be no request. */
const cut = (status: number): Verdict => ({ statuses: [status], kept: false, stored: 0 });

interface Shape {
  readonly line?: string;
  readonly headers?: readonly string[];
  readonly length?: string | null;
  readonly body?: string;
}

function request({ line = 'POST /logs HTTP/1.1', headers = ['Host: a'], length, body = BODY }: Shape = {}): Buffer {
  const lines = [line, ...headers, 'Content-Type: application/json'];
  if (length !== null) lines.push(`Content-Length: ${length ?? body.length}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}
const withHeaders = (...headers: string[]) => request({ headers: ['Host: a', ...headers] });
const withHost = (...headers: string[]) => request({ headers });
const withLength = (length: string) => request({ length });
const to = (target: string) => request({ line: `POST ${target} HTTP/1.1` });
const SIZE = BODY.length.toString(16);
const CHUNKS = `${SIZE}\r\n${BODY}\r\n0\r\n\r\n`;
const inChunks = (headers: readonly string[], body = CHUNKS) =>
  request({ headers: ['Host: a', ...headers], length: null, body });
const chunked = (body: string) => inChunks(['Transfer-Encoding: chunked'], body);

const VERDICTS: readonly (readonly [string, Buffer | string, Verdict])[] = [
  ['a plain batch', request(), STORED],
  ['Proxy-Connection: keep-alive', withHeaders('Proxy-Connection: keep-alive'), STORED],
  ['Proxy-Connection: close', withHeaders('Proxy-Connection: close'), STORED_LAST],
  ['Connection: close', withHeaders('Connection: close'), STORED_LAST],
  ['Connection: keep-alive, close', withHeaders('Connection: keep-alive, close'), STORED_LAST],
  ['a header of one hop', withHeaders('Connection: x', 'X: 1'), STORED],

  ['a Host with a port', withHost('Host: a:80'), STORED],
  ['two Hosts', withHost('Host: a', 'Host: b'), refused(400)],
  ['one Host twice', withHost('Host: a', 'Host: a'), refused(400)],
  ['no Host', withHost(), refused(400)],
  ['an empty Host', withHost('Host:'), refused(400)],
  ['a Host with a space', withHost('Host: a b'), refused(400)],
  ['a Host with a path', withHost('Host: a/b'), refused(400)],
  ['a Host with a user', withHost('Host: u@a'), refused(400)],
  ['a Host with a bad port', withHost('Host: a:x'), refused(400)],
  ['two Hosts in one', withHost('Host: a, b'), refused(400)],
  ['HTTP/1.0 without Host', request({ line: 'POST /logs HTTP/1.0', headers: [] }), STORED_LAST],
  ['HTTP/1.0 with an invalid Host', request({ line: 'POST /logs HTTP/1.0', headers: ['Host: a b'] }), cut(400)],

  ['an unknown expectation', withHeaders('Expect: tea'), refused(417)],
  ['an unknown expectation beside a known one', withHeaders('Expect: 100-continue, tea'), cut(417)],
  ['100-continue', withHeaders('Expect: 100-Continue'), { statuses: [100, 202], kept: true, stored: 1 }],

  ['an upgrade', withHeaders('Connection: Upgrade', 'Upgrade: websocket'), STORED],
  ['an upgrade without its option', withHeaders('Upgrade: h2c'), STORED],
  ['an upgrade with chunks', inChunks(['Connection: Upgrade', 'Upgrade: h2c', 'Transfer-Encoding: chunked']), STORED],
  [
    'an upgrade of a read',
    'GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    refused(200),
  ],
  ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', cut(405)],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', cut(400)],

  ['an encoded letter', to('/%6cogs'), STORED],
  ['an encoded letter and a query', to('/%6Cogs?invalid=skip'), STORED],
  ['dot segments', to('/a/.././logs'), STORED],
  ['encoded dot segments', to('/%2e/logs'), STORED],
  ['an absolute target', to('http://a/logs'), STORED],
  ['a query', to('/logs?x'), STORED],
  ['a letter encoded twice', to('/%256cogs'), refused(404)],
  ['two slashes', to('//logs'), refused(404)],
  ['a slash at the end', to('/logs/'), refused(404)],
  ['capitals', to('/LOGS'), refused(404)],
  ['a target without a slash', to('logs'), cut(400)],

  ['a folded header', withHeaders('X-A: a\r\n b'), cut(400)],
  ['a fold before the first header', withHost(' Host: a'), cut(400)],
  ['bare line feeds', request().toString('latin1').replaceAll('\r\n', '\n'), cut(400)],
  ['a bare line feed', withHeaders('X-A: a\nX-B: b'), cut(400)],
  ['a bare carriage return', withHeaders('X-A: a\rb'), cut(400)],
  ['white space before a colon', withHeaders('X-A : b'), cut(400)],
  ['a NUL in a value', withHeaders('X-A: a\0b'), cut(400)],
  ['a control character in a value', withHeaders('X-A: a\x01b'), cut(400)],
  ['a NUL in a name', withHeaders('X\0A: a'), cut(400)],
  ['a header without a name', withHeaders(': a'), cut(400)],
  ['a header without a colon', withHeaders('abc'), cut(400)],
  ['headers beyond 16 KiB', withHeaders(`X-A: ${'x'.repeat(20_000)}`), cut(431)],
  ['2,100 headers', withHeaders(...Array.from({ length: 2_100 }, (_, i) => `a${i.toString(36)}:`)), STORED],

  ['a length and chunks', request({ headers: ['Host: a', 'Transfer-Encoding: chunked'], body: CHUNKS }), cut(400)],
  ['two lengths', withHeaders('Content-Length: 5'), cut(400)],
  ['one length twice', withHeaders(`Content-Length: ${BODY.length}`), cut(400)],
  ['one length twice in a list', withLength(`${BODY.length}, ${BODY.length}`), cut(400)],
  ['a length with a sign', withLength(`+${BODY.length}`), cut(400)],
  ['a negative length', withLength('-5'), cut(400)],
  ['a length in hex', withLength(`0x${SIZE}`), cut(400)],
  ['a length with leading zeros', withLength(`000${BODY.length}`), STORED],
  ['a length of two words', withLength('6 6'), cut(400)],
  ['an empty length', withLength(''), cut(400)],
  ['a length beyond 64 bits', withLength('99999999999999999999999'), cut(400)],
  ['a length beyond the limit', withLength('999999999999999'), cut(413)],

  ['chunks', inChunks(['Transfer-Encoding: CHUNKED']), STORED],
  ['chunks of chunks', inChunks(['Transfer-Encoding: chunked, chunked']), cut(400)],
  ['chunks twice', inChunks(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']), cut(400)],
  ['chunks that are not last', inChunks(['Transfer-Encoding: chunked, gzip']), cut(400)],
  ['a misspelt coding', inChunks(['Transfer-Encoding: xchunked']), cut(501)],
  ['a coding of one byte more', inChunks(['Transfer-Encoding: \x0bchunked']), cut(400)],
  ['no coding', inChunks(['Transfer-Encoding:']), cut(400)],
  [
    'chunks in HTTP/1.0',
    request({
      line: 'POST /logs HTTP/1.0',
      headers: ['Transfer-Encoding: chunked', 'Connection: keep-alive'],
      length: null,
      body: CHUNKS,
    }),
    cut(400),
  ],
  ['a chunk extension', chunked(`${SIZE};a=b\r\n${BODY}\r\n0\r\n\r\n`), STORED],
  ['a chunk size with a bare line feed', chunked(`${SIZE}\n${BODY}\r\n0\r\n\r\n`), cut(400)],
  ['a chunk size with 0x', chunked(`0x${CHUNKS}`), cut(400)],
  ['a negative chunk size', chunked('-1\r\n'), cut(400)],
  ['a chunk size beyond 64 bits', chunked('fffffffffffffffff\r\n'), cut(400)],
  ['a chunk that is longer than its size', chunked(`${SIZE}\r\n${BODY}xx\r\n0\r\n\r\n`), cut(400)],

  ['a method in lower case', request({ line: 'post /logs HTTP/1.1' }), cut(400)],
  ['HTTP/1.2', request({ line: 'POST /logs HTTP/1.2' }), cut(400)],
  ['HTTP/2.0', request({ line: 'POST /logs HTTP/2.0' }), cut(400)],
  ['HTTP/0.9', 'GET /health\r\n\r\n', cut(400)],
  ['http in lower case', request({ line: 'POST /logs http/1.1' }), cut(400)],
  ['a tab in the request line', request({ line: 'POST\t/logs HTTP/1.1' }), cut(400)],
  ['a space at the beginning', request({ line: ' POST /logs HTTP/1.1' }), cut(400)],
  ['an empty line at the beginning', request({ line: '\r\nPOST /logs HTTP/1.1' }), STORED],

  ['Content-Encoding: identity', withHeaders('Content-Encoding: identity'), STORED],
  ['an empty Content-Encoding', withHeaders('Content-Encoding:'), STORED],
  ['a Content-Encoding with empty members', withHeaders('Content-Encoding: , identity ,'), STORED],
  ['two codings', withHeaders('Content-Encoding: gzip, gzip'), refused(415)],
  ['two media types', withHeaders('Content-Type: text/csv'), refused(400)],
];

/** Statuses are read until the connection closes, or the answer to a request that was pipelined after comes. */
async function readVerdict(client: RawClient, { ingested }: Fixture): Promise<Verdict> {
  const statuses: number[] = [];
  for (;;) {
    const answer = await client.answer().catch(() => undefined);
    if (answer === undefined) return { statuses, kept: false, stored: ingested.length };
    if (answer.headers.get('x-request-id') === 'next') return { statuses, kept: true, stored: ingested.length };
    statuses.push(answer.status);
  }
}

export function describeVerdicts(create: CreateServer): void {
  describe.each(READERS)('a request %s: one verdict on', (_, before) => {
    test.each(VERDICTS)('%s', async (_, bytes, expected) => {
      const fixture = await startFixture(create);
      const client = await fixture.connect();
      for (const first of before) {
        client.send(first);
        await client.answer();
      }
      fixture.ingested.length = 0;
      client.send(bytes);
      client.send('GET /health HTTP/1.1\r\nHost: a\r\nX-Request-Id: next\r\n\r\n');
      expect(await readVerdict(client, fixture)).toEqual(expected);
    });

    test.each([
      ['a batch', request(), STORED_LAST],
      ['a batch with TE', withHeaders('TE: trailers'), STORED_LAST],
      ['a batch that asks to close', withHeaders('Connection: close'), STORED_LAST],
      ['a batch in chunks', chunked(CHUNKS), STORED_LAST],
      ['a batch with an upgrade', withHeaders('Connection: Upgrade', 'Upgrade: h2c'), STORED_LAST],
      ...['/health', '/ready', '/version', '/metrics', '/', '/analytics', '/docs', '/nowhere'].map(
        (path) =>
          [
            `GET ${path}`,
            `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`,
            cut({ '/analytics': 400, '/nowhere': 404 }[path] ?? 200),
          ] as const,
      ),
      ['a part of a head', 'POST /logs HTTP/1.1\r\nHost', cut(400)],
      ['a part of a body', request().subarray(0, -5), cut(400)],
      ['a part of chunks', chunked(CHUNKS.slice(0, -9)), cut(400)],
    ] as const)('%s, after which the client ends its side', async (_, bytes, expected) => {
      const fixture = await startFixture(create);
      const client = await fixture.connect();
      for (const first of before) {
        client.send(first);
        await client.answer();
      }
      fixture.ingested.length = 0;
      client.send(bytes);
      client.socket.end();
      expect(await readVerdict(client, fixture)).toEqual(expected);
    });
  });
}
