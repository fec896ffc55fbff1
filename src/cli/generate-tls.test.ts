import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Authority, type Certificates, makeCertificates, type Pair } from '../../test/support/certificates.ts';
import { main } from './main.ts';
import { createTestIo } from './test-io.case.ts';

/* Servers that ask for a certificate of the client. */

let certificates: Certificates;
let authority: Authority;
let own: Pair;
let client: Pair;
const closers: (() => void)[] = [];

beforeAll(() => {
  certificates = makeCertificates();
  authority = certificates.authority('root');
  own = authority.issue('server');
  client = authority.issue('client');
});
afterAll(() => {
  for (const close of closers) close();
  certificates.remove();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function serverOptions() {
  const [cert, key] = await Promise.all([readFile(own.cert), readFile(own.key)]);
  return { cert, key, ca: authority.pem, requestCert: true, rejectUnauthorized: true };
}

async function generate(...args: string[]) {
  const { io, stderr } = createTestIo();
  const code = await main(['generate', '--count', '20', '--interval', '0', '--retries', '0', ...args], io);
  return { code, stderr: stderr() };
}

const pair = () => ['--cert', client.cert, '--key', client.key];
const WHOLE = { code: 0, stderr: expect.stringMatching(/^sent 20 records .* failed 0, unsure 0/m) };

it('sends to a TLS port with a certificate of the client', async () => {
  let bytes = 0;
  const server = createTlsServer(await serverOptions(), (socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (piece) => {
        bytes += piece.length;
      });
  });
  const addr = `127.0.0.1:${await listen(server)}`;
  expect(await generate('--addr', addr, '--ca', authority.cert, ...pair())).toEqual(WHOLE);
  expect(bytes).toBeGreaterThan(1_000);
  expect(await generate('--addr', addr, '--insecure', ...pair())).toEqual(WHOLE);
  expect((await generate('--addr', addr, ...pair())).stderr).toMatch(/cannot connect to .*certificate/);
});

it('sends to an https service with a certificate of the client', async () => {
  const server = createHttpsServer(await serverOptions(), (request, response) => {
    request.resume().on('end', () => response.writeHead(202).end('{"accepted":20}'));
  });
  const url = `https://127.0.0.1:${await listen(server)}`;
  expect(await generate('--url', url, '--ca', authority.cert, ...pair())).toEqual(WHOLE);
  expect(await generate('--url', url, '--insecure', ...pair())).toEqual(WHOLE);
  expect((await generate('--url', url, ...pair())).code).toBe(1);
  expect((await generate('--url', url, '--ca', authority.cert)).code).toBe(1);
});

it('names the file that it cannot read', async () => {
  expect(await generate('--ca', '/none.pem')).toEqual({
    code: 1,
    stderr: expect.stringMatching(/cannot read --ca file=\/none\.pem: ENOENT/),
  });
});
