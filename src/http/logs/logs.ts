// FAST PATH. POST /logs, without hono: with one record of 170 bytes hono costs two to three times the CPU time of
// node:http, and the checks here add a few microseconds (bench/http-path.ts). The steps of a request, in this order:
//
//   admit      may this client send now?                        admit.ts             401 429 503
//   read head  which format, coding, length, key?               logs-request.ts      400 413 415 501
//   room       is there room for the body now?                  in-flight.ts         503
//   collect    read the body into one buffer                    body.ts              400 408 413 503
//   ingest     unpack, decode and deliver it                    unpack.ts, service   400 413 422 503
//   answer     202, or why not; 503 when its time is over
//
// A request costs two objects (PendingBatch, BodyCollector), one promise, and no timer of its own.

import type { IncomingHttpHeaders } from 'node:http';
import type { Refusal } from '../../live/live.ts';
import type { StreamName } from '../../model/stream.ts';
import type { IngestRequest, IngestResult, Rejected } from '../../service/service.ts';
import type { HttpServerOptions } from '../http.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus } from '../problem.ts';
import type { Deadlines, Timed } from '../server/deadlines.ts';
import { type AdmitContext, admit } from './admit.ts';
import { BodyCollector, type BodyFailure, type BodyOwner } from './body.ts';
import type { BodyBuffers } from './body-buffers.ts';
import type { InFlight, Reservation } from './in-flight.ts';
import {
  faultOf,
  type LimitsToName,
  overloaded,
  problemOfBody,
  problemOfError,
  problemOfRejections,
  timedOut,
} from './ingest-problem.ts';
import { type LogsRequest, readLogsRequest } from './logs-request.ts';
import type { Unpack } from './unpack.ts';

/** Serves one POST /logs, or /store/batch, whichever reader of requests it came by. */
export type HandleLogs = (exchange: LogsExchange) => void;

/** One POST /logs. */
export interface LogsExchange {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  /** The target in origin form: path and query. */
  readonly url: string;
  readonly remoteAddress: string | undefined;
  /** Sends the body to the collector. Without this call it is dropped. */
  receive(body: BodyCollector): void;
  /** Called once. `headers`: names and values by turns. */
  answer(status: number, contentType: string, body: string, headers?: readonly string[]): void;
}

/** What the steps share. Made once with the server. */
export interface LogsContext
  extends AdmitContext,
    Pick<HttpServerOptions, 'ingest' | 'noteRefusal' | 'noteSource' | 'metrics' | 'clock' | 'log'> {
  readonly limits: LimitsToName;
  /** The streams that there are. */
  readonly streams: readonly StreamName[];
  /** Names of the mappings that there are. */
  readonly mappings: readonly string[];
  readonly inFlight: InFlight;
  readonly buffers: BodyBuffers;
  readonly unpack: Unpack;
  /** Of bodies that are being read. */
  readonly bodyDeadlines: Deadlines<BodyCollector>;
  /** Of whole requests that wait for their answer. */
  readonly answerDeadlines: Deadlines<Timed>;
}

export function createLogsHandler(context: LogsContext): HandleLogs {
  const { metrics, limits, inFlight } = context;
  return function handleLogs(exchange) {
    metrics.batchesReceived.inc();
    const head = admit(context, exchange) ?? readLogsRequest(exchange, context);
    if ('kind' in head) {
      refuse(context, exchange, head);
      return;
    }
    const reservation = inFlight.hasRoom(head.declared ?? 0) ? inFlight.reserve(0) : undefined;
    if (reservation === undefined) refuse(context, exchange, overloaded(limits));
    else collect(new PendingBatch(context, exchange, head, reservation));
  };
}

/** One batch between the head of its request and its outcome. */
export class PendingBatch implements BodyOwner, Timed {
  readonly context: LogsContext;
  readonly exchange: LogsExchange;
  readonly head: LogsRequest;
  readonly reservation: Reservation;
  readonly collector: BodyCollector;
  /** Set by the answer, which may come before the outcome: when the time is over. */
  isAnswered = false;

  constructor(context: LogsContext, exchange: LogsExchange, head: LogsRequest, reservation: Reservation) {
    this.context = context;
    this.exchange = exchange;
    this.head = head;
    this.reservation = reservation;
    this.collector = new BodyCollector({
      declared: head.declared,
      maxBytes: context.limits.maxBodyBytes,
      reservation,
      buffers: context.buffers,
      owner: this,
    });
  }

  collected(outcome: Buffer | BodyFailure): void {
    this.context.bodyDeadlines.forget(this.collector);
    if (typeof outcome === 'string') failBody(this, outcome);
    else void ingestBody(this, outcome);
  }

  expire(): void {
    answerTimeout(this);
  }
}

function collect({ context, exchange, collector }: PendingBatch): void {
  context.bodyDeadlines.watch(collector);
  exchange.receive(collector);
}

function failBody({ context, exchange, reservation }: PendingBatch, failure: BodyFailure): void {
  reservation.release();
  refuse(context, exchange, problemOfBody(failure, context.limits));
}

/** Its time runs from here. The reservation stays until the outcome, since the memory is in use until then. */
async function ingestBody(batch: PendingBatch, raw: Buffer): Promise<void> {
  const { context, head, reservation } = batch;
  context.answerDeadlines.watch(batch);
  try {
    const limits = { maxBytes: context.limits.maxBodyBytes, reservation };
    const unpacked = head.coding === 'identity' ? raw : context.unpack(raw, head.coding, limits);
    const body = unpacked instanceof Promise ? await unpacked : unpacked;
    context.metrics.receivedBytes.inc(body.length);
    const result = await context.ingest(ingestRequest(batch, body));
    reservation.release();
    if (context.noteSource !== undefined) noteSource(batch, result, body.length);
    // Not after a failure, nor from the spool: a send that was given up may still read the memory.
    if (result.kind === 'invalid' || result.durability !== 'spool') context.buffers.give(raw);
    answerResult(batch, result);
  } catch (error) {
    reservation.release();
    answerError(batch, error);
  }
}

/** What was stored before is not counted again. */
function noteSource({ context, exchange }: PendingBatch, result: IngestResult, bytes: number): void {
  if (result.kind !== 'accepted' || result.replayed) return;
  const { remoteAddress: address = UNKNOWN_CLIENT } = exchange;
  context.noteSource?.(address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address, result.records, bytes);
}

/** The connection is gone. */
const UNKNOWN_CLIENT = 'unknown';
/** An address of IPv4 on a socket of IPv6. */
const MAPPED = '::ffff:';

function answerResult(batch: PendingBatch, result: IngestResult): void {
  const { context, exchange } = batch;
  if (!beginAnswer(batch)) {
    if (result.kind === 'accepted') {
      context.log.warn('a batch was accepted after its request was answered 503', { requestId: exchange.id });
    }
    return;
  }
  if (result.kind === 'invalid') {
    refuse(context, exchange, problemOfRejections(result.rejections, result.rejected), describeRecords(result));
    return;
  }
  if (result.refused !== undefined) {
    const about = describeRecords(result.refused);
    const time = context.clock();
    context.noteRefusal({ time, status: 202, reason: 'invalid records', requestId: exchange.id, ...about });
  }
  const headers = ['Logforge-Durability', result.durability];
  if (result.replayed) headers.push('Idempotency-Replayed', 'true');
  exchange.answer(202, 'application/json', result.answer, headers);
}

/** Logs the error, also of a batch that was answered before. */
function answerError(batch: PendingBatch, error: unknown): void {
  const { context, exchange } = batch;
  const { id: requestId } = exchange;
  const fault = faultOf(error);
  if (fault === 'defect') context.log.error('cannot ingest a batch', { requestId, err: error });
  const problem = problemOfError(error, context.limits);
  if (fault === 'unavailable') context.log.warn('cannot store a batch now', { requestId, reason: problem.detail });
  if (beginAnswer(batch)) refuse(context, exchange, problem);
}

/** The batch goes on, and is accounted for by its own outcome. Only the client does not wait any longer. */
function answerTimeout(batch: PendingBatch): void {
  const { context, exchange, head } = batch;
  batch.isAnswered = true;
  const problem = timedOut(context.limits, head.idempotencyKey !== undefined);
  const { requestTimeoutMs } = context.limits;
  context.log.warn('a batch was not stored within server.requestTimeout', { requestId: exchange.id, requestTimeoutMs });
  refuse(context, exchange, problem);
}

/** False when the request is answered already: its time was over before its outcome. */
function beginAnswer(batch: PendingBatch): boolean {
  if (batch.isAnswered) return false;
  batch.isAnswered = true;
  batch.context.answerDeadlines.forget(batch);
  return true;
}

function refuse(context: LogsContext, exchange: LogsExchange, problem: Problem, about: RefusedRecords = {}): void {
  const { metrics, noteRefusal, clock } = context;
  const status = problemStatus(problem.kind);
  (status < 500 ? metrics.invalidRequests : metrics.ingestErrors).inc();
  noteRefusal({ time: clock(), status, reason: problem.detail, requestId: exchange.id, ...about });
  exchange.answer(status, PROBLEM_TYPE, problemBody(problem), problem.headers);
}

type RefusedRecords = Partial<Pick<Refusal, 'reason' | 'field' | 'records'>>;

function describeRecords({ rejections, rejected }: Rejected): RefusedRecords {
  const [first] = rejections;
  if (first === undefined) return { records: rejected };
  return { reason: first.reason, records: rejected, ...(first.field !== '' && { field: first.field }) };
}

function ingestRequest({ context, exchange, head, reservation: memory }: PendingBatch, body: Buffer): IngestRequest {
  const { stream, format, messageType, invalid, map, idempotencyKey } = head;
  const source = exchange.id;
  if (invalid === undefined && map === undefined && idempotencyKey === undefined && messageType === undefined)
    return { stream, format, body, source, memory };
  const owner = idempotencyKey === undefined ? undefined : context.authenticate?.ownerOf(exchange.headers);
  return {
    stream,
    format,
    body,
    source,
    memory,
    ...(messageType === undefined ? undefined : { messageType }),
    ...(invalid === undefined ? undefined : { invalid }),
    ...(map === undefined ? undefined : { map }),
    ...(idempotencyKey === undefined ? undefined : { idempotencyKey }),
    ...(owner === undefined ? undefined : { owner }),
  };
}
