import { createServer, type Server } from 'node:http';
import { createEventStreams } from '../api/event-stream.ts';
import { createRoutes } from '../api/routes.ts';
import { createAuthenticate } from '../auth.ts';
import type { HttpServer, HttpServerOptions } from '../http.ts';
import { type BodyCollector, BodyRequest } from '../logs/body.ts';
import { createBodyBuffers } from '../logs/body-buffers.ts';
import { createFastPath } from '../logs/fast/fast-path.ts';
import { createInFlight } from '../logs/in-flight.ts';
import { createLogsHandler } from '../logs/logs.ts';
import { createRateLimit } from '../logs/rate-limit.ts';
import { bindDurations, createAnswers } from './answer.ts';
import { createClientErrorListener } from './client-error.ts';
import { createConnections } from './connections.ts';
import { createDeadlines } from './deadlines.ts';
import { createDispatch } from './dispatch.ts';
import type { HttpLimits } from './limits.ts';
import { createRequestIds } from './request-id.ts';
import { stopServer } from './stop.ts';

/** A connection on which nothing moves for this long is cut, whatever it waits for. */
const STALLED_MS = 300_000;

/** Makes the server; `listen` starts it. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { limits, metrics, shared } = options;
  let draining = false;
  const isDraining = () => draining;
  const streams = createEventStreams({
    onDropped: (kind) => metrics.eventStreamsDropped.labels(kind).inc(),
    onCount: (kind, count) => metrics.eventStreams.labels(kind).set(count),
  });
  const drain = () => {
    draining = true;
    streams.close();
  };

  const connections = createConnections();
  const authenticate = createAuthenticate(options.auth);
  const observe = bindDurations(metrics, '/logs');
  const answers = createAnswers({ isDraining, observe });
  const requestId = createRequestIds();
  const bodyDeadlines = createDeadlines<BodyCollector>(limits.bodyTimeoutMs);
  const handleLogs = createLogsHandler({
    ...options,
    maxBodyBytes: limits.maxBodyBytes,
    authenticate,
    takeToken:
      limits.rateLimit === undefined ? undefined : createRateLimit({ ...limits.rateLimit, buckets: shared?.buckets }),
    inFlight: createInFlight(limits.maxInFlightBytes, (total) => metrics.inFlightBytes.set(total), shared),
    buffers: options.bodyBuffers ?? createBodyBuffers(),
    bodyDeadlines,
    isDraining,
  });
  const dispatch = createDispatch({
    connections,
    answers,
    handleLogs,
    requestId,
    app: createRoutes({ ...options, isDraining, authenticate, streams }),
    metrics,
    logAccess: options.logAccess,
    isDraining,
  });

  const server = createNodeServer(limits);
  const serveByNode = server.listeners('connection');
  const fastPath = createFastPath({
    ...{ handleLogs, requestId, observe, logAccess: options.logAccess, isDraining, limits, stalledMs: STALLED_MS },
    toNode: (socket) => {
      connections.add(socket);
      for (const listener of serveByNode) listener.call(server, socket);
    },
  });
  server.removeAllListeners('connection');
  server.on('connection', fastPath.take);
  server.on('request', (request, response) => dispatch(request, response, 'none'));
  server.on('checkContinue', (request, response) => dispatch(request, response, 'continue'));
  server.on('checkExpectation', (request, response) => dispatch(request, response, 'other'));
  server.on('clientError', createClientErrorListener(connections));
  server.on('drop', () =>
    options.log.warn('dropped a connection: too many are open', { maxConnections: limits.maxConnections }),
  );

  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number) => {
    drain();
    await stopServer(server, [connections, fastPath], graceMs);
    fastPath.close();
    bodyDeadlines.close();
    answers.close();
  };

  return {
    listen: () => listen(server, options),
    drain,
    close: ({ graceMs }) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

function createNodeServer(limits: HttpLimits) {
  const { headersTimeoutMs, bodyTimeoutMs, keepAliveTimeoutMs, maxConnections } = limits;
  const server = createServer({
    IncomingMessage: BodyRequest,
    headersTimeout: headersTimeoutMs,
    // For bodies that nobody reads; those of POST /logs have their own, exact deadline.
    requestTimeout: headersTimeoutMs + bodyTimeoutMs + 2_000,
    connectionsCheckingInterval: Math.min(1_000, Math.max(5, Math.ceil(headersTimeoutMs / 4))),
    keepAliveTimeout: keepAliveTimeoutMs,
    // Missed ones are answered with a problem, like everything else.
    requireHostHeader: false,
  });
  server.maxConnections = maxConnections;
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
