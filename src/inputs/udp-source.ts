import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { codeOf } from '../disk/missing.ts';
import type { Log } from '../log.ts';
import type { DatagramSource } from './datagram-input.ts';
import { readUdpDrops } from './kernel-drops.ts';

export interface UdpOptions {
  readonly name: string;
  /** Asked at the start. Without a host: every address, IPv4 and IPv6. */
  readonly listen: () => { readonly host?: string | undefined; readonly port: number };
  /** Bytes that the kernel may keep for us. */
  readonly receiveBuffer: number;
  readonly log: Pick<Log, 'warn'>;
}

/** A UDP socket. Nobody can make its senders wait. */
export function createUdpSource(options: UdpOptions): DatagramSource {
  const { receiveBuffer } = options;
  let socket: Socket | undefined;
  return {
    async open(onDatagram) {
      const listen = options.listen();
      try {
        socket = await bind(listen);
      } catch (error) {
        throw explain(error, listen);
      }
      socket.on('message', (datagram, { address }) => onDatagram(datagram, true, address));
      // Of a datagram that could not be received, such as ENOBUFS: the next one may be.
      socket.on('error', (err) =>
        options.log.warn('an input cannot receive', { input: options.name, err, fold: options.name }),
      );
      raiseBuffer(socket, receiveBuffer, options);
      const { address, port } = socket.address();
      return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
    },
    async readDropped() {
      if (socket === undefined) return 0;
      const { address, port } = socket.address();
      return (await readUdpDrops(address, port)) ?? 0;
    },
    async close() {
      const open = socket;
      socket = undefined;
      if (open !== undefined) await new Promise<void>((resolve) => open.close(resolve));
    },
  };
}

async function bind({ host, port }: ReturnType<UdpOptions['listen']>): Promise<Socket> {
  if (host !== undefined) return bindTo(isIPv6(host) ? 'udp6' : 'udp4', host, port);
  try {
    return await bindTo('udp6', '::', port);
  } catch (error) {
    // A machine without IPv6.
    if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(String(codeOf(error)))) throw error;
    return bindTo('udp4', '0.0.0.0', port);
  }
}

async function bindTo(type: 'udp4' | 'udp6', address: string, port: number): Promise<Socket> {
  const socket = createSocket(type);
  try {
    socket.bind({ address, port, exclusive: true });
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function raiseBuffer(socket: Socket, wanted: number, { name, log }: UdpOptions): void {
  socket.setRecvBufferSize(wanted);
  // The kernel says twice what it was asked for: half of it is for its own use.
  const given = Math.floor(socket.getRecvBufferSize() / 2);
  if (given >= wanted) return;
  log.warn('the kernel gives an input a smaller buffer than receiveBuffer; it will drop more datagrams of a burst', {
    input: name,
    wanted,
    given,
    advice: `sysctl -w net.core.rmem_max=${wanted}`,
  });
}

function explain(error: unknown, { host, port }: ReturnType<UdpOptions['listen']>): unknown {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there; choose another address, or stop it',
    EACCES: 'the user that logforge runs as may not listen there',
    EADDRNOTAVAIL: 'no network interface has this address',
    ENOTFOUND: 'no such host',
  };
  const reason = reasons[String(codeOf(error))];
  return reason === undefined
    ? error
    : new Error(`cannot listen on addr=${host ?? ''}:${port}: ${reason}`, { cause: error });
}
