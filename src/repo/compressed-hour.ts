import * as fs from 'node:fs';
import { type FramesLength, NO_FRAMES } from './frames-file.ts';
import {
  DamagedFrameError,
  DamagedHourError,
  decodeFrame,
  decodeTrailer,
  type Frame,
  lastTrailer,
  TRAILER_BYTES,
} from './hour-frames.ts';
import type { HourFile } from './repo.ts';

/** A frame, or a part of the file that is no frame, and where it is. */
interface Place {
  /** The lines that it holds, as logical offsets. */
  readonly from: number;
  readonly to: number;
  /** Position of the zstd frame in the file. */
  readonly at: number;
  /** Undefined where the file is damaged. */
  readonly frame: Frame | undefined;
}

const SEARCH_BYTES = 256 * 1024;

export interface CompressedHourOptions {
  readonly path: string;
  readonly fd: number;
  readonly frames: FramesLength;
  /** Committed lines that are in no frame yet. */
  readonly waiting: Uint8Array | undefined;
}

/**
 * Reads a compressed hour by logical offsets. Walks the trailers from the end, only as far as it is asked to read, and keeps the lines
 * of one frame in memory.
 */
export class CompressedHour implements HourFile {
  readonly size: number;
  readonly #options: CompressedHourOptions;
  /** From the end of the file towards its beginning. */
  readonly #places: Place[] = [];
  #lastPlace: Place | undefined;
  #lastLines: Buffer = Buffer.alloc(0);

  constructor(options: CompressedHourOptions) {
    this.#options = options;
    this.size = options.frames.lines + (options.waiting?.length ?? 0);
  }

  /** DamagedHourError where a frame cannot be read. A deleted file is cut in steps while it is read here (hours-on-disk.ts): it ends. */
  readonly read: HourFile['read'] = (target, offset, length, position) => {
    try {
      return this.#readLines(target, offset, length, position);
    } catch (error) {
      if (error instanceof DamagedHourError && fs.fstatSync(this.#options.fd).nlink === 0) return 0;
      throw error;
    }
  };

  readonly #readLines: HourFile['read'] = (target, offset, length, position) => {
    const { frames, waiting } = this.#options;
    if (position >= frames.lines) {
      const start = position - frames.lines;
      const rest = waiting?.subarray(start, start + length) ?? new Uint8Array();
      target.set(rest, offset);
      return rest.length;
    }
    const place = this.#placeOf(position);
    const lines = this.#linesOf(place);
    const start = position - place.from;
    return lines.copy(target, offset, start, Math.min(lines.length, start + length));
  };

  readonly close = (): void => fs.closeSync(this.#options.fd);

  /** Position in the file of its first line's frame. What stands between the beginning of the file and it is of another hour. */
  get firstFrameAt(): number {
    return this.#placeOf(0).at;
  }

  #linesOf(place: Place): Buffer {
    if (this.#lastPlace === place) return this.#lastLines;
    const { frame, at, from, to } = place;
    const damaged = (cause?: unknown): DamagedHourError =>
      new DamagedHourError({ path: this.#options.path, offset: from, bytes: to - from, position: at }, { cause });
    if (frame === undefined) throw damaged();
    try {
      this.#lastLines = decodeFrame(this.#read(at, frame.zstd), frame);
    } catch (error) {
      throw error instanceof DamagedFrameError ? damaged(error) : error;
    }
    this.#lastPlace = place;
    return this.#lastLines;
  }

  #placeOf(position: number): Place {
    let last = this.#places.at(-1);
    while (last === undefined || last.from > position) {
      last = this.#walk(last);
      this.#places.push(last);
    }
    // By halves: `from` falls along the row.
    let low = 0;
    for (let high = this.#places.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((this.#places[middle] as Place).from <= position) high = middle;
      else low = middle + 1;
    }
    return this.#places[low] as Place;
  }

  /** The place before `next`; the last one of the file when there is none. */
  #walk(next: Place | undefined): Place {
    const { frames } = this.#options;
    const end = next?.at ?? frames.length;
    const to = next?.from ?? frames.lines;
    const trailerAt = end - TRAILER_BYTES;
    const frame = trailerAt < 0 ? undefined : decodeTrailer(this.#read(trailerAt, TRAILER_BYTES));
    if (frame !== undefined && frame.offset + frame.lines === to && frame.zstd <= trailerAt)
      return { from: frame.offset, to, at: trailerAt - frame.zstd, frame };
    const before = this.#findBefore(end, to);
    return { from: before.lines, to, at: before.length, frame: undefined };
  }

  /**
   * The end of the nearest frame that ends before `end`, or at it where bytes between two frames are missing, and whose lines end at `to`
   * or before; the beginning when there is none.
   */
  #findBefore(end: number, to: number): FramesLength {
    for (let stop = end; stop >= TRAILER_BYTES; ) {
      const start = Math.max(0, stop - SEARCH_BYTES);
      const bytes = this.#read(start, stop - start);
      for (let at = lastTrailer(bytes); at !== -1; at = lastTrailer(bytes.subarray(0, at + TRAILER_BYTES - 1))) {
        const frame = decodeTrailer(bytes, at) as Frame;
        const found = { length: start + at + TRAILER_BYTES, lines: frame.offset + frame.lines };
        if (found.lines < to || (found.lines === to && found.length < end)) return found;
      }
      if (start === 0) break;
      stop = start + TRAILER_BYTES - 1;
    }
    return NO_FRAMES;
  }

  #read(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const count = fs.readSync(this.#options.fd, buffer, filled, length - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return buffer.subarray(0, filled);
  }
}
