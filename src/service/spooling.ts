import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type Deliver, PermanentError, type Receipt, UnavailableError } from '../model/deliver.ts';
import type { Consumption, Delivery, Queue, QueuedBatch } from '../queue/queue.ts';
import { type Backoff, createBackoff } from './retry.ts';

/** What this needs of the spool (queue/spool.ts). */
export interface SpoolQueue extends Pick<Queue, 'enqueue' | 'consume'> {
  /** The offset that the next batch will have; those being written are before it. */
  end(): bigint;
  show(): void;
}

export interface SpoolingOptions {
  /** To the broker, through the breaker and not for longer than a caller can wait: what it rejects goes to the spool. */
  readonly deliver: Deliver;
  /** The same for what comes from the spool, which has time. */
  readonly redeliver: Deliver;
  readonly spool: SpoolQueue;
  /** Pauses of the drain while the broker does not take batches. */
  readonly backoff: Backoff;
  /** Takes what the broker will never take, though it was accepted: to the dead letters. */
  readonly undeliverable: (batch: QueuedBatch, reason: string) => Promise<void>;
  readonly log: Log;
}

export interface Spooling {
  readonly deliver: Deliver;
  /** Stops the drain. What is in the spool stays there for the next start. */
  stop(): Promise<void>;
}

const SHOW_MS = 5_000;

/**
 * Sends batches on, and keeps those that cannot be sent in the spool, from which they follow when they can: a caller is
 * refused only when the spool does not take the batch either. While something in the spool waits to be sent every batch
 * goes behind it, so what was accepted earlier is sent earlier. Once all of it is on its way batches follow directly, for
 * a send that fails fails what follows it too; under load the spool would never be seen empty.
 *
 * A batch must come with its id (withBatchId): one that the broker took without our hearing of it, and that is sent
 * again from the spool, is then recognised where it is stored.
 */
export function startSpooling(options: SpoolingOptions): Spooling {
  const { deliver, spool, log } = options;
  /** Everything in the spool before this offset is sent or on its way. */
  let handedOn = spool.end();
  let drainFailed = false;
  const drain: Consumption = spool.consume({
    assign: async ({ low, high }) => {
      handedOn = low === high ? high : low;
      return { offset: low, receive: drainDelivery };
    },
    fatal: (err) => log.error('the spool cannot be drained until the next start', { err }),
  });
  const stopping = new AbortController();
  void showNowAndThen(spool, stopping.signal);

  async function deliverOrSpool(batch: Batch, note?: CommitNote): Promise<Receipt> {
    if (drainFailed || spool.end() > handedOn) return spool.enqueue(batch, note);
    try {
      return await deliver(batch, note);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      log.warn('the broker is away; batches go to the spool', { err: error, fold: 'spool' });
      return spool.enqueue(batch, note);
    }
  }

  /** All at once, so that they share sends; what was not taken is tried again, in order, until it is. */
  async function drainDelivery({ items, next }: Delivery, signal: AbortSignal): Promise<void> {
    const pauses = createBackoff(options.backoff);
    let left = items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
    while (left.length > 0) {
      signal.throwIfAborted();
      drainFailed = false;
      handedOn = next;
      const results = await Promise.all(left.map((batch) => drainBatch(batch)));
      const failed = left.filter((_, index) => results[index] === false);
      if (failed.length === left.length) await pauses.pause(signal);
      else pauses.reset();
      left = failed;
    }
  }

  /** False when it must be tried again. */
  async function drainBatch(queued: QueuedBatch): Promise<boolean> {
    const { id, batch, idempotency, deadLetters } = queued;
    try {
      await options.redeliver(batch, {
        batchIds: [id],
        ...(idempotency !== undefined && { idempotency }),
        ...(deadLetters !== undefined && { deadLetters }),
      });
      return true;
    } catch (error) {
      if (!(error instanceof PermanentError)) {
        drainFailed = true;
        return false;
      }
      return options.undeliverable(queued, error.message).then(
        () => true,
        (err: unknown) => {
          log.error('cannot keep a batch that the broker will never take', { err, fold: 'undeliverable' });
          return false;
        },
      );
    }
  }

  return {
    deliver: deliverOrSpool,
    stop: async () => {
      stopping.abort();
      await drain.stop();
    },
  };
}

async function showNowAndThen(spool: SpoolQueue, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    spool.show();
    await sleep(SHOW_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
