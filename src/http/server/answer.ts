import type { ServerResponse } from 'node:http';
import { type Metrics, STATUS_CLASSES } from '../../metrics/metrics.ts';
import type { BodyRequest } from '../logs/body.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus } from '../problem.ts';
import { afterAnswers, type Connection, endRequest } from './connections.ts';
import { createDeadlines } from './deadlines.ts';

/** One request and its answer, once there is one. */
export interface Exchange {
  readonly request: BodyRequest;
  readonly response: ServerResponse;
  readonly connection: Connection;
  /** Its place among the requests of its connection, from 1. */
  readonly number: number;
  readonly id: string;
  /** By `performance.now()`. */
  readonly started: number;
  /** The client waits for "100 Continue" before it sends the body, and did not get it. node:http closes after the answer to such a request. */
  expectsContinue: boolean;
}

export interface Answers {
  /** Answers, counts the request as done on its connection, and closes the connection where it must. `headers`: names and values by turns. */
  answer(exchange: Exchange, status: number, contentType: string, body: string, headers?: readonly string[]): void;
  problem(exchange: Exchange, problem: Problem): void;
  close(): void;
}

/** After a refusal, the rest of a body of at most this is read and dropped, to keep the connection. */
const DROPPED_BYTES = 256 * 1024;

/** How long a client may send a body that nobody reads, before the connection is cut: milliseconds. */
const LINGER_MS = 1_000;

export function createAnswers(options: {
  readonly isDraining: () => boolean;
  /** Called with the URL of each request, the first digit of its status, and its duration in seconds. */
  readonly observe: (url: string, statusClass: number, seconds: number) => void;
}): Answers {
  const { isDraining, observe } = options;
  const lingering = createDeadlines<Lingering>(LINGER_MS);

  const answer: Answers['answer'] = (exchange, status, contentType, body, extra) => {
    const { request, response, connection } = exchange;
    const isNewest = exchange.number === connection.requests;
    // A sink: the body is still under way, and was too late or too slow.
    const lingers = request.sink !== undefined || leavesMuchUnread(exchange);
    const headers = ['Content-Type', contentType, 'Content-Length', String(Buffer.byteLength(body))];
    headers.push('X-Request-Id', exchange.id);
    if (extra !== undefined) headers.push(...extra);

    endRequest(connection);
    if (isNewest && request.complete) connection.newest = undefined;
    observe(request.url ?? '', (status / 100) | 0, (performance.now() - exchange.started) / 1_000);
    if (connection.socket.destroyed) return;

    // The answer to an older request must not close: the answers after it would be lost.
    if (isNewest && (lingers || exchange.expectsContinue || connection.closing || isDraining())) {
      connection.closing = true;
      headers.push('Connection', 'close');
    } else if (connection.closing && connection.open === 0) {
      afterAnswers(connection, () => connection.socket.destroySoon());
    }
    response.writeHead(status, headers);
    if (lingers) linger(lingering, request, response, body);
    else response.end(body);
  };

  return {
    answer,
    problem: (exchange, problem) =>
      answer(exchange, problemStatus(problem.kind), PROBLEM_TYPE, problemBody(problem), problem.headers),
    close: lingering.close,
  };
}

/** Classes that the service answers with; a redirect or an interim answer is not one of them. */
const ANSWERED: readonly string[] = ['2xx', '4xx', '5xx'];

/**
 * Binds the children of the request histogram once: looking one up by its labels is the expensive part. Those that are to be expected
 * begin at 0, because increase() does not see a first count.
 */
export function bindDurations(metrics: Metrics, route: string): (statusClass: number, seconds: number) => void {
  for (const status of ANSWERED) metrics.requestDuration.zero({ route, status });
  const children = STATUS_CLASSES.map((status) => metrics.requestDuration.labels(route, status));
  return (statusClass, seconds) => children[statusClass - 1]?.observe(seconds);
}

function leavesMuchUnread({ request, expectsContinue }: Exchange): boolean {
  if (request.complete) return false;
  const length = request.headers['content-length'];
  if (length !== undefined) return expectsContinue || Number(length) > DROPPED_BYTES;
  return request.headers['transfer-encoding'] !== undefined;
}

interface Lingering {
  expire(): void;
}

/**
 * Sends the whole answer and does not end it yet. Its end closes the socket, and a close with unread data makes the kernel
 * send a reset, which can destroy the answer on its way to a client that still sends. The end comes with the end of the
 * body, or after LINGER_MS.
 */
function linger(
  lingering: ReturnType<typeof createDeadlines<Lingering>>,
  request: BodyRequest,
  response: ServerResponse,
  body: string,
): void {
  const end = () => {
    lingering.forget(item);
    response.end();
  };
  const item: Lingering = { expire: end };
  lingering.watch(item);
  request.sink = { data: () => undefined, end, fail: end };
  response.write(body);
}
