import { type NetConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';

/**
 * A socket that reads where it is told to, in place of one that was accepted: an accepted one has no such option
 * (`onread`, as net.connect takes it). The handle is what both are made around; the accepted socket, without it, is
 * still what its server counts, until it is destroyed.
 */
export function readInto(accepted: Socket, onread: NonNullable<NetConnectOpts['onread']>): Socket {
  const holder = accepted as Socket & { _handle: object | null };
  const options = { handle: holder._handle, allowHalfOpen: true, onread };
  holder._handle = null;
  return new Socket(options as SocketConstructorOpts);
}
