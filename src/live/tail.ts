import { createFieldFinder, type Span, textOfValue } from '../lines/find-field.ts';
import { BYTES, countLines } from '../model/bytes.ts';
import type { Batch, Chunk } from '../model/chunk.ts';
import type { Deliver } from '../model/deliver.ts';
import type { StreamName } from '../model/stream.ts';
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
  /** undefined: every stream. */
  readonly stream: StreamName | undefined;
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

  /** Not to spend the limit of a flush on a stream that nobody watches. */
  const isWatched = ({ stream }: Chunk) => [...tails].some((tail) => shows(tail, stream));
  const deliverCopied = async (deliver: Deliver, ...[batch, note]: Parameters<Deliver>) => {
    // The lines are copied first: the delivery may give their memory to another thread.
    const copy = accepted.copy(batch.filter(isWatched));
    const receipt = await deliver(batch, note);
    if (receipt.replay === undefined && tails.size > 0) accepted.add(copy);
    return receipt;
  };

  return {
    tail(filter, listener) {
      const { stream, ...tests } = filter;
      const tail: Tail = { key: JSON.stringify(filter), stream, matches: createMatches(tests), listener };
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
  readonly pieces: readonly Piece[];
  /** Records that were not copied, by stream. */
  readonly leftOut: ReadonlyMap<StreamName, number>;
}

interface Piece {
  readonly stream: StreamName;
  readonly lines: Buffer;
}

/** The accepted lines since the last flush, at most `maxBytes` of them. */
class AcceptedLines {
  readonly #maxBytes: number;
  /** Bytes copied since the last flush, also of batches that are not accepted yet. */
  #copied = 0;
  #pieces: Piece[] = [];
  #leftOut = new Map<StreamName, number>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  copy(batch: Batch): CopiedLines {
    const pieces: Piece[] = [];
    const leftOut = new Map<StreamName, number>();
    for (const { stream, lines, count } of batch) {
      const room = this.#maxBytes - this.#copied;
      const fits = lines.length <= room;
      const end = fits ? lines.length : lines.subarray(0, Math.max(room, 0)).lastIndexOf(NEWLINE) + 1;
      const piece = Buffer.from(lines.subarray(0, end));
      if (end > 0) pieces.push({ stream, lines: piece });
      this.#copied += end;
      if (!fits) addTo(leftOut, stream, count - countLines(piece));
    }
    return { pieces, leftOut };
  }

  /** Adds the lines of a batch that was accepted. */
  add({ pieces, leftOut }: CopiedLines): void {
    this.#pieces.push(...pieces);
    for (const [stream, records] of leftOut) addTo(this.#leftOut, stream, records);
  }

  /** Gives what was added since the last call, as lines without their newlines. */
  take(): Flush {
    const lines = this.#pieces.flatMap(({ stream, lines }) => splitLines(lines).map((line) => ({ stream, line })));
    const flush = { lines, leftOut: this.#leftOut };
    this.#pieces = [];
    this.#leftOut = new Map();
    this.#copied = 0;
    return flush;
  }
}

interface Flush {
  readonly lines: readonly { readonly stream: StreamName; readonly line: Buffer }[];
  readonly leftOut: ReadonlyMap<StreamName, number>;
}

function addTo(counts: Map<StreamName, number>, stream: StreamName, records: number): void {
  counts.set(stream, (counts.get(stream) ?? 0) + records);
}

function shows(tail: Pick<Tail, 'stream'>, stream: StreamName): boolean {
  return (tail.stream ?? stream) === stream;
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
  if (flushed.lines.length === 0 && flushed.leftOut.size === 0) return;
  const shareBytes = Math.max(MIN_SHARE_BYTES, sentBytes / tails.size);
  const pieces = new Map<string, TailPiece>();
  for (const tail of tails) {
    const piece = pieces.get(tail.key) ?? choose(flushed, tail, shareBytes);
    pieces.set(tail.key, piece);
    if (piece.lines.length > 0 || piece.leftOut > 0) tail.listener(piece);
  }
}

function choose({ lines, leftOut: neverSeen }: Flush, tail: Tail, shareBytes: number): TailPiece {
  const chosen: string[] = [];
  let leftOut = 0;
  for (const [stream, records] of neverSeen) if (shows(tail, stream)) leftOut += records;
  let bytes = 0;
  for (const { stream, line } of lines) {
    if (!shows(tail, stream) || !tail.matches(line)) continue;
    bytes += line.length;
    // The first one is shown however long it is.
    if (bytes <= shareBytes || chosen.length === 0) chosen.push(line.toString());
    else leftOut += 1;
  }
  return { lines: chosen, leftOut };
}

/** Whether a tail shows a stored line. */
type Matches = (line: Buffer) => boolean;

/** Each member of these but `q` is the name of a field that must contain a text. */
function createMatches({ q, ...contained }: Omit<TailFilter, 'stream'>): Matches {
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
