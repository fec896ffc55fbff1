import { MalformedBodyError, type Rejection } from '../../decode/decode.ts';
import { NoRoomError, TooManyHoursError } from '../../lines/batch-limits.ts';
import { BatchTooLargeError, IdempotencyConflict, PermanentError, UnavailableError } from '../../model/deliver.ts';
import { hidePaths } from '../hide-paths.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { formatBytes, formatMs } from '../quantity.ts';
import type { BodyFailure } from './body.ts';
import { UnpackError } from './unpack.ts';

export const DRAINING: Problem = {
  kind: 'draining',
  detail: 'the service is shutting down; nothing was stored',
  headers: retryAfter(5),
};

/** Why a batch failed, as an operator must see it: the client's fault, a cause outside the code, or a defect of the code. */
export type Fault = 'client' | 'unavailable' | 'defect';

export function faultOf(error: unknown): Fault {
  if (error instanceof UnavailableError) return 'unavailable';
  const isClients =
    error instanceof MalformedBodyError ||
    error instanceof PermanentError ||
    error instanceof UnpackError ||
    error instanceof NoRoomError;
  return isClients ? 'client' : 'defect';
}

/** The answer when a batch was not stored. Anything that is not the client's fault is a 503. */
export function problemOfError(error: unknown, limits: Pick<LimitsToName, 'maxInFlightBytes'>): Problem {
  if (error instanceof MalformedBodyError) return { kind: 'malformed-body', detail: error.message };
  if (error instanceof BatchTooLargeError) return { kind: 'body-too-large', detail: error.message };
  if (error instanceof TooManyHoursError) return { kind: 'too-many-hours', detail: error.message };
  if (error instanceof IdempotencyConflict) return { kind: 'idempotency-conflict', detail: error.message };
  if (error instanceof PermanentError) return { kind: 'unprocessable-batch', detail: error.message };
  if (error instanceof UnavailableError) {
    return { kind: 'unavailable', detail: hidePaths(error.message), headers: retryAfter(error.retryAfterSeconds) };
  }
  if (error instanceof UnpackError) return problemOfUnpacking(error, limits);
  if (error instanceof NoRoomError) return overloaded(limits);
  return { kind: 'unavailable', detail: 'internal error; nothing of the batch was stored', headers: retryAfter(1) };
}

/** The answer when some records are invalid and nothing was stored. */
export function problemOfRejections(rejections: readonly Rejection[], rejected: number): Problem {
  const errors = rejections.map(({ index, field, reason }) => ({ index, field, reason }));
  return {
    kind: 'invalid-records',
    detail: rejections[0]?.reason ?? 'no valid record',
    extra: { errors, errorCount: rejected },
  };
}

/** The limits that the problems name. */
export interface LimitsToName {
  readonly maxBodyBytes: number;
  readonly maxInFlightBytes: number;
  readonly bodyTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** The answer when a body was not read to its end. */
export function problemOfBody(failure: BodyFailure, limits: LimitsToName): Problem {
  if (failure === 'too-large') return bodyTooLarge(limits);
  if (failure === 'overloaded') return overloaded(limits);
  if (failure === 'evicted') {
    const detail = `the body arrived too slowly while too many request bytes were in flight (limit ${formatBytes(limits.maxInFlightBytes)}); nothing was stored`;
    return { kind: 'overloaded', detail, headers: retryAfter(1) };
  }
  if (failure === 'timeout') {
    const detail = `the body did not arrive within ${formatMs(limits.bodyTimeoutMs)} (server.bodyTimeout); nothing was stored`;
    return { kind: 'timeout', detail };
  }
  // After 'aborted' nobody reads this answer. It is counted.
  return { kind: 'malformed-body', detail: 'the body did not arrive whole; nothing was stored' };
}

export function bodyTooLarge({ maxBodyBytes }: Pick<LimitsToName, 'maxBodyBytes'>): Problem {
  return {
    kind: 'body-too-large',
    detail: `the body is larger than ${formatBytes(maxBodyBytes)} (server.maxBodyBytes)`,
  };
}

export function overloaded({ maxInFlightBytes }: Pick<LimitsToName, 'maxInFlightBytes'>): Problem {
  const detail = `too many request bytes in flight (limit ${formatBytes(maxInFlightBytes)}); nothing was stored`;
  return { kind: 'overloaded', detail, headers: retryAfter(1) };
}

/**
 * The answer when the outcome of a batch was not known in time. The batch goes on and may be stored later, so the answer
 * cannot say that it was not.
 */
export function timedOut({ requestTimeoutMs }: Pick<LimitsToName, 'requestTimeoutMs'>, hasKey: boolean): Problem {
  const what = `the batch was not stored within ${formatMs(requestTimeoutMs)} (server.requestTimeout) and may still be stored`;
  const advice = hasKey
    ? 'send it again with the same Idempotency-Key, and it is stored once'
    : 'sending it again may store it twice; an Idempotency-Key prevents that';
  return { kind: 'unavailable', detail: `${what}; ${advice}`, headers: retryAfter(1) };
}

function problemOfUnpacking({ reason, message }: UnpackError, limits: Pick<LimitsToName, 'maxInFlightBytes'>): Problem {
  if (reason === 'undecodable') return { kind: 'malformed-body', detail: message };
  if (reason === 'too-large') return { kind: 'body-too-large', detail: message };
  if (reason === 'busy') return { kind: 'overloaded', detail: message, headers: retryAfter(1) };
  return overloaded(limits);
}
