import { type BatchId, parseBatchId } from '../../model/batch-id.ts';
import { BYTES } from '../../model/bytes.ts';
import { type Chunk, mergeByHour } from '../../model/chunk.ts';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import { type Hour, parseHour } from '../../model/hour.ts';
import type { StreamName } from '../../model/stream.ts';
import type { QueuedBatch, QueueItem } from '../queue.ts';
import { type BatchOrder, createBatchOrder } from './batch-order.ts';
import type { InRecord } from './driver.ts';
import { DEAD_LETTERS, LINE, LINES, MAX_RECORDS_PER_SEND, type NumberedNote } from './message.ts';
import { parseDeadLetters, parseNotes } from './message-notes.ts';

const { NEWLINE } = BYTES;

/*
 * Anybody who may write to the topic may write anything: what a record says is checked before it is used. A record that is
 * not in the form that message.ts draws is a message of another producer, by itself: it does not take the rest of its send
 * with it. Nothing here throws for what a record holds. Whether lines are stored lines is checked where they are stored.
 */

/** The items that some records of a stream's topic hold, in their order. Values stay views of those of the records. */
export function decodeRecords(stream: StreamName, records: readonly InRecord[]): QueueItem[] {
  const items: QueueItem[] = [];
  for (let at = 0; at < records.length; ) {
    const length = lengthOfSend(records, at);
    for (const item of decodeSend(stream, records.slice(at, at + length))) items.push(item);
    at += length;
  }
  return items;
}

/**
 * How many records from `at` on are one send; 1 when the rest of the send does not follow, or when another send begins
 * before its end. Otherwise a false number of parts would tear the next send apart.
 */
function lengthOfSend(records: readonly InRecord[], at: number): number {
  const first = records[at];
  const match = /^[1-9]\d{0,6}$/.exec(first?.headers.parts ?? '');
  if (first === undefined || match === null) return 1;
  const parts = Number(match[0]);
  if (records[at + parts - 1]?.offset !== first.offset + BigInt(parts - 1)) return 1;
  for (let inside = at + 1; inside < at + parts; inside++) {
    if (records[inside]?.headers.parts !== undefined) return 1;
  }
  return parts;
}

type Headers = InRecord['headers'];

type LinesOfBatch = Omit<Chunk, 'stream'> & { readonly batch: number };

/** What one record holds. */
interface Content {
  readonly ids: readonly BatchId[];
  readonly notes: readonly NumberedNote[];
  /** Each with the index of its batch in `ids`. */
  readonly chunks: readonly LinesOfBatch[];
  readonly deadLetters: readonly DeadLetter[];
}

interface DecodedBatch {
  readonly id: BatchId;
  readonly chunks: Chunk[];
  readonly deadLetters: DeadLetter[];
  idempotency?: IdempotencyNote;
}

/** The batches of a send. */
interface Batches {
  readonly stream: StreamName;
  readonly byId: Map<BatchId, DecodedBatch>;
  readonly order: BatchOrder<DecodedBatch>;
}

/** Where a line without headers belongs. */
interface LinePlace {
  readonly id: BatchId;
  readonly hour: Hour;
  readonly notes: readonly NumberedNote[];
  /** Set with its first line. */
  batch?: DecodedBatch;
}

/** The batches of a send as one item, and each of its records that has another form as an item of its own. */
function decodeSend(stream: StreamName, send: readonly InRecord[]): QueueItem[] {
  const batches: Batches = { stream, byId: new Map(), order: createBatchOrder() };
  const others: QueueItem[] = [];
  let line: LinePlace | undefined;
  let first: InRecord | undefined;
  let last: InRecord | undefined;
  for (const record of send) {
    const type = record.headers['content-type'];
    if (type !== undefined) line = type === LINE ? readLinePlace(record.headers) : undefined;
    const isTaken = line === undefined ? takeRecord(record, batches) : takeLine(record.value, line, batches);
    if (isTaken) {
      first ??= record;
      last = record;
    } else others.push(foreign(record));
  }
  if (first === undefined || last === undefined) return others;
  const { offset, timestamp } = first;
  // Those that have no lines, or no order, come last.
  const sorted = new Set([...batches.order.sorted(), ...batches.byId.values()]);
  const decoded = Array.from(sorted, toQueuedBatch);
  const item: QueueItem = { kind: 'batches', offset, next: last.offset + 1n, timestamp, batches: decoded };
  return others.length === 0 ? [item] : [item, ...others].sort((a, b) => Number(a.offset - b.offset));
}

function toQueuedBatch({ id, chunks, deadLetters, idempotency }: DecodedBatch): QueuedBatch {
  return {
    id,
    batch: mergeByHour(chunks),
    ...(idempotency !== undefined && { idempotency }),
    ...(deadLetters.length > 0 && { deadLetters }),
  };
}

function batchOf({ byId }: Batches, id: BatchId): DecodedBatch {
  const known = byId.get(id);
  if (known !== undefined) return known;
  const batch: DecodedBatch = { id, chunks: [], deadLetters: [] };
  byId.set(id, batch);
  return batch;
}

function takeLine(value: Buffer | null, place: LinePlace, batches: Batches): boolean {
  if (value === null || value.length === 0 || value.includes(NEWLINE)) return false;
  const { id, hour } = place;
  const { stream } = batches;
  if (place.batch === undefined) {
    place.batch = batchOf(batches, id);
    addNotes([place.batch], place.notes);
    batches.order.note(place.batch, hour);
  }
  place.batch.chunks.push({ stream, hour, count: 1, lines: value }, { stream, hour, count: 0, lines: LINE_END });
  return true;
}

/** Takes all that a record holds, or nothing. */
function takeRecord({ value, headers }: InRecord, batches: Batches): boolean {
  const content = value === null ? undefined : readContent(headers, value);
  if (content === undefined) return false;
  const members = content.ids.map((id) => batchOf(batches, id));
  addNotes(members, content.notes);
  for (const { batch, hour, count, lines } of content.chunks) {
    const member = members[batch];
    if (member === undefined) continue;
    member.chunks.push({ stream: batches.stream, hour, count, lines });
    batches.order.note(member, hour);
  }
  for (const letter of content.deadLetters) members[0]?.deadLetters.push(letter);
  return true;
}

function addNotes(members: readonly DecodedBatch[], notes: readonly NumberedNote[]): void {
  for (const { batch, ...note } of notes) {
    const member = members[batch];
    if (member !== undefined) member.idempotency = note;
  }
}

function readContent(headers: Headers, value: Buffer): Content | undefined {
  const ids = readIds(headers);
  const notes = ids && parseNotes(headers, ids.length);
  if (ids === undefined || notes === undefined) return undefined;
  if (headers['content-type'] === LINES) {
    const chunks = readChunks(headers, value, ids.length);
    return chunks && { ids, notes, chunks, deadLetters: [] };
  }
  if (headers['content-type'] !== DEAD_LETTERS) return undefined;
  const deadLetters = parseDeadLetters(value);
  return deadLetters && { ids, notes, chunks: [], deadLetters };
}

function readLinePlace(headers: Headers): LinePlace | undefined {
  const hour = parseHour(headers.hour ?? '');
  const ids = readIds(headers);
  const notes = ids && parseNotes(headers, ids.length);
  const [id] = ids ?? [];
  return hour === undefined || id === undefined || notes === undefined ? undefined : { id, hour, notes };
}

/** The batches that a record names; undefined when it names none in the form of logforge, or more than a send can hold. */
function readIds(headers: Headers): readonly BatchId[] | undefined {
  const ids = (headers['batch-id'] ?? '').split(' ', MAX_RECORDS_PER_SEND + 1);
  return ids.length <= MAX_RECORDS_PER_SEND && ids.every(isBatchId) ? ids : undefined;
}

/** A producer is a UUID; ids are kept in memory and in the journal, so a long one is none. */
function isBatchId(id: string): boolean {
  return /^[\w.-]{1,64}:\d{1,15}$/.test(id) && parseBatchId(id) !== undefined;
}

function readChunks(headers: Headers, value: Buffer, batches: number): Content['chunks'] | undefined {
  const hours = (headers.hour ?? '').split(' ').map(parseHour);
  const segments = (headers.segments ?? `0/0:${headers.records}:${value.length}`).split(' ');
  const chunks: LinesOfBatch[] = [];
  let start = 0;
  for (const segment of segments) {
    const match = /^(\d{1,9})\/(\d{1,9}):(\d{1,9}):(\d{1,10})$/.exec(segment);
    if (match === null) return undefined;
    const batch = Number(match[1]);
    const hour = hours[Number(match[2])];
    const count = Number(match[3]);
    const end = start + Number(match[4]);
    if (batch >= batches || hour === undefined || count === 0) return undefined;
    if (end <= start || end > value.length || value[end - 1] !== NEWLINE) return undefined;
    chunks.push({ batch, hour, count, lines: value.subarray(start, end) });
    start = end;
  }
  return start === value.length ? chunks : undefined;
}

const LONGEST_QUOTE = 40;

function foreign({ offset, timestamp, headers, value, problem }: InRecord): QueueItem {
  const contentType = (headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase();
  const item = { kind: 'foreign', offset, next: offset + 1n, timestamp, contentType, value } as const;
  const unreadable = problem ?? problemOf(contentType, headers['content-encoding']?.trim().toLowerCase());
  return unreadable === undefined ? item : { ...item, problem: unreadable };
}

/** Why no decoder can read the value. */
function problemOf(contentType: string, encoding = 'identity'): string | undefined {
  if (contentType === DEAD_LETTERS) return 'message says that it holds dead letters of logforge, and does not';
  if (encoding === 'identity' || encoding === '') return undefined;
  return `message has the content-encoding ${JSON.stringify(encoding.slice(0, LONGEST_QUOTE))}; none is supported`;
}

const LINE_END = Buffer.from('\n');
