import { describe, expect, test } from 'vitest';
import { type CreateServer, postBytes, startFixture } from './contract-fixture.case.ts';

const GET_HEALTH = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED =
  'POST /logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Clients that send a byte now and then, and so never are idle. */
export function describeDrips(create: CreateServer): void {
  test.each<readonly [string, readonly (string | Buffer)[], string]>([
    ['the first head', [], 'POST /logs HTTP/1.1\r\nX-A: '],
    ['a head after a batch', [postBytes()], 'POST /logs HTTP/1.1\r\nX-A: '],
    ['a head after two batches', [postBytes(), postBytes()], 'POST /logs HTTP/1.1\r\nX-A: '],
    ['a head on node:http', [GET_HEALTH], 'POST /logs HTTP/1.1\r\nX-A: '],
    ['another head on node:http', [GET_HEALTH, GET_HEALTH], 'GET / HTTP/1.1\r\nX-A: '],
    ['a declared body', [], postBytes({ body: '', contentLength: 1_000 }).toString()],
    ['a declared body after a batch', [postBytes()], postBytes({ body: '', contentLength: 1_000 }).toString()],
    ['a chunk', [], `${CHUNKED}ffff\r\n`],
    ['a chunk extension', [], `${CHUNKED}1;a=`],
    ['trailers', [], `${CHUNKED}1\r\n[\r\n0\r\nX-A: `],
    ['the body of a read', [], 'GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n'],
    ['the rest of a refused body', [], postBytes({ body: '', contentType: 'a/b', contentLength: 1_000 }).toString()],
    ['empty lines', [postBytes()], '\r\n'],
  ])('a client that sends %s byte by byte is cut in time', async (_, before, begin) => {
    const { connect } = await startFixture(create, { limits: { headersTimeoutMs: 300, bodyTimeoutMs: 300 } });
    const client = await connect();
    for (const first of before) {
      client.send(first);
      await client.answer();
    }
    client.send(begin);
    const timer = setInterval(() => client.send('1'), 20);
    const closed = new Promise((resolve) => client.socket.once('close', resolve));
    client.socket.once('end', () => client.socket.end());
    const begun = performance.now();
    await closed;
    clearInterval(timer);
    expect(performance.now() - begun).toBeLessThan(6_000);
  });

  describe('a stop within its time, with clients', () => {
    test.each([
      ['in the middle of a head', 'POST /logs HTTP/1.1\r\nHos'],
      ['in the middle of another head', 'GET /heal'],
      ['in the middle of a body', postBytes({ contentLength: 1_000 })],
      ['in the middle of chunks', `${CHUNKED}ff\r\n1`],
      ['that sent nothing', ''],
    ])('%s', async (_, bytes) => {
      const { connect, server } = await startFixture(create);
      const clients = await Promise.all(Array.from({ length: 5 }, () => connect()));
      for (const client of clients) client.send(bytes);
      const begun = performance.now();
      await server.close({ graceMs: 400 });
      expect(performance.now() - begun).toBeLessThan(2_500);
      await Promise.all(clients.map((client) => client.ended()));
    });
  });
}
