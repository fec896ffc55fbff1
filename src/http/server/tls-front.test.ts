import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeCertificates, type Pair } from '../../../test/support/certificates.ts';
import { openTlsFiles } from '../../runtime/tls-files.ts';
import { postBytes, type Setup, startFixture } from '../contract/contract-fixture.case.ts';
import { connectRaw } from '../contract/raw-client.case.ts';
import { createHttpServer } from './server.ts';

const certificates = makeCertificates();
afterAll(certificates.remove);
const authority = certificates.authority('ca');
const stranger = certificates.authority('stranger');
const served = authority.issue('server');

const GET = 'GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

interface TlsSetup extends Setup {
  readonly pair?: Pair;
  readonly clientCa?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
}

async function start({ pair = served, clientCa, minVersion = 'TLSv1.2', ...setup }: TlsSetup = {}) {
  const fixture = await startFixture((options) => {
    const tls = openTlsFiles({ ...pair, clientCa, minVersion, name: 'http', log: options.log, pollMs: 10 });
    return { ...createHttpServer({ ...options, tls }), ca: authority.pem };
  }, setup);
  /** What a client gets on a connection of its own: the first line of the answer, or why there is none. */
  const outcome = async (options: ConnectionOptions = {}): Promise<string> => {
    const socket = open(fixture.port, options);
    socket.write(GET);
    let text = '';
    for await (const part of socket) text += part;
    return text.split('\r\n', 1)[0] ?? '';
  };
  /** The reasons with which handshakes failed, in the log. */
  const reasons = () =>
    fixture.logged.filter(({ message }) => message.startsWith('a TLS')).map(({ fields }) => fields.reason);
  return { ...fixture, outcome, reasons };
}

function open(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({ port, host: '127.0.0.1', ca: authority.pem, ...options });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

const failures = (reason: string) => `logforge_http_tls_failures_total{reason="${reason}"}`;

describe('the TLS port', () => {
  test('answers 400 to plain HTTP, and logs and counts it', async () => {
    const { port, logged, metric } = await start();
    const client = await connectRaw(port);
    onTestFinished(client.destroy);
    client.send(postBytes());
    const answer = await client.answer();
    expect([answer.status, JSON.parse(answer.body).detail]).toEqual([
      400,
      'this port speaks TLS, and the request is plain HTTP; use https://',
    ]);
    expect(await client.ended()).toBe('');
    expect(logged.map(({ message }) => message)).toEqual([
      'a client speaks plain HTTP to the TLS port; it is answered 400',
    ]);
    expect(await metric(failures('plain_http'))).toBe(1);
  });

  test('serves the fast path and node:http on one connection', async () => {
    const { connect, ingested, logged } = await start();
    const client = await connect();
    client.send(postBytes());
    expect((await client.answer()).status).toBe(202);
    client.send(postBytes({ headers: ['TE: trailers'] }));
    expect((await client.answer()).status).toBe(202);
    expect(ingested).toHaveLength(2);
    // Not that this Node.js lacks what the fast path needs.
    expect(logged).toEqual([]);
  });

  test('closes a handshake that takes longer than server.headersTimeout, a byte at a time or none', async () => {
    const { port, logged, metric } = await start({ limits: { headersTimeoutMs: 150 } });
    const silent = await connectRaw(port);
    const slow = await connectRaw(port);
    onTestFinished(silent.destroy);
    slow.send(Buffer.from([0x16, 3, 1, 2, 0, 1]));
    const drip = setInterval(() => slow.send(Buffer.from([1])), 20);
    onTestFinished(() => clearInterval(drip));
    expect([await silent.ended(), await slow.ended()]).toEqual(['', '']);
    expect(logged.map(({ message }) => message)).toEqual(
      Array(2).fill('a TLS handshake took too long (server.headersTimeout); its connection is closed'),
    );
    await expect.poll(() => metric(failures('timeout'))).toBe(2);
  });

  test('counts handshakes among its connections', async () => {
    const { port, connect } = await start({ limits: { maxConnections: 1 } });
    const first = await connectRaw(port);
    onTestFinished(first.destroy);
    first.send(Buffer.from([0x16, 3, 1]));
    await expect(connect()).rejects.toThrow('before secure TLS connection was established');
  });

  test('closes at once although a handshake is open', async () => {
    const { server, port } = await start();
    const client = await connectRaw(port);
    onTestFinished(client.destroy);
    client.send(Buffer.from([0x16, 3, 1]));
    const begun = performance.now();
    await server.close({ graceMs: 4_000 });
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  test('refuses versions below minVersion', async () => {
    const { outcome, reasons } = await start({ minVersion: 'TLSv1.3' });
    await expect(outcome({ maxVersion: 'TLSv1.2' })).rejects.toThrow('alert protocol version');
    expect(await outcome({ minVersion: 'TLSv1.3' })).toBe('HTTP/1.1 200 OK');
    expect(reasons()).toEqual(['ERR_SSL_UNSUPPORTED_PROTOCOL']);
  });

  test('speaks no HTTP/2', async () => {
    const { outcome } = await start();
    await expect(outcome({ ALPNProtocols: ['h2'] })).rejects.toThrow('alert no application protocol');
    expect(await outcome({ ALPNProtocols: ['h2', 'http/1.1'] })).toBe('HTTP/1.1 200 OK');
  });

  test('ends a connection of TLS 1.2 whose client asks for a new handshake', async () => {
    const { port, outcome } = await start();
    const socket = open(port, { maxVersion: 'TLSv1.2' });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.renegotiate({}, () => undefined);
    await closed;
    expect(await outcome()).toBe('HTTP/1.1 200 OK');
  });

  test('lives on when bytes in the middle of a connection are no TLS', async () => {
    const { port, outcome } = await start();
    const tcp = connectTcp({ port, host: '127.0.0.1' });
    const socket = open(port, { socket: tcp });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const closed = new Promise((resolve) => tcp.once('close', resolve));
    socket.write(GET.slice(0, 10));
    tcp.write('rubbish'.repeat(1_000));
    await closed;
    expect(await outcome()).toBe('HTTP/1.1 200 OK');
  });
});

describe('client certificates', () => {
  const presents = (pair: Pair): ConnectionOptions => ({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) });

  test('are needed, signed by clientCa, and not expired', async () => {
    const { outcome, reasons, logged } = await start({ clientCa: authority.cert });
    expect(await outcome(presents(authority.issue('good')))).toBe('HTTP/1.1 200 OK');
    const refused = async (options: ConnectionOptions) => await outcome(options).catch(() => '');
    expect(await refused({})).toBe('');
    expect(await refused(presents(stranger.issue('foreign')))).toBe('');
    expect(await refused(presents(authority.issue('old', { days: -1 })))).toBe('');
    await expect
      .poll(reasons)
      .toEqual(['the client sent no certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_HAS_EXPIRED']);
    expect(logged.every(({ fields }) => fields.client === '127.0.0.1')).toBe(true);
  });
});

describe('a certificate that changes', () => {
  const serialOf = (socket: TLSSocket) => socket.getPeerX509Certificate()?.serialNumber;
  const serialIn = ({ cert }: Pair) => new X509Certificate(readFileSync(cert)).serialNumber;
  const secure = async (port: number) => {
    const socket = open(port);
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    return socket;
  };

  test('serves new connections, and old ones go on', async () => {
    const pair = authority.issue('renewed');
    const { port, connect, logged } = await start({ pair });
    const old = await connect();
    old.send(postBytes());
    expect((await old.answer()).status).toBe(202);

    const next = authority.issue('next');
    certificates.replace(pair, next);
    await expect.poll(() => logged.map(({ message }) => message)).toContain('the TLS certificate was read again');
    expect(serialOf(await secure(port))).toBe(serialIn(next));
    old.send(postBytes());
    expect((await old.answer()).status).toBe(202);
  });

  test('and does not fit its key is logged, and the one before stays', async () => {
    const pair = authority.issue('kept');
    const before = serialIn(pair);
    const { port, logged } = await start({ pair });
    certificates.replace(pair, { cert: authority.issue('another').cert, key: pair.key });
    await expect.poll(() => logged.map(({ level }) => level)).toContain('error');
    expect(serialOf(await secure(port))).toBe(before);
  });
});

describe('the plain port', () => {
  test('logs a client that speaks TLS, and answers what people can read', async () => {
    const { port, logged, connect } = await startFixture(createHttpServer);
    await expect(
      new Promise((_, reject) => open(port).removeAllListeners('error').on('error', reject)),
    ).rejects.toThrow();
    const hello = await connect();
    hello.send(Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
    expect((await hello.answer()).body).toContain('this port is plain HTTP');
    expect(logged.map(({ message }) => message)).toEqual(
      Array(2).fill('a client speaks TLS to this port, which is plain HTTP; set server.tls, or use http://'),
    );
  });
});

describe('admin routes by TLS', () => {
  test.each([
    ['http://a', 403],
    ['https://a', 200],
    ['https://evil.example', 403],
  ])('from a page of %s: %i', async (origin, status) => {
    const run = { written: 1, unchanged: 0, missing: 0, failed: 0, bytes: 0, records: 0, skippedLines: 0, seconds: 0 };
    const { ask } = await start({ auth: { enabled: true, keys: ['k'] }, aggregate: async () => run });
    const head = `POST /admin/aggregate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-API-Key: k\r\nOrigin: ${origin}`;
    expect((await ask(`${head}\r\n\r\n`)).status).toBe(status);
  });
});
