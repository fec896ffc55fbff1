import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Delivery } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import type { DeliveryContent } from './consume-read.ts';
import { type Backoff, createBackoff } from './retry.ts';

export interface StoreOptions {
  readonly repo: Pick<Repo, 'append'>;
  readonly backoff: Backoff;
  readonly metrics: Pick<Metrics, 'kafkaConsumerErrors' | 'consumerBlocked'>;
  readonly log: Pick<Log, 'error'>;
}

/**
 * Stores a delivery. While storage fails it tries again for as long as the partition is ours; the partition is blocked
 * meanwhile. Nothing is skipped or given up for it. Rejects only with the signal's reason.
 */
export async function storeUntilDone(
  { batch, note }: Pick<DeliveryContent, 'batch' | 'note'>,
  { topic, partition }: Pick<Delivery, 'topic' | 'partition'>,
  signal: AbortSignal,
  options: StoreOptions,
): Promise<void> {
  const { repo, metrics, log } = options;
  const backoff = createBackoff(options.backoff);
  let isBlocked = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        await repo.append(batch, note);
        return;
      } catch (err) {
        const message = 'cannot store consumed messages; the partition is blocked until storage works';
        log.error(message, { topic, partition, err, fold: `${topic}/${partition}` });
        metrics.kafkaConsumerErrors.inc();
        if (!isBlocked) metrics.consumerBlocked.inc();
        isBlocked = true;
      }
      await backoff.pause(signal);
    }
  } finally {
    if (isBlocked) metrics.consumerBlocked.dec();
  }
}
