/**
 * A raw sender as a separate process: one JSON object on stdin, one on stdout. inputs.ts starts it. It is cheap on purpose, because it shares
 * the machine with the service: it writes the same block again and again on each connection, as fast as the service takes it.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import type { InputAddress } from './input-address.ts';
import { BLOCK_RECORDS, makeBlock, type SenderFormat, type SenderFraming } from './input-blocks.ts';

export interface SenderInput {
  readonly to: InputAddress;
  readonly usesTls: boolean;
  readonly framing: SenderFraming;
  readonly format: SenderFormat;
  readonly connections: number;
  readonly seconds: number;
}

export interface SenderOutput {
  /** When all connections were open and the first byte was sent, Unix milliseconds. */
  readonly begunAt: number;
  readonly records: number;
  readonly bytes: number;
  readonly cpuSeconds: number;
}

const input = JSON.parse(await text(process.stdin)) as SenderInput;
const block = makeBlock(input);
let blocks = 0;

async function open(): Promise<Socket> {
  const { host, port, path } = input.to;
  const to = path === undefined ? { host: host ?? '127.0.0.1', port: port ?? 0 } : { path };
  const socket: Socket = input.usesTls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to);
  await once(socket, input.usesTls ? 'secureConnect' : 'connect');
  return socket.resume();
}

async function send(socket: Socket, end: number): Promise<void> {
  while (performance.now() < end) {
    blocks++;
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
  await once(socket, 'close');
}

const sockets = await Promise.all(Array.from({ length: input.connections }, open));
const begunAt = Date.now();
const before = process.cpuUsage();
const end = performance.now() + input.seconds * 1_000;
await Promise.all(sockets.map((socket) => send(socket, end)));
const { user, system } = process.cpuUsage(before);
const output: SenderOutput = {
  begunAt,
  records: blocks * BLOCK_RECORDS,
  bytes: blocks * block.length,
  cpuSeconds: (user + system) / 1e6,
};
process.stdout.write(`${JSON.stringify(output)}\n`);
