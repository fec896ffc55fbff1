import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Log } from '../../log.ts';
import type { Registry } from '../../model/registry.ts';
import type { TlsFiles } from '../../runtime/tls-files.ts';
import type { CheckReadiness } from '../../service/service.ts';
import { addAccessCheck } from '../access-check.ts';
import { answerReady } from '../api/health.ts';
import { problem } from '../api/routes.ts';
import { createAuthenticate, type HttpAuth, WRONG_KEYS } from '../auth.ts';
import type { HttpServer } from '../http.ts';
import { createRateLimit } from '../logs/rate-limit.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus, retryAfter } from '../problem.ts';
import { createHostCheck, headFault } from '../server/host.ts';
import { listen } from '../server/node-server.ts';
import { stopServer } from '../server/stop.ts';
import { createTlsFront, type TlsFront } from '../server/tls-front.ts';
import { addRegistryRoutes } from './registry-routes.ts';
import { addSchemaRoutes } from './schema-routes.ts';

export interface RegistryServerOptions {
  readonly host?: string;
  readonly port: number;
  /** Absent: plain HTTP. The server closes it. */
  readonly tls?: TlsFiles;
  readonly hosts: readonly string[];
  readonly auth: HttpAuth;
  readonly limits: {
    readonly headersTimeoutMs: number;
    readonly bodyTimeoutMs: number;
    readonly maxConnections: number;
  };
  readonly registry: Registry;
  readonly checkReadiness: CheckReadiness;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

/** A server of the registry's routes alone: Confluent's under /registry and, for its clients, under / too; those of older programs. */
export function createRegistryServer(options: RegistryServerOptions): Omit<HttpServer, 'drain'> {
  const { limits } = options;
  const { headersTimeoutMs, bodyTimeoutMs } = limits;
  let isDraining = false;
  const app = createApp(options, () => isDraining);
  const checkHost = createHostCheck(options);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, hostname: 'localhost' });
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs + bodyTimeoutMs });
  server.maxConnections = limits.maxConnections;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (isDraining) response.setHeader('Connection', 'close');
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const fault = headFault(request) ?? checkHost(path, request.headers.host);
    if (fault === undefined) void listener(request, response);
    else sendProblem(response, fault);
  });
  const tlsFront = options.tls && putTlsInFront(server, { ...options, tls: options.tls });
  const connections = { closeIdle: () => server.closeIdleConnections(), closeAll: () => server.closeAllConnections() };
  let stopped: Promise<void> | undefined;
  return {
    listen: () => listen(server, options),
    close: ({ graceMs }) => {
      isDraining = true;
      const owners = tlsFront === undefined ? [connections] : [connections, tlsFront];
      stopped ??= stopServer(server, owners, graceMs).then(() => tlsFront?.close());
      return stopped;
    },
  };
}

function putTlsInFront(server: Server, options: RegistryServerOptions & { readonly tls: TlsFiles }): TlsFront {
  const serve = server.listeners('connection');
  const front = createTlsFront({
    tls: options.tls,
    handshakeTimeoutMs: options.limits.headersTimeoutMs,
    onSecure: (socket) => {
      for (const listener of serve) listener.call(server, socket);
    },
    onFailed: () => undefined,
    log: options.log,
  });
  server.removeAllListeners('connection').on('connection', front.take);
  return front;
}

function sendProblem(response: ServerResponse, fault: Problem): void {
  response.writeHead(problemStatus(fault.kind), { 'Content-Type': PROBLEM_TYPE, Connection: 'close' });
  response.end(problemBody(fault));
}

function createApp(options: RegistryServerOptions, isDraining: () => boolean): Hono {
  const { registry, auth, checkReadiness, log } = options;
  const authenticate = createAuthenticate(auth, {
    takeWrongKey: createRateLimit(WRONG_KEYS),
    onRefused: (client) => {
      if (client !== undefined)
        log.warn('a client address sends many wrong API keys; they are answered 429', { client });
    },
  });
  const app = new Hono();
  addAccessCheck(app, { auth, authenticate, answerProblem: problem, pathOf: pathOfService });
  app.get('/health', (context) => context.text('ok'));
  app.get('/ready', async (context) => {
    const answer = await answerReady(checkReadiness, isDraining());
    return 'kind' in answer && typeof answer.kind === 'string'
      ? problem(answer as Problem)
      : context.json({ status: 'ready', checks: answer });
  });
  app.get('/', (context) => context.json({}));
  addSchemaRoutes(app, { registry, answerProblem: problem });
  addRegistryRoutes(app, { base: '/registry', registry });
  addRegistryRoutes(app, { base: '', registry });
  app.onError((err) => {
    log.error('cannot answer a request', { err });
    return problem({ kind: 'unavailable', detail: 'internal error', headers: retryAfter(1) });
  });
  return app;
}

/** What the path of a request is in a service with everything, where the registry's routes lie under /registry alone. */
function pathOfService(path: string): string {
  const isShared = path === '/health' || path === '/ready' || path === '/';
  return isShared || path.startsWith('/schema/') || path.startsWith('/registry/') ? path : `/registry${path}`;
}
