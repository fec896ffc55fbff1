import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { toListenAddress } from '../../config/config.ts';
import { problem } from '../api/routes.ts';
import { prefersJson } from '../api/stats.ts';
import { addPage } from '../dashboard/page-routes.ts';
import type { HttpServer } from '../http.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus, retryAfter } from '../problem.ts';
import { createHostCheck, headFault } from '../server/host.ts';
import { listen } from '../server/node-server.ts';
import { stopServer } from '../server/stop.ts';

export interface AgentServerOptions {
  /** HOST:PORT, or :PORT for every address; port 0: the operating system chooses. */
  readonly addr: string;
  /** All metrics in the Prometheus text format. */
  readonly metricsText: () => Promise<string>;
  /** What GET /stats answers, as JSON, and GET /metrics to who asks for JSON. */
  readonly stats: () => object;
  /** The page at `/`. Absent: there is none. */
  readonly page?: 'collect';
}

const PAGES = { collect: new URL('./page/', import.meta.url) } as const;
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const NOT_CACHED = { 'Cache-Control': 'no-store' };
/** Of scrapers, and of pages that poll. */
const MAX_CONNECTIONS = 256;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * The server of a program that sends logs, such as `logforge forward`: GET /health, /metrics, /stats, and perhaps a page. It reads no bodies
 * and changes nothing. `listen` rejects with `cannot listen on …`; throws where `addr` is no address.
 */
export function createAgentServer(options: AgentServerOptions): Omit<HttpServer, 'drain'> {
  const { host, port } = toListenAddress(options.addr);
  const place = { port, ...(host !== undefined && { host }) };
  const checkHost = createHostCheck(place);
  const faultOf = (request: IncomingMessage): Problem | undefined => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const { method = '', headers } = request;
    // The figures as JSON name files and have lines in them: other sites do not read them under a name of their own.
    const isOpen = path !== '/metrics' || !prefersJson(headers.accept);
    const foreign = checkHost(isOpen ? path : '/stats', headers.host);
    return headFault(request) ?? methodFault(method, path) ?? (foreign && { ...foreign, detail: foreignHost(headers) });
  };
  const listener = getRequestListener(createApp(options).fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost',
  });
  const server = createServer({ headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  let stopped: Promise<void> | undefined;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (stopped !== undefined) response.setHeader('Connection', 'close');
    const fault = faultOf(request);
    if (fault === undefined) void listener(request, response);
    else sendProblem(response, fault);
  });
  const connections = { closeIdle: () => server.closeIdleConnections(), closeAll: () => server.closeAllConnections() };
  return {
    listen: () => listen(server, place),
    close({ graceMs }) {
      stopped ??= stopServer(server, [connections], graceMs);
      return stopped;
    },
  };
}

function createApp({ metricsText, stats, page }: AgentServerOptions): Hono {
  const app = new Hono();
  app.get('/health', (context) => context.text('ok'));
  app.get('/stats', (context) => context.json(stats(), 200, NOT_CACHED));
  app.get('/metrics', async (context) => {
    if (prefersJson(context.req.header('accept'))) {
      return context.json(stats(), 200, { ...NOT_CACHED, Vary: 'Accept' });
    }
    return context.body(await metricsText(), 200, { 'Content-Type': METRICS_TYPE, Vary: 'Accept' });
  });
  if (page !== undefined) addPage(app, PAGES[page]);
  app.notFound((context) => problem({ kind: 'not-found', detail: `no such route: ${context.req.path}` }));
  app.onError((error) => {
    return problem({ kind: 'unavailable', detail: `cannot answer: ${error.message}`, headers: retryAfter(1) });
  });
  return app;
}

function methodFault(method: string, path: string): Problem | undefined {
  if (method === 'GET' || method === 'HEAD') return undefined;
  const detail = `method ${method} is not allowed on ${path}; allowed: GET, HEAD`;
  return { kind: 'method-not-allowed', detail, headers: ['Allow', 'GET, HEAD'] };
}

function foreignHost({ host }: IncomingMessage['headers']): string {
  return `host ${host} is not served here: a server on a loopback address is asked by loopback names`;
}

function sendProblem(response: ServerResponse, fault: Problem): void {
  response.writeHead(problemStatus(fault.kind), [
    ...['Content-Type', PROBLEM_TYPE, 'Connection', 'close'],
    ...(fault.headers ?? []),
  ]);
  response.end(problemBody(fault));
}
