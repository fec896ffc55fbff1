import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Clock } from '../model/clock.ts';
import type { Assignment, Delivery, PartitionState, QueueHandler } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import type { Account } from './accounting.ts';
import { createPositions } from './consume-positions.ts';
import { createDeliveryReader, type DeliveryContent } from './consume-read.ts';
import { storeUntilDone } from './consume-store.ts';
import type { ForeignOptions } from './foreign.ts';
import type { FirstHour } from './old-records.ts';
import type { Backoff } from './retry.ts';

/*
 * Exactly once into the files of one data directory. The next offset, the batch-ids and the keys are committed in one
 * journal entry with the data, and reading begins where the journal says (consume-positions.ts).
 *
 * Two processes, each with a data directory of its own, together hold every record. Each record is in exactly one of
 * the two as long as partitions move in order: on a join, a leave or a stop, the group is told what is stored before
 * the partition is given up. There are two exceptions. When a process dies, or the group takes it for dead while it
 * stores, the records of at most one commit of each of its partitions may be in both. And a batch that was sent twice,
 * because its acknowledgement was lost, may be in both when its partition moved between the two copies. No record is
 * ever twice in the same directory.
 */

export interface ConsumerOptions extends ForeignOptions {
  readonly repo: Pick<Repo, 'append' | 'offsets' | 'hasBatchId' | 'idempotency'>;
  /** Records of earlier hours become dead letters. */
  readonly firstHour: FirstHour;
  /** Pauses between attempts to store, while storage fails. */
  readonly backoff: Backoff;
  /** An accounting of the consumer's own. */
  readonly accounting: Account;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** The consumer failed permanently: the process should end. */
  readonly onFatal: (error: Error) => void;
}

/** One assignment of a partition. */
interface Ongoing {
  readonly superseded: AbortController;
  /** Settles when the last delivery is stored, or cannot be. */
  work: Promise<unknown>;
}

/** Stores what the queue brings. One handler for all consumptions of a process. */
export function createConsumer(options: ConsumerOptions): QueueHandler {
  const { metrics, clock, accounting } = options;
  const positions = createPositions(options);
  const readDelivery = createDeliveryReader(options);
  /** The newest assignment of each partition. An older one must have ended before the next begins. */
  const current = new Map<string, Ongoing>();

  async function assign(state: PartitionState): Promise<Assignment> {
    const name = `${state.topic}/${state.partition}`;
    const older = current.get(name);
    const mine: Ongoing = { superseded: new AbortController(), work: Promise.resolve() };
    current.set(name, mine);
    older?.superseded.abort(new Error(`partition ${name} was assigned again`));
    await older?.work.catch(() => undefined);
    const offset = positions.firstOffset(state);
    let position = offset;
    return {
      offset,
      receive: async (delivery, signal) => {
        const work = receive(delivery, position, AbortSignal.any([signal, mine.superseded.signal]));
        mine.work = work;
        await work;
        position = delivery.next;
      },
    };
  }

  /** Stores one delivery in one commit. */
  async function receive(delivery: Delivery, position: bigint, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    positions.checkGap(delivery, position);
    const content = await readDelivery(delivery);
    await storeAccounted(content, delivery, signal);
    metrics.consumedDuplicates.inc(content.duplicateBatches);
    metrics.consumeDuration.observe((performance.now() - started) / 1000);
    const oldest = delivery.items[0]?.timestamp;
    if (oldest !== undefined) metrics.consumeDelay.observe(Math.max(0, clock() - oldest) / 1000);
  }

  async function storeAccounted(content: DeliveryContent, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const records = content.stored + content.duplicates + content.deadLettered;
    accounting.receive(records);
    await accounting.inFlight(records, async () => {
      try {
        const { stored, duplicates, deadLettered } = await storeUntilDone(content, delivery, signal, options);
        accounting.settle('stored', stored);
        accounting.settle('duplicate', duplicates);
        accounting.settle('dead_lettered', deadLettered);
      } catch (error) {
        // The partition is lost. Its next owner receives these records and accounts for them.
        accounting.settle('handed_over', records);
        throw error;
      }
    });
  }

  return { assign, fatal: (error) => options.onFatal(error) };
}
