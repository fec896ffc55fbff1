import type { ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Metrics } from '../../metrics/metrics.ts';
import { isEventStream } from '../api/event-stream.ts';
import { problem, ROUTES } from '../api/routes.ts';
import type { BodyRequest } from '../logs/body.ts';
import type { HandleLogs, LogsExchange } from '../logs/logs.ts';
import type { Problem } from '../problem.ts';
import { GUID_HEADER, guidOf } from '../store/guid.ts';
import { isStoreRoute } from '../store/store-routes.ts';
import type { LogAccess } from './access-log.ts';
import { watchAccess } from './access-log.ts';
import { type Answers, bindDurations, type Exchange } from './answer.ts';
import { afterAnswers, beginRequest, type Connections, endRequest, leaveTurn, takeTurn } from './connections.ts';
import { type CheckHost, headFault } from './host.ts';
import type { RequestId } from './request-id.ts';
import { authorityOf, readTarget } from './target.ts';

/** What the Expect header of a request asks for. `other`: anything but 100-continue. */
export type Expectation = 'none' | 'continue' | 'other';

/** Hands one request on: POST /logs and /store/batch to their handlers, any other through hono. */
export type Dispatch = (request: BodyRequest, response: ServerResponse, expectation: Expectation) => void;

export function createDispatch(options: {
  readonly connections: Connections;
  readonly answers: Answers;
  /** Of POST /logs and /store/batch. */
  readonly handlePost: HandleLogs;
  readonly requestId: RequestId;
  readonly checkHost: CheckHost;
  readonly app: Hono;
  readonly metrics: Metrics;
  readonly logAccess: LogAccess | undefined;
  readonly isDraining: () => boolean;
}): Dispatch {
  const { connections, answers, handlePost, requestId, checkHost, app, metrics, logAccess, isDraining } = options;
  const viaHono = createHonoListener({ app, metrics, isDraining });

  return (request, response, expectation) => {
    const connection = connections.get(request.socket);
    if (connection === undefined) return;
    if (connection.closing) {
      // node:http keeps a request that is not answered until the connection closes, and needs quadratic time for many.
      connection.paced.ignoreRest();
      return;
    }
    beginRequest(connection, request, response);
    const exchange: Exchange = {
      request,
      response,
      connection,
      number: connection.requests,
      id: requestId(request.headers),
      started: performance.now(),
      expectsContinue: expectation === 'continue',
    };
    if (logAccess !== undefined) watchAccess(exchange, logAccess);
    const framing = framingFault(request);
    const problem = framing ?? headFault(request) ?? expectationFault(request, expectation);
    if (framing !== undefined) connection.closing = true;
    if (problem !== undefined) {
      answers.problem(exchange, problem);
      return;
    }
    const { url = '', headers } = request;
    request.url = readTarget(url);
    if (request.method === 'POST' && isPost(request.url)) {
      handlePost(toLogsExchange(exchange, answers));
      return;
    }
    const misdirected = checkHost(pathOf(request.url), authorityOf(url) ?? headers.host);
    if (misdirected === undefined) viaHono(exchange);
    else answers.problem(exchange, misdirected);
  };
}

/** Requests whose end another server may see elsewhere. The connection closes: what follows may be no request. */
function framingFault({ httpVersion, headers }: BodyRequest): Problem | undefined {
  // The parser lets HTTP/0.9 and HTTP/2.0 pass.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return { kind: 'bad-request', detail: `HTTP/${httpVersion} is not supported; use HTTP/1.1` };
  }
  // RFC 9112, 6.1.
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) {
    return { kind: 'bad-request', detail: 'HTTP/1.0 has no Transfer-Encoding' };
  }
  return undefined;
}

/** The parser takes any list with 100-continue in it for that. */
function expectationFault({ headers }: BodyRequest, expectation: Expectation): Problem | undefined {
  if (expectation === 'none') return undefined;
  if (expectation === 'continue' && headers.expect?.trim().toLowerCase() === '100-continue') return undefined;
  return { kind: 'expectation-failed', detail: 'the only supported expectation is 100-continue' };
}

function toLogsExchange(exchange: Exchange, answers: Answers): LogsExchange {
  const { request, response, id } = exchange;
  return {
    id,
    headers: request.headers,
    url: request.url ?? '',
    remoteAddress: request.socket.remoteAddress,
    receive: (body) => {
      if (exchange.expectsContinue) response.writeContinue();
      exchange.expectsContinue = false;
      request.sink = body;
    },
    answer: (...answer) => answers.answer(exchange, ...answer),
  };
}

function isPost(url: string): boolean {
  return /^\/(?:logs(?:$|[?/])|store\/batch(?:$|\?))/.test(url);
}

/** The routes of the schema registry have names in them; metrics have one label for all. */
const REGISTRY_LABELS = ['/registry', '/schema'] as const;

function registryLabel(path: string): string | undefined {
  return REGISTRY_LABELS.find((label) => path.startsWith(`${label}/`));
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? '';
}

function createHonoListener(options: {
  readonly app: Hono;
  readonly metrics: Metrics;
  readonly isDraining: () => boolean;
}): (exchange: Exchange) => void {
  const { app, metrics, isDraining } = options;
  const durations = new Map<string, ReturnType<typeof bindDurations>>();
  for (const route of [...ROUTES, ...REGISTRY_LABELS, 'other']) durations.set(route, bindDurations(metrics, route));
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // For HTTP/1.0, where Host is optional. The checks of load balancers often leave it out.
    hostname: 'localhost',
    errorHandler: (error) => {
      const cause = error instanceof Error ? error.message : String(error);
      return problem({ kind: 'bad-request', detail: `the request cannot be read: ${cause}` });
    },
  });

  return ({ request, response, connection, id, started, expectsContinue }) => {
    const path = pathOf(request.url ?? '');
    const observe = durations.get(path) ?? durations.get(registryLabel(path) ?? 'other');
    response.setHeader('X-Request-Id', id);
    if (isStoreRoute(path)) response.setHeader(GUID_HEADER, guidOf(id));
    if (isDraining() || expectsContinue) {
      connection.closing = true;
      response.setHeader('Connection', 'close');
    }
    response.once('close', () => {
      endRequest(connection);
      leaveTurn(connection);
      if (!isEventStream(response)) observe?.((response.statusCode / 100) | 0, (performance.now() - started) / 1_000);
      if (connection.closing && connection.open === 0) {
        afterAnswers(connection, () => connection.socket.destroySoon());
      }
    });
    takeTurn(connection, () => void listener(request, response));
  };
}
