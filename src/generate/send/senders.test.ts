import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { constants } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openUnixDatagramReceiver } from '../../runtime/unix-datagram.ts';
import type { Batch, Doubt, SendContext, Sender } from '../generate.ts';
import { connectSocket, openFifo } from './connect.ts';
import { createDatagramSender, MAX_DATAGRAM_BYTES } from './datagram-sender.ts';
import { createFileSender } from './file-sender.ts';
import { openUdp, openUnixDatagram } from './open-datagram.ts';
import { RecentRecords } from './recent-records.ts';
import { createStreamSender } from './stream-sender.ts';

let dir: string;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'logforge-generate-'));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await rm(dir, { recursive: true });
});

function context(
  more: Partial<SendContext> = {},
): SendContext & { readonly said: string[]; readonly doubted: Doubt[] } {
  const said: string[] = [];
  const doubted: Doubt[] = [];
  const doubt = (one: Doubt) => void doubted.push(one);
  const say = (message: string) => void said.push(message);
  const stopped = new AbortController().signal;
  return {
    retries: 3,
    head: Buffer.alloc(0),
    stopped,
    notify: say,
    warn: say,
    doubt,
    wait: async () => {},
    ...more,
    said,
    doubted,
  };
}

/** More than the buffers of a connection hold. */
const LONG = 4 * 1024 * 1024;

/** A batch of lines. */
function batchOf(...lines: readonly string[]): Batch {
  const ends = new Uint32Array(lines.length);
  let end = 0;
  for (const [index, line] of lines.entries()) {
    end += Buffer.byteLength(line) + 1;
    ends[index] = end;
  }
  return { bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')), records: lines.length, ends };
}

/** A server that keeps what each connection sent. `onData` may close it. */
async function listen(onData: (socket: Socket, connection: number) => void = () => {}) {
  const texts: string[] = [];
  const sockets: Socket[] = [];
  const ended: Promise<void>[] = [];
  const server: Server = createServer((socket) => {
    const index = texts.push('') - 1;
    sockets.push(socket);
    ended.push(new Promise((resolve) => socket.on('close', () => resolve())));
    socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        texts[index] = `${texts[index]}${bytes}`;
        onData(socket, index);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { texts, sockets, port, closed: () => Promise.all(ended) };
}

function tcpSender(port: number, more: Partial<SendContext> = {}, maxWriteBytes = 65_536): Sender {
  const to = { host: '127.0.0.1', port };
  return createStreamSender({ ...context(more), maxWriteBytes, target: 'there', connect: () => connectSocket(to) });
}

describe('a stream sender', () => {
  it('sends batches over one connection', async () => {
    const server = await listen();
    const sender = tcpSender(server.port, { head: Buffer.from('head\n') });
    expect(await sender.send(batchOf('a', 'b'))).toEqual({
      sent: 2,
      failed: 0,
      unsure: 0,
      bytes: 4,
      problem: undefined,
    });
    expect(await sender.send(batchOf('c'))).toMatchObject({ sent: 1 });
    await sender.close();
    await server.closed();
    expect(server.texts).toEqual(['head\na\nb\nc\n']);
  });

  it('begins a new connection with the head and a whole frame when the server has closed', async () => {
    const server = await listen((socket, connection) => connection === 0 && socket.end());
    const doubted: Doubt[] = [];
    const doubt = (one: Doubt) => void doubted.push(one);
    const sender = tcpSender(server.port, { head: Buffer.from('head\n'), doubt });
    await sender.send(batchOf('a'));
    await expect.poll(() => server.sockets[0]?.destroyed).toBe(true);
    expect(await sender.send(batchOf('b'))).toMatchObject({ sent: 1, unsure: 0 });
    await sender.close();
    await server.closed();
    expect(server.texts).toEqual(['head\na\n', 'head\nb\n']);
    // The server may have closed before it read it.
    expect(doubted).toEqual([{ records: 1, bytes: 2, batches: 1 }]);
  });

  it('never sends again what stood in a connection that broke, and counts it as unsure', async () => {
    // The server resets its first connection in the middle of a batch that is larger than all buffers.
    const server = await listen((socket, connection) => connection === 0 && socket.resetAndDestroy());
    const sender = tcpSender(server.port);
    const lines = Array.from({ length: 2_000 }, (_, i) => `${String(i).padStart(6, '0')}${'x'.repeat(9_993)}`);
    const outcome = await sender.send(batchOf(...lines));
    await sender.close();
    await server.closed();
    const [, ...later] = server.texts;
    const read = later.join('').split('\n');
    expect(read.pop()).toBe('');
    expect(read).toEqual(lines.slice(-read.length));
    expect(outcome.problem).toMatch(/the connection to there broke/);
    expect(outcome.unsure).toBeGreaterThan(0);
    expect(outcome).toMatchObject({ failed: 0, sent: 2_000 - outcome.unsure });
    expect(outcome.unsure).toBeLessThan(50);
  });

  it('says of a batch that was doubted in its middle that it was', async () => {
    // The server closes in order while it reads the fourth line, so that none is lost, but nobody can know that.
    const server = await listen((socket, connection) => {
      if (connection === 0 && (server.texts[0]?.length ?? 0) > 3 * LONG) socket.end();
    });
    const doubted: Doubt[] = [];
    const sender = tcpSender(server.port, { doubt: (one) => void doubted.push(one) }, LONG + 1);
    const { sent, unsure, failed, isDoubted } = await sender.send(batchOf(...Array<string>(16).fill('x'.repeat(LONG))));
    await sender.close();
    expect({ all: sent + unsure, failed, isDoubted }).toEqual({ all: 16, failed: 0, isDoubted: true });
    expect(doubted).toEqual([expect.objectContaining({ batches: 0 })]);
  });

  it('gives up a batch after so many attempts to connect, and tries again for the next one', async () => {
    const server = await listen();
    let isUp = false;
    const options = context({ retries: 2 });
    const connect = () => connectSocket({ host: '127.0.0.1', port: isUp ? server.port : 1 });
    const sender = createStreamSender({ ...options, maxWriteBytes: 4, target: 'there', connect });
    const outcome = await sender.send(batchOf('a', 'bbbb', 'c'));
    expect(outcome).toMatchObject({ sent: 0, failed: 3, unsure: 0, bytes: 0 });
    expect(outcome.problem).toMatch(/cannot connect to there: .*ECONNREFUSED.*; gave up after 3 attempts/);
    expect(options.said).toHaveLength(2);
    isUp = true;
    expect(await sender.send(batchOf('d'))).toMatchObject({ sent: 1 });
    await sender.close();
  });

  it('does not use a connection that opens after it was destroyed', async () => {
    const { port } = await listen();
    const opening = Promise.withResolvers<void>();
    let opened: Socket | undefined;
    const connect = async () => {
      await opening.promise;
      opened = await connectSocket({ host: '127.0.0.1', port });
      return opened;
    };
    const sender = createStreamSender({ ...context({ retries: 0 }), target: 'x', connect, maxWriteBytes: LONG });
    const sent = sender.send(batchOf('x'.repeat(LONG)));
    sender.destroy();
    opening.resolve();
    expect(await sent).toMatchObject({ sent: 0, failed: 1 });
    expect(opened?.destroyed).toBe(true);
  });

  it('ends a write that hangs when it is destroyed', async () => {
    const server = await listen();
    const sender = tcpSender(server.port, {}, 20 * 1024 * 1024);
    await sender.send(batchOf('a'));
    await expect.poll(() => server.sockets.length).toBe(1);
    server.sockets[0]?.pause();
    const sending = sender.send(batchOf('x'.repeat(32 * 1024 * 1024), 'never begun'));
    sender.destroy();
    expect(await sending).toMatchObject({ sent: 0, unsure: 1, failed: 1 });
    expect(server.sockets).toHaveLength(1);
  });
});

describe('what was written in the last second', () => {
  it('is remembered, and what was written before is not', () => {
    const recent = new RecentRecords();
    for (let now = 0; now < 10_000; now += 10) recent.add(1, 100, now);
    expect(recent.take(10_000)).toEqual({ records: 100, bytes: 10_000, batches: 0 });
    expect(recent.take(10_000)).toEqual({ records: 0, bytes: 0, batches: 0 });
    recent.add(5, 50, 20_000);
    expect(recent.take(25_000)).toEqual({ records: 0, bytes: 0, batches: 0 });
  });

  it('has the batches that ended in it', () => {
    const recent = new RecentRecords();
    for (const now of [0, 950, 1_000, 1_001]) {
      recent.add(2, 20, now);
      recent.endBatch();
    }
    recent.add(1, 10, 1_500);
    expect(recent.take(1_900)).toEqual({ records: 7, bytes: 70, batches: 3 });
    recent.endBatch();
    expect(recent.take(1_900)).toEqual({ records: 0, bytes: 0, batches: 0 });
  });
});

describe('a FIFO', () => {
  it('is written in whole lines of at most PIPE_BUF bytes, so that several writers do not mix', async () => {
    const path = join(dir, 'fifo');
    execFileSync('mkfifo', [path]);
    const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    closers.push(() => reader.close());
    const make = () =>
      createStreamSender({ ...context(), maxWriteBytes: 4_096, target: path, connect: () => openFifo(path) });
    const senders = [make(), make(), make()];
    const batch = (name: string) => batchOf(...Array.from({ length: 400 }, (_, i) => `${name}${i}${'-'.repeat(95)}`));
    const sending = Promise.all(senders.map((sender, i) => sender.send(batch('abc'[i] ?? ''))));
    let text = '';
    const expected = ['a', 'b', 'c'].reduce((sum, name) => sum + batch(name).bytes.length, 0);
    while (text.length < expected) {
      const { bytesRead, buffer } = await reader.read(Buffer.alloc(65_536)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EAGAIN') throw error;
        return { bytesRead: 0, buffer: Buffer.alloc(0) };
      });
      text += buffer.toString('latin1', 0, bytesRead);
    }
    expect((await sending).map(({ sent }) => sent)).toEqual([400, 400, 400]);
    for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^[abc]\d+-{95}$/);
    for (const sender of senders) await sender.close();
  });

  it('that nobody reads, or that is a file, is told', async () => {
    const path = join(dir, 'fifo');
    execFileSync('mkfifo', [path]);
    await expect(openFifo(path)).rejects.toThrow('nobody reads it');
    await writeFile(join(dir, 'file'), '');
    await expect(openFifo(join(dir, 'file'))).rejects.toThrow('it is not a FIFO');
    await expect(openFifo(join(dir, 'none'))).rejects.toThrow(/ENOENT/);
  });
});

describe('a datagram sender', () => {
  it('packs whole lines into 1,400 bytes, and warns once of a line that goes alone', async () => {
    const socket = createSocket('udp4');
    const got: string[] = [];
    socket.on('message', (bytes) => got.push(bytes.toString()));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
    const options = context();
    const open = () => openUdp({ host: '127.0.0.1', port: socket.address().port });
    const sender = createDatagramSender({ ...options, target: 'there', open });
    const lines = [...Array<string>(30).fill('x'.repeat(99)), 'y'.repeat(2_000), 'z'.repeat(1_399), 'y'.repeat(3_000)];
    expect(await sender.send(batchOf(...lines))).toMatchObject({ sent: 33, failed: 0 });
    await expect.poll(() => got.length).toBe(6);
    expect(got.map(({ length }) => length)).toEqual([1_400, 1_400, 200, 2_001, MAX_DATAGRAM_BYTES, 3_001]);
    expect(got.join('')).toBe(batchOf(...lines).bytes.toString());
    expect(options.said).toEqual([expect.stringMatching(/a record of 2001 bytes is larger than a datagram/)]);
    expect(await sender.send(batchOf('w'.repeat(70_000), 'v'))).toMatchObject({
      sent: 1,
      failed: 1,
      problem: expect.stringMatching(/cannot send a datagram of 70001 bytes to there: .*EMSGSIZE/),
    });
    await sender.close();
  });

  it('leaves no socket behind where it cannot connect', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length;
    const before = sockets();
    await expect(openUdp({ host: '255.255.255.255', port: 9 })).rejects.toThrow();
    await vi.waitFor(() => expect(sockets()).toBe(before));
  });

  it('gives each record a datagram of its own where they cannot be packed', async () => {
    const sent: string[] = [];
    const open = async () => ({ send: async (bytes: Buffer) => void sent.push(bytes.toString()), close: () => {} });
    const sender = createDatagramSender({ ...context(), target: 'there', open, isSingle: true });
    expect(
      await sender.send({ bytes: Buffer.from('<1>a<2>bb'), records: 2, ends: Uint32Array.of(4, 9) }),
    ).toMatchObject({ sent: 2, bytes: 9 });
    expect(sent).toEqual(['<1>a', '<2>bb']);
  });

  it('sends Unix datagrams, waits while the queue is full, and finds a receiver that comes back', async () => {
    const path = join(dir, 'dgram');
    const got: string[] = [];
    const listen = () => {
      const onDatagram = (bytes: Buffer) => void got.push(bytes.toString());
      return openUnixDatagramReceiver(path, { receiveBuffer: 65_536, onDatagram });
    };
    const first = listen();
    const options = context({ retries: 1 });
    const sender = createDatagramSender({ ...options, target: path, open: () => openUnixDatagram(path) });
    const lines = Array.from({ length: 3_000 }, (_, i) => `${i}${'x'.repeat(100)}`);
    expect(await sender.send(batchOf(...lines))).toMatchObject({ sent: 3_000, failed: 0 });
    await expect.poll(() => got.join('')).toBe(batchOf(...lines).bytes.toString());
    first.close();
    await rm(path);
    expect(await sender.send(batchOf('lost'))).toMatchObject({
      failed: 1,
      problem: expect.stringMatching(/cannot send a datagram of 5 bytes to .*: .*(ENOENT|ECONNREFUSED)/),
    });
    const second = listen();
    closers.push(() => second.close());
    expect(await sender.send(batchOf('again'))).toMatchObject({ sent: 1 });
    await expect.poll(() => got.at(-1)).toBe('again\n');
    await sender.close();
  });

  it('ends a send that waits for a receiver which does not read, when it is destroyed', async () => {
    const path = join(dir, 'dgram');
    const receiver = openUnixDatagramReceiver(path, { receiveBuffer: 65_536, onDatagram: () => {} });
    closers.push(() => receiver.close());
    receiver.pause();
    const stop = new AbortController();
    const options = context({ stopped: stop.signal });
    const sender = createDatagramSender({ ...options, target: path, open: () => openUnixDatagram(path) });
    const sending = sender.send(batchOf(...Array<string>(5_000).fill('x'.repeat(700))));
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    sender.destroy();
    const { sent, failed } = await sending;
    expect(failed).toBeGreaterThan(4_000);
    expect(sent + failed).toBe(5_000);
  });
});

describe('a file sender', () => {
  const read = async () => {
    const names = (await readdir(dir)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), 'utf8')] as const)),
    );
  };

  it('appends, with the head only where the file is empty', async () => {
    const path = join(dir, 'log');
    for (const line of ['a', 'b']) {
      const sender = createFileSender({ ...context({ head: Buffer.from('head\n') }), path, keep: 5 });
      expect(await sender.send(batchOf(line))).toMatchObject({ sent: 1, bytes: 2 });
      await sender.close();
    }
    expect(await read()).toEqual({ log: 'head\na\nb\n' });
  });

  it('begins a new file before one is too large, and keeps so many older ones', async () => {
    const sender = createFileSender({
      ...context({ head: Buffer.from('h\n') }),
      path: join(dir, 'log'),
      rotateBytes: 8,
      keep: 2,
    });
    expect(await sender.send(batchOf('11', '22', '33', '44', '55', '66'))).toMatchObject({ sent: 6 });
    expect(await sender.send(batchOf('77'))).toMatchObject({ sent: 1 });
    await sender.close();
    const files = await read();
    expect(Object.keys(files)).toEqual(['log', 'log.1', 'log.2']);
    for (const text of Object.values(files)) expect(text).toMatch(/^h\n(\d\d\n){1,2}$/);
    expect(`${files['log.2']}${files['log.1']}${files.log}`.replaceAll('h\n', '')).toMatch(
      /^44\n55\n66\n77\n$|55\n66\n77\n$/,
    );
  });

  it('counts what it cannot write', async () => {
    const sender = createFileSender({ ...context({ retries: 1 }), path: join(dir, 'none', 'log'), keep: 5 });
    expect(await sender.send(batchOf('a', 'b'))).toMatchObject({
      failed: 2,
      problem: expect.stringMatching(/cannot write .*none\/log: ENOENT/),
    });
    await sender.close();
  });

  it('counts what a full disk does not take', async () => {
    const sender = createFileSender({ ...context({ retries: 0 }), path: '/dev/full', keep: 5 });
    expect(await sender.send(batchOf('a'))).toMatchObject({ sent: 0, failed: 1, unsure: 0 });
    await sender.close();
  });
});
