import { GroupCommit, nextTurn } from '../disk/group-commit.ts';
import type { Log } from '../log.ts';
import type { Batch } from '../model/chunk.ts';
import {
  BatchTooLargeError,
  type CommitNote,
  type Deliver,
  IdempotencyConflict,
  PermanentError,
  type Receipt,
  UnavailableError,
} from '../model/deliver.ts';
import { HandedOver, type Handlers, type Remote } from './channel.ts';
import { type PackedBatches, packBatches, unpackBatches } from './pack.ts';

/** The one call that hands batches to the other thread. */
export interface DeliverCalls {
  deliver(call: DeliverCall): DeliverReply;
}

/** Batches that were ready in one turn of the event loop, in one message. */
export interface DeliverCall {
  readonly packed: PackedBatches;
  readonly notes: readonly (CommitNote | undefined)[];
}

export interface DeliverReply {
  /** What became of each, in the order of the call. */
  readonly results: readonly (Receipt | { readonly failure: Failure })[];
  /** Memory that came with the call and is not needed any more, for its sender to use again. */
  readonly memory: readonly ArrayBuffer[];
}

/** The errors of a Deliver, in a form that survives being cloned. */
type Failure =
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryAfterSeconds: number }
  | { readonly kind: 'conflict'; readonly key: string }
  | { readonly kind: 'too large'; readonly message: string; readonly bytes: number; readonly limit: number }
  | { readonly kind: 'permanent'; readonly message: string }
  | { readonly kind: 'other'; readonly message: string };

interface Waiting {
  readonly batch: Batch;
  readonly note: CommitNote | undefined;
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
}

const RETRY_AFTER_SECONDS = 1;

/**
 * A Deliver whose work is done by the thread at the other end of the channel. The batches' memory goes there; `reuse` is
 * given what comes back of it.
 */
export function createRemoteDeliver(
  remote: Remote<DeliverCalls>,
  log: Pick<Log, 'error'>,
  reuse: (memory: ArrayBuffer) => void,
): Deliver {
  const send = async (group: readonly Waiting[]): Promise<void> => {
    try {
      const packed = packBatches(group.map(({ batch }) => batch));
      const call: DeliverCall = { packed, notes: group.map(({ note }) => note) };
      const reply = await remote.deliver(new HandedOver(call, packed.buffers));
      for (const memory of reply.memory) reuse(memory);
      settle(group, reply);
    } catch (cause) {
      log.error('cannot hand batches to the thread that stores', { batches: group.length, err: cause });
      const error = new UnavailableError('the thread that stores is gone', RETRY_AFTER_SECONDS, { cause });
      for (const { reject } of group) reject(error);
    }
  };

  const commits = new GroupCommit<Waiting>({
    gather: nextTurn,
    // The next message does not wait for the reply to this one.
    commit: async (group) => void send(group),
  });

  return function deliverRemotely(batch, note) {
    return new Promise((resolve, reject) => commits.add({ batch, note, resolve, reject }));
  };
}

function settle(group: readonly Waiting[], { results }: DeliverReply): void {
  group.forEach(({ resolve, reject }, i) => {
    const result = results[i];
    if (result === undefined) reject(new Error('a reply is missing'));
    else if ('failure' in result) reject(toError(result.failure));
    else resolve(result);
  });
}

/** The other end: answers the calls of a remote Deliver. */
export function serveDeliver(deliver: Deliver): Handlers<DeliverCalls>['deliver'] {
  const deliverOne = async (batch: Batch, note: CommitNote | undefined): Promise<DeliverReply['results'][number]> => {
    try {
      return await deliver(batch, note);
    } catch (error) {
      return { failure: toFailure(error) };
    }
  };
  return async ({ packed, notes }) => {
    const results = await Promise.all(unpackBatches(packed).map((batch, i) => deliverOne(batch, notes[i])));
    // Not after a failure, nor from the spool: a send that was given up may still be reading.
    const isRead = results.every((result) => 'durability' in result && result.durability !== 'spool');
    const memory = isRead ? packed.buffers : [];
    return new HandedOver({ results, memory }, memory);
  };
}

function toFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UnavailableError)
    return { kind: 'unavailable', message, retryAfterSeconds: error.retryAfterSeconds };
  if (error instanceof IdempotencyConflict) return { kind: 'conflict', key: error.key };
  if (error instanceof BatchTooLargeError)
    return { kind: 'too large', message, bytes: error.bytes, limit: error.limit };
  return { kind: error instanceof PermanentError ? 'permanent' : 'other', message };
}

function toError(failure: Failure): Error {
  switch (failure.kind) {
    case 'unavailable':
      return new UnavailableError(failure.message, failure.retryAfterSeconds);
    case 'conflict':
      return new IdempotencyConflict(failure.key);
    case 'too large':
      return new BatchTooLargeError(failure.message, failure);
    case 'permanent':
      return new PermanentError(failure.message);
    case 'other':
      return new Error(failure.message);
  }
}
