import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Hono } from 'hono';
import type { HttpServerOptions } from '../http.ts';
import { BodyRequest } from '../logs/body.ts';
import { createFastPath } from '../logs/fast/fast-path.ts';
import type { ForwardedSocket } from '../logs/fast/forwarded-socket.ts';
import type { HandleLogs } from '../logs/logs.ts';
import { bindDurations, createAnswers } from './answer.ts';
import { createClientErrorListener, createConnectListener } from './client-error.ts';
import { type Connections, createConnections } from './connections.ts';
import { createDispatch, type Dispatch } from './dispatch.ts';
import { createHostCheck } from './host.ts';
import type { HttpLimits } from './limits.ts';
import { createRequestIds } from './request-id.ts';
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

export interface NodeServerOptions
  extends Pick<HttpServerOptions, 'host' | 'hosts' | 'tls' | 'limits' | 'handleOf' | 'logAccess' | 'metrics' | 'log'> {
  /** The routes with a body that is read without hono: POST /logs, /logs/{stream} and /store/batch. */
  readonly handlePost: HandleLogs;
  /** All other routes. */
  readonly app: Hono;
  readonly isDraining: () => boolean;
}

/** The server of node:http, with the fast path in front of it: a new connection goes to the fast path first. */
export function createNodeServer(options: NodeServerOptions) {
  const { limits, metrics, logAccess, log, app, handlePost, isDraining } = options;
  const connections = createConnections();
  const observe = observePosts(metrics);
  const answers = createAnswers({ isDraining, observe });
  const requestId = createRequestIds();
  const dispatch = createDispatch({
    connections,
    answers,
    handlePost,
    requestId,
    checkHost: createHostCheck(options),
    app,
    metrics,
    logAccess,
    isDraining,
  });

  const server = createBareServer(limits);
  const fastPath = createFastPath({
    handlePost,
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

/** The time of the requests that go without hono, by their URL. */
function observePosts(metrics: HttpServerOptions['metrics']) {
  const logs = bindDurations(metrics, '/logs');
  const lines = bindDurations(metrics, '/store/batch');
  return (url: string, statusClass: number, seconds: number) =>
    (url.startsWith('/store/') ? lines : logs)(statusClass, seconds);
}

function listenToRequests(
  server: ReturnType<typeof createBareServer>,
  parts: Pick<NodeServerOptions, 'limits' | 'log'> & { readonly connections: Connections; readonly dispatch: Dispatch },
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
  { tls, limits, metrics, log }: NodeServerOptions & Required<Pick<NodeServerOptions, 'tls'>>,
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
