import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Delivery, PartitionState } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';

/*
 * Where to begin, by what the journal and the group know of the partition:
 *
 *   journal   group     begin at
 *   none      none      the first offset there is
 *   none      offset    the group's: another process has stored everything before it
 *   offset    offset    the larger: the journal's after a crash between the two commits, the group's when the partition
 *                       was with another process meanwhile
 *   offset    none      the first offset there is: the topic was created again, or the group was forgotten. Batches
 *                       that are stored already are recognised by their ids
 *
 * An offset beyond the end of the log (the topic was created again) also begins at the first there is. An offset before
 * the first there is (retention has passed) begins there and reports what is missing.
 */

export interface PositionsOptions {
  readonly repo: Pick<Repo, 'offsets'>;
  readonly metrics: Pick<Metrics, 'consumerGaps'>;
  readonly log: Pick<Log, 'warn' | 'error'>;
}

/** Decides where a partition is read from, and reports offsets that are missing. */
export function createPositions({ repo, metrics, log }: PositionsOptions) {
  function firstOffset(state: PartitionState): bigint {
    const { topic, partition, committed, low, high } = state;
    const journal = journalOffset(state);
    if (journal !== undefined && committed === undefined) {
      const message = 'the consumer group has no offset of a partition that was read before; reading from its start';
      if (journal > low) log.warn(message, { topic, partition, low, journal });
      return low;
    }
    const wanted = maxOf(journal, committed) ?? low;
    if (wanted > high) {
      const message = 'a partition ends before what was read of it; reading from its start';
      log.error(message, { topic, partition, read: String(wanted), high });
      return low;
    }
    if (wanted >= low) return wanted;
    reportGap(state, wanted, low);
    return low;
  }

  function journalOffset({ topic, partition }: PartitionState): bigint | undefined {
    const note = repo.offsets().find((offset) => offset.topic === topic && offset.partition === partition);
    return note === undefined ? undefined : BigInt(note.next);
  }

  /** `position`: the offset that was to come next. */
  function checkGap(delivery: Delivery, position: bigint): void {
    const first = delivery.items[0]?.offset ?? delivery.next;
    if (first > position) reportGap(delivery, position, first);
  }

  function reportGap({ topic, partition }: Pick<Delivery, 'topic' | 'partition'>, expected: bigint, found: bigint) {
    metrics.consumerGaps.inc(Number(found - expected));
    const offsets = { expected: String(expected), found: String(found) };
    log.warn('offsets are missing', { topic, partition, ...offsets, fold: `${topic}/${partition}` });
  }

  return { firstOffset, checkGap };
}

function maxOf(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
