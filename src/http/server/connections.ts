import type { Socket } from 'node:net';
import type { BodyRequest } from '../logs/body.ts';

/** One open connection, as node:http serves it. */
export interface Connection {
  readonly socket: Socket;
  /** Requests begun on it. */
  requests: number;
  /** The last of them, at least until it is answered and its body is read. */
  newest: BodyRequest | undefined;
  /** Requests begun and not yet answered. */
  open: number;
  /** Its last answer is made or being made: later input is ignored. */
  closing: boolean;
}

export interface Connections {
  add(socket: Socket): void;
  get(socket: Socket): Connection | undefined;
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  /** Cuts every connection. */
  closeAll(): void;
}

export function createConnections(): Connections {
  const connections = new Map<Socket, Connection>();
  return {
    add: (socket) => {
      connections.set(socket, { socket, requests: 0, newest: undefined, open: 0, closing: false });
      socket.once('close', () => connections.delete(socket));
    },
    get: (socket) => connections.get(socket),
    closeIdle: () => {
      for (const connection of connections.values()) {
        if (connection.open > 0) continue;
        connection.closing = true;
        connection.socket.destroySoon();
      }
    },
    closeAll: () => {
      for (const { socket } of connections.values()) socket.destroy();
    },
  };
}
