import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Sender } from './fixture.case.ts';

/** A sender over a Unix socket (`where` is a path) or TCP (`host:port`), with TLS where `tls` says how. */
export async function connectStream(where: string, tls?: ConnectionOptions): Promise<Sender> {
  const to = toOptions(where);
  const socket = tls === undefined ? connect(to) : connectTls({ ...to, ...tls });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  return senderOf(socket);
}

function toOptions(where: string): NetConnectOpts {
  if (where.startsWith('/')) return { path: where };
  const at = where.lastIndexOf(':');
  return { host: where.slice(0, at), port: Number(where.slice(at + 1)) };
}

export function senderOf(socket: Socket): Sender {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once('close', () => resolve());
  socket.on('error', () => undefined);
  socket.resume();
  return {
    closed,
    send(bytes) {
      const { promise: sent, resolve: done, reject } = Promise.withResolvers<void>();
      // A socket that was destroyed calls back too.
      socket.write(bytes, (error) => (error ? reject(error) : done()));
      return sent;
    },
    async close() {
      socket.end();
      await closed;
    },
    vanish() {
      // Node.js resets no other connection.
      if (socket.remoteFamily !== undefined && !('encrypted' in socket)) socket.resetAndDestroy();
      else socket.destroy();
    },
  };
}
