import { Hono } from 'hono';
import { addAccessCheck } from '../access-check.ts';
import { addServiceRoutes, answerError, problem, refuseOtherMethods } from '../api/routes.ts';
import type { Authenticate } from '../auth.ts';
import type { HttpServer, HttpServerOptions, StoredLines } from '../http.ts';
import { createBodies } from '../logs/bodies.ts';
import { createRateLimit } from '../logs/rate-limit.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus } from '../problem.ts';
import { createMeteredAuth } from '../server/metered-auth.ts';
import { createNodeServer, listen } from '../server/node-server.ts';
import { stopServer } from '../server/stop.ts';
import { createLinesHandler } from './post-lines.ts';
import { addStoreRoutes, STORE_ROUTES } from './store-routes.ts';

export interface StoreServerOptions
  extends Pick<
    HttpServerOptions,
    | 'host'
    | 'port'
    | 'tls'
    | 'hosts'
    | 'limits'
    | 'auth'
    | 'version'
    | 'checkReadiness'
    | 'logAccess'
    | 'metrics'
    | 'metricsText'
    | 'log'
  > {
  readonly lineStore: StoredLines;
}

/** A server of the line store alone, with /health, /ready, /version and /metrics. */
export function createStoreServer(options: StoreServerOptions): Omit<HttpServer, 'drain'> {
  const { limits, lineStore, metrics, log } = options;
  let draining = false;
  const isDraining = () => draining;
  const authenticate = createMeteredAuth(options);
  const bodies = createBodies(options);
  const takeToken = limits.rateLimit && createRateLimit(limits.rateLimit);
  const handleLines = createLinesHandler({
    ...bodies,
    ...{ lineStore, authenticate, takeToken, isDraining, limits, metrics, log },
  });
  const node = createNodeServer({
    ...options,
    isDraining,
    handlePost: (exchange) => {
      if (exchange.url.startsWith('/store/')) handleLines(exchange);
      else exchange.answer(problemStatus(NO_LOGS.kind), PROBLEM_TYPE, problemBody(NO_LOGS));
    },
    app: createApp(options, authenticate, isDraining),
  });
  const stop = async (graceMs: number) => {
    draining = true;
    await stopServer(node.server, node.owners, graceMs);
    node.close();
    bodies.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    listen: () => listen(node.server, options),
    close: ({ graceMs }) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

const NO_LOGS: Problem = {
  kind: 'not-found',
  detail: 'no such route: this server is a line store alone, started by logforge store; logforge serve has /logs',
};

const PATHS = [...STORE_ROUTES, '/health', '/ready', '/version', '/metrics'];

function createApp(
  options: StoreServerOptions,
  authenticate: Authenticate | undefined,
  isDraining: () => boolean,
): Hono {
  const { auth, metrics, metricsText } = options;
  const app = new Hono();
  addAccessCheck(app, { auth, authenticate, answerProblem: problem });
  addServiceRoutes(app, { ...options, isDraining });
  addStoreRoutes(app, { ...options, isDraining, answerProblem: problem });
  app.get('/metrics', async (context) =>
    context.body(await metricsText(), 200, { 'Content-Type': metrics.registry.contentType }),
  );
  refuseOtherMethods(app, PATHS);
  app.notFound((context) => problem({ kind: 'not-found', detail: `no such route: ${context.req.path}` }));
  app.onError((error, context) => answerError(error, context, options));
  return app;
}
