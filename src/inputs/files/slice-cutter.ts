import type { Boundary, Framing } from '../../decode/decode.ts';
import { BYTES } from '../../model/bytes.ts';
import { BLOCK_BYTES, MAX_FRAME_BYTES } from './files.ts';

/** A range of a file that ends with a frame. */
export interface Cut {
  readonly from: number;
  readonly to: number;
  /** Its frames with their delimiters; memory of its own, or of the pieces that were added. */
  readonly bytes: Buffer;
  /** Its end is the first end of a frame at or after a multiple of BLOCK_BYTES. */
  readonly isBorder: boolean;
  /** Its last frame was longer than MAX_FRAME_BYTES, and is not in `bytes`: only its beginning is left. */
  readonly tooLong: { readonly beginning: Buffer; readonly bytes: number } | undefined;
}

export type CreateBoundary = (framing: Framing, within: boolean) => Boundary;

/** Where the next slice may or must end. */
export interface CutLimits {
  /** Exactly here: a slice of an earlier run. */
  readonly at?: number | undefined;
  /** Not beyond this offset. */
  readonly atMost?: number | undefined;
  /** After so many frames. */
  readonly frames?: number | undefined;
}

export interface CutterOptions {
  readonly framing: Framing;
  readonly createBoundary: CreateBoundary;
  /** Offset of the first byte that is added. */
  readonly from: number;
}

/** Bytes that are kept of a frame that is too long. */
const BEGINNING_BYTES = 64 * 1024;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
const { NEWLINE, SPACE } = BYTES;

/**
 * Cuts the bytes of a file, which are added in order, into slices. It finds the same ends whatever pieces the bytes come in. Holds what was
 * added and not cut; of a frame that is too long only the beginning, so that a slice never needs more than BLOCK_BYTES + MAX_FRAME_BYTES.
 */
export class SliceCutter {
  readonly #framing: Framing;
  readonly #createBoundary: CreateBoundary;
  #boundary: Boundary;
  /** Where the slice begins. */
  #from: number;
  /** Bytes after the gathered ones, not looked at. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Looked at: the bytes of the slice so far, as far as they are kept. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #keepBytes = Number.POSITIVE_INFINITY;
  /** Bytes of the slice that were looked at. */
  #gathered = 0;
  /** Of the last whole frame in the gathered bytes, and of the one before it, where frames are walked. Relative to `from`. */
  #end = 0;
  #endBefore = 0;
  #frames = 0;
  /** Where the frame that is too long begins, relative to `from`. */
  #longFrom: number | undefined;
  #failure: Error | undefined;

  constructor({ framing, createBoundary, from }: CutterOptions) {
    this.#framing = framing;
    this.#createBoundary = createBoundary;
    this.#from = from;
    this.#boundary = createBoundary(framing, from > 0);
  }

  /** Where the next slice begins. */
  get from(): number {
    return this.#from;
  }

  /** The offset after the last byte that was added. */
  get added(): number {
    return this.#from + this.#gathered + this.#waitingBytes;
  }

  /** The bytes that are held are those of a frame that is too long: what was left out cannot be had again but from the file. */
  get isTooLong(): boolean {
    return this.#longFrom !== undefined;
  }

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
  }

  /** The next slice, if its end was added. Throws, after the slice with all frames before that, where the bytes cannot be cut. */
  next(limits: CutLimits = {}): Cut | undefined {
    while (this.#failure === undefined) {
      const piece = this.#waiting.shift();
      if (piece === undefined) return undefined;
      this.#waitingBytes -= piece.length;
      const end = this.#lookAt(piece, limits);
      if (end < 0) {
        this.#gather(piece);
        this.#lookForLong();
        continue;
      }
      this.#gather(piece.subarray(0, end));
      if (end < piece.length) this.#putBack(piece.subarray(end));
      return this.#take();
    }
    const failure = this.#failure;
    const rest = this.partial();
    if (rest === undefined) throw failure;
    this.#failure = failure;
    return rest;
  }

  /** The whole frames that were looked at by `next`, which found no slice. None while a frame that is too long has no end. */
  partial(): Cut | undefined {
    const end = this.#isWalked ? this.#end : this.#lastNewline() + 1;
    if (end === 0 || this.#longFrom !== undefined) return undefined;
    if (end < this.#gathered) {
      const bytes = Buffer.concat(this.#kept);
      this.#kept = [bytes.subarray(0, end)];
      this.#keptBytes = end;
      this.#gathered = end;
      this.#putBack(bytes.subarray(end));
    }
    return this.#take();
  }

  /** All that is left, where the file has ended: the last frame may have no delimiter. Throws where the file must not end here. */
  last(): Cut | undefined {
    let failure: unknown;
    try {
      this.#boundary.end();
    } catch (error) {
      failure = error;
    }
    if (failure !== undefined) {
      const whole = this.partial();
      if (whole !== undefined) return whole;
      throw failure;
    }
    const isBlank = this.#kept.every((piece) => piece.every((byte) => byte <= SPACE));
    if (isBlank && this.#longFrom === undefined) return this.partial();
    this.#endBefore = this.#end;
    return this.#take(false);
  }

  /** Forgets what is held: the next byte that is added is the one at `from`. */
  drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#begin(this.#from);
  }

  /** Gives back what was added after `from`, between two slices. */
  release(): readonly Buffer[] {
    const pieces = [...this.#kept, ...this.#waiting];
    this.drop();
    return pieces;
  }

  /** Index in the piece after the end of the slice, -1 where it does not end in it. */
  #lookAt(piece: Buffer, { at, atMost, frames }: CutLimits): number {
    const before = this.#gathered;
    if (at !== undefined) {
      const end = at - this.#from - before;
      if (this.#framing !== 'lines') this.#walk(piece.subarray(0, end), Number.POSITIVE_INFINITY);
      return end <= piece.length ? end : -1;
    }
    const border = (Math.floor(this.#from / BLOCK_BYTES) + 1) * BLOCK_BYTES;
    const target = Math.min(border, atMost ?? border) - this.#from;
    if (!this.#isWalked && frames === undefined) {
      const start = target - 1 - before;
      if (start >= piece.length) return -1;
      return piece.indexOf(NEWLINE, Math.max(0, start)) + 1 || -1;
    }
    return this.#walk(piece, target, frames);
  }

  /** As lookAt, from frame to frame. Without frames to be counted, lines need no walk: it would cost a tenth of the reading. */
  #walk(piece: Buffer, target: number, frames = Number.POSITIVE_INFINITY): number {
    const before = this.#gathered;
    const isMarked = this.#from + before === 0 && piece.subarray(0, 3).equals(BYTE_ORDER_MARK);
    for (let i = isMarked ? 3 : 0; i < piece.length; ) {
      // The byte at which a frame is too long is the same in whatever pieces it comes.
      const stop = this.#longFrom === undefined ? this.#end + MAX_FRAME_BYTES + 1 - before : piece.length;
      const at = this.#findEnd(piece.subarray(0, stop), i);
      if (at >= 0) {
        this.#endBefore = this.#end;
        this.#end = before + at + 1;
        this.#frames++;
        if (this.#end >= target || this.#frames >= frames || this.#longFrom !== undefined) return at + 1;
        i = at + 1;
      } else if (this.#failure !== undefined || stop >= piece.length) return -1;
      else {
        this.#longFrom = this.#end;
        this.#boundary.reset();
        i = stop;
      }
    }
    return -1;
  }

  #findEnd(bytes: Buffer, from: number): number {
    try {
      return this.#boundary.next(bytes, from);
    } catch (error) {
      this.#failure = error as Error;
      return -1;
    }
  }

  get #isWalked(): boolean {
    return this.#framing !== 'lines' || this.#frames > 0;
  }

  #gather(piece: Buffer): void {
    this.#gathered += piece.length;
    if (this.#keptBytes >= this.#keepBytes) return;
    this.#kept.push(piece);
    this.#keptBytes += piece.length;
    this.#keepBeginning();
  }

  /** Of lines that are not walked: in a slice of such a length the last one is too long, though its end is not known. */
  #lookForLong(): void {
    if (this.#longFrom !== undefined || this.#isWalked || this.#gathered <= BLOCK_BYTES + MAX_FRAME_BYTES) return;
    this.#longFrom = this.#lastNewline() + 1;
    this.#keepBeginning();
  }

  #keepBeginning(): void {
    if (this.#longFrom === undefined) return;
    this.#keepBytes = this.#longFrom + BEGINNING_BYTES;
    if (this.#keptBytes <= this.#keepBytes) return;
    // A copy, so that the pieces can go.
    this.#kept = [Buffer.concat(this.#kept, this.#keepBytes)];
    this.#keptBytes = this.#keepBytes;
  }

  /** Relative to `from`; -1 where there is none. */
  #lastNewline(): number {
    let begin = this.#keptBytes;
    for (const piece of this.#kept.toReversed()) {
      begin -= piece.length;
      const at = piece.lastIndexOf(NEWLINE);
      if (at >= 0) return begin + at;
    }
    return -1;
  }

  #putBack(bytes: Buffer): void {
    this.#waiting.unshift(bytes);
    this.#waitingBytes += bytes.length;
  }

  #take(isWhole = true): Cut {
    const from = this.#from;
    const to = from + this.#gathered;
    const kept = this.#kept.length === 1 ? (this.#kept[0] as Buffer) : Buffer.concat(this.#kept);
    const long = this.#longFrom ?? this.#findLong(kept);
    const cut: Cut = {
      from,
      to,
      bytes: kept.subarray(0, long ?? kept.length),
      isBorder: isWhole && Math.floor(to / BLOCK_BYTES) > Math.floor(from / BLOCK_BYTES),
      tooLong:
        long === undefined
          ? undefined
          : { beginning: kept.subarray(long, long + BEGINNING_BYTES), bytes: to - from - long },
    };
    this.#begin(to);
    return cut;
  }

  /** Where the last frame begins, if it is too long. Only the last can be: it spans many blocks. */
  #findLong(kept: Buffer): number | undefined {
    if (kept.length <= MAX_FRAME_BYTES + 1) return undefined;
    const begin = this.#isWalked ? this.#endBefore : kept.lastIndexOf(NEWLINE, kept.length - 2) + 1;
    return kept.length - begin > MAX_FRAME_BYTES + 1 ? begin : undefined;
  }

  #begin(from: number): void {
    this.#from = from;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#keepBytes = Number.POSITIVE_INFINITY;
    this.#gathered = 0;
    this.#end = 0;
    this.#endBefore = 0;
    this.#frames = 0;
    this.#longFrom = undefined;
    this.#failure = undefined;
    this.#boundary = this.#createBoundary(this.#framing, from > 0);
  }
}
