import type { Log } from '../log.ts';
import { formatAnswer, readAnswer } from '../model/answer.ts';
import { type Batch, type Chunk, countRecords, mergeByHour } from '../model/chunk.ts';
import type { Clock } from '../model/clock.ts';
import type { CommitNote, DeadLetter, IdempotencyNote } from '../model/deliver.ts';
import { type KnownKey, sameOwner } from '../model/key-table.ts';
import type { Delivery, QueuedBatch, QueueItem } from '../queue/queue.ts';
import type { Repo } from '../repo/repo.ts';
import { batchAsDeadLetters } from './dead-letter.ts';
import { createForeignReader, type ForeignOptions, type ForeignReader } from './foreign.ts';
import { type FirstHour, type PartedRecords, partOldRecords } from './old-records.ts';
import { areStoredLines } from './stored-lines.ts';

export interface DeliveryReaderOptions extends ForeignOptions {
  readonly repo: Pick<Repo, 'hasBatchId' | 'idempotency'>;
  readonly firstHour: FirstHour;
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
  readonly keys: Map<string, IdempotencyNote[]>;
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
  const { repo, firstHour, clock, log } = options;
  const readForeign = createForeignReader(options);
  const checkLines = createLineCheck({ readForeign, log });

  async function addItem(content: Content, item: QueueItem, about: About): Promise<void> {
    if (item.kind === 'batches') {
      for (const batch of item.batches) addBatch(content, await checkLines(batch, about), about);
      return;
    }
    const { batch, accepted, deadLetters } = await readForeign(item, about);
    addRecords(content, partOldRecords(batch, firstHour, about), accepted);
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
    const known = idempotency && (findKey(content, idempotency) ?? repo.idempotency.find(idempotency));
    if (known === undefined) {
      if (idempotency !== undefined) addKey(content, trustedNote(idempotency, records, repo.idempotency.now()));
      addRecords(content, partOldRecords(batch, firstHour, about), records - invalid.length);
      pushAll(content.deadLetters, deadLetters);
      pushAll(content.deadLetters, invalid);
      content.deadLettered += invalid.length;
    } else if (known.sameBody) {
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

/** Adds `records` records, of which the old ones are dead letters. */
function addRecords(content: Content, { batch, deadLetters }: PartedRecords, records: number): void {
  pushAll(content.chunks, batch);
  pushAll(content.deadLetters, deadLetters);
  content.stored += records - deadLetters.length;
  content.deadLettered += deadLetters.length;
}

/** The content without the records whose hours retention removed since it was read: they are dead letters. */
export function putOldAside(content: DeliveryContent, firstHour: FirstHour, about: About): DeliveryContent {
  const { batch, deadLetters } = partOldRecords(content.batch, firstHour, about);
  if (deadLetters.length === 0) return content;
  return {
    ...content,
    batch,
    note: { ...content.note, deadLetters: [...(content.note.deadLetters ?? []), ...deadLetters] },
    stored: content.stored - deadLetters.length,
    deadLettered: content.deadLettered + deadLetters.length,
  };
}

/** Finds the key among those that the delivery has brought so far. */
function findKey({ keys }: Content, { key, owner, bodyHash }: IdempotencyNote): Pick<KnownKey, 'sameBody'> | undefined {
  const known = keys.get(key)?.find((note) => sameOwner(note.owner, owner));
  return known && { sameBody: known.bodyHash === bodyHash };
}

function addKey({ keys }: Content, note: IdempotencyNote): void {
  const notes = keys.get(note.key);
  if (notes === undefined) keys.set(note.key, [note]);
  else notes.push(note);
}

/** Several times that of 100 rejected records, which is the longest. */
const MAX_ANSWER_LENGTH = 64 * 1024;

/**
 * The note as it may be remembered: the clock of another machine may be ahead, and anybody may write to the topic, while
 * the answer goes to a client. An answer that logforge does not write is replaced by the count of the stored records.
 */
function trustedNote(note: IdempotencyNote, records: number, now: number): IdempotencyNote {
  const { answer, time } = note;
  if (time <= now && isAnswer(answer)) return note;
  const counts = readAnswer(answer) ?? { accepted: records, rejected: 0 };
  return { ...note, time: Math.min(time, now), answer: isAnswer(answer) ? answer : formatAnswer(counts) };
}

function isAnswer(text: string): boolean {
  if (text.length > MAX_ANSWER_LENGTH || readAnswer(text) === undefined) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
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
    keys: [...keys.values()].flat(),
    deadLetters,
  };
  return { batch: mergeByHour(content.chunks), note, stored, duplicates, duplicateBatches, deadLettered };
}
