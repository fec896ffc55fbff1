import { BYTES } from '../model/bytes.ts';

const { NEWLINE } = BYTES;

/** The lines of an hour, open for reading; positions are those of the plain lines. */
export interface HourSource {
  /** Length in bytes when it was opened. */
  readonly size: number;
  /** Reads up to `length` bytes at `position` into `target` at `offset`, and gives how many; 0 at the end. */
  read(target: Buffer, offset: number, length: number, position: number): number;
}

/** Bytes of an hour that cannot be read. Both ends are ends of lines. */
export interface UnreadRange {
  readonly offset: number;
  readonly bytes: number;
  /** In the file, where a frame of it is damaged. */
  readonly position?: number | undefined;
  readonly reason: string;
}

export interface BlockOptions {
  readonly source: HourSource;
  /** Length of the hour. What stands after its last newline is no record. */
  readonly bytes: number;
  /** Used for every block. */
  readonly memory: BlockMemory;
  /** The range that an error of `read` names; undefined where the rest of the hour is lost. */
  readonly rangeOf: (error: unknown) => Omit<UnreadRange, 'reason'> | undefined;
  /** Told of each range that is left out, once. */
  readonly onUnread: (range: UnreadRange) => void;
  /** Counts what is read. */
  readonly onRead: (bytes: number) => void;
}

/** Whole lines of an hour. */
export interface Block {
  /** Valid until the next block is asked for. */
  readonly lines: Buffer;
  /** Where they begin in the hour. */
  readonly offset: number;
}

/** The first block is small, so that the first records come soon; then each is four times as large, up to this. */
const FIRST_BLOCK = 64 * 1024;
const BLOCK = 1024 * 1024;
/** ingestion.maxRecordBytes allows no more. A longer line was written by others, and is left out. */
const MAX_LINE = 64 * 1024 * 1024;

/** A buffer that grows for a long line. */
export class BlockMemory {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BLOCK);

  /** Makes room for `length` bytes; the first `kept` stay. */
  reserve(length: number, kept: number): void {
    if (this.bytes.length >= length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(2 * this.bytes.length, BLOCK + FIRST_BLOCK)));
    this.bytes.copy(larger, 0, 0, kept);
    this.bytes = larger;
  }
}

/** The whole lines of an hour, from its start, in blocks. */
export function* readForward(options: BlockOptions): Generator<Block> {
  const { bytes, memory, onUnread } = options;
  const reader = createReader(options);
  let at = 0;
  /** Bytes of a line that is not whole yet, at the start of the memory. */
  let kept = 0;
  let size = FIRST_BLOCK;
  let skips = false;
  while (at < bytes) {
    memory.reserve(kept + size, kept);
    const read = reader.read(kept, Math.min(size, bytes - at), at);
    if (typeof read !== 'number') {
      // What was kept is the beginning of a line whose end is lost.
      kept = 0;
      at = read.end;
      continue;
    }
    at += read;
    const end = kept + read;
    const newline = memory.bytes.subarray(kept, end).lastIndexOf(NEWLINE);
    const linesEnd = newline === -1 ? 0 : kept + newline + 1;
    const start = skips && linesEnd > 0 ? memory.bytes.indexOf(NEWLINE) + 1 : 0;
    if (linesEnd > start) yield { lines: memory.bytes.subarray(start, linesEnd), offset: at - end + start };
    if (linesEnd > 0) skips = false;
    kept = skips ? 0 : end - linesEnd;
    if (linesEnd > 0) memory.bytes.copyWithin(0, linesEnd, linesEnd + kept);
    if (kept > MAX_LINE) {
      onUnread({ offset: at - kept, bytes: kept, reason: `a line is longer than ${MAX_LINE} bytes` });
      kept = 0;
      skips = true;
    }
    size = Math.max(Math.min(size * 4, BLOCK), kept);
  }
}

/** The whole lines of an hour, from its end, in blocks: the last lines come first, each block in stored order. */
export function* readBackward(options: BlockOptions): Generator<Block> {
  const { bytes, memory, onUnread } = options;
  const reader = createReader(options);
  let end = bytes;
  /** What stands at `end`: the rest of a line that begins before it. */
  let rest = Buffer.alloc(0);
  /** Before it nothing can be read, up to the offset in `resume`. */
  let floor = 0;
  let resume = 0;
  let size = FIRST_BLOCK;
  while (end > 0) {
    if (end === floor) {
      [end, floor, resume, rest] = [resume, 0, 0, Buffer.alloc(0)];
      continue;
    }
    const start = Math.max(floor, end - size);
    memory.reserve(end - start + rest.length, 0);
    const lost = reader.fill(end - start, start);
    if (lost !== undefined) {
      if (lost.end >= end) [end, rest] = [Math.min(lost.start, end), Buffer.alloc(0)];
      else [floor, resume] = [lost.end, lost.start];
      continue;
    }
    rest.copy(memory.bytes, end - start);
    const block = memory.bytes.subarray(0, end - start + rest.length);
    const first = start === floor ? 0 : block.indexOf(NEWLINE) + 1;
    const isWithin = start !== floor && first === 0;
    const last = isWithin ? 0 : block.lastIndexOf(NEWLINE) + 1;
    const next = Buffer.from(block.subarray(0, isWithin ? block.length : first));
    if (last > first) yield { lines: block.subarray(first, last), offset: start + first };
    end = start;
    rest = next;
    if (rest.length > MAX_LINE) {
      onUnread({ offset: end, bytes: rest.length, reason: `a line is longer than ${MAX_LINE} bytes` });
      // Its beginning is still to come, and without its end it is no line.
      rest = Buffer.alloc(0);
    }
    size = Math.max(Math.min(size * 4, BLOCK), rest.length);
  }
}

/** A range that cannot be read: [start, end). */
interface Lost {
  readonly start: number;
  readonly end: number;
}

/** Reads into the memory, and tells of what cannot be read. */
function createReader({ source, bytes, memory, rangeOf, onUnread, onRead }: BlockOptions) {
  const told = new Set<number>();

  function lose(offset: number, end: number, about: Pick<UnreadRange, 'reason' | 'position'>): Lost {
    if (!told.has(offset)) onUnread({ offset, bytes: end - offset, ...about });
    told.add(offset);
    return { start: offset, end };
  }

  /** Some bytes of [position, position + length), or the range at `position` that is lost. */
  function read(offset: number, length: number, position: number): number | Lost {
    try {
      const count = source.read(memory.bytes, offset, length, position);
      onRead(count);
      return count > 0 ? count : lose(position, bytes, { reason: `the file became shorter than ${bytes} bytes` });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const range = rangeOf(error);
      const end = range === undefined ? bytes : range.offset + range.bytes;
      if (range === undefined || end <= position || range.offset >= position + length)
        return lose(position, bytes, { reason });
      return range.offset > position
        ? read(offset, range.offset - position, position)
        : lose(range.offset, Math.min(end, bytes), { reason, position: range.position });
    }
  }

  /** Reads all of [position, position + length) to the start of the memory; a range that is lost where there is one. */
  function fill(length: number, position: number): Lost | undefined {
    for (let done = 0; done < length; ) {
      const count = read(done, length - done, position + done);
      if (typeof count !== 'number') return count;
      done += count;
    }
    return undefined;
  }

  return { read, fill };
}
