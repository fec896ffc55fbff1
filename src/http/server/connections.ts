import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { BodyRequest } from '../logs/body.ts';

/** Requests begun and not answered, and requests begun in one turn, at which a connection gives no more bytes to node:http. */
const MAX_OPEN = 8;

/** What a connection is read from. */
export interface Paced {
  /** No more bytes are read, until `goOn`. */
  hold(): void;
  goOn(): void;
  /** Bytes that were not read yet, and all that come, are dropped. */
  ignoreRest(): void;
}

/** One open connection, as node:http serves it. */
export interface Connection {
  readonly socket: Socket;
  readonly paced: Paced;
  /** Requests begun on it. */
  requests: number;
  /** The last of them, at least until it is answered and its body is read. */
  newest: BodyRequest | undefined;
  /** The answer to the last of them, made or not. */
  newestResponse: ServerResponse | undefined;
  /** Requests begun and not yet answered. */
  open: number;
  /** Requests begun in this turn of the event loop. */
  inTurn: number;
  /** Requests through hono, which are served one after the other: the first one is being served. */
  readonly turns: (() => void)[];
  /** Its last answer is made or being made: later input is ignored. */
  closing: boolean;
}

export interface Connections {
  add(socket: Socket, paced: Paced): void;
  get(socket: Duplex): Connection | undefined;
  /** Ends every connection that waits for no answer. */
  closeIdle(): void;
  /** Cuts every connection. */
  closeAll(): void;
}

export function createConnections(): Connections {
  const connections = new Map<Duplex, Connection>();
  return {
    add: (socket, paced) => {
      const connection: Connection = {
        socket,
        paced,
        requests: 0,
        newest: undefined,
        newestResponse: undefined,
        open: 0,
        inTurn: 0,
        turns: [],
        closing: false,
      };
      connections.set(socket, connection);
      socket.once('close', () => connections.delete(socket));
    },
    get: (socket) => connections.get(socket),
    closeIdle: () => {
      for (const connection of connections.values()) {
        if (connection.open > 0 || connection.closing || connection.socket.writableEnded) continue;
        connection.closing = true;
        afterAnswers(connection, () => connection.socket.destroySoon());
      }
    },
    closeAll: () => {
      for (const { socket } of connections.values()) socket.destroy();
    },
  };
}

export function beginRequest(connection: Connection, request: BodyRequest, response: ServerResponse): void {
  connection.requests += 1;
  connection.open += 1;
  connection.newest = request;
  connection.newestResponse = response;
  // Refusals wait for nothing: without a limit for each turn of the event loop, one connection could go on for ever.
  if (connection.inTurn++ === 0) {
    setImmediate(() => {
      connection.inTurn = 0;
      goOnBelowLimit(connection);
    });
  }
  if (connection.open >= MAX_OPEN || connection.inTurn >= MAX_OPEN) connection.paced.hold();
}

/**
 * Calls `then` when every answer is passed to the socket. All of them must be made. node:http writes one after the other, each in a later
 * turn of the event loop, so what is written to the socket, or ends it, before that takes the place of an answer.
 */
export function afterAnswers({ newestResponse }: Connection, then: () => void): void {
  if (newestResponse === undefined || newestResponse.writableFinished) then();
  else newestResponse.once('finish', then);
}

export function endRequest(connection: Connection): void {
  connection.open -= 1;
  goOnBelowLimit(connection);
}

function goOnBelowLimit({ open, inTurn, paced }: Connection): void {
  if (open < MAX_OPEN && inTurn < MAX_OPEN) paced.goOn();
}

/** Calls `serve` when it is its turn: after the `leaveTurn` of those before. */
export function takeTurn(connection: Connection, serve: () => void): void {
  if (connection.turns.push(serve) === 1) serve();
}

export function leaveTurn({ socket, turns }: Connection): void {
  // Not at once: answers that are made without waiting would keep all other connections waiting.
  setImmediate(() => {
    // Only now: a request that comes before would find no other, and be served at once and here again.
    turns.shift();
    if (!socket.destroyed) turns[0]?.();
  });
}
