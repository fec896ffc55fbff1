import type { IncomingHttpHeaders } from 'node:http';
import type { Refusal } from '../../live/live.ts';
import type { IngestRequest, IngestResult, Rejected } from '../../service/service.ts';
import { type Authenticate, UNAUTHORIZED } from '../auth.ts';
import type { HttpServerOptions } from '../http.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus, retryAfter } from '../problem.ts';
import type { Deadlines } from '../server/deadlines.ts';
import { BodyCollector, type BodyFailure } from './body.ts';
import type { BodyBuffers } from './body-buffers.ts';
import { clientNetwork } from './client-network.ts';
import type { InFlight, Reservation } from './in-flight.ts';
import { isForeseen, problemOfError, problemOfRejections } from './ingest-problem.ts';
import { type LogsRequest, readLogsRequest } from './logs-request.ts';
import type { TakeToken } from './rate-limit.ts';
import { unpack } from './unpack.ts';

/**
 * POST /logs, past hono: with one record of 170 bytes that costs two to three times the CPU time of node:http, and the
 * checks here add a few microseconds (bench/http-path.ts).
 */
export type HandleLogs = (exchange: LogsExchange) => void;

/** One POST /logs, by whichever way it came. */
export interface LogsExchange {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  /** The target in origin form: path and query. */
  readonly url: string;
  readonly remoteAddress: string | undefined;
  /** The body goes there; without this it is dropped. */
  receive(body: BodyCollector): void;
  /** Once. `headers`: names and values by turns. */
  answer(status: number, contentType: string, body: string, headers?: readonly string[]): void;
}

const DRAINING: Problem = {
  kind: 'draining',
  detail: 'the service is shutting down; nothing was stored',
  headers: retryAfter(5),
};

const OVERLOADED: Problem = {
  kind: 'overloaded',
  detail: 'more request bodies in hand than the service allows; nothing was stored',
  headers: retryAfter(1),
};

export function createLogsHandler(
  options: Pick<HttpServerOptions, 'ingest' | 'noteRefusal' | 'metrics' | 'clock' | 'log'> & {
    readonly maxBodyBytes: number;
    readonly authenticate: Authenticate | undefined;
    readonly takeToken: TakeToken | undefined;
    readonly inFlight: InFlight;
    readonly buffers: BodyBuffers;
    readonly bodyDeadlines: Deadlines<BodyCollector>;
    readonly isDraining: () => boolean;
  },
): HandleLogs {
  const { ingest, noteRefusal, metrics, clock, log, maxBodyBytes, inFlight, buffers, bodyDeadlines, isDraining } =
    options;
  const admit = createAdmit(options);

  const refuse = (exchange: LogsExchange, problem: Problem, about: RefusedRecords = {}) => {
    const status = problemStatus(problem.kind);
    (status < 500 ? metrics.invalidRequests : metrics.ingestErrors).inc();
    noteRefusal({ time: clock(), status, reason: problem.detail, requestId: exchange.id, ...about });
    exchange.answer(status, PROBLEM_TYPE, problemBody(problem), problem.headers);
  };

  const refuseError = (exchange: LogsExchange, error: unknown) => {
    if (!isForeseen(error)) log.error('cannot ingest a batch', { requestId: exchange.id, err: error });
    refuse(exchange, problemOfError(error));
  };

  const succeed = (exchange: LogsExchange, result: IngestResult) => {
    if (result.kind === 'invalid') {
      refuse(exchange, problemOfRejections(result.rejections, result.rejected), describeRecords(result));
      return;
    }
    if (result.refused !== undefined) {
      const about = describeRecords(result.refused);
      noteRefusal({ time: clock(), status: 202, reason: 'invalid records', requestId: exchange.id, ...about });
    }
    const headers = ['Logforge-Durability', result.durability];
    if (result.replayed) headers.push('Idempotency-Replayed', 'true');
    exchange.answer(202, 'application/json', result.answer, headers);
  };

  const takeIn = async (exchange: LogsExchange, head: LogsRequest, raw: Buffer, reservation: Reservation) => {
    try {
      const limits = { maxBytes: maxBodyBytes, reservation };
      const unpacked = head.coding === 'identity' ? raw : unpack(raw, head.coding, limits);
      const body = unpacked instanceof Promise ? await unpacked : unpacked;
      metrics.receivedBytes.inc(body.length);
      const result = await ingest(ingestRequest(exchange, head, body));
      reservation.release();
      // Not after a failure, nor from the spool: a send that was given up may still be reading.
      if (result.kind === 'invalid' || result.durability !== 'spool') buffers.give(raw);
      succeed(exchange, result);
    } catch (error) {
      reservation.release();
      refuseError(exchange, error);
    }
  };

  const read = (exchange: LogsExchange, head: LogsRequest, reservation: Reservation) => {
    const collector = new BodyCollector({
      declared: head.declared,
      maxBytes: maxBodyBytes,
      reservation,
      buffers,
      done: (outcome) => {
        bodyDeadlines.forget(collector);
        if (typeof outcome !== 'string') {
          void takeIn(exchange, head, outcome, reservation);
          return;
        }
        reservation.release();
        refuse(exchange, problemOfFailure(outcome, maxBodyBytes));
      },
    });
    bodyDeadlines.watch(collector);
    exchange.receive(collector);
  };

  return (exchange) => {
    metrics.batchesReceived.inc();
    const problem = isDraining() ? DRAINING : admit(exchange);
    const head = problem ?? readLogsRequest(exchange, maxBodyBytes);
    if ('kind' in head) {
      refuse(exchange, head);
      return;
    }
    const reservation = inFlight.reserve(head.declared ?? 0);
    if (reservation === undefined) refuse(exchange, OVERLOADED);
    else read(exchange, head, reservation);
  };
}

type RefusedRecords = Partial<Pick<Refusal, 'reason' | 'field' | 'records'>>;

function describeRecords({ rejections, rejected }: Rejected): RefusedRecords {
  const [first] = rejections;
  if (first === undefined) return { records: rejected };
  return { reason: first.reason, records: rejected, ...(first.field !== '' && { field: first.field }) };
}

/** Who may send at all, and how often: undefined for a request that may pass. */
function createAdmit(options: {
  readonly authenticate: Authenticate | undefined;
  readonly takeToken: TakeToken | undefined;
}): (exchange: LogsExchange) => Problem | undefined {
  const { authenticate, takeToken } = options;
  return (exchange) => {
    const key = authenticate?.(exchange.headers);
    if (authenticate !== undefined && key === undefined) return UNAUTHORIZED;
    if (takeToken === undefined) return undefined;
    const wait = takeToken(key === undefined ? clientNetwork(exchange.remoteAddress ?? '') : String(key));
    if (wait === 0) return undefined;
    return { kind: 'rate-limited', detail: 'too many requests; nothing was stored', headers: retryAfter(wait) };
  };
}

function ingestRequest(exchange: LogsExchange, head: LogsRequest, body: Buffer): IngestRequest {
  const { format, invalid, idempotencyKey } = head;
  const source = exchange.id;
  if (invalid === undefined && idempotencyKey === undefined) return { format, body, source };
  return {
    format,
    body,
    source,
    ...(invalid === undefined ? undefined : { invalid }),
    ...(idempotencyKey === undefined ? undefined : { idempotencyKey }),
  };
}

function problemOfFailure(failure: BodyFailure, maxBodyBytes: number): Problem {
  if (failure === 'too-large')
    return { kind: 'body-too-large', detail: `the body is larger than ${maxBodyBytes} bytes` };
  if (failure === 'overloaded') return OVERLOADED;
  if (failure === 'timeout') return { kind: 'timeout', detail: 'the body did not arrive in time; nothing was stored' };
  // Where the connection is gone nobody reads this; it is counted.
  return { kind: 'malformed-body', detail: 'the body did not arrive whole; nothing was stored' };
}
