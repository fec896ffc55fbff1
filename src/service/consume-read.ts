import type { Log } from '../log.ts';
import { type Batch, type Chunk, countRecords, mergeByHour } from '../model/chunk.ts';
import type { Clock } from '../model/clock.ts';
import type { CommitNote, DeadLetter, IdempotencyNote } from '../model/deliver.ts';
import type { Delivery, QueuedBatch, QueueItem } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import { batchAsDeadLetters } from './dead-letter.ts';
import { createForeignReader, type ForeignOptions, type ForeignReader } from './foreign.ts';
import { areStoredLines } from './stored-lines.ts';

export interface DeliveryReaderOptions extends ForeignOptions {
  readonly repo: Pick<Repo, 'hasBatchId' | 'idempotency'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
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

/** A batch whose lines are stored lines. */
interface CheckedBatch extends QueuedBatch {
  /** A dead letter for each of its lines that is none. */
  readonly invalid: readonly DeadLetter[];
}

const NDJSON = 'application/x-ndjson';

/** Where a message stands, for its dead letters. */
interface About {
  readonly source: string;
  readonly time: number;
}

/** Reads what a delivery brings, and leaves out what is stored already. The lines stay views of the delivery's memory. */
export function createDeliveryReader(options: DeliveryReaderOptions) {
  const { repo, clock, log } = options;
  const readForeign = createForeignReader(options);
  const checkLines = createLineCheck({ readForeign, log });

  async function addItem(content: Content, item: QueueItem, about: About): Promise<void> {
    if (item.kind === 'batches') {
      for (const batch of item.batches) addBatch(content, await checkLines(batch, about), about);
      return;
    }
    const { batch, accepted, deadLetters } = await readForeign(item, about);
    pushAll(content.chunks, batch);
    content.stored += accepted;
    pushAll(content.deadLetters, deadLetters);
    content.deadLettered += deadLetters.length;
  }

  function addBatch(content: Content, queued: CheckedBatch, about: About): void {
    const { id, batch, idempotency, deadLetters = [], invalid } = queued;
    const records = countRecords(batch) + invalid.length;
    if (content.batchIds.has(id) || repo.hasBatchId(id)) {
      content.duplicates += records;
      content.duplicateBatches++;
      return;
    }
    content.batchIds.add(id);
    const known = idempotency && (content.keys.get(idempotency.key) ?? repo.idempotency.find(idempotency.key));
    if (known === undefined) {
      if (idempotency !== undefined) content.keys.set(idempotency.key, notAfter(idempotency, about.time));
      pushAll(content.chunks, batch);
      content.stored += records - invalid.length;
      pushAll(content.deadLetters, deadLetters);
      pushAll(content.deadLetters, invalid);
      content.deadLettered += invalid.length;
    } else if (known.bodyHash === idempotency?.bodyHash) {
      content.duplicates += records;
      content.duplicateBatches++;
    } else {
      // Two processes accepted the key with two bodies, each before it could know of the other. Both were accepted: keep both.
      const reason = 'the Idempotency-Key was used before with a different body';
      pushAll(content.deadLetters, batchAsDeadLetters(batch, { ...about, stage: 'consume', reason }));
      pushAll(content.deadLetters, deadLetters);
      pushAll(content.deadLetters, invalid);
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

/** Checks the lines of batches. What is not made of stored lines is decoded like the message of another producer. */
function createLineCheck({
  readForeign,
  log,
}: {
  readonly readForeign: ForeignReader;
  readonly log: Pick<Log, 'warn'>;
}) {
  return async function checkLines(queued: QueuedBatch, about: About): Promise<CheckedBatch> {
    if (queued.batch.every(areStoredLines)) return { ...queued, invalid: [] };
    const chunks: Chunk[] = [];
    const invalid: DeadLetter[] = [];
    for (const chunk of queued.batch) {
      if (areStoredLines(chunk)) chunks.push(chunk);
      else {
        const { batch, deadLetters } = await readForeign({ value: chunk.lines, contentType: NDJSON }, about);
        pushAll(chunks, batch);
        pushAll(invalid, deadLetters);
      }
    }
    const message = 'a message does not hold the stored lines that it claims; its records were checked one by one';
    log.warn(message, { source: about.source, batch: queued.id, invalid: invalid.length, fold: 'claimed lines' });
    return { ...queued, batch: mergeByHour(chunks), invalid };
  };
}

/** Not `push(...items)`: a call takes about 120,000 arguments. */
function pushAll<T>(target: T[], items: readonly T[]): void {
  for (const item of items) target.push(item);
}

/** A key from the future would outlive every window. */
function notAfter(note: IdempotencyNote, now: number): IdempotencyNote {
  return note.time <= now ? note : { ...note, time: now };
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
