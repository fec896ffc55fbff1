import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TlsFiles } from '../../runtime/tls-files.ts';
import { createEventStreams, type EventStreams } from '../api/event-stream.ts';
import { createRoutes } from '../api/routes.ts';
import { type Authenticate, createAuthenticate, WRONG_KEYS } from '../auth.ts';
import type { HttpServer, HttpServerOptions } from '../http.ts';
import { type BodyCollector, BodyRequest } from '../logs/body.ts';
import { createBodyBuffers } from '../logs/body-buffers.ts';
import { createFastPath } from '../logs/fast/fast-path.ts';
import type { ForwardedSocket } from '../logs/fast/forwarded-socket.ts';
import { createInFlight } from '../logs/in-flight.ts';
import { createLogsHandler, type HandleLogs, type PendingBatch } from '../logs/logs.ts';
import { createRateLimit } from '../logs/rate-limit.ts';
import { createEvict } from '../logs/slow-bodies.ts';
import { createUnpack } from '../logs/unpack.ts';
import { bindDurations, createAnswers } from './answer.ts';
import { createClientErrorListener, createConnectListener } from './client-error.ts';
import { type Connections, createConnections } from './connections.ts';
import { createDeadlines } from './deadlines.ts';
import { createDispatch, type Dispatch } from './dispatch.ts';
import { createHostCheck } from './host.ts';
import type { HttpLimits } from './limits.ts';
import { createRequestIds } from './request-id.ts';
import { stopServer } from './stop.ts';
import { createTlsFront } from './tls-front.ts';
import { readAfterUpgrade } from './upgrade.ts';

/** A connection on which nothing moves for this long is cut, whatever it waits for. */
const STALLED_MS = 300_000;
/** A client that takes no byte of its answers for this long is cut. A connection through a bad network makes progress. */
const UNREAD_MS = 20_000;
const MAX_UNREAD_BYTES = 128 * 1024 * 1024;

const CUT = {
  unread: 'a client does not read its answers; its connection is closed',
  too_many_unread: 'clients do not read their answers; the connection of the slowest is closed',
} as const;

/** How often each of several threads looks whether the bytes in flight come close to their limit. */
const RELIEF_MS = 250;

/** Makes the server; `listen` starts it. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  let draining = false;
  const isDraining = () => draining;
  const eventStreams = createStreams(options);
  const authenticate = createAuth(options);
  const logs = createLogs({ options, authenticate, isDraining });
  const node = createNodeServer({ options, authenticate, isDraining, eventStreams, handleLogs: logs.handle });

  const drain = () => {
    draining = true;
    eventStreams.close();
  };
  const stop = async (graceMs: number) => {
    drain();
    await stopServer(node.server, node.owners, graceMs);
    node.close();
    logs.close();
  };

  let stopped: Promise<void> | undefined;
  return {
    listen: () => listen(node.server, options),
    drain,
    close: ({ graceMs }) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

function createStreams({ metrics }: HttpServerOptions): EventStreams {
  return createEventStreams({
    onDropped: (kind) => metrics.eventStreamsDropped.labels(kind).inc(),
    onCount: (kind, count) => metrics.eventStreams.labels(kind).set(count),
  });
}

function createAuth({ auth, shared, metrics, log }: HttpServerOptions): Authenticate | undefined {
  return createAuthenticate(auth, {
    takeWrongKey: createRateLimit({ ...WRONG_KEYS, buckets: shared?.wrongKeys }),
    onRefused: (client) => {
      metrics.authFailures.inc();
      if (client === undefined) return;
      metrics.authSlowed.inc();
      log.warn('a client address sends many wrong API keys; they are answered 429', { client });
    },
  });
}

/** The handler of POST /logs, with its limits and deadlines. */
function createLogs(parts: {
  readonly options: HttpServerOptions;
  readonly authenticate: Authenticate | undefined;
  readonly isDraining: () => boolean;
}): { readonly handle: HandleLogs; close(): void } {
  const { options, authenticate, isDraining } = parts;
  const { limits, shared, ingest, noteRefusal, metrics, clock, log } = options;
  const { rateLimit } = limits;
  const bodyDeadlines = createDeadlines<BodyCollector>(limits.bodyTimeoutMs);
  const answerDeadlines = createDeadlines<PendingBatch>(limits.requestTimeoutMs);
  const inFlight = createInFlight({
    maxBytes: limits.maxInFlightBytes,
    onChange: (total) => metrics.inFlightBytes.set(total),
    shared,
    evict: createEvict({ bodies: bodyDeadlines.items, onEvicted: () => metrics.bodiesEvicted.inc() }),
  });
  const relief = shared === undefined ? undefined : setInterval(inFlight.relieve, RELIEF_MS).unref();
  const handle = createLogsHandler({
    authenticate,
    takeToken: rateLimit === undefined ? undefined : createRateLimit({ ...rateLimit, buckets: shared?.buckets }),
    isDraining,
    streams: options.streams,
    ingest,
    noteRefusal,
    metrics,
    clock,
    log,
    limits,
    inFlight,
    buffers: options.bodyBuffers ?? createBodyBuffers(),
    unpack: createUnpack({ onRefused: () => metrics.unpackRefused.inc() }),
    bodyDeadlines,
    answerDeadlines,
  });
  return {
    handle,
    close: () => {
      clearInterval(relief);
      bodyDeadlines.close();
      answerDeadlines.close();
    },
  };
}

/** The server of node:http, with the fast path in front of it: a new connection goes to the fast path first. */
function createNodeServer(parts: {
  readonly options: HttpServerOptions;
  readonly authenticate: Authenticate | undefined;
  readonly isDraining: () => boolean;
  readonly eventStreams: EventStreams;
  readonly handleLogs: HandleLogs;
}) {
  const { options, authenticate, isDraining, eventStreams, handleLogs } = parts;
  const { limits, metrics, logAccess, log } = options;
  const connections = createConnections();
  const observe = bindDurations(metrics, '/logs');
  const answers = createAnswers({ isDraining, observe });
  const requestId = createRequestIds();
  const dispatch = createDispatch({
    connections,
    answers,
    handleLogs,
    requestId,
    checkHost: createHostCheck(options),
    app: createRoutes({ ...options, isDraining, authenticate, eventStreams }),
    metrics,
    logAccess,
    isDraining,
  });

  const server = createBareServer(limits);
  const fastPath = createFastPath({
    handleLogs,
    requestId,
    observe,
    logAccess,
    isDraining,
    limits,
    log,
    stalledMs: STALLED_MS,
    unreadMs: limits.unreadTimeoutMs ?? UNREAD_MS,
    maxUnreadBytes: limits.maxUnreadBytes ?? MAX_UNREAD_BYTES,
    onCut: (reason, client) => {
      metrics.connectionsCut.labels(reason).inc();
      log.warn(CUT[reason], { client });
    },
    toNode: handToNode(server, connections),
    handleOf: options.handleOf,
  });
  const tlsFront = options.tls && createFront({ ...options, tls: options.tls }, fastPath.take);
  server.removeAllListeners('connection').on('connection', tlsFront?.take ?? fastPath.take);
  listenToRequests(server, { connections, dispatch, limits, log });
  const close = () => {
    tlsFront?.close();
    fastPath.close();
    answers.close();
  };
  return { server, owners: [connections, fastPath, ...(tlsFront === undefined ? [] : [tlsFront])], close };
}

function listenToRequests(
  server: ReturnType<typeof createBareServer>,
  parts: Pick<HttpServerOptions, 'limits' | 'log'> & { readonly connections: Connections; readonly dispatch: Dispatch },
): void {
  const { connections, dispatch, limits, log } = parts;
  server.on('request', (...exchange) => dispatch(...exchange, 'none'));
  server.on('checkContinue', (...exchange) => dispatch(...exchange, 'continue'));
  server.on('checkExpectation', (...exchange) => dispatch(...exchange, 'other'));
  server.on('clientError', createClientErrorListener(connections, limits));
  server.on('connect', createConnectListener(connections));
  server.on('drop', (dropped) => {
    const about = { client: dropped?.remoteAddress, maxConnections: limits.maxConnections };
    log.warn('closed a new connection: too many are open', about);
  });
}

function createFront(
  { tls, limits, metrics, log }: HttpServerOptions & { readonly tls: TlsFiles },
  onSecure: (socket: Socket) => void,
) {
  return createTlsFront({
    tls,
    handshakeTimeoutMs: limits.headersTimeoutMs,
    onSecure,
    onFailed: (reason) => metrics.tlsFailures.labels(reason).inc(),
    log,
  });
}

function handToNode(server: Server, connections: Connections): (forwarded: ForwardedSocket) => void {
  const listeners = server.listeners('connection');
  return (forwarded) => {
    const socket = forwarded.asSocket();
    connections.add(socket, forwarded);
    for (const listener of listeners) listener.call(server, socket);
    readAfterUpgrade(socket);
  };
}

function createBareServer(limits: HttpLimits) {
  const { headersTimeoutMs, bodyTimeoutMs, keepAliveTimeoutMs, maxConnections } = limits;
  const server = createServer({
    IncomingMessage: BodyRequest,
    headersTimeout: headersTimeoutMs,
    // For bodies that nobody reads. Those of POST /logs have a deadline of their own.
    requestTimeout: headersTimeoutMs + bodyTimeoutMs + 2_000,
    connectionsCheckingInterval: Math.min(1_000, Math.max(5, Math.ceil(headersTimeoutMs / 4))),
    keepAliveTimeout: keepAliveTimeoutMs,
    // A missing Host is answered with a problem, like every other error.
    requireHostHeader: false,
  });
  server.maxConnections = maxConnections;
  // Node.js would leave out the headers after the 2,000th. Their size has a limit: 16 KiB.
  server.maxHeadersCount = 0;
  // A client that ended its side after a whole request still reads (RFC 9112, 9.6). Node.js knows it and documents it not.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.timeout = STALLED_MS;
  return server;
}

/** Rejects with `cannot listen on …`. */
export async function listen(
  server: Server,
  { host = '', port, reusePort = false }: Pick<HttpServerOptions, 'host' | 'port' | 'reusePort'>,
): Promise<{ port: number; address: string }> {
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(new Error(`cannot listen on address=${host}:${port}: ${cause.message}`, { cause }));
    server.once('error', fail);
    server.listen({ port, reusePort, ...(host === '' ? undefined : { host }) }, () => {
      server.off('error', fail);
      resolve();
    });
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error(`cannot listen on address=${host}:${port}: no port`);
  return { port: bound.port, address: bound.address };
}
