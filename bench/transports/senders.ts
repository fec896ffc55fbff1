import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Transport } from './cells.ts';

/** One end of a transport. */
export interface Sender {
  /** Sends bytes. They must not change until the promise resolves; undefined: the kernel has them already. */
  send(bytes: Buffer): Promise<void> | undefined;
  /** Resolves when the receiver's end is closed, where the transport has one. */
  close(): Promise<void>;
}

export interface SenderOptions {
  readonly transport: Transport;
  /** `host:port` or a path. */
  readonly where: string;
  readonly connection: 'kept' | 'each';
  /** Of `tls`: the file of the certificate that is trusted. */
  readonly ca: string | undefined;
}

/** Bytes in front of a record: the head of a request of HTTP. */
export function headOf(
  { transport, connection }: Pick<SenderOptions, 'transport' | 'connection'>,
  size: number,
): string {
  if (transport !== 'http') return '';
  const close = connection === 'each' ? 'Connection: close\r\n' : '';
  return `POST /logs/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n${close}Content-Length: ${size}\r\n\r\n`;
}

/** Opens a sender. Where each record has a connection of its own, nothing is opened yet. */
export async function openSender(options: SenderOptions): Promise<Sender> {
  const { transport, connection } = options;
  if (connection === 'each') return createConnector(options);
  if (transport === 'http') return openHttp(options);
  if (transport === 'fifo') return openFifo(options);
  if (transport === 'udp') return openUdp(options);
  if (transport === 'unixgram') return openUnixgram(options);
  return openStream(options);
}

function target({ transport, where }: SenderOptions): { path: string } | { host: string; port: number } {
  if (transport === 'unixsock') return { path: where };
  const colon = where.lastIndexOf(':');
  return { host: where.slice(0, colon), port: Number(where.slice(colon + 1)) };
}

async function openStream(options: SenderOptions): Promise<Sender> {
  const { transport, ca } = options;
  const isTls = transport === 'tls' && ca !== undefined;
  const socket: Socket = isTls
    ? connectTls({ ...target(options), ca: readFileSync(ca), servername: 'localhost' })
    : connect({ ...target(options), noDelay: true });
  await once(socket, isTls ? 'secureConnect' : 'connect');
  let waiting: PromiseWithResolvers<void> | undefined;
  socket.on('error', (error) => waiting?.reject(error));
  function onWritten(): void {
    if (socket.writableLength > 0) return;
    waiting?.resolve();
    waiting = undefined;
  }
  return {
    send(bytes) {
      socket.write(bytes, onWritten);
      // What a plain socket's write could hand over is no longer in the queue when it returns.
      if (socket.writableLength === 0) return undefined;
      waiting ??= Promise.withResolvers();
      return waiting.promise;
    },
    async close() {
      socket.resume().end();
      await once(socket, 'close');
    },
  };
}

/** One write, which waits in the kernel while the pipe is full. */
function openFifo({ where }: SenderOptions): Sender {
  const fd = openSync(where, 'w');
  return {
    send(bytes) {
      for (let from = 0; from < bytes.length; ) from += writeSync(fd, bytes, from);
      return undefined;
    },
    close: async () => closeSync(fd),
  };
}

async function openUdp(options: SenderOptions): Promise<Sender> {
  const { host, port } = target(options) as { host: string; port: number };
  const socket = createSocket('udp4');
  socket.connect(port, host);
  await once(socket, 'connect');
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
}

async function openUnixgram({ where }: SenderOptions): Promise<Sender> {
  const { openUnixDatagramSender } = await import('../../src/runtime/unix-datagram.ts');
  const sender = openUnixDatagramSender(where);
  return {
    send: (bytes) => (sender.trySend(bytes) ? undefined : sendLater(bytes)),
    close: async () => sender.close(),
  };
  async function sendLater(bytes: Buffer): Promise<void> {
    do await sender.writable();
    while (!sender.trySend(bytes));
  }
}

/** One request after the other, each after the answer to the one before it. */
async function openHttp(options: SenderOptions): Promise<Sender> {
  const socket = connect({ ...target(options), noDelay: true });
  await once(socket, 'connect');
  let answer = '';
  let waiting = Promise.withResolvers<void>();
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
    if (!isWholeAnswer(answer)) return;
    settle(waiting, answer);
    answer = '';
  });
  socket.on('error', (error) => waiting.reject(error));
  return {
    send(bytes) {
      waiting = Promise.withResolvers();
      socket.write(bytes);
      return waiting.promise;
    },
    close: async () => void socket.destroy(),
  };
}

/** A connection for each record: opened, written to, and closed by both ends. */
function createConnector(options: SenderOptions): Sender {
  const isHttp = options.transport === 'http';

  function tryOnce(bytes: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect(target(options));
    let answer = '';
    socket.on('error', reject);
    socket.on('data', (part) => {
      answer += part.toString('latin1');
    });
    socket.on('close', (hadError) => {
      if (hadError) return;
      if (isHttp) settle({ resolve, reject }, answer);
      else resolve();
    });
    if (isHttp) socket.write(bytes);
    else socket.end(bytes);
    return promise;
  }

  return {
    async send(bytes) {
      for (;;) {
        try {
          return await tryOnce(bytes);
        } catch (error) {
          // The queue of connections that are not accepted yet is full, or no port is free: nothing was sent.
          const { code } = error as NodeJS.ErrnoException;
          if (code !== 'EAGAIN' && code !== 'EADDRNOTAVAIL') throw error;
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
    },
    close: async () => undefined,
  };
}

function isWholeAnswer(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer)?.[1];
  return head >= 0 && answer.length >= head + 4 + Number(length ?? 0);
}

function settle({ resolve, reject }: Pick<PromiseWithResolvers<void>, 'resolve' | 'reject'>, answer: string): void {
  if (answer.startsWith('HTTP/1.1 202')) resolve();
  else reject(new Error(`cannot send a record: ${answer.slice(0, 200) || 'the connection closed without an answer'}`));
}
