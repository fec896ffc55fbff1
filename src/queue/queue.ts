import type { BatchId } from '../model/batch-id.ts';
import type { Batch } from '../model/chunk.ts';
import type { DeadLetter, Deliver, IdempotencyNote } from '../model/deliver.ts';

/**
 * The durable hand-off between accepting a batch and storing it. A batch comes out at least once, whole, with its id. To
 * store it exactly once, the handler commits the offset it has read to and the ids it has seen together with the data
 * (service/consume).
 *
 * A queue has partitions. Within one, batches come out in the order in which they were acknowledged; between two there
 * is no order. A batch with an Idempotency-Key goes to the partition that the key hashes to, any other to the one its
 * batch-id names, so a resend goes to the partition of its first copy as long as their number does not change.
 */
export interface Queue {
  /**
   * Resolves once the batch is as safe as the receipt says: `broker` when every in-sync replica has it, `spool` when it
   * is synced to the spool on disk. `note.batchIds[0]` is the batch's id; without one it is given here.
   *
   * BatchTooLargeError: it will never fit. UnavailableError: it may or may not be in the queue; the same id may be sent
   * again without harm. Any number of calls may run at once, and they share sends.
   */
  readonly enqueue: Deliver;

  /**
   * Begins to read for this process's share of the partitions and goes on through outages until stopped. One
   * consumption is one member of the group; several may run at once and share a handler.
   */
  consume(handler: QueueHandler): Consumption;

  /** How far the group has read each partition, as the broker knows it. */
  lag(): Promise<readonly PartitionLag[]>;

  /** Rejects with the reason when the queue cannot take batches now. Sends nothing that stays. */
  check(): Promise<void>;

  /** Ends consumptions, waits for sends that are out (bounded by their timeouts), disconnects. */
  close(): Promise<void>;
}

export interface Consumption {
  /** Finishes the delivery that is being stored, gives the partitions back, disconnects. Idempotent. */
  stop(): Promise<void>;
}

/** Stores what comes out of the queue. */
export interface QueueHandler {
  /**
   * A partition is assigned to this process, for the first time or again. Called before anything of it is delivered. It
   * must wait until an earlier assignment of the same partition has ended all its work before it answers.
   */
  assign(state: PartitionState): Promise<Assignment>;

  /** The consumption failed permanently. The process should end. */
  fatal(error: Error): void;
}

export interface Assignment {
  /** The offset to read first. */
  readonly offset: bigint;

  /**
   * Stores what was collected of the partition. Resolves when all of it is stored: only then is its end committed to the
   * group. One call at a time for an assignment. `signal` aborts when the partition is lost meanwhile: then reject with
   * its reason, and what was not stored is delivered to the next owner. Values are views of the fetches' buffers: keep
   * nothing after settling.
   */
  receive(delivery: Delivery, signal: AbortSignal): Promise<void>;
}

/** A partition as it is when assigned. */
export interface PartitionState {
  readonly topic: string;
  readonly partition: number;
  /** The group's committed offset: advisory. Undefined when there is none. */
  readonly committed: bigint | undefined;
  /** First offset still there, and the offset the next record will have. */
  readonly low: bigint;
  readonly high: bigint;
}

/** Consecutive records of one partition. A batch is never cut in two by the border of a delivery. */
export interface Delivery {
  readonly topic: string;
  readonly partition: number;
  readonly items: readonly QueueItem[];
  /** The offset to read next when all of this is stored; past the last item where offsets are skipped. */
  readonly next: bigint;
}

/** One record batch that logforge sent, whole; or one message of another producer. */
export type QueueItem =
  | {
      readonly kind: 'batches';
      /** Offset of the first record. */
      readonly offset: bigint;
      readonly next: bigint;
      /** Unix ms at which it was sent. */
      readonly timestamp: number;
      readonly batches: readonly QueuedBatch[];
    }
  | {
      readonly kind: 'foreign';
      readonly offset: bigint;
      readonly next: bigint;
      readonly timestamp: number;
      /** Lower case, without parameters; empty when the record has none. */
      readonly contentType: string;
      /** Null for a message without a value, and for one that could not be read: `problem` says why. */
      readonly value: Buffer | null;
      readonly problem?: string;
    };

/** One batch as a client sent it. */
export interface QueuedBatch {
  readonly id: BatchId;
  /** May be empty, when there are only dead letters or a key to remember. */
  readonly batch: Batch;
  readonly idempotency?: IdempotencyNote;
  readonly deadLetters?: readonly DeadLetter[];
}

export interface PartitionLag {
  readonly partition: number;
  /** The group's committed offset; the first offset there is when it has none. */
  readonly committed: bigint;
  readonly high: bigint;
  /** Records between the two. */
  readonly messages: number;
}
