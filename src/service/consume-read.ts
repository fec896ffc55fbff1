import { type Batch, type Chunk, countRecords, mergeByHour } from '../model/chunk.ts';
import type { Clock } from '../model/clock.ts';
import type { CommitNote, DeadLetter, IdempotencyNote } from '../model/deliver.ts';
import type { Delivery, QueuedBatch, QueueItem } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import { batchAsDeadLetters } from './dead-letter.ts';
import { createForeignReader, type ForeignOptions } from './foreign.ts';

export interface DeliveryReaderOptions extends ForeignOptions {
  readonly repo: Pick<Repo, 'hasBatchId' | 'idempotency'>;
  readonly clock: Clock;
}

/** What one delivery brings: the content of one commit. */
export interface DeliveryContent {
  readonly batch: Batch;
  readonly note: CommitNote;
  /** Records, by what becomes of them. */
  readonly stored: number;
  readonly duplicates: number;
  readonly deadLettered: number;
  /** Batches that are stored already. */
  readonly duplicateBatches: number;
}

/** The content of a delivery while it is read. */
interface Content {
  readonly chunks: Chunk[];
  readonly batchIds: Set<string>;
  readonly keys: Map<string, IdempotencyNote>;
  readonly deadLetters: DeadLetter[];
  stored: number;
  duplicates: number;
  duplicateBatches: number;
  deadLettered: number;
}

/** Where a message stands, for its dead letters. */
interface About {
  readonly source: string;
  readonly time: number;
}

/** Reads what a delivery brings, and leaves out what is stored already. The lines stay views of the delivery's memory. */
export function createDeliveryReader(options: DeliveryReaderOptions) {
  const { repo, clock } = options;
  const readForeign = createForeignReader(options);

  async function addItem(content: Content, item: QueueItem, about: About): Promise<void> {
    if (item.kind === 'batches') {
      for (const batch of item.batches) addBatch(content, batch, about);
      return;
    }
    const { batch, accepted, deadLetters } = await readForeign(item, about);
    content.chunks.push(...batch);
    content.stored += accepted;
    content.deadLetters.push(...deadLetters);
    content.deadLettered += deadLetters.length;
  }

  function addBatch(content: Content, queued: QueuedBatch, about: About): void {
    const { id, batch, idempotency, deadLetters = [] } = queued;
    const records = countRecords(batch);
    if (content.batchIds.has(id) || repo.hasBatchId(id)) {
      content.duplicates += records;
      content.duplicateBatches++;
      return;
    }
    content.batchIds.add(id);
    const known = idempotency && (content.keys.get(idempotency.key) ?? repo.idempotency.find(idempotency.key));
    if (known === undefined) {
      if (idempotency !== undefined) content.keys.set(idempotency.key, idempotency);
      content.chunks.push(...batch);
      content.stored += records;
      content.deadLetters.push(...deadLetters);
    } else if (known.bodyHash === idempotency?.bodyHash) {
      content.duplicates += records;
      content.duplicateBatches++;
    } else {
      // Two processes accepted the key with two bodies, each before it could know of the other. Both were accepted: keep both.
      const reason = 'the Idempotency-Key was used before with a different body';
      content.deadLetters.push(...batchAsDeadLetters(batch, { ...about, stage: 'consume', reason }), ...deadLetters);
      content.deadLettered += records;
    }
  }

  return async function readDelivery(delivery: Delivery): Promise<DeliveryContent> {
    const { topic, partition, items } = delivery;
    const content = emptyContent();
    for (const item of items) {
      await addItem(content, item, { source: `kafka:${topic}/${partition}@${item.offset}`, time: clock() });
    }
    return finish(content, delivery);
  };
}

function emptyContent(): Content {
  return {
    chunks: [],
    batchIds: new Set(),
    keys: new Map(),
    deadLetters: [],
    stored: 0,
    duplicates: 0,
    duplicateBatches: 0,
    deadLettered: 0,
  };
}

function finish(content: Content, { topic, partition, next }: Delivery): DeliveryContent {
  const { stored, duplicates, duplicateBatches, deadLettered, batchIds, keys, deadLetters } = content;
  const note: CommitNote = {
    offsets: [{ topic, partition, next: String(next) }],
    batchIds: [...batchIds],
    keys: [...keys.values()],
    deadLetters,
  };
  return { batch: mergeByHour(content.chunks), note, stored, duplicates, duplicateBatches, deadLettered };
}
