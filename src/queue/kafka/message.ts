import { BYTES, countLines } from '../../model/bytes.ts';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import { type Hour, hourToIso } from '../../model/hour.ts';
import type { QueuedBatch } from '../queue.ts';
import type { OutRecord } from './driver.ts';

const { NEWLINE } = BYTES;

/*
 * A send is one record batch of one partition, and holds one client batch or several, each once. Its records:
 *
 *   lines         value: stored lines, each with its "\n"
 *     content-type  application/x-ndjson
 *     hour          2015-05-17T10:00:00Z; several, with a space between, when hours had to share a record
 *     records       number of lines
 *     batch-id      producer:sequence; several, with a space between, when batches were joined
 *     segments      only where there are several hours or batches: `batch/hour:records:bytes` of each piece of the value
 *                   in turn; batch and hour count from 0 in the two headers above
 *   one line      value: a stored line without its "\n" (kafka.format: record)
 *     content-type, hour, batch-id
 *                   application/json; each only where it differs from the record before in the same send
 *   dead letters  value: one JSON object a line; empty for a batch that has nothing but a key
 *     content-type  application/vnd.logforge.dead-letters+ndjson
 *     batch-id
 *
 *   on the first record of a send that has several
 *     parts         their number. They follow each other without a gap, and are stored together or not at all
 *   on the first record of a batch that came with an Idempotency-Key
 *     idempotency-key, body-hash, answer, time (Unix ms), and key-owner where an API key was asked for
 *     idempotency   in their place where batches were joined:
 *                   [{"batch":0,"key":…,"bodyHash":…,"answer":…,"time":…,"owner"?:…}]
 *
 * A record of any other form is a message of another producer.
 */

export const LINES = 'application/x-ndjson';
export const LINE = 'application/json';
export const DEAD_LETTERS = 'application/vnd.logforge.dead-letters+ndjson';

export const MESSAGE_FORMATS = ['ndjson', 'record'] as const;
export type MessageFormat = (typeof MESSAGE_FORMATS)[number];

/** The most records of joined batches in one send: more make the kafkajs client slow. */
export const MAX_RECORDS_PER_SEND = 500;

/** Bytes that the headers and framing of a record take at most, besides ids and keys. */
const RECORD_OVERHEAD = 160;
/** The same for a record without headers, as most are with kafka.format: record. */
const BARE_RECORD_OVERHEAD = 24;
/** Header of a record batch: https://kafka.apache.org/documentation/#recordbatch */
const RECORD_BATCH_OVERHEAD = 61;

export interface EncodeOptions {
  readonly format: MessageFormat;
  /** Lines are joined to records of up to this size, in bytes. */
  readonly targetBytes: number;
}

/** Bytes that the batch may come to as a record batch, uncompressed, at most. */
export function encodedBytes(batch: QueuedBatch, { format, targetBytes }: EncodeOptions): number {
  const overhead = RECORD_OVERHEAD + batch.id.length;
  let bytes = RECORD_BATCH_OVERHEAD + overhead;
  for (const { lines, count } of batch.batch) {
    const framing =
      format === 'record'
        ? overhead + count * BARE_RECORD_OVERHEAD
        : overhead * (1 + Math.ceil((2 * lines.length) / targetBytes));
    bytes += lines.length + framing;
  }
  const { idempotency, deadLetters = [] } = batch;
  if (idempotency !== undefined) {
    const { key, answer, bodyHash, owner = '' } = idempotency;
    bytes += RECORD_OVERHEAD + key.length + answer.length * 3 + bodyHash.length + owner.length;
  }
  for (const letter of deadLetters) bytes += RECORD_OVERHEAD + 6 * (letter.raw.length + letter.reason.length);
  return bytes;
}

/** Records that the batch takes in a send at least. */
export function encodedRecords(batch: QueuedBatch, { format }: EncodeOptions): number {
  if (format === 'ndjson') return batch.batch.length + 1;
  let records = 1;
  for (const { count } of batch.batch) records += count;
  return records;
}

/** The records of one send, in which batches of one hour share records. */
export function encodeSend(batches: readonly QueuedBatch[], options: EncodeOptions): OutRecord[] {
  const messages = options.format === 'ndjson' ? lineMessages(batches, options.targetBytes) : recordMessages(batches);
  batches.forEach((batch, index) => {
    const { deadLetters = [] } = batch;
    const alone = batch.batch.length === 0 && deadLetters.length === 0;
    if (deadLetters.length > 0 || alone) messages.push(deadLetterMessage(index, deadLetters));
  });
  const named = new Set<number>();
  const records = messages.map((message, index) =>
    finishMessage({ message, before: messages[index - 1], batches, named }),
  );
  const [first] = records;
  if (first !== undefined && records.length > 1) first.headers.parts = String(records.length);
  return records;
}

interface Segment {
  /** Index of the batch in the send. */
  readonly batch: number;
  readonly hour: Hour;
  readonly records: number;
  readonly lines: Buffer;
}

interface Message {
  readonly contentType: string;
  readonly segments: Segment[];
  bytes: number;
}

/** Messages of lines, one hour each. Only a batch of very many hours makes hours share a message. */
function lineMessages(batches: readonly QueuedBatch[], targetBytes: number): Message[] {
  const byHour = new Map<Hour, Segment[]>();
  batches.forEach(({ batch }, index) => {
    for (const { hour, count, lines } of batch) {
      const segments = byHour.get(hour);
      const segment = { batch: index, hour, records: count, lines };
      if (segments === undefined) byHour.set(hour, [segment]);
      else segments.push(segment);
    }
  });
  const shareHours = byHour.size > MAX_RECORDS_PER_SEND / 2;
  const messages: Message[] = [];
  let open: Message | undefined;
  for (const segments of byHour.values()) {
    if (!shareHours) open = undefined;
    for (const segment of segments.flatMap((whole) => splitSegment(whole, targetBytes))) {
      if (open === undefined || open.bytes + segment.lines.length > targetBytes) {
        open = { contentType: LINES, segments: [], bytes: 0 };
        messages.push(open);
      }
      open.segments.push(segment);
      open.bytes += segment.lines.length;
    }
  }
  return messages;
}

/** Pieces of at most `targetBytes`, cut at the ends of lines; a longer line stays whole. */
function splitSegment(segment: Segment, targetBytes: number): Segment[] {
  const { lines } = segment;
  if (lines.length <= targetBytes) return [segment];
  const pieces: Segment[] = [];
  for (let start = 0; start < lines.length; ) {
    let end = lines.length;
    if (end - start > targetBytes) {
      end = lines.lastIndexOf(NEWLINE, start + targetBytes - 1) + 1;
      if (end <= start) end = lines.indexOf(NEWLINE, start) + 1;
    }
    const piece = lines.subarray(start, end);
    pieces.push({ ...segment, lines: piece, records: countLines(piece) });
    start = end;
  }
  return pieces;
}

function recordMessages(batches: readonly QueuedBatch[]): Message[] {
  const messages: Message[] = [];
  batches.forEach(({ batch }, index) => {
    for (const { hour, lines } of batch) {
      for (let start = 0; start < lines.length; ) {
        const end = lines.indexOf(NEWLINE, start);
        const segment = { batch: index, hour, records: 1, lines: lines.subarray(start, end) };
        messages.push({ contentType: LINE, segments: [segment], bytes: segment.lines.length });
        start = end + 1;
      }
    }
  });
  return messages;
}

function deadLetterMessage(batch: number, letters: readonly DeadLetter[]): Message {
  const lines = Buffer.from(letters.map((letter) => `${JSON.stringify(letter)}\n`).join(''));
  return {
    contentType: DEAD_LETTERS,
    segments: [{ batch, hour: 0, records: letters.length, lines }],
    bytes: lines.length,
  };
}

interface MessageInSend {
  readonly message: Message;
  /** The record that stands before it in the send. */
  readonly before: Message | undefined;
  readonly batches: readonly QueuedBatch[];
  /** Batches that already had a record; filled here. */
  readonly named: Set<number>;
}

function finishMessage(place: MessageInSend): OutRecord & { readonly headers: Record<string, string> } {
  const { segments } = place.message;
  const [first] = segments;
  const value = segments.length === 1 && first !== undefined ? first.lines : Buffer.concat(linesOf(segments));
  const bare = first !== undefined && isBare(place, first);
  return { headers: bare ? {} : headersOf(place), value };
}

/** Whether all of its headers would be those of the record before. */
function isBare({ message, before, named }: MessageInSend, segment: Segment): boolean {
  const other = before?.segments[0];
  if (message.contentType !== LINE || before?.contentType !== LINE || !named.has(segment.batch)) return false;
  return other?.batch === segment.batch && other.hour === segment.hour;
}

function headersOf({ message, batches, named }: MessageInSend): Record<string, string> {
  const { contentType, segments } = message;
  const members = [...new Set(segments.map((segment) => segment.batch))];
  const hours = [...new Set(segments.map((segment) => segment.hour))];
  const headers: Record<string, string> = { 'content-type': contentType };
  if (contentType !== DEAD_LETTERS) headers.hour = hours.map(hourToIso).join(' ');
  if (contentType === LINES) headers.records = String(segments.reduce((sum, segment) => sum + segment.records, 0));
  headers['batch-id'] = members.map((member) => batches[member]?.id).join(' ');
  if (members.length > 1 || hours.length > 1) {
    headers.segments = segments
      .map(({ batch, hour, records, lines }) => {
        return `${members.indexOf(batch)}/${hours.indexOf(hour)}:${records}:${lines.length}`;
      })
      .join(' ');
  }
  const notes = members.flatMap((member, index) => {
    const idempotency = named.has(member) ? undefined : batches[member]?.idempotency;
    named.add(member);
    return idempotency === undefined ? [] : [{ batch: index, ...idempotency }];
  });
  return Object.assign(headers, noteHeaders(notes, members.length));
}

function linesOf(segments: readonly Segment[]): Buffer[] {
  return segments.map((segment) => segment.lines);
}

export type NumberedNote = IdempotencyNote & { readonly batch: number };

function noteHeaders(notes: readonly NumberedNote[], members: number): Record<string, string> {
  const [note] = notes;
  if (note === undefined) return {};
  if (members > 1) return { idempotency: JSON.stringify(notes) };
  const { key, bodyHash, answer, time, owner } = note;
  const headers = { 'idempotency-key': key, 'body-hash': bodyHash, answer, time: String(time) };
  return owner === undefined ? headers : { ...headers, 'key-owner': owner };
}
