import type { DeliverSlice, Slice } from '../../inputs/files/files.ts';
import { TooManyHoursError } from '../../lines/batch-limits.ts';
import { BYTES } from '../../model/bytes.ts';
import { BatchTooLargeError, IdempotencyConflict, PermanentError, type Position } from '../../model/deliver.ts';
import type { StreamName } from '../../model/stream.ts';
import type { Ingest, IngestRequest, IngestResult, UnreadFrame } from '../../service/service.ts';

export interface LocalDeliveryOptions {
  /** Tries for ever while the store is unavailable; rejects when the time of a stop is over. It decodes blocks. */
  readonly ingest: Ingest;
  readonly stream: StreamName;
  /** Names the input in dead letters: `input:name`. */
  readonly source: string;
  /** Name of the mapping by which its lines are read; undefined: none. */
  readonly map: string | undefined;
  /** How far a file is stored, as committed with its records; undefined where that is not known. */
  readonly positionOf: (source: string) => string | undefined;
  /** `key`: by Idempotency-Keys, where a commit does not reach the store at once (version 2). */
  readonly remember: 'position' | 'key';
  /** Told of the records that were taken, unreadable ones too. */
  readonly onRecords: (count: number) => void;
}

/** Of a dead letter: the beginning of a line. */
const KEPT_OF_LINE = 64 * 1024;

/**
 * Stores slices in the service's own store. The position is committed with the records, in one commit, so a slice that comes again after a
 * kill is known, however long that is ago:
 *
 *   position = to          everything of the file before `to` is stored
 *            | from+n      and of the slice that begins at `from`, the first `n` bytes of NDJSON: it has more hours than a batch may have
 */
export function createLocalDelivery(options: LocalDeliveryOptions): DeliverSlice {
  const files = new Map<string, StoredFile>();

  return async function deliverSlice(slice) {
    const file = files.get(slice.id) ?? new StoredFile(options, slice.id);
    files.set(slice.id, file);
    const stored = file.store(slice, file.last);
    file.last = stored;
    try {
      await stored;
    } finally {
      // Nothing is under way: the position is in the journal, and a failure is not that of later slices.
      if (file.last === stored) files.delete(slice.id);
    }
  };
}

/** Bytes of the NDJSON of a slice, whole lines. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** The slice before it is stored. */
  readonly before: Promise<void>;
}

/** One file's slices: decoded side by side, each stored after the one before, and not at all where that failed. */
class StoredFile {
  last: Promise<void> = Promise.resolve();
  readonly #options: LocalDeliveryOptions;
  readonly #source: string;

  constructor(options: LocalDeliveryOptions, id: string) {
    this.#options = options;
    this.#source = `file:${id}`;
  }

  async store(slice: Slice, before: Promise<void>): Promise<void> {
    const { positionOf, remember } = this.#options;
    const done = remember === 'key' ? 0 : storedBytes(positionOf(this.#source), slice);
    if (done !== undefined) await this.#storeParts(slice, { from: done, to: slice.converted.body.length, before });
    await before;
  }

  /** Stores some lines of its body; those that have too many hours in two parts. */
  async #storeParts(slice: Slice, { from, to, before }: Part): Promise<void> {
    const { body } = slice.converted;
    try {
      await this.#storePart(slice, { from, to, before });
    } catch (error) {
      if (!(error instanceof TooManyHoursError || error instanceof BatchTooLargeError)) throw error;
      const middle = middleLine(body, from, to);
      if (middle === undefined) {
        const beginning = body.subarray(from, Math.min(to, from + KEPT_OF_LINE));
        return this.#storePart(slice, { from: to, to, before }, [{ beginning, reason: error.message }]);
      }
      await this.#storeParts(slice, { from, to: middle, before });
      await this.#storeParts(slice, { from: middle, to, before });
    }
  }

  async #storePart(slice: Slice, { from, to, before }: Part, refused: readonly UnreadFrame[] = []): Promise<void> {
    const { stream, source, map, remember, onRecords } = this.#options;
    const { body, unreadable } = slice.converted;
    const isLast = to === body.length;
    const unread = [...refused, ...(isLast ? unreadable.map((line) => ({ ...toUnread(line), map })) : [])];
    if (from === to && unread.length === 0) return;
    // A line that was refused ends where the next part begins.
    const place = from === 0 && isLast ? '' : `.${from}${refused.length > 0 ? 'r' : ''}`;
    const result = await this.#ingestOnce({
      stream,
      format: 'ndjson',
      // Ingest owns what it gets, and a part that is refused is stored again.
      body: Buffer.from(body.subarray(from, to)),
      invalid: 'dead-letter',
      source,
      unread,
      after: before,
      ...(remember === 'key'
        ? { idempotencyKey: `${this.#source}:${slice.from}-${slice.to}${place}` }
        : { position: this.#positionAt(slice, to, isLast) }),
    });
    if (result === 'known') return;
    if (result.kind === 'accepted') onRecords(result.records);
    else if (result.rejected > 0) throw new PermanentError('an input cannot be refused records');
  }

  /** `known`: an earlier run has stored the part as another version or other options convert it. */
  async #ingestOnce(request: IngestRequest): Promise<IngestResult | 'known'> {
    try {
      return await this.#options.ingest(request);
    } catch (error) {
      if (error instanceof IdempotencyConflict) return 'known';
      throw error;
    }
  }

  #positionAt(slice: Slice, to: number, isLast: boolean): Position {
    return { source: this.#source, next: isLast ? String(slice.to) : `${slice.from}+${to}` };
  }
}

/** Of the body of a slice, the bytes that are stored already; undefined: all of it. */
function storedBytes(position: string | undefined, { from, to }: Slice): number | undefined {
  if (position === undefined) return 0;
  const [offset = '0', part] = position.split('+');
  if (part === undefined) return Number(offset) >= to ? undefined : 0;
  if (Number(offset) === from) return Number(part);
  return Number(offset) > from ? undefined : 0;
}

/** Where a line ends near the middle; undefined where there is but one. */
function middleLine(body: Buffer, from: number, to: number): number | undefined {
  const middle = from + Math.floor((to - from) / 2);
  const before = body.lastIndexOf(BYTES.NEWLINE, middle) + 1;
  if (before > from) return before;
  const after = body.indexOf(BYTES.NEWLINE, middle) + 1;
  return after > 0 && after < to ? after : undefined;
}

function toUnread({ number, reason, bytes }: Slice['converted']['unreadable'][number]): UnreadFrame {
  return { beginning: Buffer.from(bytes.subarray(0, KEPT_OF_LINE)), reason: `line ${number}: ${reason}` };
}
