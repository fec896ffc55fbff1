import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates, type Pair } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/storage.ts';
import { openTlsFiles } from '../runtime/tls-files.ts';
import type { CreateOptions, InputFixture } from './contract/fixture.case.ts';
import { setUp } from './contract/flow.case.ts';
import { describeInputContract } from './contract/input-contract.case.ts';
import { connectStream } from './contract/stream-sender.case.ts';
import { createStreamInput } from './stream-input.ts';

const certificates = makeCertificates();
afterAll(() => certificates.remove());
const authority = certificates.authority('authority');
const stranger = certificates.authority('stranger');
const serverPair = authority.issue('server');
const ca = authority.pem;

interface TlsSetup {
  readonly clientCa?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly handshakeTimeoutMs?: number;
  /** Without TLS. */
  readonly isPlain?: boolean;
}

/** An input of type tcp with TLS. */
function fixtureOf({
  clientCa,
  minVersion = 'TLSv1.2',
  handshakeTimeoutMs = 10_000,
  isPlain = false,
}: TlsSetup = {}): InputFixture {
  function create(options: CreateOptions) {
    const { where = '127.0.0.1:0', log } = options;
    const listen = { host: '127.0.0.1', port: Number(where.slice(where.lastIndexOf(':') + 1)) };
    const tls = isPlain
      ? undefined
      : openTlsFiles({ ...serverPair, clientCa, minVersion, name: 'test', log, pollMs: 20 });
    const limits = { ...options.limits, handshakeTimeoutMs };
    const input = createStreamInput({ ...options, limits, listen, tls });
    return { input, connect: (at: string) => connectStream(at, { ca }) };
  }
  return { kind: 'stream', place: 'address', create };
}

describeInputContract('an input of type tcp with TLS', fixtureOf());

const portOf = (where: string) => Number(where.slice(where.lastIndexOf(':') + 1));

function open(where: string, options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({ host: '127.0.0.1', port: portOf(where), ca, ...options });
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** `once` would reject with an error before the close. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Tries to send with client options, and waits for the end; gives the reason in the log. */
async function expectRefusal(setup: TlsSetup, options: ConnectionOptions): Promise<string> {
  const { start, refused, logged, lines, connections } = await setUp(fixtureOf(setup));
  const socket = open(await start(), options);
  socket.resume();
  socket.write('never\n');
  await closeOf(socket);
  await eventually(() => expect(refused).toEqual(['tls']));
  expect(lines).toEqual([]);
  expect(connections).toEqual([]);
  expect(logged).toHaveLength(1);
  expect(logged[0]?.message).toBe('closed a connection of an input: its TLS handshake failed');
  return String(logged[0]?.fields.reason);
}

describe('certificates of clients', () => {
  const clientCa = authority.cert;
  const read = ({ cert, key }: Pair) => ({ cert: readFileSync(cert), key: readFileSync(key) });

  it('that the CA has signed are accepted', async () => {
    const { start, lines, awaitLines } = await setUp(fixtureOf({ clientCa }));
    const socket = open(await start(), read(authority.issue('client')));
    socket.end('taken\n');
    await awaitLines(1);
    expect(lines).toEqual(['taken']);
  });

  it('are refused when they have expired', async () => {
    const expired = read(authority.issue('expired', { days: -1 }));
    expect(await expectRefusal({ clientCa }, expired)).toMatch(/certificate.*not accepted.*CERT_HAS_EXPIRED/);
  });

  it('are refused when another CA has signed them', async () => {
    const reason = await expectRefusal({ clientCa }, read(stranger.issue('foreign')));
    expect(reason).toMatch(/certificate.*not accepted/);
  });

  it('are asked for', async () => {
    expect(await expectRefusal({ clientCa }, {})).toMatch(/sent no certificate/);
  });
});

describe('a client', () => {
  it('with too old a version is refused', async () => {
    expect(await expectRefusal({ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' })).toMatch(
      /older than tls.minVersion/,
    );
  });

  it('without TLS is refused', async () => {
    const { start, refused, logged, lines } = await setUp(fixtureOf());
    const socket = connect({ host: '127.0.0.1', port: portOf(await start()) });
    socket.on('error', () => undefined).resume();
    socket.write('{"timestamp":"2015-05-17T10:00:00Z"}\n');
    await closeOf(socket);
    await eventually(() => expect(refused).toEqual(['tls']));
    expect(logged[0]?.fields.reason).toBe('the client does not speak TLS');
    expect(lines).toEqual([]);
  });

  it('that never ends its handshake is closed', async () => {
    const { start, refused, logged } = await setUp(fixtureOf({ handshakeTimeoutMs: 100 }));
    const socket = connect({ host: '127.0.0.1', port: portOf(await start()) });
    socket.on('error', () => undefined).resume();
    await closeOf(socket);
    await eventually(() => expect(refused).toEqual(['tls']));
    expect(logged[0]?.fields.reason).toBe('the client did not end its handshake in time');
  });

  it('that ends its handshake after the stop is closed unread', async () => {
    const { input, start, lines, connections } = await setUp(fixtureOf());
    const under = connect({ host: '127.0.0.1', port: portOf(await start()) });
    await once(under, 'connect');
    await input.stop(5_000);
    const late = connectTls({ socket: under, ca, host: '127.0.0.1' }).on('error', () => undefined);
    late.resume();
    late.write('late\n');
    await closeOf(late);
    expect(lines).toEqual([]);
    expect(connections).toEqual([]);
  });

  it('with TLS on a port without it is refused', async () => {
    const { start, refused, logged, lines, unread } = await setUp(fixtureOf({ isPlain: true }));
    const socket = open(await start());
    await closeOf(socket);
    expect(refused).toEqual(['tls']);
    expect(logged[0]?.message).toContain('speaks TLS');
    expect([...lines, ...unread]).toEqual([]);
  });
});

describe('a connection', () => {
  it('that asks for another handshake, or sends bytes that are no TLS, costs no other one', async () => {
    const { start, lines, connections, awaitLines } = await setUp(fixtureOf());
    const where = await start();
    const again = open(where, { maxVersion: 'TLSv1.2' });
    await once(again, 'secureConnect');
    again.write('first\n');
    await awaitLines(1);
    const closed = closeOf(again);
    again.renegotiate({ rejectUnauthorized: true }, () => undefined);
    const under = connect({ host: '127.0.0.1', port: portOf(where) });
    const broken = connectTls({ socket: under, ca, host: '127.0.0.1' }).on('error', () => undefined);
    await once(broken, 'secureConnect');
    broken.write('second\n');
    await awaitLines(2);
    const alsoClosed = closeOf(broken);
    under.write('no TLS\n'.repeat(10));
    await Promise.all([closed, alsoClosed]);
    await eventually(() => expect(connections.at(-1)).toBe(0));
    open(where).end('third\n');
    await awaitLines(3);
    expect(lines).toEqual(['first', 'second', 'third']);
  });
});

describe('a renewed certificate', () => {
  it('is that of new connections; those before go on', async () => {
    const { start, lines, awaitLines } = await setUp(fixtureOf());
    const where = await start();
    const before = open(where);
    await once(before, 'secureConnect');
    const next = stranger.issue('renewed');
    certificates.replace(serverPair, next);
    await eventually(async () => {
      const after = open(where, { ca: stranger.pem });
      await once(after, 'secureConnect');
      after.end('after\n');
      await awaitLines(1);
    });
    before.end('before\n');
    await awaitLines(2);
    expect(lines).toEqual(['after', 'before']);
  });
});
