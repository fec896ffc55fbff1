import { MalformedBodyError, type Rejection } from '../../decode/decode.ts';
import { BatchTooLargeError, IdempotencyConflict, PermanentError, UnavailableError } from '../../model/deliver.ts';
import { type Problem, retryAfter } from '../problem.ts';
import { UnpackError } from './unpack.ts';

/** What to answer when a body was not taken in. Whatever is not the client's doing is a 503. */
export function problemOfError(error: unknown): Problem {
  if (error instanceof MalformedBodyError) return { kind: 'malformed-body', detail: error.message };
  if (error instanceof BatchTooLargeError) return { kind: 'body-too-large', detail: error.message };
  if (error instanceof IdempotencyConflict) return { kind: 'idempotency-conflict', detail: error.message };
  if (error instanceof PermanentError) return { kind: 'unprocessable-batch', detail: error.message };
  if (error instanceof UnavailableError) {
    return { kind: 'unavailable', detail: error.message, headers: retryAfter(error.retryAfterSeconds) };
  }
  if (error instanceof UnpackError) return problemOfUnpacking(error);
  return { kind: 'unavailable', detail: 'nothing of the batch was stored: internal error', headers: retryAfter(1) };
}

/** Whether an error is one of those that are part of the contract: any other is a fault of ours, to be looked into. */
export function isForeseen(error: unknown): boolean {
  return error instanceof MalformedBodyError || error instanceof PermanentError || error instanceof UnpackError;
}

export function problemOfRejections(rejections: readonly Rejection[], rejected: number): Problem {
  const errors = rejections.map(({ index, field, reason }) => ({ index, field, reason }));
  return {
    kind: 'invalid-records',
    detail: rejections[0]?.reason ?? 'no valid record',
    extra: { errors, errorCount: rejected },
  };
}

function problemOfUnpacking({ reason, message }: UnpackError): Problem {
  if (reason === 'undecodable') return { kind: 'malformed-body', detail: message };
  if (reason === 'too-large') return { kind: 'body-too-large', detail: message };
  return { kind: 'overloaded', detail: message, headers: retryAfter(1) };
}
