import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import type { Appended } from '../../model/line-store.ts';
import { hidePaths } from '../hide-paths.ts';
import type { StoredLines } from '../http.ts';
import { type AdmitContext, admit } from '../logs/admit.ts';
import type { Bodies } from '../logs/bodies.ts';
import { BodyCollector, type BodyFailure, type BodyOwner } from '../logs/body.ts';
import { ACCEPTED_CODINGS, type Coding, readCoding, readType } from '../logs/content.ts';
import type { Reservation } from '../logs/in-flight.ts';
import {
  bodyTooLarge,
  faultOf,
  type LimitsToName,
  overloaded,
  problemOfBody,
  problemOfError,
} from '../logs/ingest-problem.ts';
import type { HandleLogs, LogsExchange } from '../logs/logs.ts';
import { PROBLEM_TYPE, type Problem, problemBody, problemStatus, retryAfter } from '../problem.ts';
import { formatMs } from '../quantity.ts';
import type { Timed } from '../server/deadlines.ts';
import { GUID_HEADER, guidOf } from './guid.ts';
import { STORE_IS_OFF, STORE_READS_ONLY } from './store-problems.ts';

export interface LinesContext extends AdmitContext, Bodies {
  /** Absent: the line store is off. */
  readonly lineStore: StoredLines | undefined;
  readonly limits: LimitsToName;
  readonly metrics: Metrics;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

/** POST /store/batch: the steps of POST /logs (logs/logs.ts), but the body goes to the line store as it came, which reads it in its thread. */
export function createLinesHandler(context: LinesContext): HandleLogs {
  const { limits, inFlight, lineStore } = context;
  return function handleLines(exchange) {
    if (lineStore === undefined) {
      refuse(context, exchange, STORE_IS_OFF);
      return;
    }
    const head = admit(context, exchange) ?? readHead(exchange, lineStore, limits);
    if ('kind' in head) {
      refuse(context, exchange, head);
      return;
    }
    const reservation = inFlight.hasRoom(head.declared ?? 0) ? inFlight.reserve(0) : undefined;
    if (reservation === undefined) {
      refuse(context, exchange, overloaded(limits));
      return;
    }
    const { collector } = new PendingLines({ context, lineStore, exchange, head, reservation });
    context.bodyDeadlines.watch(collector);
    exchange.receive(collector);
  };
}

interface LinesHead {
  readonly coding: Coding;
  /** As Content-Length has it; undefined for a chunked body. */
  readonly declared: number | undefined;
}

function readHead({ headers }: LogsExchange, { isReadOnly }: StoredLines, limits: LimitsToName): LinesHead | Problem {
  if (isReadOnly) return STORE_READS_ONLY;
  if (readType(headers['content-type'])?.format !== 'json') {
    const detail = `the Content-Type is ${JSON.stringify(headers['content-type'] ?? '')}; supported: application/json`;
    return { kind: 'unsupported-media-type', detail, headers: ['Accept', 'application/json'] };
  }
  const coding = readCoding(headers['content-encoding']);
  if (coding === undefined) {
    const detail = `the Content-Encoding is ${JSON.stringify(headers['content-encoding'])}; supported: one of ${ACCEPTED_CODINGS}`;
    return { kind: 'unsupported-content-encoding', detail, headers: ['Accept-Encoding', ACCEPTED_CODINGS] };
  }
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked')
    return { kind: 'unsupported-transfer-encoding', detail: 'the only supported transfer encoding is chunked' };
  const declared = transfer === undefined ? Number(headers['content-length'] ?? 0) : undefined;
  if (declared !== undefined && declared > limits.maxBodyBytes) return bodyTooLarge(limits);
  return { coding, declared };
}

interface PendingParts {
  readonly context: LinesContext;
  readonly lineStore: StoredLines;
  readonly exchange: LogsExchange;
  readonly head: LinesHead;
  readonly reservation: Reservation;
}

/** One batch between the head of its request and its answer. */
class PendingLines implements BodyOwner, Timed {
  readonly #parts: PendingParts;
  readonly collector: BodyCollector;
  /** Set by the answer, which comes before the outcome where its time is over. */
  #isAnswered = false;

  constructor(parts: PendingParts) {
    const { context, head, reservation } = parts;
    const { limits, buffers } = context;
    this.#parts = parts;
    const { maxBodyBytes: maxBytes } = limits;
    this.collector = new BodyCollector({ declared: head.declared, maxBytes, reservation, buffers, owner: this });
  }

  collected(outcome: Buffer | BodyFailure): void {
    const { context, reservation } = this.#parts;
    context.bodyDeadlines.forget(this.collector);
    if (typeof outcome !== 'string') {
      void this.#append(outcome);
      return;
    }
    reservation.release();
    this.#answer(problemOfBody(outcome, context.limits));
  }

  /** The batch goes on, and may be stored. */
  expire(): void {
    const { requestTimeoutMs } = this.#parts.context.limits;
    const detail = `the batch was not stored within ${formatMs(requestTimeoutMs)} (server.requestTimeout) and may still be stored; send it again, its lines are stored once`;
    this.#answer({ kind: 'unavailable', detail, headers: retryAfter(1) });
  }

  /** Its time runs from here. The reservation stays until the outcome, since the memory is in use until then. */
  async #append(raw: Buffer): Promise<void> {
    const { context, lineStore, exchange, head, reservation } = this.#parts;
    context.answerDeadlines.watch(this);
    try {
      const limits = { maxBytes: context.limits.maxBodyBytes, reservation };
      const unpacked = head.coding === 'identity' ? raw : await context.unpack(raw, head.coding, limits);
      // Memory of its own, which changes threads. A body may be a part of other memory.
      const body = new Uint8Array(unpacked);
      context.buffers.give(raw);
      const outcome = await lineStore.store.append(body);
      this.#count(outcome);
      this.#answer(answerOf(outcome));
    } catch (error) {
      if (faultOf(error) === 'defect') context.log.error('cannot store lines', { requestId: exchange.id, err: error });
      this.#answer(problemOfError(error, context.limits));
    } finally {
      reservation.release();
    }
  }

  #count(outcome: Appended): void {
    const { metrics, log } = this.#parts.context;
    const { exchange } = this.#parts;
    if (outcome.kind === 'unavailable')
      log.warn('cannot store lines now', { requestId: exchange.id, reason: outcome.reason, fold: outcome.reason });
    if (outcome.kind !== 'stored') return;
    metrics.lineStoreLines.inc(outcome.lines);
    if (outcome.commitSeconds !== undefined) metrics.lineStoreCommits.observe(outcome.commitSeconds);
  }

  #answer(answer: { readonly stored: number } | Problem): void {
    const { context, exchange } = this.#parts;
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    context.answerDeadlines.forget(this);
    if ('kind' in answer) {
      refuse(context, exchange, answer);
      return;
    }
    context.metrics.lineStoreBatches.labels('stored').inc();
    exchange.answer(200, 'application/json', JSON.stringify(answer), [GUID_HEADER, guidOf(exchange.id)]);
  }
}

function refuse({ metrics }: LinesContext, exchange: LogsExchange, problem: Problem): void {
  const status = problemStatus(problem.kind);
  metrics.lineStoreBatches.labels(status < 500 ? 'refused' : 'unavailable').inc();
  const headers = [GUID_HEADER, guidOf(exchange.id), ...(problem.headers ?? [])];
  exchange.answer(status, PROBLEM_TYPE, problemBody(problem), headers);
}

const BUSY_SECONDS = 5;

function answerOf(outcome: Appended): { readonly stored: number } | Problem {
  switch (outcome.kind) {
    case 'stored':
      return { stored: outcome.lines };
    case 'malformed':
      return { kind: 'malformed-body', detail: `${outcome.reason}; nothing was stored` };
    case 'invalid': {
      const { index, field, reason } = outcome;
      const errors = [{ index, field, reason }];
      return { kind: 'invalid-lines', detail: `${reason}; nothing was stored`, extra: { errors, errorCount: 1 } };
    }
    case 'unavailable':
      return {
        kind: 'unavailable',
        detail: `${hidePaths(outcome.reason)}; nothing was stored`,
        headers: retryAfter(BUSY_SECONDS),
      };
  }
}
