import type { StreamName } from '../../model/stream.ts';
import type { Assignment, QueueItem } from '../queue.ts';
import type { Fetched, RecordReceiver } from './driver.ts';
import { decodeRecords } from './message-reader.ts';

/** When collected messages are stored. */
export interface FlushLimits {
  /** Bytes of message values, of one partition. */
  readonly bytes: number;
  /** Milliseconds since the first of them was fetched. */
  readonly intervalMs: number;
}

export interface ReceiverOptions {
  /** The stream whose records the topic holds. */
  readonly stream: StreamName;
  readonly topic: string;
  readonly partition: number;
  readonly assignment: Assignment;
  readonly flush: FlushLimits;
  /** Milliseconds on a clock that only goes forward. */
  readonly now: () => number;
}

/**
 * Collects what is fetched of one partition, so that many small fetches share one commit. The handler gets it as one
 * delivery:
 *
 *   - at once, when the partition has nothing more to read: a batch that comes alone does not wait;
 *   - else as soon as `flush.bytes` are collected, or `flush.intervalMs` have passed since the first message;
 *   - when the driver asks for it (flush), at a stop and before a rebalance.
 *
 * Holds at most `flush.bytes` and one fetch.
 */
export function createReceiver(options: ReceiverOptions): RecordReceiver {
  const { stream, topic, partition, assignment, flush: limits, now } = options;
  let items: QueueItem[] = [];
  let bytes = 0;
  let since: number | undefined;
  /** The offset after the last item. */
  let next = assignment.offset;
  let stored = assignment.offset;
  /** After a rewind: records before this offset are read again. They have waited once. */
  let readAgainTo: bigint | undefined;

  function isDue(hasMore: boolean): boolean {
    if (!hasMore || since === undefined) return true;
    if (readAgainTo !== undefined && next >= readAgainTo) return true;
    return bytes >= limits.bytes || now() - since >= limits.intervalMs;
  }

  function forget(): void {
    items = [];
    bytes = 0;
    since = undefined;
  }

  async function flush(signal: AbortSignal): Promise<bigint | undefined> {
    if (since === undefined) return undefined;
    const delivery = { topic, partition, items, next };
    forget();
    await assignment.receive(delivery, signal);
    stored = delivery.next;
    if (readAgainTo !== undefined && stored >= readAgainTo) readAgainTo = undefined;
    return stored;
  }

  return {
    offset: assignment.offset,
    async receive(fetched: Fetched, signal) {
      for (const item of decodeRecords(stream, fetched.records)) items.push(item);
      for (const { value } of fetched.records) bytes += value?.length ?? 0;
      since ??= now();
      next = fetched.next;
      return isDue(fetched.hasMore) ? flush(signal) : undefined;
    },
    flush,
    rewind() {
      forget();
      readAgainTo = next > stored ? next : undefined;
      next = stored;
      return stored;
    },
  };
}
