import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { openUnixDatagramSender } from '../../runtime/unix-datagram.ts';
import type { HostPort } from './connect.ts';
import type { DatagramSocket } from './datagram-sender.ts';

/** A UDP socket that is connected, so that the kernel tells of a port on which nobody listens. */
export async function openUdp({ host, port }: HostPort): Promise<DatagramSocket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  // The kernel's answer to an earlier datagram; the next send fails with it too.
  socket.on('error', () => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.connect(port, host, ((error?: Error) => (error ? reject(error) : resolve())) as () => void);
    });
  } catch (error) {
    // It is bound by then, and would keep the process alive.
    socket.close();
    throw error;
  }
  let isOpen = true;
  return {
    send: (datagram) =>
      new Promise((resolve, reject) => socket.send(datagram, (error) => (error ? reject(error) : resolve()))),
    close() {
      if (isOpen) socket.close();
      isOpen = false;
    },
  };
}

/** A Unix datagram socket. While the receiver's queue is full, a send waits. Rejects where nobody receives, and without node:ffi. */
export async function openUnixDatagram(path: string): Promise<DatagramSocket> {
  const sender = openUnixDatagramSender(path);
  let isOpen = true;
  return {
    async send(datagram) {
      // Another file may have the descriptor of a closed socket.
      while (isOpen && !sender.trySend(datagram)) await sender.writable();
      if (!isOpen) throw new Error('the socket was closed before the receiver had room');
    },
    close() {
      if (isOpen) sender.close();
      isOpen = false;
    },
  };
}
