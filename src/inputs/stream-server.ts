import type { Server, Socket } from 'node:net';
import { type BlockFraming, FrameError } from '../decode/decode.ts';
import type { Log } from '../log.ts';
import type { TlsFiles } from '../runtime/tls-files.ts';
import type { InputFlow } from './inputs.ts';
import { ReadGate } from './read-gate.ts';
import { noteSocketFile, type SocketFile } from './socket-path.ts';
import { createAcceptor, createReader } from './stream-accept.ts';
import { Connection } from './stream-connection.ts';
import { type DrainOptions, drain } from './stream-stop.ts';
import { UnfinishedFrames } from './unfinished-frames.ts';

export interface StreamServerOptions {
  readonly name: string;
  readonly listen: { readonly host: string | undefined; readonly port: number } | { readonly path: string };
  /** Undefined: plain. */
  readonly tls: TlsFiles | undefined;
  readonly framing: BlockFraming;
  /** Of the framing. */
  readonly maxFrameBytes: number;
  readonly limits: StreamLimits;
  /** Takes the frames. While it is full no connection is read. */
  readonly flow: Omit<InputFlow, 'flush' | 'onRoom'>;
  /**
   * The milliseconds that a client, by its address, must not be read after it sent these frames. Asked again, without frames, when they are
   * over, and for a new connection.
   */
  readonly pace?: ((client: string, frames: Buffer) => number) | undefined;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

export interface StreamLimits {
  /** Further ones are closed. */
  readonly maxConnections: number;
  /** Of a connection on which nothing comes, milliseconds. Undefined: for ever. */
  readonly idleTimeoutMs: number | undefined;
  /** Bytes of frames that are not whole, of all connections. Beyond it the connection whose frame was begun longest ago is closed. */
  readonly maxUnfinishedBytes: number;
  /** Of a client that does not end its TLS handshake, milliseconds. Absent: 10 s. */
  readonly handshakeTimeoutMs?: number;
}

export interface StreamServer {
  /** Rejects with what Node.js says when it cannot listen. */
  listen(): Promise<Server>;
  /** There is room again. */
  resume(): void;
  /** No new connections. Resolves when all that had been sent by then was read, or when `graceMs` are over; every connection is closed then. */
  stop(graceMs: number): Promise<void>;
}

/** Connections that send frames, over TCP, TLS or a Unix socket. */
export function createStreamServer(options: StreamServerOptions): StreamServer {
  const { tls, limits, listen } = options;
  const connections = new ConnectionSet(options);
  let lastAcceptedAt = 0;
  /** Node.js removes what stands at the path when it closes the server. */
  let file: SocketFile | undefined;
  const server = createAcceptor({
    tls,
    maxConnections: limits.maxConnections,
    handshakeTimeoutMs: limits.handshakeTimeoutMs,
    onSocket(accepted) {
      lastAcceptedAt = performance.now();
      connections.add(accepted);
    },
    onTooMany: (client) => connections.noteTooMany(client),
    onNoHandshake: (client, reason) => connections.noteHandshake(client, reason),
  });

  return {
    listen() {
      const { promise, resolve, reject } = Promise.withResolvers<Server>();
      server.once('error', reject);
      server.listen(listen, () => {
        server.off('error', reject);
        if ('path' in listen) file = noteSocketFile(listen.path);
        server.on('error', (error) => connections.noteNotAccepted(error));
        resolve(server);
      });
      return promise;
    },
    resume: () => connections.resume(),
    async stop(graceMs) {
      const listener = {
        get listening() {
          return server.listening;
        },
        close() {
          if (!server.listening) return;
          if (file === undefined) server.close();
          else file.close(() => server.close());
        },
      };
      await connections.drain(listener, () => lastAcceptedAt, graceMs);
      tls?.close();
    },
  };
}

const NO_FRAMES = Buffer.alloc(0);

/** Why a connection is closed before its client ends it. */
const REFUSED = {
  bad_frame: 'its frames cannot be read',
  slow: 'the unfinished frames of all connections have too many bytes, and its frame was begun first',
  idle: 'nothing came from it for idleTimeout',
  tls: 'the client speaks TLS, and the input has none (tls.cert)',
} as const;

/** Whether a client begins with a TLS handshake: the head of a record of that type (RFC 8446, 5.1). No frame begins so. */
function isTlsHello(piece: Buffer): boolean {
  return piece.length >= 3 && piece[0] === 22 && piece[1] === 3 && (piece[2] ?? 255) <= 4;
}

/** The open connections of a server, and what becomes of them. */
class ConnectionSet {
  readonly #options: StreamServerOptions;
  readonly #readFrom: ReturnType<typeof createReader>;
  readonly #all = new Set<Connection>();
  readonly #gate = new ReadGate(this.#all);
  readonly #unfinished: UnfinishedFrames<Connection>;
  #isStopping = false;
  #isOver = false;

  constructor(options: StreamServerOptions) {
    this.#options = options;
    this.#readFrom = createReader();
    this.#unfinished = new UnfinishedFrames(options.limits.maxUnfinishedBytes);
  }

  add(accepted: Socket): void {
    if (this.#isOver) {
      // Its TLS handshake ended after the stop.
      accepted.destroy();
      return;
    }
    const { framing, maxFrameBytes, limits, flow, pace } = this.#options;
    const socket = this.#readFrom(accepted, (piece) => this.#read(connection, piece));
    const connection = new Connection(socket, framing, maxFrameBytes, {
      onFrames: (frames) => {
        this.#afterTake(flow.take(frames));
        this.#pace(connection, frames);
      },
      onHeld: () => pace?.(connection.client ?? '', NO_FRAMES) ?? 0,
      onUnread: (beginning, reason) => this.#afterTake(flow.putAside({ beginning, reason })),
    });
    this.#all.add(connection);
    flow.onConnections(this.#all.size);
    socket.once('end', () => this.#finish(connection));
    // A client that vanishes: `close` follows.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#close(connection, 'the connection was lost in the middle of a frame'));
    const { idleTimeoutMs } = limits;
    if (idleTimeoutMs !== undefined)
      socket.setTimeout(idleTimeoutMs).on('timeout', () => this.#onIdle(connection, socket));
    this.#gate.add(connection);
    this.#pace(connection, NO_FRAMES);
    if (!this.#gate.isClosed && connection.isRead) socket.resume();
    if (this.#isStopping) connection.endOurSide();
  }

  resume(): void {
    this.#gate.open();
  }

  noteTooMany(client: string | undefined): void {
    const { name, flow, log, limits } = this.#options;
    flow.onRefused('too_many_connections');
    const about = { input: name, client, maxConnections: limits.maxConnections, fold: name };
    log.warn('closed a new connection of an input: too many are open', about);
  }

  /** The kernel could give us no connection, as where no descriptor is left (EMFILE). */
  noteNotAccepted(err: Error): void {
    const { name, flow, log } = this.#options;
    flow.onRefused('too_many_connections');
    log.warn('an input cannot accept a connection', { input: name, err, fold: name });
  }

  noteHandshake(client: string | undefined, reason: string): void {
    const { name, flow, log } = this.#options;
    flow.onRefused('tls');
    log.warn('closed a connection of an input: its TLS handshake failed', { input: name, client, reason, fold: name });
  }

  async drain(
    server: DrainOptions<Connection>['server'],
    lastAcceptedAt: () => number,
    graceMs: number,
  ): Promise<void> {
    this.#isStopping = true;
    const openSince = () => this.#gate.openSince;
    const close = (connection: Connection) => this.#close(connection, undefined);
    await drain({ server, connections: this.#all, openSince, lastAcceptedAt, close }, graceMs);
    this.#isOver = true;
  }

  /** False: the connection is paused. */
  #read(connection: Connection, piece: Buffer): boolean {
    if (!connection.isOpen) return false;
    if (connection.isFresh && this.#options.tls === undefined && isTlsHello(piece)) {
      this.#refuse(connection, 'tls');
      return false;
    }
    if (!this.#reads(connection, () => connection.push(piece))) return false;
    this.#unfinished.note(connection);
    for (let slow = this.#unfinished.excess(); slow !== undefined; slow = this.#unfinished.excess())
      this.#refuse(slow, 'slow');
    if (!connection.isOpen) return false;
    return this.#gate.brought(connection, piece.length) && connection.isRead;
  }

  /** The client has ended its side. */
  #finish(connection: Connection): void {
    if (!connection.isOpen) return;
    if (this.#reads(connection, () => connection.finish())) this.#forget(connection);
  }

  /** False where the frames of the connection cannot be read: it is closed then. */
  #reads(connection: Connection, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      const { flow } = this.#options;
      this.#afterTake(flow.putAside({ beginning: error.bytes, reason: error.message }));
      this.#refuse(connection, 'bad_frame', error);
      return false;
    }
  }

  #afterTake(hasRoom: boolean): void {
    if (!hasRoom) this.#gate.close();
  }

  /** At a stop all that had been sent is read, however fast. */
  #pace(connection: Connection, frames: Buffer): void {
    const { pace } = this.#options;
    if (pace !== undefined && !this.#isStopping) connection.hold(pace(connection.client ?? '', frames));
  }

  /** A client that must wait for us is not idle. */
  #onIdle(connection: Connection, socket: Socket): void {
    const { idleTimeoutMs = 0 } = this.#options.limits;
    const since = Math.max(this.#gate.openSince ?? Infinity, connection.readSince ?? Infinity);
    if (performance.now() - since < idleTimeoutMs) socket.setTimeout(idleTimeoutMs);
    else this.#refuse(connection, 'idle');
  }

  #refuse(connection: Connection, refusal: keyof typeof REFUSED, err?: FrameError): void {
    const { name, flow, log } = this.#options;
    flow.onRefused(refusal);
    const about = { input: name, client: connection.client, err, fold: name };
    log.warn(`closed a connection of an input: ${REFUSED[refusal]}`, about);
    this.#close(connection, `the connection was closed in the middle of a frame: ${REFUSED[refusal]}`);
  }

  /** A frame under way is put aside with the reason; without one it is dropped. */
  #close(connection: Connection, reason: string | undefined): void {
    if (connection.close(reason)) this.#options.flow.onDropped('stop', 1);
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    this.#gate.remove(connection);
    this.#unfinished.note(connection);
    this.#options.flow.onConnections(this.#all.size);
  }
}
