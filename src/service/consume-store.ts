import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { Delivery } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import { type DeliveryContent, putOldAside } from './consume-read.ts';
import type { FirstHour } from './old-records.ts';
import { type Backoff, createBackoff } from './retry.ts';

export interface StoreOptions {
  readonly repo: Pick<Repo, 'append'>;
  readonly firstHour: FirstHour;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly metrics: Pick<Metrics, 'kafkaConsumerErrors' | 'consumerBlocked'>;
  readonly log: Pick<Log, 'error'>;
}

/**
 * Stores a delivery, and gives what was stored: without the records whose hours retention removed meanwhile. While storage fails it tries again for as long as the partition is ours; the partition is blocked
 * meanwhile. Nothing is skipped or given up for it. Rejects only with the signal's reason.
 */
export async function storeUntilDone(
  content: DeliveryContent,
  { topic, partition, next }: Pick<Delivery, 'topic' | 'partition' | 'next'>,
  signal: AbortSignal,
  options: StoreOptions,
): Promise<DeliveryContent> {
  const { repo, firstHour, clock, metrics, log } = options;
  const backoff = createBackoff(options.backoff);
  let isBlocked = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const source = `kafka:${topic}/${partition}@${next - 1n}`;
      const left = putOldAside(content, firstHour, { source, time: clock() });
      try {
        await repo.append(left.batch, left.note);
        return left;
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
