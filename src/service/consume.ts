import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Batch, type Chunk, countRecords, mergeByHour } from '../model/chunk.ts';
import type { Clock } from '../model/clock.ts';
import type { CommitNote, DeadLetter, IdempotencyNote } from '../model/deliver.ts';
import type { Assignment, Delivery, PartitionState, QueuedBatch, QueueHandler, QueueItem } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import type { Accounting } from './accounting.ts';
import { batchAsDeadLetters } from './dead-letter.ts';
import { createForeignReader, type ForeignOptions } from './foreign.ts';
import { type Backoff, createBackoff } from './retry.ts';

/*
 * Exactly once into the files of one data directory: the next offset, the batch-ids and the keys are committed in one
 * journal entry with the data, and reading begins where the journal says.
 *
 * Where to begin, by what the journal and the group say of the partition:
 *   journal   group     begin at
 *   none      none      the first offset there is
 *   none      offset    the group's: another process has stored what is before it
 *   offset    offset    the larger: the journal's after a crash between the two commits, the group's when the partition
 *                       was with another process meanwhile
 *   offset    none      the first offset there is: the topic was made anew, or the group forgotten. Batches stored
 *                       before are recognised by their ids
 * An offset beyond the end of the log (a topic made anew) also begins at the first there is; one before the first there
 * is (retention has passed) begins there and reports what is missing.
 *
 * Two processes, each with a data directory of its own, together hold every record. Each record is in exactly one of
 * the two as long as partitions move in order: on a join, a leave or a stop, the group is told what is stored before
 * the partition is given up. When a process dies, or is taken for dead while it stores, the records of at most one
 * fetch of each of its partitions may be in both; and a batch that was sent twice, because its acknowledgement was lost,
 * may be in both when its partition moved between the two copies. Never twice in the same directory.
 */

export interface ConsumerOptions extends ForeignOptions {
  readonly repo: Pick<Repo, 'append' | 'offsets' | 'hasBatchId' | 'idempotency'>;
  /** Pauses between tries to store, while storage fails. */
  readonly backoff: Backoff;
  /** A book of the consumer's own. */
  readonly accounting: Accounting;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** The consumption is over for good: the process should end. */
  readonly onFatal: (error: Error) => void;
}

/** What one delivery comes to: one commit. */
interface Draft {
  readonly chunks: Chunk[];
  readonly batchIds: Set<string>;
  readonly keys: Map<string, IdempotencyNote>;
  readonly deadLetters: DeadLetter[];
  stored: number;
  duplicates: number;
  duplicateBatches: number;
  dead: number;
}

/** Stores what the queue brings. One handler for all consumptions of a process. */
export function createConsumer(options: ConsumerOptions): QueueHandler {
  const { repo, metrics, log, clock, accounting } = options;
  const readForeign = createForeignReader(options);
  /** What the newest assignment of each partition is doing: an older one must have ended before the next begins. */
  const current = new Map<string, { readonly superseded: AbortController; work: Promise<unknown> }>();

  async function assign(state: PartitionState): Promise<Assignment> {
    const name = `${state.topic}/${state.partition}`;
    const older = current.get(name);
    const mine = { superseded: new AbortController(), work: Promise.resolve() as Promise<unknown> };
    current.set(name, mine);
    older?.superseded.abort(new Error('the partition was assigned anew'));
    await older?.work.catch(() => undefined);
    const offset = whereToBegin(state, name);
    let position = offset;
    return {
      offset,
      receive: async (delivery, signal) => {
        const either = AbortSignal.any([signal, mine.superseded.signal]);
        const work = receive(delivery, position, either);
        mine.work = work;
        await work;
        position = delivery.next;
      },
    };
  }

  function whereToBegin({ topic, partition, committed, low, high }: PartitionState, name: string): bigint {
    const note = repo.offsets().find((offset) => offset.topic === topic && offset.partition === partition);
    const journal = note === undefined ? undefined : BigInt(note.next);
    if (journal !== undefined && committed === undefined) {
      if (journal > low)
        log.warn('the group has no offset for a partition that we have read', { partition: name, low });
      return low;
    }
    const wanted = maxOf(journal, committed) ?? low;
    if (wanted > high) {
      log.error('the partition ends before what was read of it', { partition: name, read: String(wanted), high });
      return low;
    }
    if (wanted >= low) return wanted;
    report(name, wanted, low);
    return low;
  }

  function report(partition: string, expected: bigint, found: bigint): void {
    metrics.consumerGaps.inc(Number(found - expected));
    log.warn('offsets are missing', { partition, expected: String(expected), found: String(found), fold: partition });
  }

  async function receive(delivery: Delivery, position: bigint, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    const { topic, partition, next, items } = delivery;
    const first = items[0]?.offset ?? next;
    if (first > position) report(`${topic}/${partition}`, position, first);
    const draft = newDraft();
    for (const item of items) await draftItem(draft, item, delivery);
    const batch = mergeByHour(draft.chunks);
    const records = draft.stored + draft.duplicates + draft.dead;
    accounting.receive(records);
    await accounting.inFlight(records, async () => {
      try {
        await store(batch, noteOf(draft, delivery), signal);
      } catch (error) {
        // Not ours any more: the next owner receives these records and accounts for them.
        accounting.settle('handed_over', records);
        throw error;
      }
      accounting.settle('stored', draft.stored);
      accounting.settle('duplicate', draft.duplicates);
      accounting.settle('dead_lettered', draft.dead);
    });
    metrics.consumedDuplicates.inc(draft.duplicateBatches);
    metrics.consumeDuration.observe((performance.now() - started) / 1000);
    const oldest = items[0]?.timestamp;
    if (oldest !== undefined) metrics.consumeDelay.observe(Math.max(0, clock() - oldest) / 1000);
  }

  async function draftItem(draft: Draft, item: QueueItem, { topic, partition }: Delivery): Promise<void> {
    const about = { source: `kafka:${topic}/${partition}@${item.offset}`, time: clock() };
    if (item.kind === 'batches') {
      for (const batch of item.batches) draftBatch(draft, batch, about);
      return;
    }
    const { batch, accepted, deadLetters } = await readForeign(item, about);
    for (const chunk of batch) draft.chunks.push(chunk);
    draft.stored += accepted;
    draft.deadLetters.push(...deadLetters);
    draft.dead += deadLetters.length;
  }

  function draftBatch(
    draft: Draft,
    queued: QueuedBatch,
    about: { readonly source: string; readonly time: number },
  ): void {
    const { id, batch, idempotency, deadLetters = [] } = queued;
    const records = countRecords(batch);
    if (draft.batchIds.has(id) || repo.hasBatchId(id)) {
      draft.duplicates += records;
      draft.duplicateBatches++;
      return;
    }
    draft.batchIds.add(id);
    const known = idempotency && (draft.keys.get(idempotency.key) ?? repo.idempotency.find(idempotency.key));
    if (known === undefined) {
      if (idempotency !== undefined) draft.keys.set(idempotency.key, idempotency);
      for (const chunk of batch) draft.chunks.push(chunk);
      draft.stored += records;
      draft.deadLetters.push(...deadLetters);
    } else if (known.bodyHash === idempotency?.bodyHash) {
      draft.duplicates += records;
      draft.duplicateBatches++;
    } else {
      // Two fronts took the key for two bodies, each before it could know of the other. It was accepted: keep it.
      const reason = 'the Idempotency-Key was used before with a different body';
      draft.deadLetters.push(...batchAsDeadLetters(batch, { ...about, stage: 'consume', reason }), ...deadLetters);
      draft.dead += records;
    }
  }

  /** Storage that fails is tried again for as long as the partition is ours. Nothing is skipped or given up for it. */
  async function store(batch: Batch, note: CommitNote, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(options.backoff);
    let held = false;
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          await repo.append(batch, note);
          return;
        } catch (err) {
          log.error('cannot store what was consumed; the partition waits', { err, fold: 'held' });
          metrics.kafkaConsumerErrors.inc();
          if (!held) metrics.consumerHeld.inc();
          held = true;
        }
        await backoff.pause(signal);
      }
    } finally {
      if (held) metrics.consumerHeld.dec();
    }
  }

  return { assign, fatal: (error) => options.onFatal(error) };
}

function newDraft(): Draft {
  const counts = { stored: 0, duplicates: 0, duplicateBatches: 0, dead: 0 };
  return { chunks: [], batchIds: new Set(), keys: new Map(), deadLetters: [], ...counts };
}

function noteOf(draft: Draft, { topic, partition, next }: Delivery): CommitNote {
  return {
    offsets: [{ topic, partition, next: String(next) }],
    batchIds: [...draft.batchIds],
    keys: [...draft.keys.values()],
    deadLetters: draft.deadLetters,
  };
}

function maxOf(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
