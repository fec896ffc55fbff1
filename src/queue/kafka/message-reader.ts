import { type BatchId, parseBatchId } from '../../model/batch-id.ts';
import { BYTES } from '../../model/bytes.ts';
import { type Chunk, mergeByHour } from '../../model/chunk.ts';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import { type Hour, parseHour } from '../../model/hour.ts';
import type { QueuedBatch, QueueItem } from '../queue.ts';
import type { InRecord } from './driver.ts';
import { DEAD_LETTERS, LINE, LINES, type NumberedNote } from './message.ts';

const { NEWLINE } = BYTES;

/** The items that some records hold, in their order. Values stay views of those of the records. */
export function decodeRecords(records: readonly InRecord[]): QueueItem[] {
  const items: QueueItem[] = [];
  for (let at = 0; at < records.length; ) {
    const length = lengthOfSend(records, at);
    const send = records.slice(at, at + length);
    const batches = decodeSend(send);
    const first = send[0];
    const last = send.at(-1);
    if (batches !== undefined && first !== undefined && last !== undefined) {
      const { offset, timestamp } = first;
      items.push({ kind: 'batches', offset, next: last.offset + 1n, timestamp, batches });
    } else {
      for (const record of send) items.push(foreign(record));
    }
    at += length;
  }
  return items;
}

function foreign({ offset, timestamp, headers, value, problem }: InRecord): QueueItem {
  const contentType = (headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase();
  const item = { kind: 'foreign', offset, next: offset + 1n, timestamp, contentType, value } as const;
  return problem === undefined ? item : { ...item, problem };
}

/** How many records from `at` on are one send; 1 when the rest of the send does not follow. */
function lengthOfSend(records: readonly InRecord[], at: number): number {
  const first = records[at];
  const match = /^[1-9]\d{0,6}$/.exec(first?.headers.parts ?? '');
  if (first === undefined || match === null) return 1;
  const parts = Number(match[0]);
  return records[at + parts - 1]?.offset === first.offset + BigInt(parts - 1) ? parts : 1;
}

interface DecodedBatch {
  readonly id: BatchId;
  readonly chunks: Chunk[];
  readonly deadLetters: DeadLetter[];
  idempotency?: IdempotencyNote;
}

/** The batches of a send; undefined when one of its records has another form. */
function decodeSend(send: readonly InRecord[]): QueuedBatch[] | undefined {
  const batches = new Map<BatchId, DecodedBatch>();
  try {
    /** Where a line without headers belongs. */
    let line: LinePlace | undefined;
    for (const { headers, value } of send) {
      const type = headers['content-type'];
      if (type !== undefined) line = type === LINE ? linePlace(headers, batches) : undefined;
      const taken = line === undefined ? decodeRecord(value, headers, batches) : decodeLine(value, line);
      if (!taken) return undefined;
    }
  } catch {
    return undefined; // A header or a dead letter is not the JSON that logforge writes.
  }
  return [...batches.values()].map(({ id, chunks, deadLetters, idempotency }) => ({
    id,
    batch: mergeByHour(chunks),
    ...(idempotency !== undefined && { idempotency }),
    ...(deadLetters.length > 0 && { deadLetters }),
  }));
}

interface LinePlace {
  readonly batch: DecodedBatch;
  readonly hour: Hour;
}

function linePlace(headers: InRecord['headers'], batches: Map<BatchId, DecodedBatch>): LinePlace | undefined {
  const hour = parseHour(headers.hour ?? '');
  const [batch] = membersOf(headers, batches) ?? [];
  return hour === undefined || batch === undefined ? undefined : { batch, hour };
}

function decodeLine(value: Buffer | null, { batch, hour }: LinePlace): boolean {
  if (value === null || value.length === 0 || value.includes(NEWLINE)) return false;
  batch.chunks.push({ hour, count: 1, lines: value }, { hour, count: 0, lines: LINE_END });
  return true;
}

function decodeRecord(
  value: Buffer | null,
  headers: InRecord['headers'],
  batches: Map<BatchId, DecodedBatch>,
): boolean {
  const members = membersOf(headers, batches);
  const [first] = members ?? [];
  if (value === null || members === undefined || first === undefined) return false;
  if (headers['content-type'] === LINES) return decodeLines(headers, value, members);
  if (headers['content-type'] !== DEAD_LETTERS) return false;
  first.deadLetters.push(...readDeadLetters(value));
  return true;
}

/** The batches that a record names, with the keys that it brings; undefined when it names none in the form of logforge. */
function membersOf(
  headers: InRecord['headers'],
  batches: Map<BatchId, DecodedBatch>,
): readonly DecodedBatch[] | undefined {
  const ids = (headers['batch-id'] ?? '').split(' ');
  if (!ids.every((id) => parseBatchId(id) !== undefined)) return undefined;
  const members = ids.map((id) => {
    const known = batches.get(id) ?? { id, chunks: [], deadLetters: [] };
    batches.set(id, known);
    return known;
  });
  for (const { batch, ...note } of readNotes(headers)) {
    const member = members[batch];
    if (member === undefined) return undefined;
    member.idempotency = note;
  }
  return members;
}

function decodeLines(
  headers: Readonly<Record<string, string>>,
  value: Buffer,
  members: readonly DecodedBatch[],
): boolean {
  const hours = (headers.hour ?? '').split(' ').map(parseHour);
  const segments = (headers.segments ?? `0/0:${headers.records}:${value.length}`).split(' ');
  let start = 0;
  for (const segment of segments) {
    const match = /^(\d+)\/(\d+):(\d{1,9}):(\d{1,10})$/.exec(segment);
    if (match === null) return false;
    const member = members[Number(match[1])];
    const hour = hours[Number(match[2])];
    const records = Number(match[3]);
    const end = start + Number(match[4]);
    if (member === undefined || hour === undefined || records === 0) return false;
    if (end <= start || end > value.length || value[end - 1] !== NEWLINE) return false;
    member.chunks.push({ hour, count: records, lines: value.subarray(start, end) });
    start = end;
  }
  return start === value.length;
}

function readNotes(headers: Readonly<Record<string, string>>): NumberedNote[] {
  if (headers.idempotency !== undefined) {
    const notes: unknown = JSON.parse(headers.idempotency);
    return Array.isArray(notes) ? notes.filter(isNote) : [];
  }
  const key = headers['idempotency-key'];
  if (key === undefined) return [];
  const owner = headers['key-owner'];
  const note = {
    batch: 0,
    key,
    bodyHash: headers['body-hash'],
    answer: headers.answer,
    time: Number(headers.time),
    ...(owner !== undefined && { owner }),
  };
  return isNote(note) ? [note] : [];
}

const KEY = /^[!-~]{1,255}$/;
/** A digest, and room for what a later version adds to it. */
const DIGEST = /^[!-~]{1,128}$/;
/** The last time that a Date can have. */
const MAX_TIME = 8_640_000_000_000_000;

/** Whether it has the form that `noteHeaders` writes. Who stores it looks at the answer. */
function isNote(value: unknown): value is NumberedNote {
  if (typeof value !== 'object' || value === null) return false;
  const { batch, key, bodyHash, answer, time, owner } = value as Partial<NumberedNote>;
  if (!Number.isSafeInteger(batch) || !Number.isSafeInteger(time)) return false;
  if (time === undefined || time < 0 || time > MAX_TIME) return false;
  if (typeof key !== 'string' || !KEY.test(key) || typeof bodyHash !== 'string' || !DIGEST.test(bodyHash)) return false;
  if (owner !== undefined && !(typeof owner === 'string' && DIGEST.test(owner))) return false;
  return typeof answer === 'string';
}

function readDeadLetters(value: Buffer): DeadLetter[] {
  const lines = value.toString().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as DeadLetter);
}

const LINE_END = Buffer.from('\n');
