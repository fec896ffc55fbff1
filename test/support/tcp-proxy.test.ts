import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startKafkaProxy } from './kafka-proxy.ts';
import { eventually } from './storage.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** An echo server behind a proxy. Each test has its own. */
let server: Server;
let proxy: TcpProxy;
const sockets = new Set<Socket>();
/** Bytes that reached the server, and the sizes in which they were read. */
let arrived: Buffer[] = [];

beforeEach(async () => {
  arrived = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => void arrived.push(data));
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startTcpProxy({ target: targetPort(), seed: 7 });
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await proxy.close();
  server.close();
});

const targetPort = () => (server.address() as AddressInfo).port;

/** A client through the proxy: what it got, and how its connection ended. */
async function open({ port } = proxy) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.add(socket);
  const parts: Buffer[] = [];
  let error: string | undefined;
  let hasEnd = false;
  socket.on('data', (data: Buffer) => void parts.push(data));
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    error = cause.code;
  });
  socket.on('end', () => {
    hasEnd = true;
  });
  await once(socket, 'connect');
  const received = () => Buffer.concat(parts).toString();
  return {
    socket,
    received,
    error: () => error,
    hasEnd: () => hasEnd,
    async echo(text: string): Promise<void> {
      const target = received() + text;
      socket.write(text);
      await eventually(() => expect(received()).toBe(target));
    },
  };
}

const QUIET_MS = 100;

describe('a TCP proxy', () => {
  it('passes all bytes both ways, whatever their number, and the end of each direction', async () => {
    const client = await open();
    const text = 'abcdefgh'.repeat(250_000);
    await client.echo(text);
    client.socket.end('last');
    await eventually(() => expect(client.hasEnd()).toBe(true));
    expect(client.received()).toBe(`${text}last`);
    await eventually(() => expect(proxy.connections()).toBe(0));
    expect([proxy.passed('toServer'), proxy.passed('toClient')]).toEqual([2_000_004, 2_000_004]);
  });

  it('delays what arrives, with a jitter that keeps the order, until it is healed', async () => {
    const client = await open();
    proxy.spoil('toServer', { latencyMs: 150, jitterMs: 50 });
    const begin = performance.now();
    for (const word of ['one ', 'two ', 'three']) {
      client.socket.write(word);
      await sleep(5);
    }
    await eventually(() => expect(client.received()).toBe('one two three'));
    expect(performance.now() - begin).toBeGreaterThanOrEqual(99);
    proxy.spoil('both', { latencyMs: 60_000 });
    client.socket.write('!');
    await sleep(QUIET_MS);
    expect(client.received()).toBe('one two three');
    await proxy.heal();
    await eventually(() => expect(client.received()).toBe('one two three!'));
  });

  it('passes no more bytes a second than the bandwidth', async () => {
    const client = await open();
    proxy.spoil('toClient', { bytesPerSecond: 50_000 });
    const begin = performance.now();
    await client.echo('x'.repeat(20_000));
    expect(performance.now() - begin).toBeGreaterThanOrEqual(350);
  });

  it('makes a sender wait when its bytes do not pass, and holds few of them', async () => {
    const client = await open();
    proxy.spoil('toServer', { isBlackHole: true });
    const text = 'x'.repeat(32 * 1024 * 1024);
    client.socket.write(text);
    await sleep(QUIET_MS);
    // The buffers of the operating system, and 256 KiB of the proxy, hold the rest.
    expect(client.socket.writableLength).toBeGreaterThan(16 * 1024 * 1024);
    await proxy.heal();
    await eventually(() => expect(client.received().length).toBe(text.length));
  });

  it.each([
    'toServer',
    'toClient',
  ] as const)('is a black hole %s, and then passes on what it held', async (direction) => {
    const client = await open();
    await client.echo('before ');
    proxy.spoil(direction, { isBlackHole: true });
    client.socket.write('during ');
    await sleep(QUIET_MS);
    expect(client.received()).toBe('before ');
    expect(Buffer.concat(arrived).toString()).toBe(direction === 'toServer' ? 'before ' : 'before during ');
    const later = await open();
    later.socket.write('too');
    await sleep(QUIET_MS);
    expect(later.received()).toBe('');
    await proxy.heal();
    await eventually(() => expect([client.received(), later.received()]).toEqual(['before during ', 'too']));
  });

  it.each([
    ['close', undefined],
    ['reset', 'ECONNRESET'],
  ] as const)('cuts open connections: %s', async (how, error) => {
    const [one, two] = [await open(), await open()];
    await Promise.all([one.echo('a'), two.echo('b')]);
    expect(proxy.cut(how)).toBe(2);
    await eventually(() =>
      expect([one.hasEnd() || one.error(), two.hasEnd() || two.error()]).toEqual([error ?? true, error ?? true]),
    );
    expect([one.error(), two.error()]).toEqual([error, error]);
    const next = await open();
    await next.echo('c');
  });

  it('closes a connection after a number of bytes', async () => {
    proxy.spoil('toClient', { limitBytes: 10 });
    const client = await open();
    client.socket.write('0123456789abcdef');
    await eventually(() => expect(client.hasEnd()).toBe(true));
    expect(client.received()).toBe('0123456789');
    await eventually(() => expect(proxy.connections()).toBe(0));
  });

  it('closes one direction, and the other goes on', async () => {
    const client = await open();
    await client.echo('a');
    expect(proxy.halfClose('toClient')).toBe(1);
    await eventually(() => expect(client.hasEnd()).toBe(true));
    client.socket.write('b');
    await eventually(() => expect(Buffer.concat(arrived).toString()).toBe('ab'));
    expect(client.received()).toBe('a');
  });

  it('cuts the stream into small pieces', async () => {
    const client = await open();
    proxy.spoil('toServer', { sliceBytes: 8 });
    await client.echo('0123456789'.repeat(20));
    expect(arrived.length).toBeGreaterThan(20);
  });

  it('refuses connections until it is healed, and keeps the open ones', async () => {
    const client = await open();
    await proxy.refuse();
    await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await client.echo('still here');
    await proxy.heal();
    await (await open()).echo('again');
  });

  it('spoils the share of connections that the seed draws', async () => {
    const draw = async () => {
      const other = await startTcpProxy({ target: targetPort(), seed: 11 });
      other.spoil('toServer', { isBlackHole: true }, { share: 0.5 });
      const clients = [];
      for (let n = 0; n < 12; n++) clients.push(await open(other));
      for (const { socket } of clients) socket.write('x');
      await sleep(QUIET_MS);
      const passes = clients.map(({ received }) => received());
      await other.close();
      return passes;
    };
    const first = await draw();
    expect(new Set(first)).toEqual(new Set(['', 'x']));
    expect(await draw()).toEqual(first);
  });

  it('resets the client when the server does not listen', async () => {
    const nobody = await startTcpProxy({ target: 1 });
    const client = await open(nobody);
    await eventually(() => expect(client.error()).toBe('ECONNRESET'));
    await nobody.close();
  });
});

describe('a Kafka proxy', () => {
  /** A frame as both sides send it here: the echo server answers with the request, so its bytes 4 to 8 are the correlation. */
  function frame(key: number, id: number, text: string): Buffer {
    const head = Buffer.alloc(12);
    head.writeInt32BE(8 + text.length, 0);
    head.writeInt16BE(key, 4);
    head.writeInt32BE(id, 8);
    return Buffer.concat([head, Buffer.from(text)]);
  }

  it('loses the answers to produce requests alone, also when frames arrive in small pieces', async () => {
    const kafka = await startKafkaProxy({ target: targetPort() });
    const client = await open(kafka);
    kafka.spoil('both', { sliceBytes: 3 });
    kafka.loseAnswers(1, 'silent');
    // Key 0 and version 0: as an answer its correlation is 0, the id of this request.
    const others = [frame(3, 9, 'metadata'), frame(3, 9, 'more')] as const;
    client.socket.write(Buffer.concat([others[0], frame(0, 0, 'produce'), others[1]]));
    await eventually(() => expect(client.received()).toContain('more'));
    expect(client.received()).toBe(Buffer.concat(others).toString());
    expect(kafka.lost()).toBe(1);
    client.socket.write(frame(0, 0, 'produce'));
    await eventually(() => expect(client.received()).toContain('produce'));
    await kafka.close();
  });

  it('tells producers from consumers, and spoils one of them', async () => {
    const kafka = await startKafkaProxy({ target: targetPort() });
    kafka.spoil('toClient', { isBlackHole: true }, { role: 'consumer' });
    const [producer, consumer] = [await open(kafka), await open(kafka)];
    producer.socket.write(frame(0, 0, 'produce'));
    consumer.socket.write(frame(1, 0, 'fetch'));
    await eventually(() => expect(producer.received()).toContain('produce'));
    await sleep(QUIET_MS);
    expect(consumer.received()).toBe('');
    expect(kafka.cut('reset', { role: 'consumer' })).toBe(1);
    await eventually(() => expect(consumer.error()).toBe('ECONNRESET'));
    expect(producer.error()).toBeUndefined();
    await kafka.close();
  });
});
