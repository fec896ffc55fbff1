import type { ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Metrics } from '../../metrics/metrics.ts';
import { isEventStream } from '../api/event-stream.ts';
import { problem, ROUTES } from '../api/routes.ts';
import type { BodyRequest } from '../logs/body.ts';
import type { HandleLogs, LogsExchange } from '../logs/logs.ts';
import type { LogAccess } from './access-log.ts';
import { watchAccess } from './access-log.ts';
import { type Answers, bindDurations, type Exchange } from './answer.ts';
import { beginRequest, type Connections, endRequest, leaveTurn, takeTurn } from './connections.ts';
import type { RequestId } from './request-id.ts';

/** What the Expect header of a request asks for. `other`: anything but 100-continue. */
export type Expectation = 'none' | 'continue' | 'other';

/** Hands one request on: POST /logs to its handler, any other through hono. */
export type Dispatch = (request: BodyRequest, response: ServerResponse, expectation: Expectation) => void;

export function createDispatch(options: {
  readonly connections: Connections;
  readonly answers: Answers;
  readonly handleLogs: HandleLogs;
  readonly requestId: RequestId;
  readonly app: Hono;
  readonly metrics: Metrics;
  readonly logAccess: LogAccess | undefined;
  readonly isDraining: () => boolean;
}): Dispatch {
  const { connections, answers, handleLogs, requestId, app, metrics, logAccess, isDraining } = options;
  const viaHono = createHonoListener({ app, metrics, isDraining });

  return (request, response, expectation) => {
    const connection = connections.get(request.socket);
    if (connection === undefined || connection.closing) return;
    beginRequest(connection, request);
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
    if (request.headers.host === undefined && request.httpVersion === '1.1') {
      answers.problem(exchange, { kind: 'bad-request', detail: 'the request has no Host header' });
      return;
    }
    if (expectation === 'other') {
      const detail = 'the only supported expectation is 100-continue';
      answers.problem(exchange, { kind: 'expectation-failed', detail });
      return;
    }
    if (request.url?.startsWith('/') !== true) request.url = toOriginForm(request.url ?? '');
    if (request.method === 'POST' && isLogs(request.url)) handleLogs(toLogsExchange(exchange, answers));
    else viaHono(exchange);
  };
}

function toLogsExchange(exchange: Exchange, answers: Answers): LogsExchange {
  const { request, response, id, expectsContinue } = exchange;
  return {
    id,
    headers: request.headers,
    url: request.url ?? '',
    remoteAddress: request.socket.remoteAddress,
    receive: (body) => {
      if (expectsContinue) response.writeContinue();
      request.sink = body;
    },
    answer: (...answer) => answers.answer(exchange, ...answer),
  };
}

function isLogs(url: string): boolean {
  return url === '/logs' || url.startsWith('/logs?');
}

/** RFC 9112, 3.2.2: a server must accept `POST http://host/logs` too. */
function toOriginForm(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? '/' : `${parsed.pathname}${parsed.search}`;
}

function createHonoListener(options: {
  readonly app: Hono;
  readonly metrics: Metrics;
  readonly isDraining: () => boolean;
}): (exchange: Exchange) => void {
  const { app, metrics, isDraining } = options;
  const durations = new Map<string, ReturnType<typeof bindDurations>>();
  for (const route of [...ROUTES, 'other']) durations.set(route, bindDurations(metrics, route));
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // For HTTP/1.0, where Host is optional. The checks of load balancers often leave it out.
    hostname: 'localhost',
    errorHandler: (error) => {
      const cause = error instanceof Error ? error.message : String(error);
      return problem({ kind: 'bad-request', detail: `the request cannot be read: ${cause}` });
    },
  });

  return ({ request, response, connection, id, started }) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const observe = durations.get(path) ?? durations.get('other');
    response.setHeader('X-Request-Id', id);
    if (isDraining()) {
      connection.closing = true;
      response.setHeader('Connection', 'close');
    }
    response.once('close', () => {
      endRequest(connection);
      leaveTurn(connection);
      if (!isEventStream(response)) observe?.((response.statusCode / 100) | 0, (performance.now() - started) / 1_000);
      if (connection.closing && connection.open === 0) connection.socket.destroySoon();
    });
    takeTurn(connection, () => void listener(request, response));
  };
}
