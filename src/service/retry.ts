import { setTimeout as wait } from 'node:timers/promises';
import { type BatchId, createBatchIds } from '../model/batch-id.ts';
import { type Deliver, streamOfBatch, UnavailableError } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
import { BreakerOpenError } from './breaker.ts';

export interface Backoff {
  /** Pause before the first retry, ms; doubles each time. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
  /** Rejects when the signal aborts. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/**
 * Pauses that double up to a limit, each shortened at random by up to a half: callers that failed together do not try
 * again together.
 */
export function createBackoff({ firstMs, maxMs, random = Math.random, sleep = sleepMs }: Backoff) {
  let failures = 0;
  return {
    async pause(signal?: AbortSignal): Promise<void> {
      const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures++, 30));
      await sleep(full * (1 - random() / 2), signal);
    },
    reset(): void {
      failures = 0;
    },
  };
}

async function sleepMs(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal === undefined ? {} : { signal });
}

/**
 * Names each batch before it is first sent, so that it keeps its name when it is sent again; one that has a name already keeps it.
 * `newProducer` is called once for each stream: the batches of each are counted by themselves.
 */
export function withBatchId(deliver: Deliver, newProducer: () => string): Deliver {
  const nextIds = new Map<StreamName, () => BatchId>();
  return (batch, note) => {
    if (note?.batchIds !== undefined) return deliver(batch, note);
    const stream = streamOfBatch(batch, note);
    let nextId = nextIds.get(stream);
    if (nextId === undefined) {
      nextId = createBatchIds(newProducer());
      nextIds.set(stream, nextId);
    }
    return deliver(batch, { ...note, batchIds: [nextId()] });
  };
}

/**
 * Delivers again, up to `retries` times, when the destination was unavailable. The batch must carry its id (withBatchId),
 * so that a resend is recognised. An open breaker ends the retries: it will not close in time for this request.
 */
export function withRetry(deliver: Deliver, { retries, ...backoff }: Backoff & { readonly retries: number }): Deliver {
  return async function deliverWithRetry(batch, note) {
    const pauses = createBackoff(backoff);
    for (let left = retries; ; left--) {
      try {
        return await deliver(batch, note);
      } catch (error) {
        const mayPass = error instanceof UnavailableError && !(error instanceof BreakerOpenError);
        if (!mayPass || left <= 0) throw error;
        await pauses.pause();
      }
    }
  };
}
