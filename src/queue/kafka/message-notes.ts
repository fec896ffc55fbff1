import { isUtf8 } from 'node:buffer';
import type { DeadLetter, IdempotencyNote } from '../../model/deliver.ts';
import { MAX_HOUR, MS_PER_HOUR } from '../../model/hour.ts';
import { isStreamName } from '../../model/stream.ts';
import type { InRecord } from './driver.ts';
import type { NumberedNote } from './message.ts';

/*
 * The keys and the dead letters that a record brings, read field by field. They are made again from the fields that are
 * known, so nothing else of a message gets into the journal or the dead-letter files.
 */

/** The end of the year 9999 in Unix ms: files are named by years of four digits. */
const MAX_TIME = (MAX_HOUR + 1) * MS_PER_HOUR - 1;
const MAX_KEY = 255;
const MAX_HASH = 128;
const MAX_CONTENT_TYPE = 1024;
const MAX_MAP_NAME = 255;
const MAX_ANSWER = 256 * 1024;
/**
 * The dead letters of one batch are made in one request. Each day has a file of its own: without a limit one message could
 * make thousands.
 */
const MAX_LETTERS_SPAN_MS = 24 * MS_PER_HOUR;

/** The keys that a record brings, for `batches` batches; undefined when one of them has another form. */
export function parseNotes(headers: InRecord['headers'], batches: number): NumberedNote[] | undefined {
  const listed = headers.idempotency === undefined ? singleNote(headers) : parseJson(headers.idempotency);
  if (!Array.isArray(listed)) return undefined;
  const notes: NumberedNote[] = [];
  for (const value of listed) {
    const note = toNote(value);
    if (note === undefined || note.batch >= batches) return undefined;
    notes.push(note);
  }
  return notes;
}

function singleNote(headers: InRecord['headers']): unknown[] {
  const key = headers['idempotency-key'];
  if (key === undefined) return [];
  const time = /^\d{1,16}$/.test(headers.time ?? '') ? Number(headers.time) : undefined;
  return [{ batch: 0, key, bodyHash: headers['body-hash'], answer: headers.answer, time, owner: headers['key-owner'] }];
}

function toNote(value: unknown): NumberedNote | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { batch, key, bodyHash, answer, time, owner }: { [Field in keyof NumberedNote]?: unknown } = value;
  if (!isCount(batch) || !isTime(time) || !isVisible(key, MAX_KEY) || !isVisible(bodyHash, MAX_HASH)) return undefined;
  if (!isAnswer(answer)) return undefined;
  if (owner === undefined) return { batch, key, bodyHash, answer, time };
  return isVisible(owner, MAX_HASH) ? { batch, key, bodyHash, answer, time, owner } : undefined;
}

/** The dead letters in a value; undefined when one of its lines is none. An empty value has none. */
export function parseDeadLetters(value: Buffer): DeadLetter[] | undefined {
  if (value.length === 0) return [];
  if (!isUtf8(value)) return undefined;
  const lines = value.toString().split('\n');
  if (lines.pop() !== '') return undefined;
  const letters: DeadLetter[] = [];
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const line of lines) {
    const letter = toDeadLetter(parseJson(line));
    if (letter === undefined) return undefined;
    letters.push(letter);
    first = Math.min(first, letter.time);
    last = Math.max(last, letter.time);
  }
  return last - first <= MAX_LETTERS_SPAN_MS ? letters : undefined;
}

function toDeadLetter(value: unknown): DeadLetter | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { time, stage, stream, reason, raw, contentType, map, source }: { [Field in keyof DeadLetter]?: unknown } =
    value;
  if (!isTime(time) || (stage !== 'ingest' && stage !== 'consume')) return undefined;
  if (typeof reason !== 'string' || typeof raw !== 'string' || typeof source !== 'string') return undefined;
  const isType = typeof contentType === 'string' && contentType.length <= MAX_CONTENT_TYPE;
  if (contentType !== undefined && !isType) return undefined;
  const isMap = typeof map === 'string' && map.length <= MAX_MAP_NAME;
  if (map !== undefined && !isMap) return undefined;
  const more = { ...(contentType !== undefined && { contentType }), ...(map !== undefined && { map }) };
  const letter: DeadLetter = { time, stage, reason, raw, ...more, source };
  if (stream === undefined) return letter;
  return isStreamName(stream) ? { ...letter, stream } : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Unix ms. */
function isTime(value: unknown): value is number {
  return isCount(value) && value <= MAX_TIME;
}

function isVisible(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest && /^[!-~]+$/.test(value);
}

/** The answer goes to a client as JSON. */
function isAnswer(value: unknown): value is IdempotencyNote['answer'] {
  if (typeof value !== 'string' || value.length > MAX_ANSWER) return false;
  const answer = parseJson(value);
  return typeof answer === 'object' && answer !== null && !Array.isArray(answer);
}

/** Undefined for what is no JSON, and for JSON too deeply nested to be read. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
