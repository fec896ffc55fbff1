import { BYTES, countLines } from '../model/bytes.ts';
import { type Batch, countRecords } from '../model/chunk.ts';
import type { Deliver } from '../model/deliver.ts';
import type { Live, TailFilter, TailPiece } from './live.ts';

const { NEWLINE } = BYTES;

export interface Tails {
  readonly tail: Live['tail'];
  /** The same Deliver, looked at from the side: what it takes is shown to those who tail. One check a batch without them. */
  tap(deliver: Deliver): Deliver;
  stop(): void;
}

export interface TailOptions {
  /** What is looked at in one flush. Beyond, records are left out and counted. */
  readonly examinedBytes?: number;
  /** What all tails together are sent in one flush; each gets its share. */
  readonly sentBytes?: number;
  readonly flushMs?: number;
}

const FLUSH_MS = 100;
const EXAMINED_BYTES = 512 * 1024;
const SENT_BYTES = 1024 * 1024;
const LEAST_SHARE_BYTES = 4 * 1024;

interface Tail {
  readonly key: string;
  readonly matches: Test;
  readonly listener: (piece: TailPiece) => void;
}

interface Sample {
  readonly lines: Buffer;
  readonly records: number;
}

/**
 * Shows accepted records to those who ask, at a cost that does not grow with what comes in: at most `examinedBytes` a
 * flush are copied and looked at, and at most `sentBytes` handed out. Tails with the same filter are served as one.
 */
export function createTails(options: TailOptions = {}): Tails {
  const { examinedBytes = EXAMINED_BYTES, sentBytes = SENT_BYTES, flushMs = FLUSH_MS } = options;
  const tails = new Set<Tail>();
  let accepted: Buffer[] = [];
  let leftOut = 0;
  /** Bytes copied since the last flush, of batches not yet accepted too. */
  let copied = 0;
  let timer: NodeJS.Timeout | undefined;

  const copy = (batch: Batch): Sample => {
    const pieces: Buffer[] = [];
    let records = 0;
    for (const { lines, count } of batch) {
      const room = examinedBytes - copied;
      const whole = lines.length <= room;
      const end = whole ? lines.length : lines.subarray(0, Math.max(room, 0)).lastIndexOf(NEWLINE) + 1;
      if (end === 0) break;
      const piece = Buffer.from(lines.subarray(0, end));
      pieces.push(piece);
      copied += end;
      records += whole ? count : countLines(piece);
    }
    return { lines: Buffer.concat(pieces), records };
  };

  const flush = (): void => {
    const lines = splitLines(accepted);
    const dropped = leftOut;
    accepted = [];
    leftOut = 0;
    copied = 0;
    if (lines.length === 0 && dropped === 0) return;
    const share = Math.max(LEAST_SHARE_BYTES, sentBytes / tails.size);
    const parsed = new Map<string, Fields>();
    const pieces = new Map<string, TailPiece>();
    for (const { key, matches, listener } of tails) {
      const piece = pieces.get(key) ?? choose({ lines, matches, share, dropped, parsed });
      pieces.set(key, piece);
      if (piece.lines.length > 0 || piece.leftOut > 0) listener(piece);
    }
  };

  const remove = (tail: Tail): void => {
    tails.delete(tail);
    if (tails.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    accepted = [];
    leftOut = 0;
    copied = 0;
  };

  const deliverSampled = async (deliver: Deliver, ...[batch, note]: Parameters<Deliver>) => {
    // Now: the delivery may give the memory to another thread.
    const sample = copy(batch);
    const records = countRecords(batch);
    const receipt = await deliver(batch, note);
    if (receipt.replay === undefined && tails.size > 0) {
      accepted.push(sample.lines);
      leftOut += records - sample.records;
    }
    return receipt;
  };

  return {
    tail(filter, listener) {
      const tail: Tail = { key: JSON.stringify(filter), matches: createTest(filter), listener };
      tails.add(tail);
      timer ??= setInterval(flush, flushMs).unref();
      return () => remove(tail);
    },
    tap: (deliver) => (batch, note) => (tails.size === 0 ? deliver(batch, note) : deliverSampled(deliver, batch, note)),
    stop() {
      for (const tail of tails) remove(tail);
    },
  };
}

function choose(parts: {
  readonly lines: readonly string[];
  readonly matches: Test;
  readonly share: number;
  readonly dropped: number;
  readonly parsed: Map<string, Fields>;
}): TailPiece {
  const { lines, matches, share, dropped, parsed } = parts;
  const fieldsOf = (line: string): Fields => {
    const fields = parsed.get(line) ?? parse(line);
    parsed.set(line, fields);
    return fields;
  };
  const chosen: string[] = [];
  let leftOut = dropped;
  let bytes = 0;
  for (const line of lines) {
    if (!matches(line, fieldsOf)) continue;
    bytes += line.length;
    // However long, one is shown.
    if (bytes <= share || chosen.length === 0) chosen.push(line);
    else leftOut += 1;
  }
  return { lines: chosen, leftOut };
}

function splitLines(pieces: readonly Buffer[]): string[] {
  return pieces.flatMap((piece) => piece.toString('utf8').split('\n').slice(0, -1));
}

type Fields = ReadonlyMap<string, unknown>;
type Test = (line: string, fieldsOf: (line: string) => Fields) => boolean;

function createTest({ path, userAgent, q }: TailFilter): Test {
  const tests: Test[] = [];
  const contains = (field: string, text: string): Test => {
    return (line, fieldsOf) => String(fieldsOf(line).get(field)).includes(text);
  };
  if (path !== undefined) tests.push(contains('path', path));
  if (userAgent !== undefined) tests.push(contains('userAgent', userAgent));
  if (q !== undefined) tests.push(createQuery(q));
  return (line, fieldsOf) => tests.every((test) => test(line, fieldsOf));
}

function createQuery(q: string): Test {
  const [, field, value] = /^([^=]+)=(.*)$/s.exec(q) ?? [];
  if (field === undefined || value === undefined) return (line) => line.includes(q);
  return (line, fieldsOf) => {
    const fields = fieldsOf(line);
    return fields.has(field) && asText(fields.get(field)) === value;
  };
}

/** Objects and arrays have no text that anyone would type. */
function asText(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? undefined : String(value);
}

/** A map, as a field may be called `__proto__`. */
function parse(line: string): Fields {
  // A stored line is an object: decode made it.
  return new Map(Object.entries(JSON.parse(line) as object));
}
