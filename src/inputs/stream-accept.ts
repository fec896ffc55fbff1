import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { handleOf, readInto } from '../runtime/socket-handle.ts';
import type { TlsFiles } from '../runtime/tls-files.ts';

/** A client that has not ended its TLS handshake by then is closed, milliseconds. */
const HANDSHAKE_MS = 10_000;
/** One buffer for all connections: what is read is copied out of it before the next read. */
const READ_BYTES = 256 * 1024;

export interface AcceptOptions {
  /** Undefined: plain. */
  readonly tls: TlsFiles | undefined;
  readonly maxConnections: number;
  readonly handshakeTimeoutMs?: number | undefined;
  /** A client that may send. `accepted` is what its server counts. */
  readonly onSocket: (accepted: Socket) => void;
  /** A connection was closed unread: there are `maxConnections`. `client`: its address, where it has one. */
  readonly onTooMany: (client: string | undefined) => void;
  /** The handshake of a client failed; `reason` says why, for the log. */
  readonly onNoHandshake: (client: string | undefined, reason: string) => void;
}

/** The listening side: it accepts connections and ends their handshakes. */
export function createAcceptor(options: AcceptOptions): Server {
  const { tls, maxConnections, handshakeTimeoutMs = HANDSHAKE_MS, onSocket, onTooMany, onNoHandshake } = options;
  const server =
    tls === undefined
      ? createServer({ allowHalfOpen: true }, onSocket)
      : tls.follow(
          createTlsServer({ ...tls.options(), allowHalfOpen: true, handshakeTimeout: handshakeTimeoutMs }, onSocket),
        );
  server.maxConnections = maxConnections;
  server.on('drop', (dropped) => onTooMany(dropped?.remoteAddress));
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    onNoHandshake(socket.remoteAddress, explainHandshake(error, socket));
    // Node.js leaves one open whose time is over.
    socket.destroy();
  });
  return server;
}

/** What is known of a handshake that failed. Of a client's certificate, Node.js says only that the connection was closed. */
function explainHandshake(error: Error & { readonly code?: string }, { authorizationError }: TLSSocket): string {
  if (authorizationError !== null && authorizationError !== undefined)
    return `the certificate of the client is not accepted: ${authorizationError}`;
  switch (error.code) {
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'the client sent no certificate, and the input asks for one (tls.clientCa)';
    case 'ERR_SSL_HTTP_REQUEST':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_RECORD_LAYER_FAILURE':
      return 'the client does not speak TLS';
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
      return 'the TLS version of the client is older than tls.minVersion';
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'the client did not end its handshake in time';
    case 'ECONNRESET':
      return 'the client closed the connection before the end of its handshake';
    default:
      return error.message;
  }
}

/**
 * Makes readers of accepted sockets. `read` gets each piece, in memory that is used again after the call, and gives false when it has paused
 * the socket. The socket that is given back takes the place of the accepted one. Node.js would make new memory for each 16 KiB of a TLS
 * connection: 1.05 to 1.13 CPU s a million records of 100 bytes, instead of 0.68 to 0.89 (bench/inputs.ts, three runs of each in turn).
 */
export function createReader(): (accepted: Socket, read: (piece: Buffer) => boolean) => Socket {
  const shared = Buffer.allocUnsafeSlow(READ_BYTES);
  return function readFrom(accepted, read) {
    const handle = handleOf(accepted);
    if (handle === undefined) return accepted.on('data', read);
    const callback = (bytes: number) => read(shared.subarray(0, bytes));
    const socket = readInto(accepted, handle, { buffer: shared, callback });
    if (accepted instanceof TLSSocket) closeOnTlsEvents(handle, accepted);
    // Its server counts it until it is destroyed.
    socket.once('close', () => accepted.destroy());
    return socket;
  };
}

/** A client that renegotiates, or sends bytes that are no TLS, is closed. Left to itself, Node.js allows some renegotiations. */
function closeOnTlsEvents(handle: object, socket: TLSSocket): void {
  Object.assign(handle, {
    onhandshakestart: () => socket.destroy(),
    onhandshakedone: () => undefined,
    onerror: () => socket.destroy(),
  });
}
