import type { CompressedHourFile } from './data-files.ts';
import type { CountedLines } from './hour-frames.ts';
import { MemoryPool } from './memory-pool.ts';

/** When lines become a frame. */
export interface WaitingLimits {
  /** Bytes of an hour. */
  readonly hourBytes: number;
  /** Bytes of all hours: then the lines that have waited longest become frames. */
  readonly allBytes: number;
  /** Milliseconds without more lines. */
  readonly ms: number;
}

export const WAITING_LIMITS: WaitingLimits = { hourBytes: 256 * 1024, allBytes: 32 * 1024 * 1024, ms: 10_000 };

const NOTHING = Buffer.alloc(0);

interface Waiting {
  /** The lines are its first `bytes`. */
  memory: Buffer;
  bytes: number;
  records: number;
  /** Of `performance.now()`: when the newest lines came. */
  since: number;
}

/**
 * Lines of compressed hours that are committed and in no frame yet: durable in the journal, in memory for readers and for the frame
 * that they become. Frames of single records would take more room than the records.
 */
export class WaitingLines {
  readonly #byFile = new Map<CompressedHourFile, Waiting>();
  readonly #limits: WaitingLimits;
  readonly #pool = new MemoryPool({ bytes: 256 * 1024, count: 4 });
  #bytes = 0;

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  /** Bytes of all hours. */
  get bytes(): number {
    return this.#bytes;
  }

  get files(): readonly CompressedHourFile[] {
    return [...this.#byFile.keys()];
  }

  /** Copies the lines: the memory of a batch is used again. */
  add(file: CompressedHourFile, pieces: readonly CountedLines[]): void {
    const more = pieces.reduce((sum, { lines }) => sum + lines.length, 0);
    const waiting = this.#byFile.get(file) ?? { memory: NOTHING, bytes: 0, records: 0, since: 0 };
    this.#reserve(waiting, waiting.bytes + more);
    for (const { lines, records } of pieces) {
      waiting.bytes += lines.copy(waiting.memory, waiting.bytes);
      waiting.records += records;
    }
    this.#bytes += more;
    waiting.since = performance.now();
    // The file that has waited longest stands first.
    this.#byFile.delete(file);
    this.#byFile.set(file, waiting);
  }

  #reserve(waiting: Waiting, bytes: number): void {
    if (bytes <= waiting.memory.length) return;
    const memory = this.#pool.take(bytes);
    waiting.memory.copy(memory, 0, 0, waiting.bytes);
    this.#pool.giveBack(waiting.memory);
    waiting.memory = memory;
  }

  /** The lines, until the next call of `add` or `delete` for the file. */
  piecesOf(file: CompressedHourFile): readonly CountedLines[] {
    const waiting = this.#byFile.get(file);
    return waiting === undefined
      ? []
      : [{ lines: waiting.memory.subarray(0, waiting.bytes), records: waiting.records }];
  }

  bytesOf(file: CompressedHourFile): number {
    return this.#byFile.get(file)?.bytes ?? 0;
  }

  /** The lines as one piece of memory of its own; undefined when none wait. */
  copyOf(file: CompressedHourFile): Uint8Array | undefined {
    const waiting = this.#byFile.get(file);
    return waiting && Buffer.from(waiting.memory.subarray(0, waiting.bytes));
  }

  delete(file: CompressedHourFile): void {
    const waiting = this.#byFile.get(file);
    if (waiting === undefined) return;
    this.#bytes -= waiting.bytes;
    this.#byFile.delete(file);
    this.#pool.giveBack(waiting.memory);
  }

  /** Whether `more` bytes would be too many. */
  isFull(more: number): boolean {
    return this.#bytes + more > this.#limits.allBytes;
  }

  /** The files whose lines should become frames now. `more`: bytes that come with the next commit. */
  due({ more = 0 } = {}): CompressedHourFile[] {
    const due: CompressedHourFile[] = [];
    const { hourBytes, allBytes, ms } = this.#limits;
    const latest = performance.now() - ms;
    let excess = this.#bytes + more - allBytes;
    for (const [file, { bytes, since }] of this.#byFile) {
      if (excess <= 0 && since > latest && bytes < hourBytes) continue;
      due.push(file);
      excess -= bytes;
    }
    return due;
  }
}
