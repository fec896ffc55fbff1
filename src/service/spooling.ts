import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Batch } from '../model/chunk.ts';
import { type CommitNote, type Deliver, PermanentError, type Receipt, UnavailableError } from '../model/deliver.ts';
import type { Consumption, Delivery, Queue, QueuedBatch } from '../queue/queue.ts';
import { type Backoff, createBackoff } from './retry.ts';

/** What this needs of the spool (queue/spool). */
export interface SpoolQueue extends Pick<Queue, 'enqueue' | 'consume'> {
  /** The offset that the next batch will have; those being written are before it. */
  end(): bigint;
  show(): void;
}

export interface SpoolingOptions {
  /** To the broker, through the breaker and for no longer than a caller can wait. What it rejects goes to the spool. */
  readonly deliver: Deliver;
  /** The same without a deadline, for batches from the spool. */
  readonly redeliver: Deliver;
  readonly spool: SpoolQueue;
  /** Pauses of the drain while the broker does not take batches. */
  readonly backoff: Backoff;
  /** Puts aside an accepted batch that the broker will never take: to the dead letters. */
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
 * Sends batches on. A batch that cannot be sent is kept in the spool and sent later: a caller is refused only when the
 * spool does not take the batch either. While a batch in the spool waits to be sent, every new batch goes into the spool
 * after it: so batches are sent in the order in which they were accepted. As soon as all of the spool is on its way, new
 * batches are sent directly: a send that fails also fails those after it, and under load the spool would never be empty.
 *
 * A batch must come with its id (withBatchId). When the broker took a batch and its answer was lost, the batch is sent
 * again from the spool and recognised where it is stored.
 */
export function startSpooling(options: SpoolingOptions): Spooling {
  const { deliver, spool, log } = options;
  const drain = startDrain(options);
  const stopping = new AbortController();
  void showNowAndThen(spool, stopping.signal);

  return {
    async deliver(batch: Batch, note?: CommitNote): Promise<Receipt> {
      if (drain.isBehind()) return spool.enqueue(batch, note);
      try {
        return await deliver(batch, note);
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        log.warn('the broker is unavailable; batches go to the spool', { err: error, fold: 'spool' });
        return spool.enqueue(batch, note);
      }
    },
    async stop() {
      stopping.abort();
      await drain.stop();
    },
  };
}

/** Sends what is in the spool, in order. */
function startDrain(options: SpoolingOptions) {
  const { spool, log } = options;
  /** Everything in the spool before this offset is sent or on its way. */
  let handedOn = spool.end();
  /** Whether some of what is before it failed, or waits for the first to be sent. */
  let hasRest = false;
  const consumption: Consumption = spool.consume({
    assign: async ({ low, high }) => {
      handedOn = low === high ? high : low;
      return { offset: low, receive: drainDelivery };
    },
    fatal: (err) => log.error('cannot drain the spool; what is in it waits for the next start', { err }),
  });

  const noteFailure = (): void => {
    hasRest = true;
  };

  /**
   * Sends the first, and then all others at once, so that they share sends. What was not taken is sent again, in order, until
   * it is taken. The first goes alone because a circuit breaker that is open admits one batch: it must not be a later one.
   */
  async function drainDelivery({ items, next }: Delivery, signal: AbortSignal): Promise<void> {
    const pauses = createBackoff(options.backoff);
    let left = items.flatMap((item) => (item.kind === 'batches' ? item.batches : []));
    let isFirst = true;
    while (left.length > 0) {
      signal.throwIfAborted();
      const group: readonly QueuedBatch[] = isFirst ? left.slice(0, 1) : left;
      hasRest = group.length < left.length;
      handedOn = next;
      const isDone = await Promise.all(group.map((batch) => sendOn(batch, options, noteFailure)));
      const failed = group.filter((_, index) => !isDone[index]);
      if (failed.length === group.length) await pauses.pause(signal);
      else pauses.reset();
      isFirst = failed.length > 0;
      left = [...failed, ...left.slice(group.length)];
    }
  }

  return {
    /** Whether a batch in the spool still waits to be sent. */
    isBehind: () => hasRest || spool.end() > handedOn,
    stop: () => consumption.stop(),
  };
}

/**
 * Sends a batch of the spool, or puts it aside. Resolves with false when that must be done again. `noteFailure` is called
 * when the broker did not take it.
 */
async function sendOn(
  queued: QueuedBatch,
  { redeliver, undeliverable, log }: SpoolingOptions,
  noteFailure: () => void,
): Promise<boolean> {
  const { id, batch, idempotency, deadLetters } = queued;
  try {
    await redeliver(batch, {
      batchIds: [id],
      ...(idempotency !== undefined && { idempotency }),
      ...(deadLetters !== undefined && { deadLetters }),
    });
    return true;
  } catch (error) {
    if (!(error instanceof PermanentError)) {
      noteFailure();
      return false;
    }
    const reason = error.message;
    try {
      await undeliverable(queued, reason);
      return true;
    } catch (err) {
      const message = 'cannot write a batch that the broker refuses permanently to the dead letters; will retry';
      log.error(message, { batch: id, reason, err, fold: 'undeliverable' });
      return false;
    }
  }
}

async function showNowAndThen(spool: SpoolQueue, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    spool.show();
    await sleep(SHOW_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
