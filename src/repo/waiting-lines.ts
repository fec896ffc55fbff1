import type { CompressedHourFile } from './data-files.ts';
import type { CountedLines } from './hour-frames.ts';

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

interface Waiting {
  readonly pieces: CountedLines[];
  bytes: number;
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
  add(file: CompressedHourFile, pieces: Iterable<CountedLines>): void {
    const waiting = this.#byFile.get(file) ?? { pieces: [], bytes: 0, since: 0 };
    for (const { lines, records } of pieces) {
      waiting.pieces.push({ lines: Buffer.from(lines), records });
      waiting.bytes += lines.length;
      this.#bytes += lines.length;
    }
    waiting.since = performance.now();
    // The file that has waited longest stands first.
    this.#byFile.delete(file);
    this.#byFile.set(file, waiting);
  }

  piecesOf(file: CompressedHourFile): readonly CountedLines[] {
    return this.#byFile.get(file)?.pieces ?? [];
  }

  bytesOf(file: CompressedHourFile): number {
    return this.#byFile.get(file)?.bytes ?? 0;
  }

  /** The lines as one piece of memory of its own; undefined when none wait. */
  copyOf(file: CompressedHourFile): Uint8Array | undefined {
    const waiting = this.#byFile.get(file);
    return (
      waiting &&
      Buffer.concat(
        waiting.pieces.map(({ lines }) => lines),
        waiting.bytes,
      )
    );
  }

  delete(file: CompressedHourFile): void {
    this.#bytes -= this.bytesOf(file);
    this.#byFile.delete(file);
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
