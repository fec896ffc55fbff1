import type { Socket } from 'node:net';
import type { FastPathContext, OpenConnection } from './context.ts';
import { ForwardedSocket } from './forwarded-socket.ts';
import { UnreadWatch } from './unread.ts';

/** Hands a connection over to node:http. `socket` is read by the caller, who feeds the bytes into what is returned. */
export function forwardToNode(context: FastPathContext, socket: Socket): ForwardedSocket {
  const forwarded = new ForwardedSocket(socket);
  const watch = new UnreadWatch(socket);
  const connection: OpenConnection = {
    checkTime: (now) => {
      if (watch.isOver(now, context.unreadMs)) connection.cutUnread('unread');
    },
    unreadBytes: () => Math.max(forwarded.writableLength, watch.bytes()),
    unreadSince: () => watch.movedAt,
    cutUnread: (reason) => {
      context.onCut(reason, socket.remoteAddress);
      forwarded.destroy();
    },
    // The server closes what node:http serves, and knows which of them are idle.
    closeIfIdle: () => undefined,
    cut: () => void forwarded.destroy(),
  };
  context.connections.add(connection);
  forwarded.once('close', () => context.connections.delete(connection));
  context.toNode(forwarded);
  return forwarded;
}
