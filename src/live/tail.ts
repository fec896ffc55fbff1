import { createFieldFinder, type Span, textOfValue } from '../lines/find-field.ts';
import { BYTES, countLines } from '../model/bytes.ts';
import { type Batch, countRecords } from '../model/chunk.ts';
import type { Deliver } from '../model/deliver.ts';
import type { Live, TailFilter, TailPiece } from './live.ts';

const { NEWLINE, OPEN_BRACE, OPEN_BRACKET } = BYTES;

export interface Tails {
  readonly tail: Live['tail'];
  /** The same Deliver; the tails also see what it stores. Without tails it costs one check a batch. */
  tap(deliver: Deliver): Deliver;
  stop(): void;
}

export interface TailOptions {
  /** Bytes that one flush examines. Records beyond are left out and counted. */
  readonly examinedBytes?: number;
  /** Bytes that all tails together get in one flush; each gets an equal share. */
  readonly sentBytes?: number;
  readonly flushMs?: number;
}

const FLUSH_MS = 100;
const EXAMINED_BYTES = 512 * 1024;
const SENT_BYTES = 1024 * 1024;
const MIN_SHARE_BYTES = 4 * 1024;

interface Tail {
  readonly key: string;
  readonly matches: Matches;
  readonly listener: (piece: TailPiece) => void;
}

/**
 * Shows accepted records to those who ask, at a cost that does not grow with the number of accepted records: a flush copies and examines at
 * most `examinedBytes`, and hands out at most `sentBytes`. Tails with the same filter are served as one.
 */
export function createTails(options: TailOptions = {}): Tails {
  const { examinedBytes = EXAMINED_BYTES, sentBytes = SENT_BYTES, flushMs = FLUSH_MS } = options;
  const tails = new Set<Tail>();
  const accepted = new AcceptedLines(examinedBytes);
  let timer: NodeJS.Timeout | undefined;

  const remove = (tail: Tail): void => {
    tails.delete(tail);
    if (tails.size > 0) return;
    clearInterval(timer);
    timer = undefined;
    accepted.take();
  };

  const deliverCopied = async (deliver: Deliver, ...[batch, note]: Parameters<Deliver>) => {
    // The lines are copied first: the delivery may give their memory to another thread.
    const copy = accepted.copy(batch);
    const receipt = await deliver(batch, note);
    if (receipt.replay === undefined && tails.size > 0) accepted.add(copy);
    return receipt;
  };

  return {
    tail(filter, listener) {
      const tail: Tail = { key: JSON.stringify(filter), matches: createMatches(filter), listener };
      tails.add(tail);
      timer ??= setInterval(() => flush(accepted.take(), tails, sentBytes), flushMs).unref();
      return () => remove(tail);
    },
    tap: (deliver) => (batch, note) => (tails.size === 0 ? deliver(batch, note) : deliverCopied(deliver, batch, note)),
    stop() {
      for (const tail of tails) remove(tail);
    },
  };
}

/** Lines of one batch, copied as far as the limit allowed. */
interface CopiedLines {
  readonly lines: Buffer;
  /** Records that were not copied. */
  readonly leftOut: number;
}

/** The accepted lines since the last flush, at most `maxBytes` of them. */
class AcceptedLines {
  readonly #maxBytes: number;
  /** Bytes copied since the last flush, also of batches that are not accepted yet. */
  #copied = 0;
  #pieces: Buffer[] = [];
  #leftOut = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  copy(batch: Batch): CopiedLines {
    const pieces: Buffer[] = [];
    let records = 0;
    for (const { lines, count } of batch) {
      const room = this.#maxBytes - this.#copied;
      const fits = lines.length <= room;
      const end = fits ? lines.length : lines.subarray(0, Math.max(room, 0)).lastIndexOf(NEWLINE) + 1;
      if (end === 0) break;
      const piece = Buffer.from(lines.subarray(0, end));
      pieces.push(piece);
      this.#copied += end;
      records += fits ? count : countLines(piece);
    }
    return { lines: Buffer.concat(pieces), leftOut: countRecords(batch) - records };
  }

  /** Adds the lines of a batch that was accepted. */
  add({ lines, leftOut }: CopiedLines): void {
    this.#pieces.push(lines);
    this.#leftOut += leftOut;
  }

  /** Gives what was added since the last call, as lines without their newlines. */
  take(): Flush {
    const flush = { lines: this.#pieces.flatMap(splitLines), leftOut: this.#leftOut };
    this.#pieces = [];
    this.#leftOut = 0;
    this.#copied = 0;
    return flush;
  }
}

interface Flush {
  readonly lines: readonly Buffer[];
  readonly leftOut: number;
}

function splitLines(piece: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
    lines.push(piece.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** Gives each tail the lines that it wants. */
function flush(flushed: Flush, tails: ReadonlySet<Tail>, sentBytes: number): void {
  if (flushed.lines.length === 0 && flushed.leftOut === 0) return;
  const shareBytes = Math.max(MIN_SHARE_BYTES, sentBytes / tails.size);
  const pieces = new Map<string, TailPiece>();
  for (const { key, matches, listener } of tails) {
    const piece = pieces.get(key) ?? choose(flushed, matches, shareBytes);
    pieces.set(key, piece);
    if (piece.lines.length > 0 || piece.leftOut > 0) listener(piece);
  }
}

function choose({ lines, leftOut: neverSeen }: Flush, matches: Matches, shareBytes: number): TailPiece {
  const chosen: string[] = [];
  let leftOut = neverSeen;
  let bytes = 0;
  for (const line of lines) {
    if (!matches(line)) continue;
    bytes += line.length;
    // The first one is shown however long it is.
    if (bytes <= shareBytes || chosen.length === 0) chosen.push(line.toString());
    else leftOut += 1;
  }
  return { lines: chosen, leftOut };
}

/** Whether a tail shows a stored line. */
type Matches = (line: Buffer) => boolean;

/** Each member of the filter but `q` is the name of a field that must contain a text. */
function createMatches({ q, ...contained }: TailFilter): Matches {
  const tests = Object.entries(contained).map(([field, text]) => createContains(field, text));
  if (q !== undefined) tests.push(createQuery(q));
  return (line) => tests.every((test) => test(line));
}

function createContains(field: string, text: string): Matches {
  const findField = createFieldFinder(field);
  return (line) => {
    const value = findField(line);
    return value !== undefined && textOfValue(line, value).includes(text);
  };
}

function createQuery(q: string): Matches {
  const [, field, wanted] = /^([^=]+)=(.*)$/s.exec(q) ?? [];
  if (field === undefined || wanted === undefined) return (line) => line.includes(q);
  const findField = createFieldFinder(field);
  return (line) => {
    const value = findField(line);
    return value !== undefined && asText(line, value) === wanted;
  };
}

/** A number as JavaScript writes it: 1.0 is found as 1. Objects and arrays have no text that anyone would type. */
function asText(line: Buffer, { start, end }: Span): string | undefined {
  if (line[start] === OPEN_BRACE || line[start] === OPEN_BRACKET) return undefined;
  return String(JSON.parse(line.toString('utf8', start, end)));
}
