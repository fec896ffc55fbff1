import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Log } from '../../log.ts';
import type { TlsFailure } from '../../metrics/metrics.ts';
import { acceptedOf } from '../../runtime/socket-handle.ts';
import type { TlsFiles } from '../../runtime/tls-files.ts';
import { type Problem, rawProblem } from '../problem.ts';
import { formatMs } from '../quantity.ts';
import { endWith } from './client-error.ts';

export interface TlsFrontOptions {
  readonly tls: TlsFiles;
  /** From the connection to the end of the handshake, milliseconds. Beyond: closed. */
  readonly handshakeTimeoutMs: number;
  /** Takes a connection whose handshake is done, and whose client has a valid certificate where one is needed. */
  readonly onSecure: (socket: TLSSocket) => void;
  readonly onFailed: (reason: TlsFailure) => void;
  readonly log: Pick<Log, 'warn'>;
}

/** Stands between the connections of a port and who serves them, and does the TLS handshakes. */
export interface TlsFront {
  /** Takes an accepted connection. */
  take(accepted: Socket): void;
  /** Cuts connections in their handshake: they wait for no answer. */
  closeIdle(): void;
  closeAll(): void;
  /** Stops its timer, and follows the certificate no more. */
  close(): void;
}

interface Handshake {
  readonly client: string | undefined;
  readonly since: number;
}

/** The first byte of every TLS connection: a record of the handshake (RFC 8446, 5.1). */
const HANDSHAKE = 0x16;

const PLAIN: Problem = {
  kind: 'bad-request',
  detail: 'this port speaks TLS, and the request is plain HTTP; use https://',
};

/**
 * The server of node:tls does the handshakes, and does not listen itself. So the limits and the stop of the server that listens
 * hold for connections in their handshake too.
 */
export function createTlsFront(options: TlsFrontOptions): TlsFront {
  const { tls, handshakeTimeoutMs, onFailed, log } = options;
  const handshakes = new Map<Socket, Handshake>();
  const server = createHandshakeServer(options, handshakes);

  const sweep = () => {
    const now = performance.now();
    for (const [accepted, { client, since }] of handshakes) {
      if (now - since <= handshakeTimeoutMs) return;
      handshakes.delete(accepted);
      accepted.destroy();
      onFailed('timeout');
      const timeout = formatMs(handshakeTimeoutMs);
      log.warn('a TLS handshake took too long (server.headersTimeout); its connection is closed', { client, timeout });
    }
  };
  const timer = setInterval(sweep, Math.min(1_000, Math.max(5, handshakeTimeoutMs / 4))).unref();
  const closeAll = () => {
    for (const accepted of handshakes.keys()) accepted.destroy();
  };

  return {
    take(accepted) {
      const client = accepted.remoteAddress;
      handshakes.set(accepted, { client, since: performance.now() });
      // After the error of the handshake, which needs what is known of it.
      accepted.once('close', () => setImmediate(() => handshakes.delete(accepted)));
      waitForHello(accepted, (isPlain) => {
        if (!isPlain) {
          server.emit('connection', accepted);
          return;
        }
        onFailed('plain_http');
        log.warn('a client speaks plain HTTP to the TLS port; it is answered 400', { client });
        endWith(accepted, rawProblem(PLAIN));
        accepted.resume();
      });
    },
    closeIdle: closeAll,
    closeAll,
    close() {
      clearInterval(timer);
      tls.close();
    },
  };
}

/** The server of node:tls. It is given connections, and does not listen. */
function createHandshakeServer(
  { tls, onSecure, onFailed, log }: TlsFrontOptions,
  handshakes: Map<Socket, Handshake>,
): Server {
  const server = tls.follow(createServer({ ...tls.options(), ALPNProtocols: ['http/1.1'] }));
  server.on('secureConnection', (socket: TLSSocket) => {
    const accepted = acceptedOf(socket);
    if (accepted === undefined || !handshakes.delete(accepted)) {
      socket.destroy();
      return;
    }
    // TLS 1.2 alone has it. A client could keep the service busy with it.
    socket.disableRenegotiation();
    onSecure(socket);
  });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    const accepted = acceptedOf(socket);
    const handshake = accepted === undefined ? undefined : handshakes.get(accepted);
    accepted?.destroy();
    if (handshake === undefined) return;
    const { reason, detail } = failureOf(error, socket);
    onFailed(reason);
    if (reason === 'aborted') return;
    const about = { client: handshake.client, reason: detail, fold: detail };
    log.warn('a TLS handshake failed; its connection is closed', about);
  });
  return server;
}

/** Calls `begin` at the first bytes, with those bytes to be read again where they are the beginning of a handshake. */
function waitForHello(accepted: Socket, begin: (isPlain: boolean) => void): void {
  const destroy = () => void accepted.destroy();
  accepted.on('error', destroy).on('end', destroy);
  accepted.once('data', (first: Buffer) => {
    accepted.off('end', destroy);
    if (first[0] !== HANDSHAKE) {
      begin(true);
      return;
    }
    accepted.pause();
    accepted.unshift(first);
    begin(false);
  });
}

function failureOf(
  error: Error,
  { authorizationError }: TLSSocket,
): { readonly reason: TlsFailure; readonly detail: string } {
  const code = 'code' in error ? String(error.code) : error.message;
  // Node.js gives the code of a certificate that is not accepted, and declares an Error.
  const refused: unknown = authorizationError;
  if (refused !== undefined && refused !== null) return { reason: 'client_certificate', detail: String(refused) };
  if (code === NO_CERTIFICATE) return { reason: 'client_certificate', detail: 'the client sent no certificate' };
  if (code === 'ECONNRESET') return { reason: 'aborted', detail: code };
  return { reason: 'handshake', detail: code };
}

const NO_CERTIFICATE = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
