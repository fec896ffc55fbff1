import { createEventStreams, type EventStreams } from '../api/event-stream.ts';
import { createRoutes } from '../api/routes.ts';
import type { Authenticate } from '../auth.ts';
import type { HttpServer, HttpServerOptions } from '../http.ts';
import { type Bodies, createBodies } from '../logs/bodies.ts';
import { createLogsHandler, type HandleLogs } from '../logs/logs.ts';
import { createRateLimit } from '../logs/rate-limit.ts';
import { createLinesHandler } from '../store/post-lines.ts';
import { createMeteredAuth } from './metered-auth.ts';
import { createNodeServer, listen } from './node-server.ts';
import { stopServer } from './stop.ts';

/** Makes the server; `listen` starts it. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  let draining = false;
  const isDraining = () => draining;
  const eventStreams = createStreams(options);
  const authenticate = createMeteredAuth(options);
  const bodies = createBodies(options);
  const node = createNodeServer({
    ...options,
    isDraining,
    handlePost: createPosts({ options, bodies, authenticate, isDraining }),
    app: createRoutes({ ...options, isDraining, authenticate, eventStreams }),
  });

  const drain = () => {
    draining = true;
    eventStreams.close();
  };
  const stop = async (graceMs: number) => {
    drain();
    await stopServer(node.server, node.owners, graceMs);
    node.close();
    bodies.close();
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

/** The handlers of bodies: POST /logs and POST /store/batch. */
function createPosts(parts: {
  readonly options: HttpServerOptions;
  readonly bodies: Bodies;
  readonly authenticate: Authenticate | undefined;
  readonly isDraining: () => boolean;
}): HandleLogs {
  const { options, bodies, authenticate, isDraining } = parts;
  const { streams, mappings, limits, shared, ingest, noteRefusal, noteSource, lineStore, metrics, clock, log } =
    options;
  const takeToken = limits.rateLimit && createRateLimit({ ...limits.rateLimit, buckets: shared?.buckets });
  const common = { ...bodies, authenticate, takeToken, isDraining, limits, metrics, log };
  const handleLogs = createLogsHandler({
    ...common,
    ...(noteSource !== undefined && { noteSource }),
    streams,
    mappings,
    ingest,
    noteRefusal,
    clock,
  });
  const handleLines = createLinesHandler({ ...common, lineStore });
  return (exchange) => (exchange.url.startsWith('/store/') ? handleLines(exchange) : handleLogs(exchange));
}
