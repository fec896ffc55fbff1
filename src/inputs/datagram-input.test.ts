import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { lstatSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/storage.ts';
import { createDatagramFraming } from '../decode/frames/datagram-framing.ts';
import { countFrames } from '../lines/block-form.ts';
import { openUnixDatagramReceiver, openUnixDatagramSender } from '../runtime/unix-datagram.ts';
import { createClientRate } from './client-rate.ts';
import { makeFolder } from './contract/contract-places.case.ts';
import type { CreateOptions, InputFixture, Sender } from './contract/fixture.case.ts';
import { joinLines, makeLines, setUp } from './contract/flow.case.ts';
import { describeInputContract } from './contract/input-contract.case.ts';
import { createDatagramInput, type DatagramSource } from './datagram-input.ts';
import { createUdpSource } from './udp-source.ts';
import { createUnixgramSource } from './unixgram-source.ts';

const RECEIVE_BUFFER = 1024 * 1024;
const never = new Promise<void>(() => undefined);

function create(
  options: CreateOptions,
  source: DatagramSource,
  rate = undefined as ReturnType<typeof createClientRate> | undefined,
) {
  const framing = createDatagramFraming({ holds: 'lines', kind: 4, maxFrameBytes: options.maxFrameBytes });
  return createDatagramInput({
    ...options,
    source,
    framing,
    countFrames: (lines) => countFrames('lines', lines),
    rate,
  });
}

async function connectUdp(where: string): Promise<Sender> {
  const socket = createSocket('udp4');
  socket.connect(Number(where.slice(where.lastIndexOf(':') + 1)), '127.0.0.1');
  await once(socket, 'connect');
  let isClosed = false;
  const close = () => {
    if (!isClosed) socket.close();
    isClosed = true;
  };
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => socket.send(bytes, (error) => (error === null ? resolve() : reject(error)))),
    close: async () => close(),
    vanish: close,
    closed: never,
  };
}

async function connectUnixgram(where: string): Promise<Sender> {
  const sender = openUnixDatagramSender(where);
  let isClosed = false;
  const close = () => {
    isClosed = true;
    sender.close();
  };
  return {
    async send(bytes) {
      while (!isClosed && !sender.trySend(Buffer.from(bytes as Uint8Array))) await sender.writable();
    },
    close: async () => close(),
    vanish: close,
    closed: never,
  };
}

function udp(rate?: ReturnType<typeof createClientRate>): InputFixture {
  return {
    kind: 'datagram',
    place: 'address',
    create(options) {
      const port = Number(options.where?.slice(options.where.lastIndexOf(':') + 1) ?? 0);
      const listen = () => ({ host: '127.0.0.1', port });
      const source = createUdpSource({ name: 'u', listen, receiveBuffer: RECEIVE_BUFFER, log: options.log });
      return { input: create(options, source, rate), connect: connectUdp };
    },
  };
}

const unixgram: InputFixture = {
  kind: 'datagram',
  place: 'path',
  create(options) {
    const path = options.where ?? join(makeFolder(), 'in');
    return {
      input: create(options, createUnixgramSource({ path, receiveBuffer: RECEIVE_BUFFER })),
      connect: connectUnixgram,
    };
  },
};

describeInputContract('an input of type udp', udp());
describeInputContract('an input of type unixgram', unixgram);

describe('an input of type udp', () => {
  it('counts each line that it drops while too much is in flight', async () => {
    const { start, connect, hold, release, lines, dropped, peak } = await setUp(udp(), { maxInFlightBytes: 64 * 1024 });
    await start();
    hold();
    const sender = await connect();
    for (let at = 0; at < 2_000; at += 10) await sender.send(joinLines(makeLines(10, 's', at)));
    await eventually(() => expect(dropped.get('full')).toBeGreaterThan(0));
    release();
    await eventually(() => expect(lines.length + (dropped.get('full') ?? 0)).toBe(2_000));
    expect(peak()).toBeLessThan(70 * 1024);
  });

  it('drops the frames of a client beyond its rate', async () => {
    const rate = createClientRate({ requestsPerSecond: 1, burst: 20 }, { now: () => 0 });
    const { start, connect, lines, dropped } = await setUp(udp(rate));
    await start();
    const sender = await connect();
    for (let at = 0; at < 50; at += 10) await sender.send(joinLines(makeLines(10, 's', at)));
    await eventually(() => expect(dropped.get('rate_limited')).toBe(30));
    expect(lines).toEqual(makeLines(20));
  });

  it('puts the beginning of a frame aside that is too long, also of the longest datagram', async () => {
    const { start, connect, unread, awaitLines } = await setUp(udp(), { maxFrameBytes: 1_024 });
    await start();
    const sender = await connect();
    await sender.send(Buffer.alloc(65_507, 'x'));
    await sender.send('after\n');
    await awaitLines(1);
    expect(unread[0]?.reason).toBe('a frame of 65508 bytes is longer than 1024 (maxFrameBytes)');
  });
});

describe('an input of type unixgram', () => {
  it('loses nothing while too much is in flight: its senders wait', async () => {
    const { start, connect, hold, release, lines, dropped, peak, awaitLines } = await setUp(unixgram, {
      maxInFlightBytes: 64 * 1024,
    });
    await start();
    hold();
    const sender = await connect();
    const sending = (async () => {
      for (let at = 0; at < 2_000; at += 10) await sender.send(joinLines(makeLines(10, 's', at)));
    })();
    await eventually(() => expect(peak()).toBeGreaterThanOrEqual(64 * 1024));
    release();
    await sending;
    await awaitLines(2_000);
    expect(lines).toEqual(makeLines(2_000));
    expect(dropped.size).toBe(0);
    expect(peak()).toBeLessThan(200 * 1024);
  });

  it('puts a datagram aside whose end does not fit', async () => {
    const { start, connect, unread } = await setUp(unixgram);
    await start();
    const sender = await connect();
    await sender.send(Buffer.alloc(200_000, 'x'));
    await eventually(() => expect(unread).toHaveLength(1));
    expect(unread[0]?.reason).toBe('a frame of 200001 bytes is longer than 65536 (maxFrameBytes)');
  });

  it('leaves a socket of streams and one on which somebody receives', async () => {
    const path = join(makeFolder(), 'in');
    const server = createServer().listen(path);
    await once(server, 'listening');
    await expect((await setUp(unixgram, { where: path })).start()).rejects.toThrow('another process listens there');
    server.close();
    await once(server, 'close');
    const receiver = openUnixDatagramReceiver(path, { receiveBuffer: 1_000, onDatagram: () => undefined });
    await expect((await setUp(unixgram, { where: path })).start()).rejects.toThrow('another process listens there');
    receiver.close();
    // As a killed process leaves it.
    expect(lstatSync(path).isSocket()).toBe(true);
    const { start, connect, awaitLines } = await setUp(unixgram, { where: path });
    await start();
    await (await connect()).send('after');
    await awaitLines(1);
  });

  it('does not remove what another process put in its place', async () => {
    const path = join(makeFolder(), 'in');
    const { start, input } = await setUp(unixgram, { where: path });
    await start();
    renameSync(path, `${path}.old`);
    writeFileSync(path, 'kept');
    await input.stop(1_000);
    expect(lstatSync(path).isFile()).toBe(true);
  });
});
